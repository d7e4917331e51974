"""What a crawl has done so far: one collector, protected by a lock, shared by all its threads.

Counting is cheap and comes first: integers and histogram buckets. Rates and percentiles are derived
from the frozen `Snapshot`, when somebody asks. The lock is needed although CPython's interpreter
lock runs one thread at a time: `counts[kind] = counts.get(kind, 0) + 1` is a read, an addition and
a write, and another thread may run between any two of them.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from crawler.core.histogram import Distribution, Histogram
from crawler.core.rules import Ended
from crawler.model.outcome import (
    Failed,
    Final,
    Listing,
    Page,
    Redirect,
    Redirected,
    Skipped,
)

_WORDS = {Page: "page", Redirected: "redirect", Listing: "sitemap"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The state of a crawl at one moment. Times are seconds, sizes bytes.

    Every entry read from the list is a repeat, or has its record, or waits, or is in flight:
    `read + found == repeats + records + pending`. `found` counts what was found on pages and in
    sitemaps and taken up, `refused` what was not, by reason; `spilled` URLs wait for room to
    be taken up. `outcomes` counts records by `page`, `redirect`, `sitemap` or by kind.
    """

    elapsed: float = 0.0
    read: int = 0
    repeats: int = 0
    records: int = 0
    failed: int = 0
    skipped: int = 0
    retries: int = 0
    redirects: int = 0
    in_flight: int = 0
    wire_bytes: int = 0
    body_bytes: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    found: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    spilled: int = 0
    latency: Distribution = field(default_factory=Distribution)
    loop_lag: Distribution = field(default_factory=Distribution)

    @property
    def pages(self) -> int:
        """Records with the outcome `page`."""
        return self.outcomes.get("page", 0)

    @property
    def pending(self) -> int:
        """Entries read whose record is still to come."""
        return self.read + self.found - self.repeats - self.records

    @property
    def pages_per_second(self) -> float:
        """Pages a second, over the whole crawl."""
        return self.pages / self.elapsed if self.elapsed > 0 else 0.0


class Statistics:
    """The collector. Every method may be called from any thread.

    `lock` is an argument so that a test can show what happens without one.
    """

    def __init__(self, lock: AbstractContextManager[object] | None = None) -> None:
        self._lock = lock if lock is not None else threading.Lock()
        self._started_at: float | None = None
        self._ended_at: float | None = None
        self._read = 0
        self._repeats = 0
        self._found = 0
        self._refused: Mapping[str, int] = {}
        self._spilled = 0
        self._failed = 0
        self._skipped = 0
        self._retries = 0
        self._redirects = 0
        self._wire_bytes = 0
        self._body_bytes = 0
        self._in_flight = 0
        self._outcomes: dict[str, int] = {}
        self._latency = Histogram()
        self._loop_lag = Histogram()

    def begin(self, now: float) -> None:
        """The crawl starts."""
        with self._lock:
            self._started_at = now

    def end(self, now: float) -> None:
        """The crawl is over; later snapshots keep this time."""
        with self._lock:
            self._ended_at = now

    def add_read(self, entries: int, repeats: int) -> None:
        """So many entries came in, so many of them seen before."""
        with self._lock:
            self._read += entries
            self._repeats += repeats

    def add_found(self, number: int) -> None:
        """So many URLs were found and taken up."""
        with self._lock:
            self._found += number

    def add_refused(self, counts: Mapping[str, int]) -> None:
        """All that was found and not taken up so far, by reason."""
        with self._lock:
            self._refused = counts

    def add_spilled(self, number: int) -> None:
        """So many URLs more, or fewer, wait for room."""
        with self._lock:
            self._spilled += number

    def add_started(self) -> None:
        """A fetch was handed out."""
        with self._lock:
            self._in_flight += 1

    def add_fetched(self, outcome: Ended, *, again: bool) -> None:
        """A fetch came back; `again` when it was a failure that will be tried again."""
        exchange = outcome.exchange
        with self._lock:
            self._in_flight -= 1
            self._retries += again
            self._redirects += isinstance(outcome, Redirect)
            if exchange is not None:
                self._wire_bytes += exchange.wire_bytes
                self._body_bytes += exchange.body_bytes
                if exchange.status is not None:
                    self._latency.add(exchange.total)

    def add_record(self, final: Final) -> None:
        """An entry of the list has its outcome."""
        key = final.kind.value if isinstance(final, Failed | Skipped) else _WORDS[type(final)]
        with self._lock:
            self._outcomes[key] = self._outcomes.get(key, 0) + 1
            self._failed += isinstance(final, Failed)
            self._skipped += isinstance(final, Skipped)

    def add_loop_lag(self, seconds: float) -> None:
        """The event loop ran something so much later than asked."""
        with self._lock:
            self._loop_lag.add(seconds)

    def snapshot(self, now: float) -> Snapshot:
        """A frozen copy. `now` is the clock that `begin` was told."""
        with self._lock:
            started = self._started_at if self._started_at is not None else now
            return Snapshot(
                elapsed=(self._ended_at if self._ended_at is not None else now) - started,
                read=self._read,
                repeats=self._repeats,
                records=sum(self._outcomes.values()),
                failed=self._failed,
                skipped=self._skipped,
                retries=self._retries,
                redirects=self._redirects,
                in_flight=self._in_flight,
                wire_bytes=self._wire_bytes,
                body_bytes=self._body_bytes,
                outcomes=dict(self._outcomes),
                found=self._found,
                refused=dict(self._refused),
                spilled=self._spilled,
                latency=self._latency.freeze(),
                loop_lag=self._loop_lag.freeze(),
            )
