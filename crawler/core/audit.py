"""What was really done to one host: the evidence that its limits were kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Audit:
    """Counts of one host, kept as its requests start.

    requests: all that were sent, robots.txt and redirects among them. smallest_gap: seconds between
    the starts of two, None before the second. most_in_flight: at one moment. pauses: times that the
    host was left alone because it asked for that, or seemed to. away: seconds that its URLs waited
    because it did not answer any more. skipped: URLs that its robots.txt
    forbade.
    """

    host: str
    requests: int = 0
    smallest_gap: float | None = None
    most_in_flight: int = 0
    pauses: int = 0
    away: float = 0.0
    skipped: int = 0
    _last: float = float("-inf")

    def started(self, now: float, in_flight: int) -> None:
        """A request starts; `in_flight` counts it."""
        if self.requests:
            gap = now - self._last
            if self.smallest_gap is None or gap < self.smallest_gap:
                self.smallest_gap = gap
        self._last = now
        self.requests += 1
        self.most_in_flight = max(self.most_in_flight, in_flight)

    @property
    def json(self) -> dict[str, Any]:
        """The line of `--audit`."""
        gap = self.smallest_gap
        return {
            "host": self.host,
            "requests": self.requests,
            "smallest_gap": None if gap is None else round(gap, 6),
            "most_in_flight": self.most_in_flight,
            "pauses": self.pauses,
            "away": round(self.away, 3),
            "skipped": self.skipped,
        }


@dataclass(slots=True)
class Totals:
    """The same over hosts: sums, and the worst of each."""

    hosts: int = 0
    requests: int = 0
    smallest_gap: float | None = None
    most_in_flight: int = 0
    pauses: int = 0
    away: float = 0.0

    def add(self, audit: Audit) -> None:
        """Count a host."""
        self.hosts += 1
        self.requests += audit.requests
        self.pauses += audit.pauses
        self.away += audit.away
        self.most_in_flight = max(self.most_in_flight, audit.most_in_flight)
        gaps = [gap for gap in (self.smallest_gap, audit.smallest_gap) if gap is not None]
        self.smallest_gap = min(gaps, default=None)
