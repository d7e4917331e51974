"""The dispatcher of a schedule: every hit is handed out when due, whatever the earlier ones do.

There is one for a run's process, and it does nothing but look at the clock: who takes the hits does
not make it wait. How late it looks is the generator's own doing, and kept (`lateness`).

It is rung to the microsecond, as far as the machine lets it. Event loops round their timers to
milliseconds, which at 20,000 hits/s is twenty hits in one go. On Linux the kernel has timers that
are files (timerfd_create(2)): the loop waits for one as it waits for a socket. `os` has them from
Python 3.13 on only. Elsewhere the loop's own timers have to do.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Callable, Iterator
from itertools import count
from time import perf_counter

from crawler.load.loop import Job
from crawler.load.pace import Pace
from crawler.measure.histogram import Histogram

# The loop is asked for input after so many hits at the latest, however far behind the schedule is.
_BATCH = 64
_CLOCK_MONOTONIC = 1  # what perf_counter reads on Linux
_ABSOLUTE = 1
_NANO = 1_000_000_000
# Below, uvloop's timers would not wait at all, and the loop would spin.
_SHORTEST = 0.001

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
        self._alarm = _alarm(self._look)
        self._alarm.set(perf_counter())

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


def _alarm(ring: Callable[[], None]) -> KernelAlarm | LoopAlarm:
    """Return the best alarm for the running loop that this machine has."""
    try:
        return KernelAlarm(ring)
    except (OSError, AttributeError):  # no such call on this system
        return LoopAlarm(ring)


class KernelAlarm:
    """Calls back at or after the time last set; it is set anew then, or rings again and again.

    One timer file; setting it again clears that it has rung, so that it is never read.
    """

    def __init__(self, ring: Callable[[], None]) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._settime = libc.timerfd_settime
        self._settime.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
        self._file = libc.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._file < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        self._spec = (ctypes.c_long * 4)()  # interval (none), value: seconds and nanoseconds each
        self._place = ctypes.addressof(self._spec)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._file, ring)

    def set(self, at: float) -> None:
        """Ring at a time of `perf_counter`; at once if it has passed. Only one is remembered."""
        seconds = int(at)
        self._spec[2] = seconds
        self._spec[3] = int((at - seconds) * _NANO)
        self._settime(self._file, _ABSOLUTE, self._place, None)

    def close(self) -> None:
        """Give the file back; a second call does nothing."""
        if self._file >= 0:
            self._loop.remove_reader(self._file)
            os.close(self._file)
            self._file = -1


class LoopAlarm:
    """The loop's own timer, in milliseconds."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._ring = ring
        self._timer: asyncio.TimerHandle | None = None

    def set(self, at: float) -> None:
        """Ring at that time, or a millisecond later."""
        self.close()
        self._timer = self._loop.call_later(max(_SHORTEST, at - perf_counter()), self._ring)

    def close(self) -> None:
        """Cancel it."""
        if self._timer is not None:
            self._timer.cancel()
