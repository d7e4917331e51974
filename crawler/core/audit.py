"""The requests made to one host, as evidence that its limits were kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Audit:
    """Counts of one host, kept as its requests start.

    requests: all that were sent, robots.txt and redirects included. smallest_gap: seconds between
    two starts, None before the second. most_in_flight: the maximum at one time. pauses: times that
    the host was left alone at its request, or because it seemed necessary. away: seconds that URLs
    waited for an unresponsive host. skipped: URLs forbidden by its robots.txt.
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
        """Count a request that starts; `in_flight` includes it."""
        if self.requests:
            gap = now - self._last
            if self.smallest_gap is None or gap < self.smallest_gap:
                self.smallest_gap = gap
        self._last = now
        self.requests += 1
        if in_flight > self.most_in_flight:
            self.most_in_flight = in_flight

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
    """The same for all hosts: sums, and the worst of each."""

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
        gap = audit.smallest_gap
        if gap is not None and (self.smallest_gap is None or gap < self.smallest_gap):
            self.smallest_gap = gap
