"""`robust`: one guilty task among twenty innocent ones: what is lost, and for how long."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from crawler.compare.design import Arm, Bars, Chart, Finding, Outcome, Setting
from crawler.compare.executors import absent, kinds
from crawler.compare.experiment import Experiment
from crawler.compare.experiments.robust_bench import INNOCENT, NOTHING, PATIENCE
from crawler.compare.experiments.robust_tasks import CASES
from crawler.compare.experiments.robust_work import THREADS
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
_PROCESSES = {"process": "the standard library's pool of processes", "loky": "loky's pool"}


def _arms(setting: Setting) -> Sequence[Arm]:
    """Return the arms; the crawler's pages are text, so its arm has no case "argument"."""
    pages = [case for case in CASES if case != "argument"]
    every = [(kind, list(CASES)) for kind in kinds(setting)]
    return [
        Arm(name=kind, parameters={"kind": kind, "cases": cases}, equal="")
        for kind, cases in [*every, (CRAWLER, pages)]
    ]


def _trials(observed: Observed, arm: str, case: str) -> list[dict[str, Any]]:
    trials: list[dict[str, Any]] = observed.notes(arm, case)
    return trials


def _checks(observed: Observed) -> Sequence[Finding]:
    arms = [arm.name for arm in observed.arms]
    return [
        *(_loses_all(observed, kind) for kind in _PROCESSES if kind in arms),
        *(_unreadable(observed, kind) for kind in _PROCESSES if kind in arms),
        *(_ends(observed, kind) for kind in THREADS if kind in arms),
        _guilty_alone(observed),
        _left_behind(observed),
        _silent(observed),
        *(_told(observed, arm) for arm in arms),
        *absent(observed.setting),
    ]


def _finding(observed: Observed, arm: str, claim: str, held: Sequence[bool], text: str) -> Finding:
    """Return the finding of a prediction that has to hold in each trial made."""
    trouble = observed.trouble(arm) or ("" if held else f"{arm}: no turn")
    outcome: Outcome = "as predicted" if all(held) else "otherwise"
    return Finding(claim=claim, outcome="invalid" if trouble else outcome, text=trouble or text)


def _loses_all(observed: Observed, kind: str) -> Finding:
    """Find that a dead worker ends the pool, which then fails what it still has."""
    trials = [t for case in _ENDINGS for t in _trials(observed, kind, case)]
    return _finding(
        observed,
        kind,
        f"when a worker dies, {_PROCESSES[kind]} loses the innocent tasks that are not done, too",
        [0 < trial["lost"] <= INNOCENT for trial in trials],
        f"{_range(trials)} of {INNOCENT} innocent tasks lost, {_first_said(trials)}",
    )


def _unreadable(observed: Observed, kind: str) -> Finding:
    trials = _trials(observed, kind, "unreadable")
    return _finding(
        observed,
        kind,
        f"an exception that cannot be unpickled breaks {_PROCESSES[kind]} like a dead worker",
        [trial["lost"] > 0 for trial in trials],
        f"{_range(trials)} of {INNOCENT} innocent tasks lost, {_first_said(trials)}",
    )


def _ends(observed: Observed, kind: str) -> Finding:
    """Find that what should end a worker ends the process; an endless loop ends only with it."""
    trials = [t for case in (*_ENDINGS, "looping") for t in _trials(observed, kind, case)]
    return _finding(
        observed,
        kind,
        f"a worker of a pool of {kind}s cannot be killed: what should end it ends the process",
        [trial["ended"] for trial in trials],
        f"in {sum(t['ended'] for t in trials)} of {len(trials)} trials the process had to end",
    )


def _guilty_alone(observed: Observed) -> Finding:
    trials = [t for case in CASES for t in _trials(observed, CRAWLER, case)]
    ruined = [t for case in CASES[1:] for t in _trials(observed, CRAWLER, case)]
    return _finding(
        observed,
        CRAWLER,
        "the crawler's parser processes lose the guilty page alone, whatever it does",
        [
            *(trial["lost"] == 0 for trial in trials),
            *(trial["said"].startswith("PageFailed: parse") for trial in ruined),
        ],
        f"{_range(trials)} of {INNOCENT} innocent pages lost",
    )


