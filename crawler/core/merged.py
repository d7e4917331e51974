"""One snapshot for several partitions of a crawl, which share no host.

Counts add up. A limit held the whole crawl for the mean of the partitions' times, as all of them
ran at once, at the sum of their hosts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest

from crawler.core.audit import Totals
from crawler.core.bottleneck import Held, Limit
from crawler.core.collector import Snapshot
from crawler.core.durations import DurationDistribution
from crawler.core.end_causes import Cause

_SUMS = (
    *("read", "repeats", "records", "failed", "skipped", "truncated", "retries", "redirects"),
    *("in_flight", "wire_bytes", "body_bytes", "found", "earlier", "moved", "spilled"),
    *("earlier_failed", "earlier_unfetched", "hosts_away", "outages"),
    *("concurrency", "parser_queue"),
)
_WORST = ("network_pauses", "network_paused", "stood_still")
"""What all partitions see of the same network and machine."""


def merged(parts: Sequence[Snapshot], elapsed: float, concurrency: int) -> Snapshot:
    """Return the snapshot of the whole crawl after `elapsed` seconds.

    concurrency: of each partition, unless it was lowered.
    """
    lowered = [part.lowered_to or concurrency for part in parts]
    requests = [(part.parsing, part.latency.count) for part in parts]
    return Snapshot(
        elapsed=elapsed,
        outcomes=_summed(part.outcomes for part in parts),
        refused=_summed(part.refused for part in parts),
        causes=_causes(parts),
        held=_held(parts),
        lowered_to=sum(lowered) if any(part.lowered_to for part in parts) else 0,
        parsing=sum(share * count for share, count in requests)
        / (sum(count for _, count in requests) or 1),
        latency=_distribution([part.latency for part in parts]),
        loop_lag=_distribution([part.loop_lag for part in parts]),
        paused=any(part.paused for part in parts),
        hosts=tuple(host for part in parts for host in part.hosts),
        **{name: sum(getattr(part, name) for part in parts) for name in _SUMS},
        **{name: max((getattr(part, name) for part in parts), default=0) for name in _WORST},
    )


_LATEST = ("read", "repeats", "found", "moved", "in_flight", "spilled", "hosts_away")
"""Counts over all runs, and those of the moment."""
_FIRST = ("earlier", "earlier_failed", "earlier_unfetched")


def followed(before: Snapshot, after: Snapshot) -> Snapshot:
    """Return the snapshot of a partition over two runs, the second of which continues the first."""
    whole = merged([before, after], before.elapsed + after.elapsed, 0)
    return replace(
        whole,
        lowered_to=after.lowered_to,
        **{name: getattr(after, name) for name in _LATEST},
        **{name: getattr(before, name) for name in _FIRST},
    )


def summed_totals(parts: Iterable[Totals]) -> Totals:
    """Return the totals over the hosts of all partitions."""
    whole = Totals()
    for part in parts:
        whole.hosts += part.hosts
        whole.requests += part.requests
        whole.pauses += part.pauses
        whole.away += part.away
        whole.most_in_flight = max(whole.most_in_flight, part.most_in_flight)
        gaps = [gap for gap in (whole.smallest_gap, part.smallest_gap) if gap is not None]
        whole.smallest_gap = min(gaps, default=None)
    return whole


def _summed(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    whole: Counter[str] = Counter()
    for each in counts:
        whole.update(each)
    return dict(whole)


def _causes(parts: Sequence[Snapshot]) -> dict[str, Cause]:
    """Add up the numbers of each kind; the example is that of the partition with the most."""
    found: dict[str, list[Cause]] = {}
    for part in parts:
        for kind, cause in part.causes.items():
            found.setdefault(kind, []).append(cause)
    number: Callable[[Cause], int] = lambda cause: cause.number  # noqa: E731
    whole = {}
    for kind, causes in found.items():
        first = max(causes, key=number)
        whole[kind] = Cause(number=sum(map(number, causes)), url=first.url, reason=first.reason)
    return whole


def _held(parts: Sequence[Snapshot]) -> dict[Limit, Held]:
    limits = {limit for part in parts for limit in part.held}
    none = Held()
    return {
        limit: Held(
            sum(part.held.get(limit, none).seconds for part in parts) / len(parts),
            sum(part.held.get(limit, none).host_seconds for part in parts),
        )
        for limit in sorted(limits)
    }


def _distribution(parts: Sequence[DurationDistribution]) -> DurationDistribution:
    counts = zip_longest(*(part.counts for part in parts), fillvalue=0)
    largest = max((part.largest for part in parts), default=0.0)
    return DurationDistribution(tuple(map(sum, counts)), largest)
