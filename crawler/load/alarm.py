"""A timer that rings to the microsecond, as far as the machine lets it.

Event loops round their timers to milliseconds, which at 20,000 hits/s is twenty hits in one go. On
Linux the kernel has timers that are files (timerfd_create(2)): the loop waits for one as it waits
for a socket. `os` has them from Python 3.13 on only. Elsewhere the loop's own timers have to do.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Callable
from time import perf_counter

_CLOCK_MONOTONIC = 1  # what perf_counter reads on Linux
_ABSOLUTE = 1
_NANO = 1_000_000_000
# Below, uvloop's timers would not wait at all, and the loop would spin.
_SHORTEST = 0.001


def alarm(ring: Callable[[], None]) -> KernelAlarm | LoopAlarm:
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
