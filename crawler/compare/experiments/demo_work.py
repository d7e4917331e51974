"""The arms of `demo`: two workers compute the same, and note when each of them ran.

A worker looks at the clock after every step of some 20 us. Where two looks lie far apart it did not
run: another had the lock, or the core, or it had given up its turn itself.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
from collections.abc import Callable, Sequence
from itertools import pairwise
from time import perf_counter
from typing import Any

from crawler.compare.design import Done, Parameters, Watch

WORKERS = 2
_STEP = 300  # additions between two looks at the clock
_STEPS = 5_000
_AWAITS = 250  # steps between two awaits of a task
_APART = 0.0015  # seconds; less than the switch interval, more than a look takes
_PATIENCE = 60.0

Span = tuple[float, float]


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


def _compute() -> list[float]:
    """Add up, and look at the clock after every step."""
    stamps, total = [perf_counter()], 0
    for _ in range(_STEPS):
        for number in range(_STEP):
            total += number
        stamps.append(perf_counter())
    return stamps


def _threads() -> list[list[float]]:
    start, found = threading.Barrier(WORKERS), [list[float]() for _ in range(WORKERS)]

    def run(index: int) -> None:
        start.wait(_PATIENCE)
        found[index] = _compute()

    workers = [threading.Thread(target=run, args=(index,)) for index in range(WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return found


def _processes() -> list[list[float]]:
    """Run processes; their clocks agree, as `perf_counter` counts from the machine's start."""
    context = multiprocessing.get_context("forkserver")
    start, pipes = context.Barrier(WORKERS), [context.Pipe(duplex=False) for _ in range(WORKERS)]
    workers = [context.Process(target=_process, args=(start, end)) for _, end in pipes]
    for worker in workers:
        worker.start()
    found = [receiver.recv() for receiver, _ in pipes]
    for worker in workers:
        worker.join()
    return found


def _process(start: Any, answers: Any) -> None:
    start.wait(_PATIENCE)
    answers.send(_compute())


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
    "threads": _threads,
    "processes": _processes,
    "asyncio": _tasks,
}
