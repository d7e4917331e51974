"""Adapt the requests in flight to the machine: start fewer while it lags.

An engine reports how late each of its regular looks came. If more than one in a hundred of those
within `WINDOW` seconds, and more than one, were `LATE`, the limit drops by a third. After as long
without that it grows by a quarter, up to the configured value. A single pause, of whatever length,
changes nothing; but the time of a standstill (`STILL`) is recorded, as exchanges in progress may
have failed because of it.
"""

from __future__ import annotations

from math import ceil, inf

from crawler.model.event import NO_EVENTS, Level

LATE = 0.25
"""Seconds of lag that make latencies meaningless."""

WINDOW = 2.0
"""Seconds from one judgement to the next."""

STILL = 1.0
"""Seconds without a look that mean that the process was stopped."""


class Capacity:
    """The requests that may be in flight at once, at most `most`. `lowest` is the minimum so far.

    `still_at` is the end of the last standstill; `stood_still` is the sum of all.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.limit = self.lowest = most
        self.still_at = -inf
        self.stood_still = 0.0
        self._looks = self._late = 0
        self._until = -inf
        self.events = NO_EVENTS

    def __repr__(self) -> str:
        return f"Capacity({self.limit} of {self._most})"

    @property
    def most(self) -> int:
        """The maximum, which a person may have lowered."""
        return self._most

    def ask(self, most: int) -> None:
        """Start at most so many from now on."""
        lowered = self.limit < self._most  # by the machine: it grows again by itself
        self._most = max(1, most)
        self.limit = min(self.limit, self._most) if lowered else self._most

    def look(self, late: float, now: float) -> None:
        """Take note of a look at `now` that came so many seconds late."""
        self._looks += 1
        if late >= LATE:
            self._late += 1
        if late >= STILL:
            self.stood_still += min(late, now - self.still_at)  # two may report the same one
            self.still_at = now
        if now >= self._until:
            self._judge(now)

    def _judge(self, now: float) -> None:
        before = self.limit
        if self._late > 1 and 100 * self._late > self._looks:
            self.limit = max(1, self.limit * 2 // 3)
            self.lowest = min(self.lowest, self.limit)
        elif self.limit < self._most:
            self.limit = min(self._most, ceil(self.limit * 1.25))
        if self.limit != before:
            level = Level.WARNING if self.limit < before else Level.INFO
            self.events.tell(level, "concurrency", limit=self.limit, before=before)
        self._looks = self._late = 0
        self._until = now + WINDOW
