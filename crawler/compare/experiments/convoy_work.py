"""The work of `convoy`: a thread that sleeps and wakes beside some that compute all the time.

They compute inside the watch only: the stopwatch itself asks the kernel for a hundred figures, and
after each would wait for the lock like the thread that is measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from multiprocessing import get_context
from threading import Barrier, BrokenBarrierError, Thread
from time import perf_counter, sleep
from typing import Any, Self

from crawler.compare.design import Done, Parameters, Watch
from crawler.measure.gil import switch_interval

PAUSE = 0.001
"""Seconds that the waking thread waits each time, as for an answer from the network."""
_STEPS = 200  # of a unit of computing: about 10 us
_PATIENCE = 30.0  # seconds until all that compute are there


def work(parameters: Parameters, watch: Watch) -> Done:
    """Measure for some seconds how late the thread wakes, and how much was computed next to it."""
    with Crowd(parameters["kind"], parameters["workers"]) as crowd, watch:
        crowd.go()
        with switch_interval(parameters["interval"]):
            wakings(PAUSE)
            before, began = sum(crowd.units), perf_counter()
            late = wakings(parameters["seconds"])
            rate = (sum(crowd.units) - before) / (perf_counter() - began)
        crowd.stop()
    idle = sum(units == 0 for units in crowd.units)
    figures = {"wakings": len(late), **delays(late, "p50", "p99", "longest"), "units": rate}
    return Done(errors=idle, figures=figures)


def wakings(seconds: float) -> list[float]:
    """Return the lateness of each waking in seconds, `PAUSE` after it began to sleep."""
    late: list[float] = []
    ends = perf_counter() + seconds
    while (now := perf_counter()) < ends or not late:
        sleep(PAUSE)
        late.append(perf_counter() - now - PAUSE)
    return late


def delays(late: Sequence[float], median: str, p99: str, longest: str) -> dict[str, float]:
    """Return three delays by these names; of few wakings the 99th percentile is the longest."""
    ordered, count = sorted(late), len(late)
    at = {median: count // 2, p99: min(int(count * 0.99), count - 1), longest: count - 1}
    return {name: ordered[place] for name, place in at.items()}


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

    def __enter__(self) -> Self:
        """Start them, and wait until all are there; none computes yet."""
        try:
            for member in self._members:
                member.start()
            self._barrier.wait(_PATIENCE)
        except BaseException as error:
            self.__exit__(type(error))
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        """End them, those that still wait for `go` too."""
        if kind is not None:
            self._barrier.abort()
        self.stop()

    def go(self) -> None:
        """Let them compute from now on."""
        self._barrier.wait(_PATIENCE)

    def stop(self) -> None:
        """Stop them and wait for their end."""
        self._stopped[0] = 1
        for member in self._members:
            member.join()


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
