"""The progress of a crawl as text, and the figures in it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from crawler.cli.unit_formats import count, counted, duration, megabytes
from crawler.core.bottleneck import Bound
from crawler.core.collector import Snapshot
from crawler.model.value import value

SPAN = 5.0
"""Seconds over which the rates are taken: what happens now, without jitter."""

Statistics = Callable[[], Snapshot]

Expected = Callable[[], int | None]
"""Tells how many entries the list will have had in the end; None if that is unknown."""


Words = Callable[[Bound | None], str]
"""Says what a crawl is bound by; nothing for what need not be told."""


def no_words(_bound: Bound | None) -> str:
    """Return nothing, whatever the bottleneck."""
    return ""


@value(frozen=True, slots=True, kw_only=True)
class Rates:
    """Entries handled, pages and bytes on the wire, per second."""

    entries: float = 0.0
    pages: float = 0.0
    wire_bytes: float = 0.0


class RateWindow:
    """The snapshots of the last `SPAN` seconds, for rates."""

    def __init__(self) -> None:
        self._seen: deque[Snapshot] = deque()

    def bound(self) -> Bound | None:
        """Return the bottleneck over the same time."""
        return self._seen[-1].bound(self._seen[0]) if len(self._seen) > 1 else None

    def add(self, snapshot: Snapshot) -> Rates:
        """Add a snapshot and return the rates up to it."""
        self._seen.append(snapshot)
        while len(self._seen) > 2 and snapshot.elapsed - self._seen[1].elapsed >= SPAN:
            self._seen.popleft()
        first = self._seen[0]
        seconds = snapshot.elapsed - first.elapsed
        if seconds <= 0:
            return Rates()
        return Rates(
            entries=(_dealt_with(snapshot) - _dealt_with(first)) / seconds,
            pages=(snapshot.pages - first.pages) / seconds,
            wire_bytes=(snapshot.wire_bytes - first.wire_bytes) / seconds,
        )


def share_done(snapshot: Snapshot, expected: int | None) -> float | None:
    """Return the share of the list (0 to 1) that is done; None if its length is unknown."""
    if not expected:
        return None
    return min((_dealt_with(snapshot)) / expected, 1.0)


def time_left(snapshot: Snapshot, expected: int | None, rates: Rates) -> float | None:
    """Return the seconds left at the current rate; None if unknown."""
    if not expected or rates.entries <= 0:
        return None
    return max(expected - _dealt_with(snapshot), 0) / rates.entries


def _dealt_with(snapshot: Snapshot) -> int:
    return snapshot.records + snapshot.repeats


def figures(snapshot: Snapshot, rates: Rates) -> str:
    """Return counts and rates in one line, at most 80 columns in any likely crawl."""
    parts = [
        f"{count(snapshot.records)} done",
        f"{count(snapshot.failed)} failed",
        f"{rates.pages:,.0f} pages/s",
        f"{megabytes(rates.wire_bytes)}/s",
        f"{count(snapshot.in_flight)} in flight",
    ]
    if snapshot.hosts_away:
        parts.append(f"{counted(snapshot.hosts_away, 'host')} away")
    return "  ".join(parts)


def line(snapshot: Snapshot, expected: int | None, rates: Rates) -> str:
    """Return the share done, the figures and the time left, as a line for a log."""
    done, left = share_done(snapshot, expected), time_left(snapshot, expected, rates)
    share = f"{done:.0%}  " if done is not None else ""
    rest = f"  {duration(left)} left" if left is not None else ""
    return f"{share}{figures(snapshot, rates)}{rest}"
