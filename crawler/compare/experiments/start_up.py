"""`start-up`: how long a pool takes to its first result, and what its workers take of memory."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence

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
from crawler.compare.experiment import Experiment
from crawler.compare.experiments.start_up_work import PROCESSES
from crawler.compare.observation import Observed
from crawler.compare.statistics import estimate, faster
from crawler.measure.quantity import number

_MOST_WORKERS = 8
_WORKER = memory("worker_pss", "memory a worker")
_SECOND = Figure(name="second", title="second pool")
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
    return [
        Arm(name=kind, parameters={"kind": kind, "workers": workers}) for kind in _kinds(setting)
    ]


def _contrasts(setting: Setting) -> Sequence[Contrast]:
    """Return the contrasts of the kinds that this system has."""
    planned = [
        *(_starts_faster("thread", process) for process in PROCESSES),
        _starts_faster("fork", "spawn"),
        _starts_faster("interpreter", "spawn"),
        _smaller("thread", "fork"),
        _smaller("thread", "spawn"),
        _smaller("interpreter", "spawn"),
    ]
    kinds = _kinds(setting)
    return [each for each in planned if each.base in kinds and each.other in kinds]


def _starts_faster(other: str, base: str) -> Contrast:
    return Contrast(
        claim=f"{_NAMES[other]} give their first result before {_NAMES[base]}",
        base=base,
        other=other,
        figure=WALL,
        expect="faster",
    )


def _smaller(other: str, base: str) -> Contrast:
    return Contrast(
        claim=f"{_NAMES[other]} take less memory than {_NAMES[base]}",
        base=base,
        other=other,
        figure=_WORKER,
        expect="faster",
    )


def _checks(observed: Observed) -> Sequence[Finding]:
    found = [_second(observed)] if "forkserver" in _kinds(observed.setting) else []
    return [*found, *absent(observed.setting)]


def _second(observed: Observed) -> Finding:
    """Compare the fork server's first pool with its second, within each turn."""
    claim = "the fork server's second pool starts faster than its first, which starts the server"
    if trouble := observed.trouble("forkserver"):
        return Finding(claim=claim, outcome="invalid", text=f"invalid: {trouble}")
    found = estimate(
        observed.quotients("forkserver", "first", "second"), seed=observed.setting.seed
    )
    if found is None:
        return Finding(claim=claim, outcome="undecided", text="too few rounds")
    ratio, outcome = found.ratio, faster(found)
    shown = f"{number(ratio.low)} to {number(ratio.high)}; {found.rounds} rounds"
    return Finding(
        claim=claim, outcome=outcome, text=f"{number(ratio.value)} times as fast ({shown})"
    )


def _charts(observed: Observed) -> Sequence[Chart]:
    kinds = [kind for kind in _kinds(observed.setting) if not observed.trouble(kind)]
    names = [_NAMES[kind] for kind in kinds]
    times = {
        "from nothing": [observed.median(kind, "first") * 1e3 for kind in kinds],
        "the second pool": [observed.median(kind, "second") * 1e3 for kind in kinds],
    }
    memory = {
        "a worker": [observed.median(kind, "worker_pss") / 1e6 for kind in kinds],
        "all that came with the pool, by worker": [
            observed.median(kind, "added_pss") / 1e6 for kind in kinds
        ],
    }
    return [
        Bars(
            title="Time to the first result",
            note="From the call that makes the pool to the first answer, in the median.",
            x="pool",
            groups=names,
            values=times,
            unit="ms",
            log=True,
        ),
        Bars(
            title="Memory a worker",
            note="Processes: what they share is divided (PSS). Threads and interpreters: "
            "the private memory that they added.",
            x="pool",
            groups=names,
            values=memory,
            unit="MB",
            log=True,
        ),
    ]


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
