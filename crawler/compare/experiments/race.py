"""`race`: `counter += 1`, and what is true of it.

It is a read, an addition and a write, and a thread that reads between another's read and write
undoes an update. Whether one can come in between is the interpreter's business: since CPython 3.10
it looks whether another thread wants the lock only where it calls or jumps back. A bare `+=` in a
loop has neither between its read and its write, and so happens to be exact; that is a property of
that bytecode on that interpreter, and no promise. With anything else between them it is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import nan
from typing import Any

from crawler.compare.design import Arm, Bars, Chart, Contrast, Figure, Finding, Outcome, Setting
from crawler.compare.experiment import Experiment
from crawler.compare.experiments.race_counters import CURES
from crawler.compare.experiments.race_work import SHORT
from crawler.compare.observation import Observed, Run
from crawler.compare.statistics import quotient
from crawler.measure.gil import USUAL

NS = Figure(
    name="ns",
    title="ns an increment",
    unit="ns",
    ratio="times as cheap",
    words=("cheaper", "dearer"),
)
PLAIN, CALL, USUALLY = "+=", "a call between", "a call between, 5 ms"
BARRIER, AWAIT = "a Barrier between", "an await between"
PROCESSES, LOOPING = "a Barrier between, processes", "+=, processes"
_THREADS = 4
_SUREST = {
    BARRIER: "two threads that meet between read and write lose exactly one of two updates",
    AWAIT: "two tasks of one thread that wait between read and write lose exactly one of two",
    PROCESSES: "two processes that meet between read and write lose exactly one of two updates",
}
"""Sure on every interpreter: both have read before one writes."""
_LOCK, _NO_LOCK, SUM = "a Lock", "no lock", "a sum per thread"
_QUEUE, _COLLECTOR = "a queue and an owner", "the crawler's collector"


def _arms(setting: Setting) -> Sequence[Arm]:
    more = setting.pick(1, 3, 10)
    raced: Mapping[str, Mapping[str, Any]] = {
        PLAIN: {"kind": "plain", "times": 500_000 * more, "interval": SHORT},
        CALL: {"kind": "call", "times": 100_000 * more, "interval": SHORT},
        USUALLY: {"kind": "call", "times": 250_000 * more, "interval": USUAL},
        BARRIER: {"kind": "barrier", "times": 100 * more},
        AWAIT: {"kind": "await", "times": 100 * more},
        PROCESSES: {"kind": "process barrier", "times": 100 * more},
        LOOPING: {"kind": "process loop", "times": 200_000 * more},
    }
    if not setting.interpreter.gil:  # without the lock there are no switch intervals
        raced = {name: each for name, each in raced.items() if name != USUALLY}
    cures = {
        cure: {"kind": "cure", "cure": cure, "threads": 2, "times": 400_000 * more}
        for cure in CURES
    }
    return [
        *[
            Arm(name=name, parameters={"threads": _THREADS, **parameters}, equal="")
            for name, parameters in raced.items()
        ],
        *[
            Arm(
                name=name,
                parameters=parameters,
                equal="" if name == _NO_LOCK else "cured",
                slowed=name == _LOCK,
            )
            for name, parameters in cures.items()
        ],
    ]


def _contrasts(setting: Setting) -> Sequence[Contrast]:
    return [
        _costs(_NO_LOCK, _LOCK, "slower", "a Lock around it makes an increment dearer"),
        _costs(_LOCK, SUM, "faster", "a sum per thread is cheaper than a Lock"),
        _costs(_LOCK, _COLLECTOR, "slower", "the crawler's collector is dearer: a call more"),
        _costs(_LOCK, _QUEUE, "", "a queue to a thread that owns the counter, against a Lock"),
    ]


def _costs(base: str, other: str, expect: Any, claim: str) -> Contrast:
    return Contrast(claim=claim, base=base, other=other, figure=NS, expect=expect)


def _checks(observed: Observed) -> Sequence[Finding]:
    found = [
        _plain(observed),
        _called(observed),
        *[_sure(observed, arm, claim) for arm, claim in _SUREST.items()],
        _usually(observed),
        _looping(observed),
        *[_exact(observed, cure) for cure in CURES if cure != _NO_LOCK],
    ]
    return [each for each in found if each]


def _plain(observed: Observed) -> Finding | None:
    runs = _whole(observed, PLAIN)
    if observed.interpreter.gil:
        claim = "+= in a loop happens to lose nothing under the lock; not shown is not safe"
        outcome: Outcome = "otherwise" if any(map(_lost, runs)) else "as predicted"
    else:
        claim = "+= in a loop loses updates where the lock is off"
        outcome = _some(observed, runs)
    bytecode = next((str(text) for text in observed.notes(PLAIN, "bytecode")), "")
    return _finding(observed, PLAIN, claim, outcome, bytecode)


def _called(observed: Observed) -> Finding | None:
    claim = "a call between read and write loses updates"
    runs = _whole(observed, CALL)
    sure = observed.interpreter.gil  # under the lock threads take turns on one core, too
    outcome = _any(runs) if sure else _some(observed, runs)
    bytecode = next((str(text) for text in observed.notes(CALL, "bytecode")), "")
    return _finding(observed, CALL, claim, outcome, bytecode)


def _usually(observed: Observed) -> Finding | None:
    claim = "the same with the switch interval as it usually is: a gap that tests may miss"
    return _finding(observed, USUALLY, claim, "told")


def _looping(observed: Observed) -> Finding | None:
    claim = "+= by two processes on shared memory loses updates: the lock is each one's own"
    return _finding(observed, LOOPING, claim, _some(observed, _whole(observed, LOOPING)))


def _sure(observed: Observed, arm: str, claim: str) -> Finding | None:
    """Find whether exactly one of each two updates is lost, every time."""
    runs = _whole(observed, arm)
    always = all(run.value("least") == run.value("most") == 1 for run in runs)
    return _finding(
        observed, arm, f"{claim}, every time", "as predicted" if always else "otherwise"
    )


def _exact(observed: Observed, cure: str) -> Finding | None:
    """Find whether a cure loses nothing, also with threads that change all the time."""
    lost = any(map(_lost, _whole(observed, cure)))
    outcome: Outcome = "otherwise" if lost else "as predicted"
    return _finding(observed, cure, f"{cure} loses nothing", outcome)


def _some(observed: Observed, runs: Sequence[Run]) -> Outcome:
    """Judge whether any are lost; with one core nobody is interrupted in the middle."""
    return _any(runs) if len(observed.setting.cores) > 1 else "told"


def _any(runs: Sequence[Run]) -> Outcome:
    return "as predicted" if any(map(_lost, runs)) else "otherwise"


def _whole(observed: Observed, arm: str) -> list[Run]:
    return [run for run in observed.of(arm) if not run.failure]


def _lost(run: Run) -> float:
    return run.value("lost")


def _finding(
    observed: Observed, arm: str, claim: str, outcome: Outcome, detail: str = ""
) -> Finding | None:
    """Return the finding with its counts; None where the arm did not run."""
    runs = observed.of(arm)
    failed = [run.failure for run in runs if run.failure]
    if failed:
        text = f"{len(failed)} of {len(runs)} turns failed: {failed[0]}"
        return Finding(claim=claim, outcome="invalid", text=text)
    if not runs:
        return None
    return Finding(
        claim=claim,
        outcome=outcome,
        text=_counted(runs),
        detail=detail,
        folded="disassembly" if detail else "",
    )


def _counted(runs: Sequence[Run]) -> str:
    """Return `100,000 increments a turn, 3,412 lost in the worst of 5 turns, 17 in the best`."""
    made, lost = runs[0].value("made"), sorted(map(_lost, runs))
    if not lost[-1]:
        return f"{made:,.0f} increments a turn, none lost in {len(runs)} turns"
    return (
        f"{made:,.0f} increments a turn, {lost[-1]:,.0f} lost in the worst of {len(runs)} turns, "
        f"{lost[0]:,.0f} in the best"
    )


def _charts(observed: Observed) -> Sequence[Chart]:
    return [*_shares(observed), *_prices(observed)]


def _shares(observed: Observed) -> Iterator[Bars]:
    raced = [PLAIN, CALL, USUALLY, BARRIER, AWAIT, PROCESSES, LOOPING]
    worst = {arm: _worst(observed, arm) for arm in raced if _whole(observed, arm)}
    if worst:
        yield Bars(
            title="Updates lost",
            note="Of all updates, in the worst turn. What has no bar lost none here.",
            x="",
            groups=list(worst),
            values={"lost": list(worst.values())},
            unit="%",
        )


def _worst(observed: Observed, arm: str) -> float:
    shares = (quotient(run.value("lost"), run.value("made")) for run in _whole(observed, arm))
    return max((100 * share for share in shares), default=nan)


def _prices(observed: Observed) -> Iterator[Bars]:
    cures = [cure for cure in CURES if observed.values(cure, "ns")]
    if cures:
        yield Bars(
            title="What an increment costs",
            note="Wall time of two threads by the number of increments; medians.",
            x="",
            groups=cures,
            values={"ns": [observed.median(cure, "ns") for cure in cures]},
            unit="ns",
        )


EXPERIMENT = Experiment(
    name="race",
    question="Is `counter += 1` safe?",
    claim="`counter += 1` is not atomic. It is a read, an addition and a write, and whoever comes "
    "in between loses an update, with threads, tasks and processes. A bare loop happens not to "
    "show it, as CPython since 3.10 lets another thread in only where it calls or jumps back.",
    module="crawler.compare.experiments.race_work",
    arms=_arms,
    contrasts=_contrasts,
    checks=_checks,
    charts=_charts,
    conditions=(
        "Chance is helped by a switch interval of a microsecond; costs are taken with the usual.",
        "Each cure is tried with threads that change all the time before its cost is taken.",
        "Costs are those of two threads that do nothing else: more contention than is usual.",
        "The queue is SimpleQueue, written in C; the time is until its owner has added everything.",
    ),
    not_shown=(
        "That += in a loop is safe where it lost nothing: another version may let others in there.",
        "next() of itertools.count is one C call, exact under the lock; no document promises it.",
        "Costs where the threads also do something: then they meet less often at the counter.",
    ),
    shown=(NS,),
)