def _left_behind(observed: Observed) -> Finding:
    left = {arm.name: observed.values(arm.name, "left behind") for arm in observed.arms}
    some = {name: max(counts) for name, counts in left.items() if any(counts)}
    measured = any(left.values())
    outcome: Outcome = "otherwise" if some else "as predicted"
    return Finding(
        claim="after all that no worker process is left behind",
        outcome=outcome if measured else "invalid",
        text=f"left: {some}" if some else "none" if measured else "no turn",
    )


def _silent(observed: Observed) -> Finding:
    """Find guilty tasks that failed unheard, so that the caller was given None.

    Interpreters of CPython 3.14.10 do so with a MemoryError, and give it to the next that fails.
    """
    trials = [
        (arm.name, case, trial["said"])
        for arm in observed.arms
        for case in CASES
        for trial in _trials(observed, arm.name, case)
    ]
    silent = dict.fromkeys((arm, case) for arm, case, said in trials if said == NOTHING)
    named = "; ".join(f"{arm}, {_TITLES[case]}: {NOTHING}" for arm, case in silent)
    outcome: Outcome = "otherwise" if silent else "as predicted"
    return Finding(
        claim="who waits for a guilty task is told how it ended, whatever it does",
        outcome=outcome if trials else "invalid",
        text=named or ("by each pool" if trials else "no turn"),
    )


def _told(observed: Observed, arm: str) -> Finding:
    """Tell the outcome of each guilty task, as the first turn that counts saw it."""
    lines = [
        f"{_TITLES[case]}: {trial['lost']} lost, {latency(trial['recovery'])}; {trial['said']}"
        for case in CASES
        for trial in _trials(observed, arm, case)[:1]
    ]
    lost = sum(_median(observed, arm, "lost", case) > 0 for case in CASES)
    return Finding(
        claim=f"what a guilty task does to the {arm} pool",
        outcome="told",
        text=f"{lost} of {len(lines) - 1} kinds of guilt cost innocent tasks",
        detail="\n".join(lines),
    )


def _range(trials: Sequence[dict[str, Any]]) -> str:
    lost = sorted({trial["lost"] for trial in trials})
    if not lost:
        return "none"
    return str(lost[0]) if len(lost) == 1 else f"{lost[0]} to {lost[-1]}"


def _first_said(trials: Sequence[dict[str, Any]]) -> str:
    return next((trial["said"].partition(":")[0] for trial in trials), "")


def _median(observed: Observed, arm: str, what: str, case: str) -> float:
    return observed.median(arm, f"{what}, {case}")


def _charts(observed: Observed) -> Sequence[Chart]:
    arms = [arm.name for arm in observed.arms if not observed.trouble(arm.name)]
    lost = {arm: [_median(observed, arm, "lost", case) for case in CASES] for arm in arms}
    recovery = {arm: [_median(observed, arm, "recovery", case) for case in CASES] for arm in arms}
    titles = [_TITLES[case] for case in CASES]
    return [
        Bars(
            title="Innocent tasks lost",
            note=f"Of {INNOCENT}, {INNOCENT - _spared(lost)} at the most, as the others were done.",
            x="the guilty task",
            groups=titles,
            values=lost,
        ),
        Bars(
            title="Seconds until the pool answered again",
            note=f"From the guilty task's submission; a task may take {PATIENCE} s. The first "
            "group is what the innocent tasks alone take.",
            x="the guilty task",
            groups=titles,
            values=recovery,
            unit="s",
            log=True,
        ),
    ]


def _spared(lost: dict[str, list[float]]) -> int:
    """Count innocent tasks that were done in the worst case."""
    every = [count for counts in lost.values() for count in counts if not math.isnan(count)]
    return INNOCENT - int(max(every, default=0))


EXPERIMENT = Experiment(
    name="robust",
    question="What does one bad task cost the others?",
    claim="Pools of processes survive what ends threads, but the ready-made ones lose all that "
    "was under way; the crawler's own loses the guilty page alone.",
    module="crawler.compare.experiments.robust_work",
    arms=_arms,
    contrasts=lambda _setting: (),
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
