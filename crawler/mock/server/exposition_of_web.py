"""A mock web as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from crawler.mock.server.responder import Statistics
from crawler.model.errors import EnvironmentFailure

_COUNTERS = {
    "connections": ("Connections accepted.", "connections"),
    "requests": ("Requests answered or being answered.", "requests"),
    "bad_requests": ("Requests refused as invalid HTTP.", "bad_requests"),
    "sent_bytes": ("Bytes written to the sockets.", "bytes_sent"),
}
_GAUGES = {
    "open_connections": ("Connections open now.", "open_connections"),
    "waiting_requests": ("Requests held back by latency or delay.", "waiting"),
    "peak_waiting_requests": ("Most requests held back at once.", "peak_waiting"),
}


class WebExposition(Collector):
    """The counters of one mock web; `statistics` is called for each scrape, in its thread."""

    def __init__(self) -> None:
        self.statistics: Callable[[], Statistics] = Statistics
        self._last = Statistics()

    def collect(self) -> Iterable[Metric]:
        """Yield all metrics; those of the last scrape while the web begins or ends."""
        try:
            self._last = found = self.statistics()
        except EnvironmentFailure:
            found = self._last
        for name, (words, field) in _COUNTERS.items():
            yield CounterMetricFamily(f"crawler_mock_{name}", words, value=getattr(found, field))
        for name, (words, field) in _GAUGES.items():
            yield GaugeMetricFamily(f"crawler_mock_{name}", words, value=getattr(found, field))
