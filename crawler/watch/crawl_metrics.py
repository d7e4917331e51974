"""A crawl as Prometheus reads it.

Names follow its conventions: base units, `_total` for what only rises. Labels are outcomes and
limits, of which there are a few dozen, whatever the list: no series belongs to a host or a URL.
The statistics are read when somebody scrapes, and cost nothing between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from crawler.core.bottleneck import Limit
from crawler.core.collector import UNCHANGED, Snapshot
from crawler.core.durations import DurationDistribution
from crawler.measure.exposition_server import BOUNDS
from crawler.model.outcome import Kind

_OUTCOMES = ("page", UNCHANGED, "redirect", "sitemap", *(kind.value for kind in Kind))

_COUNTERS: Mapping[str, tuple[str, str]] = {
    "read": ("Entries of the list, those of earlier runs included.", "read"),
    "found": ("URLs found in pages and sitemaps, and taken up.", "found"),
    "repeats": ("Entries of the list that it had already.", "repeats"),
    "retries": ("Fetches that failed and were tried again.", "retries"),
    "redirects": ("Redirects that were followed.", "redirects"),
    "truncated": ("Bodies that were cut.", "truncated"),
    "received_bytes": ("Bytes on the wire.", "wire_bytes"),
    "body_bytes": ("Bytes of bodies, unpacked.", "body_bytes"),
    "outages": ("Hosts that no longer answered.", "outages"),
    "network_pauses": ("Losses of the network.", "network_pauses"),
    "network_paused_seconds": ("Time without a network.", "network_paused"),
    "stood_still_seconds": ("Time in which the process did not run.", "stood_still"),
}
"""By name: help, and the field of `Snapshot`."""

_GAUGES: Mapping[str, tuple[str, str]] = {
    "in_flight": ("Requests in flight.", "in_flight"),
    "pending_urls": ("URLs in memory whose record is still to come.", "pending"),
    "spilled_urls": ("URLs that wait outside of memory.", "spilled"),
    "hosts_away": ("Hosts that do not answer, whose URLs wait.", "hosts_away"),
    "elapsed_seconds": ("Time since the start.", "elapsed"),
}


class CrawlExposition(Collector):
    """The metrics of one crawl.

    statistics: returns the statistics, from any thread. about: fixed labels of the crawl.
    """

    def __init__(self, statistics: Callable[[], Snapshot], about: Mapping[str, str]) -> None:
        self._statistics = statistics
        self._about = dict(about)

    def __repr__(self) -> str:
        return f"CrawlExposition({self._about})"

    def collect(self) -> Iterable[Metric]:
        """Yield all metrics."""
        taken = self._statistics()
        yield InfoMetricFamily("crawler", "The crawl.", value=self._about)
        for name, (words, field) in _COUNTERS.items():
            yield CounterMetricFamily(f"crawler_{name}", words, value=getattr(taken, field))
        for name, (words, field) in _GAUGES.items():
            yield GaugeMetricFamily(f"crawler_{name}", words, value=getattr(taken, field))
        yield from self._labelled(taken)
        yield _histogram("fetch", "Time of an exchange, from its start to its end.", taken.latency)
        yield _histogram("loop_lag", "Lag of the event loop.", taken.loop_lag)

    def _labelled(self, taken: Snapshot) -> Iterator[Metric]:
        records = CounterMetricFamily("crawler_records", "Records by outcome.", labels=["outcome"])
        for outcome in _OUTCOMES:
            records.add_metric([outcome], taken.outcomes.get(outcome, 0))
        yield records
        held = CounterMetricFamily(
            "crawler_held_seconds", "Time in which a limit let nothing start.", labels=["limit"]
        )
        for limit in Limit:
            found = taken.held.get(limit)
            held.add_metric([limit.value], found.seconds if found else 0.0)
        yield held


def _histogram(name: str, words: str, taken: DurationDistribution) -> Metric:
    counts = [*taken.counts_below(BOUNDS), taken.count]
    buckets = list(zip([*map(str, BOUNDS), "+Inf"], counts, strict=True))
    return HistogramMetricFamily(f"crawler_{name}_seconds", words, buckets, taken.total)
