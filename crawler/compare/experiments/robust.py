"""`robust`: one guilty task among twenty innocent ones: what is lost, and for how long."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from crawler.compare.design import Arm, Bars, Chart, Finding, Setting
from crawler.compare.executors import absent, kinds
from crawler.compare.experiment import Experiment, listed
from crawler.compare.experiments.robust_apart import INNOCENT, NOTHING, PATIENCE, THREADS
from crawler.compare.experiments.robust_tasks import CASES
from crawler.compare.observation import Observed
from crawler.measure.quantity import latency

CRAWLER = "crawler"
_TITLES = {
    "none": "nothing happens",
    "killed": "killed",
    "crashed": "crashes",
    "looping": "loops",
    "hungry": "takes all memory",
    "result": "result that cannot be pickled",
    "argument": "argument that cannot be pickled",
    "unreadable": "exception that cannot be unpickled",
}
_ENDINGS = ("killed", "crashed")
_Trial = dict[str, Any]
_PROCESSES = {"process": "the standard library's pool of processes", "loky": "loky's pool"}


@listed
def _arms(setting: Setting) -> Iterator[Arm]:
    """Yield the arms; the crawler's pages are text, so its arm has no case "argument"."""
    for kind in (*kinds(setting), CRAWLER):
        cases = [case for case in CASES if kind != CRAWLER or case != "argument"]
        yield Arm(name=kind, parameters={"kind": kind, "cases": cases}, equal="")


def _trials(observed: Observed, arm: str, *cases: str) -> list[_Trial]:
    return [trial for case in cases for trial in observed.notes(arm, case)]


@listed
def _checks(observed: Observed) -> Iterator[Finding]:
    arms = [arm.name for arm in observed.arms]
    pools = {kind: pool for kind, pool in _PROCESSES.items() if kind in arms}
    for kind, pool in pools.items():  # a dead worker ends the pool, which fails what it still has
        claim = f"when a worker dies, {pool} loses the innocent tasks that are not done, too"
        trials = _trials(observed, kind, *_ENDINGS)
        held = [0 < trial["lost"] <= INNOCENT for trial in trials]
        yield _finding(observed, kind, claim, held, f"{_lost(trials)}, {_first_said(trials)}")
    for kind, pool in pools.items():
        claim = f"an exception that cannot be unpickled breaks {pool} like a dead worker"
        trials = _trials(observed, kind, "unreadable")
        held = [trial["lost"] > 0 for trial in trials]
        yield _finding(observed, kind, claim, held, f"{_lost(trials)}, {_first_said(trials)}")
    for kind in [kind for kind in THREADS if kind in arms]:  # an endless loop ends only with it
        claim = (
            f"a worker of a pool of {kind}s cannot be killed: what should end it ends the process"
        )
        held = [trial["ended"] for trial in _trials(observed, kind, *_ENDINGS, "looping")]
        text = f"in {sum(held)} of {len(held)} trials the process had to end"
        yield _finding(observed, kind, claim, held, text)
    claim = "the crawler's parser processes lose the guilty page alone, whatever it does"
    trials = _trials(observed, CRAWLER, *CASES)
    held = [trial["lost"] == 0 for trial in trials]
    ruined = _trials(observed, CRAWLER, *CASES[1:])
    held += [trial["said"].startswith("PageFailed: parse") for trial in ruined]
    yield _finding(observed, CRAWLER, claim, held, _lost(trials, "pages"))
    left = {arm: observed.values(arm, "left behind") for arm in arms}
    some = {name: max(counts) for name, counts in left.items() if any(counts)}
    claim = "after all that no worker process is left behind"
    trouble = "" if any(left.values()) else "no turn"
    yield Finding.of(claim, not some, f"left: {some}" if some else "none", trouble=trouble)
    yield _silent(observed, arms)
    yield from (_told(observed, arm) for arm in arms)
    yield from absent(observed.setting)


def _finding(observed: Observed, arm: str, claim: str, held: Sequence[bool], text: str) -> Finding:
    """Return the finding of a prediction that has to hold in each trial made."""
    trouble = observed.trouble(arm) or ("" if held else f"{arm}: no turn")
    return Finding.of(claim, all(held), text, trouble=trouble)


