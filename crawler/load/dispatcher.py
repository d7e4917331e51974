"""The dispatcher of a schedule: every hit is handed out when due, whatever the earlier ones do.

There is one for a run's process, and it does nothing but look at the clock: who takes the hits does
not make it wait. How late it looks is the generator's own doing, and kept (`lateness`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from time import perf_counter

from crawler.load.alarm import alarm
from crawler.load.loop import Job
from crawler.load.pace import Pace
from crawler.measure.histogram import Histogram

# The loop is asked for input after so many hits at the latest, however far behind the schedule is.
_BATCH = 64

Schedule = Iterator[tuple[float, int]]
"""The times at which hits should leave, and their numbers."""


class Dispatcher:
    """Calls `hand_out(due, number, now)` for each hit of a schedule, and `over` after the last."""

    def __init__(
        self,
        schedule: Schedule,
        hand_out: Callable[[float, int, float], None],
        over: Callable[[], None],
        lateness: Histogram,
    ) -> None:
        self._schedule = schedule
        self._hand_out = hand_out
        self._over = over
        self._lateness = lateness
        self._next = next(schedule, None)
        self._alarm = alarm(self._look)
        self._alarm.set(perf_counter())

    def __repr__(self) -> str:
        return f"Dispatcher(next {self._next})"

    def stop(self) -> None:
        """Hand out nothing more."""
        self._alarm.close()

    def _look(self) -> None:
        for _ in range(_BATCH):
            if self._next is None:
                self.stop()
                self._over()
                return
            due, number = self._next
            now = perf_counter()
            if due > now:
                self._alarm.set(due)
                return
            self._lateness.add(now - due)
            self._hand_out(due, number, now)
            self._next = next(self._schedule, None)
        self._alarm.set(perf_counter())


def schedule(job: Job, start: float) -> Schedule:
    """Return the send times of this process's hits, for a run measured from `start` on."""
    begin = start - job.config.warmup
    share = job.share
    times = Pace.read(job.config).times(share.number, share.processes)
    return zip((begin + at for at in times), count(share.number, share.processes), strict=False)
