"""Latencies counted in buckets: bounded, quick to add to, and exactly mergeable.

The buckets are log-linear, as in HdrHistogram (Tene, 2012): values are whole microseconds, to the
nearest; those below 2,048 us have a bucket each, and every further octave has 1,024 of equal width.
So a value read back differs from the one added by less than 0.1 %, or by half a microsecond. A
`bits` below 10 makes buckets wider: 2 ** -bits is the greatest relative width.

Everything read back follows from the counts alone, so that adding in any order and merging in any
order give equal histograms. There are no more buckets than 1,024 for each octave, 28,672 for a day;
only those in use take memory.

A *lower bound* is a value that is known to be at least so long: a request that timed out, failed or
was in flight at the end. It is counted as the time that it took until then; `lower_bounds` says how
many there are, and quantiles at or above them are then lower bounds, too.
"""

from __future__ import annotations

import math
import zlib
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Annotated, Any, Literal, Self

from msgspec import Meta

from crawler.measure.json_document import Record, told

BITS = 10
"""Three significant digits: 2 ** -10 is under 0.1 %."""
COARSE_BITS = 6
"""For a figure a second, of which there may be thousands: under 1.6 %."""
MICRO = 1e6


def index_of(micros: int, bits: int = BITS) -> int:
    """Return the bucket of a whole number of microseconds from 0 on."""
    shift = micros.bit_length() - bits - 1
    return micros if shift <= 0 else (shift << bits) + (micros >> shift)


def span_of(index: int, bits: int = BITS) -> tuple[int, int]:
    """Return the least value in a bucket and the bucket's width, in microseconds."""
    shift = (index >> bits) - 1
    if shift <= 0:
        return index, 1
    return (index - (shift << bits)) << shift, 1 << shift


def _table() -> array[int]:
    table = array("H", range(2 << BITS))
    for shift in range(1, 7):
        for index in range((shift + 1) << BITS, (shift + 2) << BITS):
            table.extend([index] * (1 << shift))
    return table


# The buckets of all microseconds below 131 ms: for loops that run in C alone.
_TABLE = _table()


class Buckets(Record, frozen=True, kw_only=True):
    """The JSON form of a histogram: counts in log-linear buckets of microseconds."""

    bits: Annotated[
        Literal[6, 10],
        told(
            "A bucket i under 2 << bits holds i alone; of the others, with shift = (i >> bits) - 1,"
            " the least value is (i - (shift << bits)) << shift, and the width 1 << shift."
        ),
    ]
    lower_bounds: Annotated[int, told("Values known to be at least as long as counted.", ge=0)]
    buckets: Annotated[list[Annotated[int, Meta(ge=0)]], told("Index and count in turn, upwards.")]


