"""The grid of `break-even`: cells, each with tasks of one length, payload and batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from functools import partial
from hashlib import sha256
from time import perf_counter
from typing import NamedTuple

from crawler.compare.design import Done, Parameters, Watch
from crawler.compare.executors import executor

_LEAST = 0.04  # seconds that a cell is repeated for
_STEPS = 200_000  # of all tasks that are handed over at a time: about 20 ms of computing
_BYTES = 16_000_000
_SUBMISSIONS = 256  # at most, before their results are waited for
_WARM_UP = 8  # tasks a worker
# Each task makes its own integers of these: without the lock, threads that count references to the
# same ones wait for each other (3.13t: up to 1.5 times the CPU time with two threads).
_MMIX = ("6364136223846793005", "1442695040888963407", "18446744073709551615")

Load = list[bytes]


class Cell(NamedTuple):
    """Tasks of `steps` steps with `payload` bytes each, `batch` of them in a submission."""

    steps: int
    payload: int
    batch: int

    @property
    def figure(self) -> str:
        """The name of its figure, seconds a task."""
        return f"{self.steps} steps|{self.payload} B|{self.batch}"

    def submissions(self, workers: int) -> int:
        """Tasks handed over before their results are waited for: at least two a worker.

        Four, if they are not large: the last ones are waited for by workers that have no other.
        """
        most = max(_STEPS // (self.steps * self.batch), 4 * workers)
        if self.payload:
            most = min(most, max(_BYTES // (self.payload * self.batch), 2 * workers))
        return min(most, _SUBMISSIONS)


def grid(steps: Sequence[int], payloads: Sequence[int], batches: Sequence[int]) -> list[Cell]:
    """Return every cell, without batches of long tasks or much data, which show nothing."""
    cells = (Cell(s, p, b) for s in steps for p in payloads for b in batches)
    worth_it = ((c, c.steps * c.batch <= _STEPS, c.payload * c.batch <= _BYTES) for c in cells)
    return [c for c, short, small in worth_it if c.batch == 1 or (short and small)]


def task(steps: int, payload: bytes) -> int:
    """Run steps of a linear congruential generator (Knuth, MMIX) in pure Python."""
    multiplier, increment, mask = map(int, _MMIX)
    state = 256 * len(payload) + sum(payload[-1:])
    for _ in range(steps):
        state = (state * multiplier + increment) & mask
    return state


def tasks(steps: int, load: Load) -> list[int]:
    """Run one submission: a task for each payload."""
    return [task(steps, payload) for payload in load]


Hand = Callable[[int, int, Load], list[list[int]]]
"""Hands so many submissions of tasks of so many steps over, and waits for all results."""


def work(parameters: Parameters, watch: Watch) -> Done:
    """Run the whole grid by one executor, started and warm before the first cell."""
    kind, workers = parameters["kind"], parameters["workers"]
    cells = [Cell(*each) for each in parameters["cells"]]
    figures: dict[str, float] = {}
    digest, errors = sha256(), 0
    with ExitStack() as stack:
        hand: Hand = _inline
        if kind != "inline":
            pool = stack.enter_context(executor(kind, workers))
            list(pool.map(task, [1_000] * _WARM_UP * workers, [b""] * _WARM_UP * workers))
            hand = partial(_pooled, pool)
        with watch:
            for cell in cells:
                figures[cell.figure], results, wrong = _measured(hand, cell, workers)
                digest.update(repr(results).encode())
                errors += wrong
    return Done(checksum=digest.hexdigest(), errors=errors, figures=figures)


def _inline(steps: int, submissions: int, load: Load) -> list[list[int]]:
    return [tasks(steps, load) for _ in range(submissions)]


def _pooled(pool: Executor, steps: int, submissions: int, load: Load) -> list[list[int]]:
    waiting = [pool.submit(tasks, steps, load) for _ in range(submissions)]
    return [future.result() for future in waiting]


def _measured(hand: Hand, cell: Cell, workers: int) -> tuple[float, list[int], int]:
    """Return seconds a task, the results of a submission, and how many others differed."""
    # Objects of their own: pickle would send the same one only once.
    load = [bytes([number % 256]) * cell.payload for number in range(cell.batch)]
    submissions, done, errors = cell.submissions(workers), 0, 0
    first: list[int] = []
    began = perf_counter()
    while (spent := perf_counter() - began) < _LEAST:
        results = hand(cell.steps, submissions, load)
        first = first or results[0]
        errors += sum(each != first for each in results)
        done += submissions * cell.batch
    return spent / done, first, errors
