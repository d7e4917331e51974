"""What each second of a run was like: at most 3,600 rows, whatever the run's length.

A row keeps its latencies as coarse histograms, packed, so that rows of several processes merge
exactly and two rows become one when there are too many: then every row is twice as long.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Self

from crawler.measure.histogram import COARSE_BITS, Histogram

MOST_ROWS = 3_600
"""An hour of seconds; about 10 MB where latencies are spread wide."""

LATENCIES = ("response", "service", "lag")
_SHOWN = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
_NOTHING = Histogram(bits=COARSE_BITS).packed


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What ended in one stretch of the run, failures among it.

    `at` is where it begins, in seconds after the start of the measurement; `count` the answers,
    `errors` those with an unexpected status, the failed and the dropped.
    """

    at: int
    count: int = 0
    errors: int = 0
    packed: tuple[bytes, bytes, bytes] = (_NOTHING, _NOTHING, _NOTHING)

    @property
    def response(self) -> Histogram:
        """Latencies from the intended time, in coarse buckets (1.6 %)."""
        return Histogram.unpacked(self.packed[0])

    @property
    def service(self) -> Histogram:
        """Latencies from the time sent, in coarse buckets."""
        return Histogram.unpacked(self.packed[1])

    @property
    def lag(self) -> Histogram:
        """From the intended time to the one sent, in coarse buckets."""
        return Histogram.unpacked(self.packed[2])

    def merge(self, other: Row) -> Row:
        """Both as one row, which begins where this one does."""
        return Row(
            at=self.at,
            count=self.count + other.count,
            errors=self.errors + other.errors,
            packed=tuple(map(_merged, self.packed, other.packed)),  # type: ignore[arg-type]
        )

    @property
    def json(self) -> dict[str, Any]:
        """The row's figures (seconds), and the buckets that they follow from."""
        figures: dict[str, Any] = {"at": self.at, "count": self.count, "errors": self.errors}
        for name, packed in zip(LATENCIES, self.packed, strict=True):
            histogram = Histogram.unpacked(packed)
            shown = dict(zip(_SHOWN, histogram.quantiles(_SHOWN.values()), strict=True))
            figures[name] = {**shown, **histogram.json}
        return figures

    @classmethod
    def of(cls, json: Mapping[str, Any]) -> Self:
        """From `json`; raises KeyError, TypeError or ValueError for what it cannot be."""
        packed = tuple(Histogram.of(json[name]).packed for name in LATENCIES)
        at, count, errors = (int(json[name]) for name in ("at", "count", "errors"))
        return cls(at=at, count=count, errors=errors, packed=packed)  # type: ignore[arg-type]


def packed_latencies(histograms: Iterable[Histogram]) -> tuple[bytes, bytes, bytes]:
    """For a row: response, service and lag, which may be one and the same object."""
    response, service, lag = (h.copy(bits=COARSE_BITS).packed for h in histograms)
    return response, (response if service == response else service), lag


def _merged(one: bytes, other: bytes) -> bytes:
    histogram = Histogram.unpacked(one)
    histogram.merge(Histogram.unpacked(other))
    return histogram.packed


def halved(rows: Sequence[Row]) -> list[Row]:
    """Each two rows as one; an odd last one stays alone."""
    pairs = zip_longest(rows[::2], rows[1::2])
    return [first.merge(second) if second else first for first, second in pairs]


def merged_rows(one: Sequence[Row], other: Sequence[Row]) -> list[Row]:
    """Rows of the same length, both from the start on, added up one by one."""
    return [
        first.merge(second) if first and second else first or second
        for first, second in zip_longest(one, other)
    ]
