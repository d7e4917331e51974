"""A histogram as the percentile text that HdrHistogram's own tools write and plot.

The lines are those of its PercentileIterator with five ticks per half distance: each tick halves
the way to 100 % in five steps, so that the tail is drawn as finely as the bulk.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from crawler.measure.histogram import Histogram

TICKS = 5
"""Steps per halving of what is left to 100 %: the default of HdrHistogram, wrk2 and vegeta."""

_TITLES = ("Value", "Percentile", "TotalCount", "1/(1-Percentile)")
_MILLI = 1e3


def spectrum(histogram: Histogram, ticks: int = TICKS) -> Iterator[tuple[float, float, int]]:
    """Yield (seconds, share from 0 to 1, values not above): rising, the last at 1."""
    total, level, edge = histogram.count, 0.0, 0.0
    for edge, seen in histogram.cumulative():
        while 100 * seen / total >= level:
            yield edge, level / 100, seen
            level += 100 / (ticks * 2 ** (math.floor(math.log2(100 / (100 - level))) + 1))
            if seen == total:
                break
    if total:
        yield edge, 1.0, total


def hgrm(histogram: Histogram) -> str:
    """Return the percentile distribution, values in milliseconds, as in `.hgrm` files."""
    lines = ["{:>12} {:>14} {:>10} {:>14}".format(*_TITLES), ""]
    lines += [_line(*point) for point in spectrum(histogram)]
    return "\n".join([*lines, *_summary(histogram), ""])


def _line(seconds: float, share: float, seen: int) -> str:
    line = f"{seconds * _MILLI:12.3f} {share:.12f} {seen:10d}"
    return line if share == 1 else f"{line} {1 / (1 - share):14.2f}"


def _summary(histogram: Histogram) -> Iterator[str]:
    mean, stdev = histogram.mean * _MILLI, histogram.stdev * _MILLI
    octaves = max(1, round(histogram.largest * 1e6).bit_length() - histogram.bits)
    yield f"#[Mean    = {mean:12.3f}, StdDeviation   = {stdev:12.3f}]"
    yield f"#[Max     = {histogram.largest * _MILLI:12.3f}, Total count    = {histogram.count:12d}]"
    yield f"#[Buckets = {octaves:12d}, SubBuckets     = {2 << histogram.bits:12d}]"