def _silent(observed: Observed, arms: Sequence[str]) -> Finding:
    """Find guilty tasks that failed unheard, so that the caller was given None.

    Interpreters of CPython 3.14.10 do so with a MemoryError, and give it to the next that fails.
    """
    said = {(a, c): [t["said"] for t in _trials(observed, a, c)] for a in arms for c in CASES}
    silent = [where for where, words in said.items() if NOTHING in words]
    named = "; ".join(f"{arm}, {_TITLES[case]}: {NOTHING}" for arm, case in silent)
    claim = "who waits for a guilty task is told how it ended, whatever it does"
    trouble = "" if any(said.values()) else "no turn"
    return Finding.of(claim, not silent, named or "by each pool", trouble=trouble)


def _told(observed: Observed, arm: str) -> Finding:
    """Tell the outcome of each guilty task, as the first turn that counts saw it."""
    lines = [
        f"{_TITLES[case]}: {trial['lost']} lost, {latency(trial['recovery'])}; {trial['said']}"
        for case in CASES
        for trial in _trials(observed, arm, case)[:1]
    ]
    lost = sum(observed.median(arm, f"lost, {case}") > 0 for case in CASES)
    text = f"{lost} of {len(lines) - 1} kinds of guilt cost innocent tasks"
    return Finding(f"what a guilty task does to the {arm} pool", "told", text, "\n".join(lines))


def _lost(trials: Sequence[_Trial], what: str = "tasks") -> str:
    lost = sorted({trial["lost"] for trial in trials})
    if not lost:
        return f"none of {INNOCENT} innocent {what} lost"
    several = str(lost[0]) if len(lost) == 1 else f"{lost[0]} to {lost[-1]}"
    return f"{several} of {INNOCENT} innocent {what} lost"


def _first_said(trials: Sequence[_Trial]) -> str:
    return next((trial["said"].partition(":")[0] for trial in trials), "")


@listed
def _charts(observed: Observed) -> Iterator[Chart]:
    arms = [arm.name for arm in observed.arms if not observed.trouble(arm.name)]
    lost, recovery = (
        {arm: [observed.median(arm, f"{what}, {case}") for case in CASES] for arm in arms}
        for what in ("lost", "recovery")
    )
    titles = [_TITLES[case] for case in CASES]
    every = [count for counts in lost.values() for count in counts if not math.isnan(count)]
    yield Bars(
        title="Innocent tasks lost",
        note=f"Of {INNOCENT}, {int(max(every, default=0))} at the most, as the others were done.",
        x="the guilty task",
        groups=titles,
        values=lost,
    )
    yield Bars(
        title="Seconds until the pool answered again",
        note=f"From the guilty task's submission; a task may take {PATIENCE} s. The first "
        "group is what the innocent tasks alone take.",
        x="the guilty task",
        groups=titles,
        values=recovery,
        unit="s",
        log=True,
    )


EXPERIMENT = Experiment(
    name="robust",
    question="What does one bad task cost the others?",
    claim="Pools of processes survive what ends threads, but the ready-made ones lose all that "
    "was under way; the crawler's own loses the guilty page alone.",
    module="crawler.compare.experiments.robust_apart",
    arms=_arms,
    checks=_checks,
    charts=_charts,
    conditions=(
        f"Two workers, {INNOCENT} innocent tasks of 2 ms, and a guilty one behind the fifth.",
        (
            "A broken pool is thrown away and made anew; lost work is not tried again. "
            f"Of a task that takes more than {PATIENCE} s the workers are killed, and where "
            "they are threads the process."
        ),
        "Memory is limited to 256 MB more than the process has; what is taken is not written to.",
        "Recovery of a pool of threads whose process ended is the start of another process.",
    ),
    not_shown=(
        "Tasks that a caller hands over once more: it would have to know that they may run twice.",
        "A machine without memory, where the kernel chooses whom to kill.",
        "`loky.get_reusable_executor`, which makes the new pool by itself: the lost tasks stay so.",
    ),
    most_rounds=3,
)
