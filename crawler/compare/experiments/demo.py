"""`demo`: who holds the lock when, as a picture, for a lecture.

Two threads, two processes and two tasks compute the same for a moment. A row stands for a worker,
a column for a moment; it is filled where the worker ran. Nothing is compared; it is to be seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from crawler.compare.design import WALL, Arm, Finding, Setting
from crawler.compare.experiment import Experiment
from crawler.compare.experiments.demo_work import Span

if TYPE_CHECKING:
    from crawler.compare.observation import Observed, Run

NAME = "demo"
_COLUMNS = 50
_RAN, _WAITED = "█", "·"
_SHOWN = 0.1  # seconds at the most, so that a turn of 5 ms is seen
_FILLED = 0.25  # of a column's time, from so much on
_TOLD = {
    "threads": "two threads of one process share one lock",
    "processes": "two processes have a lock each",
    "asyncio": "two tasks share one thread, and give it up where they await",
}
_ONE = {"threads": "thread", "processes": "process", "asyncio": "task"}


def _arms(_setting: Setting) -> Sequence[Arm]:
    return [Arm(name=kind, parameters={"kind": kind}) for kind in _TOLD]


def _checks(observed: Observed) -> Sequence[Finding]:
    return list(_findings(observed))


def _findings(observed: Observed) -> Iterator[Finding]:
    for kind, claim in _TOLD.items():
        runs = [run for run in observed.of(kind) if not run.failure]
        if why := observed.trouble(kind):
            yield Finding(claim=claim, outcome="invalid", text=why)
        elif runs:
            yield Finding(
                claim=claim,
                outcome="told",
                text=_said(kind, runs[-1], gil=observed.gil),
                detail=picture(_ONE[kind], runs[-1].notes["spans"]),
            )


def _said(kind: str, run: Run, *, gil: bool) -> str:
    """Say how much of the time both ran, and how often they took turns."""
    spans = run.notes["spans"]
    turns, whole = sum(map(len, spans)), max(each[-1][1] for each in spans)
    both = f"both at once for {run.value('together'):.0%} of {whole * 1e3:,.0f} ms"
    lock = "" if kind != "threads" or gil else ", as the lock is off"
    return f"{both}{lock}; they ran in {turns:,} stretches, {whole / turns * 1e3:,.1f} ms a stretch"


def picture(worker: str, spans: Sequence[Sequence[Span]]) -> str:
    """Draw a row of blocks for each worker, of its first moments, and the time below."""
    whole = min(max(each[-1][1] for each in spans), _SHOWN)
    width = len(worker) + 2
    rows = [
        f"{f'{worker} {number}':{width}} {_row(each, whole)}"
        for number, each in enumerate(spans, 1)
    ]
    end = f"{whole * 1e3:,.0f} ms"
    return "\n".join([*rows, f"{'':{width}} 0{end:>{_COLUMNS - 1}}"])


def _row(spans: Sequence[Span], whole: float) -> str:
    return "".join(_column(spans, whole, number) for number in range(_COLUMNS))


def _column(spans: Sequence[Span], whole: float, number: int) -> str:
    begin, end = whole * number / _COLUMNS, whole * (number + 1) / _COLUMNS
    ran = sum(max(min(stop, end) - max(start, begin), 0.0) for start, stop in spans)
    return _RAN if ran >= _FILLED * (end - begin) > 0 else _WAITED


EXPERIMENT = Experiment(
    name=NAME,
    question="Who holds the lock when?",
    claim="Threads take turns at computing, processes do not, tasks take turns where they await.",
    module="crawler.compare.experiments.demo_work",
    arms=_arms,
    contrasts=lambda _setting: (),
    checks=_checks,
    conditions=(
        (
            "Each worker looks at the clock every 20 us or so; looks further apart than 1.5 ms "
            "mean that it did not run."
        ),
        "The switch interval is the usual one, 5 ms; tasks await after as much.",
    ),
    not_shown=("Why a worker did not run: another program may have had its core.",),
    most_rounds=1,
    shown=(WALL,),
)
