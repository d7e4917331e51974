"""One snapshot for several partitions."""

from __future__ import annotations

import pytest

from crawler.core.audit import Totals
from crawler.core.bottleneck import Bound, Held, Limit
from crawler.core.collector import Snapshot
from crawler.core.durations import DurationHistogram
from crawler.core.end_causes import Cause
from crawler.core.merged import merged, summed_totals


def test_counts_of_partitions_add_up() -> None:
    """Numbers are summed, also by outcome and kind; an example is that of the larger number."""
    parts = [
        Snapshot(read=3, records=3, outcomes={"page": 2, "dns": 1}, causes={"dns": _cause(1)}),
        Snapshot(read=9, records=9, outcomes={"dns": 9}, causes={"dns": _cause(9)}),
    ]
    whole = merged(parts, 2.0, 8)
    assert (whole.read, whole.records, whole.pending, whole.elapsed) == (12, 12, 0, 2.0)
    assert whole.outcomes == {"page": 2, "dns": 10}
    assert whole.causes == {"dns": Cause(number=10, url="http://9.test/", reason="9")}


def test_a_limit_of_all_partitions_binds_the_crawl_at_all_their_hosts() -> None:
    """The time is the mean of the partitions', the hosts their sum; what holds one is no limit."""
    both = [Snapshot(held={Limit.DELAY: Held(10.0, 30.0)})] * 2
    assert merged(both, 10.0, 8).bound() == Bound(limit=Limit.DELAY, hosts=6)
    assert merged([both[0], Snapshot(), Snapshot()], 10.0, 8).bound() is None


def test_latencies_of_partitions_are_one_distribution() -> None:
    """The quantiles are those of all requests, the longest is exact."""
    parts = []
    for seconds in (0.001, 1.0):
        histogram = DurationHistogram()
        histogram.add(seconds)
        parts.append(Snapshot(latency=histogram.freeze()))
    latency = merged(parts, 1.0, 8).latency
    assert (latency.count, latency.quantile(1.0)) == (2, 1.0)
    assert latency.quantile(0.5) == pytest.approx(0.001, rel=0.04)


def test_a_lowered_concurrency_counts_for_its_partition_alone() -> None:
    """The others keep their share."""
    assert merged([Snapshot(lowered_to=2), Snapshot()], 1.0, 8).lowered_to == 10
    assert merged([Snapshot(), Snapshot()], 1.0, 8).lowered_to == 0


def test_totals_of_partitions_keep_the_worst() -> None:
    """Hosts and requests add up; gaps and widths are the worst of any partition."""
    parts = [Totals(hosts=1, requests=5, smallest_gap=0.5, most_in_flight=2), Totals(hosts=2)]
    assert summed_totals(parts) == Totals(hosts=3, requests=5, smallest_gap=0.5, most_in_flight=2)


def _cause(number: int) -> Cause:
    return Cause(number=number, url=f"http://{number}.test/", reason=str(number))