class Histogram:
    """Counts of durations from 0 on; all that goes in and comes out is in seconds.

    `counts` is bucket index -> count; a hot path may add to it by `index_of` itself.
    """

    __slots__ = ("bits", "counts", "lower_bounds")
    FORM = Buckets

    def __init__(self, values: Iterable[float] = (), *, bits: int = BITS) -> None:
        self.bits = bits
        self.counts: Counter[int] = Counter()
        self.lower_bounds = 0
        self.add_many(values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Histogram) and self.json == other.json

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        if not self.counts:
            return "Histogram(empty)"
        figures = ", ".join(f"p{100 * q:g}={self.quantile(q):.6f}" for q in (0.5, 0.99, 1))
        return f"Histogram({self.count} values, {figures})"

    def add(self, seconds: float) -> None:
        """Count one value; one below 0 counts as 0."""
        micros = round(seconds * MICRO)
        shift = micros.bit_length() - self.bits - 1
        if shift > 0:
            micros = (shift << self.bits) + (micros >> shift)
        self.counts[micros if seconds > 0 else 0] += 1

    def add_many(self, values: Iterable[float]) -> None:
        """Count each of the values; of a thousand at once, in less than half the time of `add`."""
        micros = list(map(round, map(MICRO.__mul__, values)))
        if micros and self.bits == BITS and min(micros) >= 0 and max(micros) < len(_TABLE):
            self.counts.update(map(_TABLE.__getitem__, micros))
        else:
            bits = self.bits
            self.counts.update([index_of(max(0, value), bits) for value in micros])

    def add_lower_bound(self, seconds: float) -> None:
        """Count a value of which only is known that it is at least so long."""
        self.add(seconds)
        self.lower_bounds += 1

    def merge(self, other: Histogram) -> None:
        """Count all that the other has counted; ValueError if its buckets are wider."""
        if other.bits < self.bits:
            raise ValueError(f"buckets of {other.bits} bits do not fit into those of {self.bits}")
        counts, bits = self.counts, self.bits
        if other.bits == bits:
            counts.update(other.counts)
        else:
            for index, count in other.counts.items():
                counts[index_of(span_of(index, other.bits)[0], bits)] += count
        self.lower_bounds += other.lower_bounds

    def __add__(self, other: Histogram) -> Histogram:
        """Return both as one, in buckets of this one's width."""
        both = self.copy()
        both.merge(other)
        return both

    def copy(self, *, bits: int | None = None) -> Histogram:
        """Return a separate histogram with the same counts, or with wider buckets."""
        copied = Histogram(bits=self.bits if bits is None else bits)
        copied.merge(self)
        return copied

    @property
    def count(self) -> int:
        """Number of values, lower bounds among them."""
        return sum(self.counts.values())

    def quantile(self, share: float) -> float:
        """Return the least value that `share` (0 to 1) of all are not above; 0 of nothing.

        It is the nearest rank, and of its bucket the greatest value (as HdrHistogram has it).
        """
        return self.quantiles((share,))[0]

    def quantiles(self, shares: Iterable[float]) -> tuple[float, ...]:
        """Return several quantiles, in the order given, in one pass over the buckets."""
        total = self.count
        # The product may be a hair above a whole number: 0.07 * 100 is 7.000000000000001.
        ranks = [max(1, math.ceil(share * total - 1e-9)) for share in shares]
        found: dict[int, float] = {}
        waiting = sorted(set(ranks), reverse=True)
        for edge, seen in self.cumulative():
            while waiting and waiting[-1] <= seen:
                found[waiting.pop()] = edge
        return tuple(found.get(rank, 0.0) for rank in ranks)

    def cumulative(self) -> Iterator[tuple[float, int]]:
        """Yield, upwards, each bucket's greatest value and the number not above it."""
        seen = 0
        for index in sorted(self.counts):
            least, width = span_of(index, self.bits)
            seen += self.counts[index]
            yield (least + width - 1) / MICRO, seen

    def counts_below(self, bounds: Iterable[float]) -> list[int]:
        """Return, for rising bounds, the number of values in buckets that begin below."""
        found, seen = [], 0
        waiting = sorted(self.counts, reverse=True)
        for bound in bounds:
            while waiting and span_of(waiting[-1], self.bits)[0] <= bound * MICRO + 1e-6:
                seen += self.counts[waiting.pop()]
            found.append(seen)
        return found

    @property
    def mean(self) -> float:
        """The arithmetic mean, each value taken as the middle of its bucket; 0 of nothing."""
        total = self.count
        # A sum of whole numbers, as one of floats would depend on the order.
        micros = sum(self._middle(index) * count for index, count in self.counts.items())
        return micros / total / MICRO if total else 0.0

    @property
    def stdev(self) -> float:
        """The standard deviation of all values (not of a sample); 0 of nothing."""
        total, mean = self.count, self.mean * MICRO
        squares = math.fsum((self._middle(i) - mean) ** 2 * n for i, n in self.counts.items())
        return math.sqrt(squares / total) / MICRO if total else 0.0

    @property
    def smallest(self) -> float:
        """The least value of the lowest bucket; 0 of nothing."""
        return span_of(min(self.counts), self.bits)[0] / MICRO if self.counts else 0.0

    @property
    def largest(self) -> float:
        """The greatest value of the highest bucket; 0 of nothing."""
        if not self.counts:
            return 0.0
        least, width = span_of(max(self.counts), self.bits)
        return (least + width - 1) / MICRO

    def _middle(self, index: int) -> int:
        least, width = span_of(index, self.bits)
        return least + width // 2

    @property
    def json(self) -> dict[str, Any]:
        """`bits`, `lower_bounds`, and `buckets`: index and count in turn, upwards."""
        buckets = [part for index in sorted(self.counts) for part in (index, self.counts[index])]
        return {"bits": self.bits, "lower_bounds": self.lower_bounds, "buckets": buckets}

    @classmethod
    def of(cls, json: Mapping[str, Any]) -> Self:
        """Read `json`; raise KeyError, TypeError or ValueError if it is invalid."""
        buckets = [int(part) for part in json["buckets"]]
        pairs = dict(zip(buckets[::2], buckets[1::2], strict=True))
        if any(index < 0 or count < 1 for index, count in pairs.items()):
            raise ValueError("a bucket has an index from 0 and a count from 1")
        histogram = cls(bits=int(json["bits"]))
        histogram.counts.update(pairs)
        histogram.lower_bounds = int(json["lower_bounds"])
        return histogram

    @property
    def packed(self) -> bytes:
        """As `json`, in some 2 bytes a bucket; OverflowError from 2**32 values a bucket on."""
        indices = sorted(self.counts)
        steps = [after - before for before, after in zip([0, *indices], indices, strict=False)]
        counts = map(self.counts.__getitem__, indices)
        numbers = array("I", [self.bits, self.lower_bounds, *steps, *counts])
        return zlib.compress(numbers.tobytes(), 1)

    @classmethod
    def unpacked(cls, packed: bytes) -> Self:
        """Read `packed`, in the same process."""
        bits, lower_bounds, *numbers = array("I", zlib.decompress(packed))
        half = len(numbers) // 2
        histogram = cls(bits=bits)
        histogram.counts.update(dict(zip(accumulate(numbers[:half]), numbers[half:], strict=True)))
        histogram.lower_bounds = lower_bounds
        return histogram
