"""Time as this process had it: the clock stands still while nothing could run.

A deadline is there to end what somebody else holds up. Where the event loop was held, the process
stopped (Ctrl-Z) or starved of CPU, nobody else did, and what came meanwhile lies unread. So
deadlines are kept in the time of a `Pulse`: something beats every `INTERVAL` seconds, and what a
beat is late by is lost. Between beats the time goes on, up to the moment at which the next beat
would be late.

A suspended machine loses nothing: the clock that is read here stands still then (CLOCK_MONOTONIC).
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from time import perf_counter

INTERVAL = 0.05
"""Seconds between two beats; they cost a loop less than a ten-thousandth."""

TOLERANCE = 0.05
"""Seconds that a beat may be late and nothing is lost: any process has to wait for its turn."""

_GAP = 0.5
"""Seconds that a beat must be late for silence before it to mean nothing."""


class Pulse:
    """A clock, in seconds. `beat` it every `INTERVAL`, from one thread; read it from any.

    `lost` are the seconds that it does not count.
    """

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self._clock = clock
        self._state = clock() + INTERVAL, 0.0  # when the next beat is due; what was lost
        self._awake_since = -inf

    def __repr__(self) -> str:
        return f"Pulse(lost={self.lost:.3f})"

    @property
    def lost(self) -> float:
        """Seconds that were lost so far."""
        return self._state[1]

    @property
    def late(self) -> float:
        """Seconds that a beat is overdue."""
        return max(0.0, self._clock() - self._state[0])

    def __call__(self) -> float:
        """Return the time."""
        due, lost = self._state  # at once: another thread may beat
        return min(self._clock(), due + TOLERANCE) - lost

    def quiet_since(self, seconds: float) -> float:
        """Return by `clock` when somebody must have been heard to be quiet for so long.

        Nobody is where the process stood still in the meantime.
        """
        now = self._clock()
        return now - seconds if now - self._awake_since >= seconds else -inf

    def beat(self) -> float:
        """Take note that the process runs; returns how late that is, in seconds."""
        now, (due, lost) = self._clock(), self._state
        late = max(0.0, now - due)
        if late > TOLERANCE:
            lost += late - TOLERANCE
            if late >= _GAP:
                self._awake_since = now
        self._state = now + INTERVAL, lost
        return late
