"""The statistics of a crawl: one collector, protected by a lock, shared by all its threads.

Counting is cheap: integers and histogram buckets. Rates and percentiles are derived from the frozen
`Snapshot` on demand. The lock is needed in spite of CPython's interpreter lock:
`counts[kind] = counts.get(kind, 0) + 1` is a read, an addition and a write, and another thread may
run between any two of them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import field
from typing import Any

from crawler.core.bottleneck import IN_FLIGHT, Bound, Held, Holds, Limit, bound
from crawler.core.by_hand import ShownHost
from crawler.core.changes import Earlier
from crawler.core.durations import DurationDistribution, DurationHistogram
from crawler.core.end_causes import Cause, CauseTally
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
from crawler.model.value import value

_MOSTLY = 0.5  # of the time in flight

_COUNTED = (
    *("read", "repeats", "found", "earlier", "spilled", "moved", "failed", "skipped"),
    *("earlier_failed", "earlier_unfetched"),
    *("truncated", "retries", "redirects", "wire_bytes", "body_bytes"),
)
"""Fields of `Snapshot` that are counted one by one."""

UNCHANGED = "unchanged"
_PAGE = "page"
_WORDS = {Page: _PAGE, Redirected: "redirect", Listing: "sitemap"}


@value(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The state of a crawl at one moment. Times are seconds, sizes bytes.

    Every entry of the list is a repeat, has a record, waits, or is in flight: `read + found ==
    repeats + records + earlier + pending + spilled + moved`. `moved` counts URLs that redirects led
    to another partition, less those that came from there. `earlier` counts the records of earlier
    runs of the same crawl, `earlier_failed` the failures among them, `earlier_unfetched` all but
    pages, redirects and sitemaps; `read`, `found` and `repeats` include those runs. `found` counts
    URLs of pages and sitemaps that were taken up, `refused` those that were not, by reason;
    `spilled` URLs wait outside of memory, or were left there at a hasty end. `outcomes` counts
    records by `page`, `unchanged`, `redirect`, ... or kind; `causes` has an example and the usual
    reason of each kind. `held` has the seconds for which each limit kept the crawl from starting
    more; `parsing` is the share of a request's time in flight after its exchange, with the parser
    or waiting for it. `truncated`: bodies that were cut. `hosts_away`: hosts that no longer answer
    and whose URLs wait; `outages` counts such events; `network_pauses` counts losses of the
    network, for `network_paused` seconds in all. `lowered_to` is the least `concurrency` that a
    slow machine allowed, 0 if never lowered; `stood_still` are the seconds in which the process did
    not run. `concurrency` is the number of requests that may be in flight now, `parser_queue` that
    of batches that wait for a parser's worker, `paused` whether somebody has paused the crawl.
    `hosts` are some at work, if somebody wants to see them.
    """

    elapsed: float = 0.0
    read: int = 0
    repeats: int = 0
    records: int = 0
    failed: int = 0
    skipped: int = 0
    truncated: int = 0
    retries: int = 0
    redirects: int = 0
    in_flight: int = 0
    wire_bytes: int = 0
    body_bytes: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    causes: dict[str, Cause] = field(default_factory=dict)
    found: int = 0
    earlier: int = 0
    earlier_failed: int = 0
    earlier_unfetched: int = 0
    moved: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    spilled: int = 0
    held: dict[Limit, Held] = field(default_factory=dict)
    parsing: float = 0.0
    hosts_away: int = 0
    outages: int = 0
    network_pauses: int = 0
    network_paused: float = 0.0
    lowered_to: int = 0
    stood_still: float = 0.0
    concurrency: int = 0
    parser_queue: int = 0
    paused: bool = False
    hosts: tuple[ShownHost, ...] = ()
    latency: DurationDistribution = field(default_factory=DurationDistribution)
    loop_lag: DurationDistribution = field(default_factory=DurationDistribution)

    @property
    def pages(self) -> int:
        """The number of records with the outcome `page` or `unchanged`."""
        return self.outcomes.get("page", 0) + self.outcomes.get(UNCHANGED, 0)

    def bound(self, before: Snapshot | None = None) -> Bound | None:
        """Return the limit that bound the crawl most, since an earlier snapshot or at all.

        A limit of requests in flight is attributed to the parser if they are mostly there.
        """
        earlier = before if before is not None else Snapshot()
        found = bound(self.held, self.elapsed - earlier.elapsed, earlier.held)
        if found is not None and found.limit in IN_FLIGHT and self.parsing > _MOSTLY:
            return Bound(limit=Limit.PARSER, hosts=found.hosts)
        return found

    @property
    def succeeded(self) -> int:
        """The number of records of fetched URLs: pages, redirects and sitemaps."""
        return _fetched(self.outcomes)

    @property
    def pending(self) -> int:
        """The number of URLs in memory or in flight, whose record is still to come."""
        ended = self.records + self.earlier + self.spilled + self.moved
        return self.read + self.found - self.repeats - ended

    @property
    def pages_per_second(self) -> float:
        """The pages per second, over the whole crawl."""
        return self.pages / self.elapsed if self.elapsed > 0 else 0.0


