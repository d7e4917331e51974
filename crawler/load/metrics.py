"""A load as Prometheus reads it: counters and latencies on a port of this machine alone.

What is shown is a second old at most, as the generator tells of itself once a second: it never
waits for a scrape. Several runs (`--find-limit`, `--against`) are one series: counters only rise.
Labels are statuses, kinds of failure, and in a list of several targets the rows of the results, of
which there are few: a list of a million URLs has a hundred rows and one for all others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from crawler.load.measured import Failure, Measured, TargetCounts
from crawler.load.part import OnSecond
from crawler.measure.exposition_server import BOUNDS
from crawler.measure.histogram import Histogram
from crawler.measure.json_document import total

_LATENCIES = {
    "response": "Latency from when a request was due.",
    "service": "Latency from when a request was sent.",
    "lag": "From when a request was due to when it was sent.",
}


_ByName = Mapping[str, TargetCounts]


class Exposition(Collector):
    """The last measurements; told by the generator, read by the server's threads."""

    def __init__(self) -> None:
        nothing = Measured(elapsed=0.0)
        self._runs = nothing, nothing  # those that have ended, and the one under way
        self._targets: tuple[_ByName, _ByName] = {}, {}

    @property
    def whole(self) -> Measured:
        """All runs together."""
        ended, under_way = self._runs
        return ended.merge(under_way)

    def tell(self, measured: Measured) -> None:
        """Take what the run under way has measured so far."""
        self._targets = self._targets[0], {each.name: each for each in measured.targets}
        self._runs = self._runs[0], replace(measured, rows=(), targets=())

    def before(self, watch: OnSecond | None) -> OnSecond:
        """Return what tells this first, and then `watch`."""

        def both(measured: Measured) -> None:
            self.tell(measured)
            if watch is not None:
                watch(measured)

        return both

    def end(self, measured: Measured) -> None:
        """Take what a run has measured in all."""
        self.tell(measured)
        self._runs = self.whole, Measured(elapsed=0.0)
        self._targets = total(*self._targets), {}

    def collect(self) -> Iterable[Metric]:
        """Yield all metrics."""
        whole = self.whole
        yield _labelled("responses", "Responses by status.", "code", whole.statuses.items())
        failures = [(kind.value, whole.failures.get(kind, 0)) for kind in Failure]
        yield _labelled("failures", "Requests without a response.", "kind", failures)
        for name, words, value in (
            ("errors", "Failed and dropped requests, and unexpected statuses.", whole.errors),
            ("dropped", "Requests given up, as no connection was free.", whole.dropped),
            ("retries", "Requests sent again: closed while idle.", whole.reopened),
            ("received_bytes", "Bytes of responses.", whole.received),
        ):
            yield CounterMetricFamily(f"crawler_load_{name}", words, value=value)
        for name, words in _LATENCIES.items():
            yield _latency(f"crawler_load_{name}_seconds", words, getattr(whole, name))
        yield from self._by_target()

    def _by_target(self) -> Iterable[Metric]:
        targets: _ByName = total(*self._targets)
        if len(targets) < 2:
            return
        answers = _family("target_responses", "Responses by target and status.", "target", "code")
        errors = _family("target_errors", "Errors by target and kind.", "target", "kind")
        for name, target in targets.items():
            for status, number in target.statuses.items():
                answers.add_metric([name, str(status)], number)
            for kind, error in target.errors.items():
                errors.add_metric([name, kind], error.count)
        yield from (answers, errors)


def _labelled(
    name: str, help: str, label: str, values: Iterable[tuple[object, int]]
) -> CounterMetricFamily:
    family = _family(name, help, label)
    for key, value in values:
        family.add_metric([str(key)], value)
    return family


def _family(name: str, help: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"crawler_load_{name}", help, labels=labels)


def _latency(name: str, help: str, histogram: Histogram) -> HistogramMetricFamily:
    bounds = [*map(str, BOUNDS), "+Inf"]
    counts = [*histogram.counts_below(BOUNDS), histogram.count]
    buckets = list(zip(bounds, counts, strict=True))
    return HistogramMetricFamily(name, help, buckets, histogram.mean * histogram.count)
