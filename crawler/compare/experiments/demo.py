"""`demo`: who holds the lock when, as a picture, for a lecture.

Two threads, two processes and two tasks compute the same for a moment. A row stands for a worker,
a column for a moment; it is filled where the worker ran. Nothing is compared; it is to be seen.

A worker looks at the clock after every step of some 20 us. Where two looks lie far apart it did not
run: another had the lock, or the core, or it had given up its turn itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from time import perf_counter
from typing import TYPE_CHECKING

from crawler.compare.design import WALL, Arm, Done, Finding, Parameters, Setting, Watch
from crawler.compare.executors import all_at_work, executor, hold
from crawler.compare.experiment import Experiment, listed

if TYPE_CHECKING:
    from crawler.compare.observation import Observed, Run

NAME = "demo"
WORKERS = 2
_STEP = 300  # additions between two looks at the clock
_STEPS = 5_000
_AWAITS = 250  # steps between two awaits of a task
_APART = 0.0015  # seconds; less than the switch interval, more than a look takes

Span = tuple[float, float]
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


@listed
def _checks(observed: Observed) -> Iterator[Finding]:
    for kind, claim in _TOLD.items():
        runs = observed.good(kind)
        if why := observed.trouble(kind):
            yield Finding(claim, "invalid", why)
        elif runs:
            text = _said(kind, runs[-1], gil=observed.gil)
            yield Finding(claim, "told", text, picture(_ONE[kind], runs[-1].notes["spans"]))


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
    rows = []
    for number, each in enumerate(spans, 1):
        row = "".join(_column(each, whole, column) for column in range(_COLUMNS))
        rows.append(f"{f'{worker} {number}':{width}} {row}")
    end = f"{whole * 1e3:,.0f} ms"
    return "\n".join([*rows, f"{'':{width}} 0{end:>{_COLUMNS - 1}}"])


def _column(spans: Sequence[Span], whole: float, number: int) -> str:
    begin, end = whole * number / _COLUMNS, whole * (number + 1) / _COLUMNS
    ran = sum(max(min(stop, end) - max(start, begin), 0.0) for start, stop in spans)
    return _RAN if ran >= _FILLED * (end - begin) > 0 else _WAITED


def work(parameters: Parameters, watch: Watch) -> Done:
    """Let the workers compute; the spans in which each ran are noted, from the first one on."""
    with watch:
        stamps = _KINDS[parameters["kind"]]()
    begin = min(each[0] for each in stamps)
    spans = [spans_of([stamp - begin for stamp in each]) for each in stamps]
    return Done(
        checksum=str([len(each) for each in stamps]),
        figures={"together": together(spans)},
        notes={"spans": spans},
    )


def spans_of(stamps: Sequence[float]) -> list[Span]:
    """Return the times in which a worker that read the clock at these moments ran."""
    found = [(stamps[0], stamps[0])]
    for before, now in pairwise(stamps):
        if now - before > _APART:
            found.append((now, now))
        else:
            found[-1] = (found[-1][0], now)
    return found


def together(spans: Sequence[Sequence[Span]]) -> float:
    """Return the share of the time in which all ran at once."""
    one, other = spans
    overlap = sum(
        max(min(end, stop) - max(begin, start), 0.0) for begin, end in one for start, stop in other
    )
    whole = max(each[-1][1] for each in spans)
    return overlap / whole if whole else 0.0


def compute(_worker: int) -> list[float]:
    """Add up, and look at the clock after every step."""
    stamps, total = [perf_counter()], 0
    for _ in range(_STEPS):
        for number in range(_STEP):
            total += number
        stamps.append(perf_counter())
    return stamps


def _pooled(kind: str) -> list[list[float]]:
    """Run a pool; the clocks of processes agree: `perf_counter` counts from the machine's start."""
    with executor(kind, WORKERS) as pool:
        all_at_work(pool, WORKERS, hold)
        return list(pool.map(compute, range(WORKERS)))


def _tasks() -> list[list[float]]:
    async def run() -> list[float]:
        stamps, total = [perf_counter()], 0
        for step in range(_STEPS):
            for number in range(_STEP):
                total += number
            stamps.append(perf_counter())
            if step % _AWAITS == 0:
                await asyncio.sleep(0)
        return stamps

    async def all_of_them() -> list[list[float]]:
        return await asyncio.gather(*(run() for _ in range(WORKERS)))

    return asyncio.run(all_of_them())


_KINDS: dict[str, Callable[[], list[list[float]]]] = {
    "threads": partial(_pooled, "thread"),
    "processes": partial(_pooled, "process"),
    "asyncio": _tasks,
}


EXPERIMENT = Experiment(
    name=NAME,
    question="Who holds the lock when?",
    claim="Threads take turns at computing, processes do not, tasks take turns where they await.",
    module=__name__,
    arms=_arms,
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
