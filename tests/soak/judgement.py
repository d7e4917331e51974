"""Flat or growing: a pure function over samples of a running crawl.

What is judged is the median of the last third of the time against that of the first third, without
the warm-up. A median, as a page of 10 MB that is being parsed at the moment is no leak; and thirds,
as what grows by little all the time shows there however slow it is, if one only waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

_LEAST = 3  # samples in each third


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A crawl and all that it started, at one moment.

    `at` is in seconds since its start, `memory` the sum of proportional set sizes in bytes.
    """

    at: float
    memory: int
    descriptors: int
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """The growth that a quantity may show: a share of what it was, and something on top of it."""

    share: float
    slack: int
    most: int  # what no sample may exceed, from the start on

    def broken(self, name: str, first: float, last: float, peak: int) -> list[str]:
        """Return a line for each way in which the bound broke."""
        lines = []
        allowed = first * (1 + self.share) + self.slack
        if last > allowed:
            lines.append(
                f"{name} grew from {first:,.0f} (median of the first third) to {last:,.0f} (last"
                f" third): at most {allowed:,.0f} expected"
            )
        if peak > self.most:
            lines.append(f"{name} reached {peak:,}: at most {self.most:,} expected")
        return lines


def broken(samples: Sequence[Sample], bounds: dict[str, Bound], warm_up: float) -> list[str]:
    """Return a line for each bound that broke; none: all is flat.

    `bounds` has the fields of `Sample` that are judged; samples before `warm_up` count for the
    peaks alone.
    """
    warm = [sample for sample in samples if sample.at >= warm_up]
    if len(warm) < 3 * _LEAST:
        return [f"{len(warm)} samples after the warm-up: at least {3 * _LEAST} expected"]
    third = (warm[-1].at - warm[0].at) / 3
    first = [sample for sample in warm if sample.at <= warm[0].at + third]
    last = [sample for sample in warm if sample.at >= warm[-1].at - third]
    return [
        line
        for name, bound in bounds.items()
        for line in bound.broken(
            name,
            median(getattr(sample, name) for sample in first),
            median(getattr(sample, name) for sample in last),
            max(getattr(sample, name) for sample in samples),
        )
    ]
