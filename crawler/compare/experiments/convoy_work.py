"""The work of `convoy`: a thread that sleeps and wakes beside some that compute all the time.

They compute inside the watch only: the stopwatch itself asks the kernel for a hundred figures, and
after each would wait for the lock like the thread that is measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from threading import Barrier, BrokenBarrierError, Thread
from time import perf_counter, sleep
from typing import Any

from crawler.compare.design import Done, Parameters, Watch
from crawler.measure.gil import switch_interval

PAUSE = 0.001
"""Seconds that the waking thread waits each time, as for an answer from the network."""
_STEPS = 200  # of a unit of computing: about 10 us
_PATIENCE = 30.0  # seconds until all that compute are there


def work(parameters: Parameters, watch: Watch) -> Done:
    """Measure for some seconds how late the thread wakes, and how much was computed next to it."""
    with _crowd(parameters["kind"], parameters["workers"]) as crowd, watch:
        crowd.go()
        with switch_interval(parameters["interval"]):
            wakings(PAUSE)
            before, began = sum(crowd.units), perf_counter()
            late = wakings(parameters["seconds"])
            rate = (sum(crowd.units) - before) / (perf_counter() - began)
        crowd.stop()
    idle = sum(units == 0 for units in crowd.units)
    return Done(errors=idle, figures={**_delays(late), "units": rate})


def wakings(seconds: float) -> list[float]:
    """Return the lateness of each waking in seconds, `PAUSE` after it began to sleep."""
    late: list[float] = []
    ends = perf_counter() + seconds
    while (now := perf_counter()) < ends or not late:
        sleep(PAUSE)
        late.append(perf_counter() - now - PAUSE)
    return late


def _delays(late: Sequence[float]) -> dict[str, float]:
    """Return the delays; of few wakings the 99th percentile is the longest."""
    ordered, count = sorted(late), len(late)
    return {
        "wakings": count,
        "p50": ordered[count // 2],
        "p99": ordered[min(int(count * 0.99), count - 1)],
        "longest": ordered[-1],
    }


class Crowd:
    """Those that compute beside it, threads or processes; `units` is what each has done by now."""

    def __init__(self, kind: str, workers: int) -> None:
        self.units: Any = [0] * workers
        self._stopped: Any = [0]
        self._barrier: Any = Barrier(workers + 1)
        start: Any = Thread
        if kind == "processes":
            context: Any = get_context("forkserver")
            self.units = context.Array("q", workers, lock=False)
            self._stopped = context.Array("b", 1, lock=False)
            self._barrier, start = context.Barrier(workers + 1), context.Process
        shared = (self._barrier, self._stopped, self.units)
        self._members = [start(target=spin, args=(*shared, n)) for n in range(workers)]

    def gather(self) -> None:
        """Start them, and wait until all are there; none computes yet."""
        for member in self._members:
            member.start()
        self._barrier.wait(_PATIENCE)

    def go(self) -> None:
        """Let them compute from now on."""
        self._barrier.wait(_PATIENCE)

    def abandon(self) -> None:
        """Let those that still wait for `go` wait no longer."""
        self._barrier.abort()

    def stop(self) -> None:
        """Stop them and wait for their end."""
        self._stopped[0] = 1
        for member in self._members:
            member.join()


@contextmanager
def _crowd(kind: str, workers: int) -> Iterator[Crowd]:
    """Gather the crowd, and end it whatever happens."""
    crowd = Crowd(kind, workers)
    try:
        crowd.gather()
        yield crowd
    except BaseException:
        crowd.abandon()
        raise
    finally:
        crowd.stop()


def spin(barrier: Any, stopped: Any, units: Any, place: int) -> None:
    """Compute, in pure Python, until told to stop; count in a place of its own."""
    try:
        barrier.wait(_PATIENCE)
        barrier.wait(_PATIENCE)
    except BrokenBarrierError:  # one that never came, or abandoned
        return
    factor, modulus, state = int("16807"), int("2147483647"), 1  # its own, as in `cpu`
    while not stopped[0]:
        for _ in range(_STEPS):
            state = state * factor % modulus
        units[place] += 1
