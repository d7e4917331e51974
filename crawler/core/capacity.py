"""How much at once this machine can do: fewer requests while it is late with everything.

An engine tells how late each of its regular looks came. Where more than one in a hundred of those
of `WINDOW` seconds, and more than one, were late by `LATE`, less is started at once: each time a
third less. After as long without that it is a quarter more again, up to what was asked for. One
pause, of whatever length, changes nothing; the time in which nothing ran at all (`STILL`) is told,
as exchanges that were under way may have failed for it.
"""

from __future__ import annotations

from math import ceil, inf

LATE = 0.25
"""Seconds of lag from which latencies mean nothing any more."""

WINDOW = 2.0
"""Seconds from one judgement to the next."""

STILL = 1.0
"""Seconds without a look after which the process is taken to have been stopped."""


class Capacity:
    """The requests that may be in flight at once, at most `most`. `lowest` is the least it was.

    `still_at` is when the process last came back from a standstill; `stood_still` adds them up.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.limit = self.lowest = most
        self.still_at = -inf
        self.stood_still = 0.0
        self._looks = self._late = 0
        self._until = -inf

    def __repr__(self) -> str:
        return f"Capacity({self.limit} of {self._most})"

    def look(self, late: float, now: float) -> None:
        """A look at `now` came so many seconds late."""
        self._looks += 1
        if late >= LATE:
            self._late += 1
        if late >= STILL:
            self.still_at = now
            self.stood_still += late
        if now >= self._until:
            self._judge(now)

    def _judge(self, now: float) -> None:
        if self._late > 1 and 100 * self._late > self._looks:
            self.limit = max(1, self.limit * 2 // 3)
            self.lowest = min(self.lowest, self.limit)
        elif self.limit < self._most:
            self.limit = min(self._most, ceil(self.limit * 1.25))
        self._looks = self._late = 0
        self._until = now + WINDOW
