"""Durations in log-linear buckets (as in HdrHistogram): bounded memory, 3 % resolution.

A value is counted in whole microseconds. Each power of two is split into 32 equal buckets, so a
quantile is off by at most 1/32 of itself; the largest value is kept exactly.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from crawler.model.value import value

_SPLIT_BITS = 5
_SPLIT = 1 << _SPLIT_BITS
_OCTAVES = 37 - _SPLIT_BITS  # up to 2^37 us: 38 hours
_BUCKETS = _SPLIT * (_OCTAVES + 1)


@value(frozen=True, slots=True)
class DurationDistribution:
    """A frozen histogram. `counts[i]` durations fell into bucket i; `largest` is in seconds."""

    counts: tuple[int, ...] = ()
    largest: float = 0.0

    @property
    def count(self) -> int:
        """The number of durations recorded."""
        return sum(self.counts)

    @property
    def total(self) -> float:
        """The sum of the durations in seconds, each counted as the upper bound of its bucket."""
        return sum(n * _upper_bound(bucket) for bucket, n in enumerate(self.counts) if n) / 1e6

    def counts_below(self, bounds: Sequence[float]) -> list[int]:
        """Return the numbers of durations of at most each of `bounds`, rising seconds."""
        sums = [0, *accumulate(self.counts)]
        ends = [_upper_bound(bucket) / 1e6 for bucket in range(len(self.counts))]
        return [sums[bisect_right(ends, bound)] for bound in bounds]

    def quantile(self, q: float) -> float | None:
        """Return the seconds that a share of `q` (0 to 1) does not exceed; None if empty."""
        rank = q * self.count
        if not self.count:
            return None
        below = 0
        for bucket, count in enumerate(self.counts):
            below += count
            if count and below >= rank:
                return min(_upper_bound(bucket) / 1e6, self.largest)
        return self.largest


class DurationHistogram:
    """Counts durations. Not thread-safe: its owner holds the lock."""

    __slots__ = ("_counts", "_largest")

    def __init__(self) -> None:
        self._counts = [0] * _BUCKETS
        self._largest = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration; a negative one counts as zero."""
        value = int(seconds * 1e6) if seconds > 0 else 0
        shift = value.bit_length() - _SPLIT_BITS - 1
        bucket = (shift << _SPLIT_BITS) + (value >> shift) if shift > 0 else value
        self._counts[bucket if bucket < _BUCKETS else _BUCKETS - 1] += 1
        if seconds > self._largest:
            self._largest = seconds

    def freeze(self) -> DurationDistribution:
        """Return the distribution so far."""
        return DurationDistribution(tuple(self._counts), self._largest)


def _upper_bound(bucket: int) -> int:
    """Return the largest number of microseconds that falls into `bucket`."""
    shift = max((bucket >> _SPLIT_BITS) - 1, 0)
    return ((bucket - (shift << _SPLIT_BITS) + 1) << shift) - 1
