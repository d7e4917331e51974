"""`start-up`: how long a pool takes to its first result, and what its workers take of memory."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence

from crawler.compare.design import (
    WALL,
    Arm,
    Bars,
    Chart,
    Contrast,
    Figure,
    Finding,
    Setting,
    memory,
)
from crawler.compare.executors import absent, has_loky
from crawler.compare.experiment import Experiment, listed
from crawler.compare.experiments.start_up_work import PROCESSES
from crawler.compare.observation import Observed
from crawler.compare.statistics import estimate, faster
from crawler.measure.quantity import number

_MOST_WORKERS = 8
_WORKER = memory("worker_pss", "memory a worker")
_SECOND = Figure("second", "second pool")
_NAMES = {
    "thread": "threads",
    "interpreter": "interpreters",
    "fork": "forked processes",
    "forkserver": "processes of the fork server",
    "spawn": "spawned processes",
    "loky": "loky's processes",
}


def _kinds(setting: Setting) -> list[str]:
    found = ["thread"]
    if setting.interpreter.interpreters:
        found.append("interpreter")
    found += [kind for kind in PROCESSES if kind in multiprocessing.get_all_start_methods()]
    return [*found, "loky"] if has_loky(setting) else found


def _arms(setting: Setting) -> Sequence[Arm]:
    workers = min(len(setting.cores), _MOST_WORKERS)
    kinds = _kinds(setting)
    return [Arm(name=kind, parameters={"kind": kind, "workers": workers}) for kind in kinds]


@listed
def _contrasts(setting: Setting) -> Iterator[Contrast]:
    """Yield the contrasts of the kinds that this system has."""
    sooner = [
        *(("thread", each) for each in PROCESSES),
        ("fork", "spawn"),
        ("interpreter", "spawn"),
    ]
    smaller = [("thread", "fork"), ("thread", "spawn"), ("interpreter", "spawn")]
    kinds = _kinds(setting)
    for pairs, how, figure in (
        (sooner, "give their first result before", WALL),
        (smaller, "take less memory than", _WORKER),
    ):
        for other, base in pairs:
            if {base, other} <= {*kinds}:
                claim = f"{_NAMES[other]} {how} {_NAMES[base]}"
                yield Contrast(claim, base, other, figure, "faster")


@listed
def _checks(observed: Observed) -> Iterator[Finding]:
    if "forkserver" in _kinds(observed.setting):
        yield _second(observed)
    yield from absent(observed.setting)


def _second(observed: Observed) -> Finding:
    """Compare the fork server's first pool with its second, within each turn."""
    claim = "the fork server's second pool starts faster than its first, which starts the server"
    if trouble := observed.trouble("forkserver"):
        return Finding(claim, "invalid", f"invalid: {trouble}")
    ratios = observed.quotients("forkserver", "first", "second")
    found = estimate(ratios, seed=observed.setting.seed)
    if found is None:
        return Finding(claim, "undecided", "too few rounds")
    ratio = found.ratio
    shown = f"{number(ratio.low)} to {number(ratio.high)}; {found.rounds} rounds"
    return Finding(claim, faster(found), f"{number(ratio.value)} times as fast ({shown})")


@listed
def _charts(observed: Observed) -> Iterator[Chart]:
    kinds = [kind for kind in _kinds(observed.setting) if not observed.trouble(kind)]

    def medians(figure: str, scale: float) -> list[float]:
        return [observed.median(kind, figure) * scale for kind in kinds]

    yield Bars(
        title="Time to the first result",
        note="From the call that makes the pool to the first answer, in the median.",
        x="pool",
        groups=[_NAMES[kind] for kind in kinds],
        values={"from nothing": medians("first", 1e3), "the second pool": medians("second", 1e3)},
        unit="ms",
        log=True,
    )
    all_of_it = "all that came with the pool, by worker"
    yield Bars(
        title="Memory a worker",
        note="Processes: what they share is divided (PSS). Threads and interpreters: "
        "the private memory that they added.",
        x="pool",
        groups=[_NAMES[kind] for kind in kinds],
        values={"a worker": medians("worker_pss", 1e-6), all_of_it: medians("added_pss", 1e-6)},
        unit="MB",
        log=True,
    )


EXPERIMENT = Experiment(
    name="start-up",
    question="What does a pool cost before it does anything?",
    claim="Threads start at once and take next to nothing; a process takes milliseconds if it is "
    "forked, far more if it has to start Python, and some megabytes.",
    module="crawler.compare.experiments.start_up_work",
    arms=_arms,
    contrasts=_contrasts,
    checks=_checks,
    charts=_charts,
    conditions=(
        f"A worker a core, {_MOST_WORKERS} at most; workers import the experiment's small module.",
        "Fork happens in a fresh process without threads; the fork server imports the module once.",
        "Memory is read while all workers live, each after one task of 50 ms.",
    ),
    not_shown=(
        "What a worker takes when it has imported your program and works on your data.",
        "What fork copies later: pages that either side writes to become its own.",
        "Whether fork is safe: with threads it is not, however fast it is.",
    ),
    weight=0.7,
    shown=(WALL, _SECOND, _WORKER),
)