class StatisticsCollector:
    """Collects the statistics. Every method is thread-safe.

    `lock` is an argument so that a test can show the effect of its absence. `holding` is the limit
    to which time is attributed now, with the number of hosts at work.
    """

    def __init__(self, lock: AbstractContextManager[object] | None = None) -> None:
        self._lock = lock if lock is not None else threading.Lock()
        self._started_at: float | None = None
        self._ended_at: float | None = None
        self._counts: dict[str, Any] = dict.fromkeys(_COUNTED, 0)
        self._refused: Mapping[str, int] = {}
        self._outcomes: dict[str, int] = {}
        self._causes: dict[str, CauseTally] = {}
        self._holds = Holds()
        self.holding: tuple[Limit, int] | None = None
        self._exchanged = 0.0
        self._after_exchange = 0.0
        self._latency = DurationHistogram()
        self._loop_lag = DurationHistogram()

    def resume(self, earlier: Earlier) -> None:
        """Continue the counts of an earlier run."""
        self._counts |= {
            "read": earlier.read,
            "repeats": earlier.repeats,
            "found": earlier.found,
            "earlier": earlier.records,
            "earlier_failed": earlier.failed,
            "earlier_unfetched": sum(earlier.outcomes.values()) - _fetched(earlier.outcomes),
            "moved": earlier.moved,
        }

    def begin(self, now: float) -> None:
        """Take note of the start."""
        with self._lock:
            self._started_at = now

    def end(self, now: float) -> None:
        """Take note of the end, to which later snapshots refer."""
        with self._lock:
            self._ended_at = now

    def add_read(self, entries: int, repeats: int) -> None:
        """Count entries of the list, and how many of them were seen before."""
        with self._lock:
            self._counts["read"] += entries
            self._counts["repeats"] += repeats

    def add_found(self, number: int) -> None:
        """Count URLs found and taken up."""
        with self._lock:
            self._counts["found"] += number

    def add_refused(self, counts: Mapping[str, int]) -> None:
        """Set the counts of found URLs that were refused, by reason."""
        with self._lock:
            self._refused = counts

    def add_spilled(self, number: int) -> None:
        """Count URLs, more or fewer, that wait for room."""
        with self._lock:
            self._counts["spilled"] += number

    def add_moved(self, number: int) -> None:
        """Count URLs, more or fewer, that other partitions have taken."""
        with self._lock:
            self._counts["moved"] += number

    def hold(self, limit: Limit, hosts: int, now: float) -> None:
        """Attribute time from now on to `limit`, with so many hosts at work."""
        if self.holding != (limit, hosts):
            with self._lock:
                self.holding = limit, hosts
                self._holds.hold(self.holding, now)

    def go(self, now: float) -> None:
        """Attribute time from now on to no limit."""
        if self.holding is not None:
            with self._lock:
                self.holding = None
                self._holds.hold(None, now)

    def add_fetched(self, outcome: Ended, now: float, *, again: bool) -> None:
        """Count a finished fetch; `again`: it failed and will be retried."""
        exchange = outcome.exchange
        with self._lock:
            counts = self._counts
            if again:
                counts["retries"] += 1
            if isinstance(outcome, Redirect):
                counts["redirects"] += 1
            if exchange is not None:
                counts["wire_bytes"] += exchange.wire_bytes
                counts["body_bytes"] += exchange.body_bytes
                self._exchanged += exchange.total
                after = now - exchange.started_at - exchange.total
                if after > 0:
                    self._after_exchange += after
                if exchange.status is not None:
                    self._latency.add(exchange.total)

    def add_retry(self) -> None:
        """Count a failure that will be retried after all."""
        with self._lock:
            self._counts["retries"] += 1

    def add_records(self, finals: Iterable[Final]) -> None:
        """Count final outcomes."""
        with self._lock:
            outcomes = self._outcomes
            for final in finals:
                if type(final) is Page:
                    key = UNCHANGED if final.unchanged else _PAGE
                elif isinstance(final, (Failed, Skipped)):  # a union would be built on each call
                    key = self._add_cause(final)
                else:
                    key = _WORDS[type(final)]
                outcomes[key] = outcomes.get(key, 0) + 1
                if _truncated(final):
                    self._counts["truncated"] += 1

    def _add_cause(self, final: Failed | Skipped) -> str:
        key = final.kind.value
        self._causes.setdefault(key, CauseTally()).add(final.url, final.reason)
        self._counts["failed" if isinstance(final, Failed) else "skipped"] += 1
        return key

    def add_loop_lag(self, seconds: float) -> None:
        """Count a lag of the event loop."""
        with self._lock:
            self._loop_lag.add(seconds)

    def snapshot(self, now: float) -> Snapshot:
        """Return a frozen copy; `now` is of the same clock as in `begin`."""
        with self._lock:
            started = self._started_at if self._started_at is not None else now
            ended, in_flight = self._ended_at, self._exchanged + self._after_exchange
            return Snapshot(
                elapsed=(ended if ended is not None else now) - started,
                **self._counts,
                records=sum(self._outcomes.values()),
                outcomes=dict(self._outcomes),
                causes={kind: tally.cause() for kind, tally in self._causes.items()},
                refused=dict(self._refused),
                held=self._holds.until(ended if ended is not None else now),
                parsing=self._after_exchange / (in_flight or 1.0),
                latency=self._latency.freeze(),
                loop_lag=self._loop_lag.freeze(),
            )


def _fetched(outcomes: Mapping[str, int]) -> int:
    return sum(outcomes.get(word, 0) for word in (*_WORDS.values(), UNCHANGED))


def _truncated(final: Final) -> bool:
    if isinstance(final, Skipped) or final.exchange is None:
        return False
    return final.exchange.truncated
