"""`race`: `counter += 1`, and what is true of it.

It is a read, an addition and a write, and a thread that reads between another's read and write
undoes an update. Whether one can come in between is the interpreter's business: since CPython 3.10
it looks whether another thread wants the lock only where it calls or jumps back. A bare `+=` in a
loop has neither between its read and its write, and so happens to be exact; that is a property of
that bytecode on that interpreter, and no promise. With anything else between them it is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from crawler.compare.design import Arm, Bars, Chart, Contrast, Expected, Figure, Finding, Setting
from crawler.compare.experiment import Experiment, listed
from crawler.compare.experiments.race_work import CURES, SHORT
from crawler.compare.observation import Observed, Run
from crawler.compare.statistics import quotient
from crawler.measure.gil import USUAL

NS = Figure("ns", "ns an increment", "ns", False, "times as cheap", ("cheaper", "dearer"))
PLAIN, CALL, USUALLY = "+=", "a call between", "a call between, 5 ms"
BARRIER, AWAIT = "a Barrier between", "an await between"
PROCESSES, LOOPING = "a Barrier between, processes", "+=, processes"
_RACED = (PLAIN, CALL, USUALLY, BARRIER, AWAIT, PROCESSES, LOOPING)
_THREADS = 4
_SUREST = {
    BARRIER: "two threads that meet between read and write lose exactly one of two updates",
    AWAIT: "two tasks of one thread that wait between read and write lose exactly one of two",
    PROCESSES: "two processes that meet between read and write lose exactly one of two updates",
}
"""Sure on every interpreter: both have read before one writes."""
_LOCK, _NO_LOCK, SUM = "a Lock", "no lock", "a sum per thread"
_QUEUE, _COLLECTOR = "a queue and an owner", "the crawler's collector"
_COSTS: Sequence[tuple[str, str, Expected, str]] = (
    (_NO_LOCK, _LOCK, "slower", "a Lock around it makes an increment dearer"),
    (_LOCK, SUM, "faster", "a sum per thread is cheaper than a Lock"),
    (_LOCK, _COLLECTOR, "slower", "the crawler's collector is dearer: a call more"),
    (_LOCK, _QUEUE, "", "a queue to a thread that owns the counter, against a Lock"),
)


@listed
def _arms(setting: Setting) -> Iterator[Arm]:
    raced: dict[str, tuple[str, int, dict[str, float]]] = {
        PLAIN: ("plain", 500_000, {"interval": SHORT}),
        CALL: ("call", 100_000, {"interval": SHORT}),
        USUALLY: ("call", 250_000, {"interval": USUAL}),
        BARRIER: ("barrier", 100, {}),
        AWAIT: ("await", 100, {}),
        PROCESSES: ("process barrier", 100, {}),
        LOOPING: ("process loop", 200_000, {}),
    }
    more = setting.pick(1, 3, 10)
    for name, (kind, times, interval) in raced.items():
        if setting.interpreter.gil or name != USUALLY:  # without it there are no switch intervals
            parameters = {"threads": _THREADS, "kind": kind, "times": times * more, **interval}
            yield Arm(name=name, parameters=parameters, equal="")
    for cure in CURES:
        parameters = {"kind": "cure", "cure": cure, "threads": 2, "times": 400_000 * more}
        equal = "" if cure == _NO_LOCK else "cured"
        yield Arm(name=cure, parameters=parameters, equal=equal, slowed=cure == _LOCK)


def _contrasts(_setting: Setting) -> Sequence[Contrast]:
    return [Contrast(claim, base, other, NS, expect) for base, other, expect, claim in _COSTS]


@listed
def _checks(observed: Observed) -> Iterator[Finding]:
    gil = observed.interpreter.gil
    # On one core nobody is interrupted in the middle, but under the lock threads take turns there.
    predicted = len(observed.setting.cores) > 1
    lost = {arm: any(map(_lost, observed.good(arm))) for arm in (*_RACED, *CURES)}
    if gil:
        claim = "+= in a loop happens to lose nothing under the lock; not shown is not safe"
        yield from _finding(observed, PLAIN, claim, not lost[PLAIN], code=True)
    else:
        claim = "+= in a loop loses updates where the lock is off"
        yield from _finding(observed, PLAIN, claim, lost[PLAIN] if predicted else None, code=True)
    claim = "a call between read and write loses updates"
    held = lost[CALL] if gil or predicted else None
    yield from _finding(observed, CALL, claim, held, code=True)
    for arm, claim in _SUREST.items():
        always = all(r.value("least") == r.value("most") == 1 for r in observed.good(arm))
        yield from _finding(observed, arm, f"{claim}, every time", always)
    claim = "the same with the switch interval as it usually is: a gap that tests may miss"
    yield from _finding(observed, USUALLY, claim, None)
    claim = "+= by two processes on shared memory loses updates: the lock is each one's own"
    yield from _finding(observed, LOOPING, claim, lost[LOOPING] if predicted else None)
    for cure in CURES:  # exact also with threads that change all the time
        if cure != _NO_LOCK:
            yield from _finding(observed, cure, f"{cure} loses nothing", not lost[cure])


def _lost(run: Run) -> float:
    return run.value("lost")


def _finding(
    observed: Observed, arm: str, claim: str, held: bool | None, *, code: bool = False
) -> Iterator[Finding]:
    """Yield the finding with its counts, where the arm did run; None was not predicted.

    code: whether the disassembly of what ran is told.
    """
    runs = observed.of(arm)
    if failed := [run.failure for run in runs if run.failure]:
        yield Finding(claim, "invalid", f"{len(failed)} of {len(runs)} turns failed: {failed[0]}")
    elif runs:
        detail = next(map(str, observed.notes(arm, "bytecode")), "") if code else ""
        found = Finding.of(claim, bool(held), _counted(runs), detail=detail)
        outcome = "told" if held is None else found.outcome
        yield replace(found, outcome=outcome, folded="disassembly" if detail else "")


def _counted(runs: Sequence[Run]) -> str:
    """Return `100,000 increments a turn, 3,412 lost in the worst of 5 turns, 17 in the best`."""
    made, lost = runs[0].value("made"), sorted(map(_lost, runs))
    if not lost[-1]:
        return f"{made:,.0f} increments a turn, none lost in {len(runs)} turns"
    return (
        f"{made:,.0f} increments a turn, {lost[-1]:,.0f} lost in the worst of {len(runs)} turns, "
        f"{lost[0]:,.0f} in the best"
    )


@listed
def _charts(observed: Observed) -> Iterator[Chart]:
    good = {arm: runs for arm in _RACED if (runs := observed.good(arm))}
    shares = [[quotient(_lost(run), run.value("made")) for run in runs] for runs in good.values()]
    if good:
        yield Bars(
            title="Updates lost",
            note="Of all updates, in the worst turn. What has no bar lost none here.",
            x="",
            groups=list(good),
            values={"lost": [100 * max(of) for of in shares]},
            unit="%",
        )
    if cures := [cure for cure in CURES if observed.values(cure, "ns")]:
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
