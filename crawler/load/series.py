"""Figures of each second of a run: at most 3,600 rows, whatever the run's length.

A row keeps its latencies as coarse histograms, packed, so that rows of several processes merge
exactly and two rows become one when there are too many: then every row is twice as long.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Annotated, Any, Self

from msgspec import field

from crawler.measure.histogram import COARSE_BITS, Buckets, Histogram
from crawler.measure.json_document import Record, told

MOST_ROWS = 3_600
"""An hour of seconds; about 10 MB where latencies are spread wide."""

RESPONSE = told("From the intended time to the end.")
SERVICE = told("From sending to the end.")
LAG = told("From the intended time to sending.")
Seconds = Annotated[float, told("Seconds.")]

_SHOWN = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}


class Shown(Buckets, frozen=True, kw_only=True):
    """The JSON form of a row's latencies: figures, and the coarse buckets they follow from."""

    p50: Seconds
    p90: Seconds
    p99: Seconds
    max: Seconds


class Latencies:
    """A histogram in coarse buckets (1.6 %), packed."""

    __slots__ = ("packed",)
    FORM = Shown

    def __init__(self, histogram: Histogram | None = None) -> None:
        self.packed = (histogram or Histogram()).copy(bits=COARSE_BITS).packed

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Latencies) and self.packed == other.packed

    __hash__ = None  # type: ignore[assignment]  # nobody needs it

    @property
    def histogram(self) -> Histogram:
        """The histogram, unpacked."""
        return Histogram.unpacked(self.packed)

    def __add__(self, other: Latencies) -> Latencies:
        """Return both as one."""
        return Latencies(self.histogram + other.histogram)

    @property
    def json(self) -> dict[str, Any]:
        """Figures in seconds, and the buckets that they follow from."""
        histogram = self.histogram
        shown = dict(zip(_SHOWN, histogram.quantiles(_SHOWN.values()), strict=True))
        return {**shown, **histogram.json}

    @classmethod
    def of(cls, json: Mapping[str, Any]) -> Self:
        """Read `json`; raises KeyError, TypeError or ValueError."""
        return cls(Histogram.of(json))


class Row(Record, frozen=True, kw_only=True):
    """The hits that ended in one stretch of the run, failures among them."""

    at: Annotated[
        int, told("Its start: seconds after the start of the measurement.", merged=min, ge=0)
    ]
    count: Annotated[int, told("Answers.", ge=0)] = 0
    errors: Annotated[int, told("Failures, dropped hits, unexpected statuses.", ge=0)] = 0
    response: Annotated[Latencies, RESPONSE] = field(default_factory=Latencies)
    service: Annotated[Latencies, SERVICE] = field(default_factory=Latencies)
    lag: Annotated[Latencies, LAG] = field(default_factory=Latencies)


def halved(rows: Sequence[Row]) -> list[Row]:
    """Merge each two rows into one; an odd last one stays alone."""
    pairs = zip_longest(rows[::2], rows[1::2])
    return [first.merge(second) if second else first for first, second in pairs]
