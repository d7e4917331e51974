"""The ratio of two means, and the interval in which it is.

Figures of seconds of one run, or of blocks run in turns, are drawn again with replacement some
thousand times (bootstrap; Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13 and
16), and the middle 95 % of the ratios that come out would be the interval, if there were many
figures. Of ten it is too narrow, as is every percentile interval of few: it is made wider as
Student's t would be (expanded percentile interval; Hesterberg, What Teachers Should Know about the
Bootstrap, 2015). Seconds that follow each other resemble each other, so that they are drawn
in blocks of the cube root of their number, around the end (circular block bootstrap; Politis and
Romano, 1992). Blocks that were run in turns, one of each side after the other, are drawn in pairs:
what troubled the machine then troubled both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from statistics import NormalDist, variance
from typing import Annotated, NamedTuple

from crawler.measure.json_document import told

CONFIDENCE = 0.95
"""Of an interval, if nothing else is asked for."""
LEAST_FIGURES = 5
"""Of fewer there are too few different samples for 95 %."""
RESAMPLES = 20_000
"""So that ten of them lie beyond the bounds that judge ten pairs; some 0.1 s a figure."""
# Fewer resamples than this beyond a bound would make the bound a matter of luck.
_BEYOND = 10
# The logarithm beyond which a float cannot hold a bound.
_FARTHEST = 700.0


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio of means, and the interval in which it is with the confidence asked for."""

    value: Annotated[float, told("The ratio.")]
    low: Annotated[float, told("The interval's lower end.")]
    high: Annotated[float, told("Its upper end.")]

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def student(share: float, freedom: float) -> float:
    """Return the quantile `share` (0 to 1) of Student's t, from that of the normal distribution.

    Abramowitz and Stegun, Handbook of Mathematical Functions, 1964, 26.7.5. From 4 degrees of
    freedom on it is right to 2 % up to a share of 0.995, and below the truth for fewer.
    """
    z = NormalDist().inv_cdf(share)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92_160,
    )
    return z + sum(term / freedom**power for power, term in enumerate(terms, 1))


class Drawn(NamedTuple):
    """Resampled ratios in rising order, and of how few figures they come.

    widened: by how much the spread of a mean is underestimated, `sqrt(n / (n - 1))`.
    """

    value: float
    ratios: Sequence[float]
    freedom: float
    widened: float

    def interval(self, confidence: float) -> Ratio:
        """Return the interval with Hesterberg's tails: `Phi(-sqrt(n / (n - 1)) * t)` each."""
        reach = self.widened * student((1 + confidence) / 2, self.freedom)
        low, high = self._bound(reach, self.ratios), self._bound(reach, self.ratios[::-1])
        return Ratio(self.value, low, high)

    def _bound(self, reach: float, outward: Sequence[float]) -> float:
        """Return the ratio `reach` deviations from the middle; `outward` has that end first.

        Where too few resamples are beyond it, it is further out than the last that can be told, as
        a normal distribution of the ratio's logarithm would have it.
        """
        count = len(outward)
        beyond = count * NormalDist().cdf(-reach)
        if beyond >= _BEYOND:
            return outward[int(beyond)]
        far, middle = outward[_BEYOND], outward[count // 2]
        told = -NormalDist().inv_cdf(_BEYOND / count)
        if not (0 < middle < math.inf and 0 < far < math.inf):
            return far
        bound = math.log(middle) + (math.log(far) - math.log(middle)) * (reach / told)
        return math.exp(min(max(bound, -_FARTHEST), _FARTHEST))


def draw_ratios(
    a: Sequence[float],
    b: Sequence[float],
    *,
    paired: bool = False,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Drawn | None:
    """Return the basis of intervals of any confidence for the mean of `b` over that of `a`.

    None of fewer than 5 figures, or with a mean of 0. paired: a[i] and b[i] were measured one after
    the other; they must be as many (ValueError).
    """
    if paired and len(a) != len(b):
        raise ValueError(f"{len(a)} and {len(b)} figures cannot be paired")
    if min(len(a), len(b)) < LEAST_FIGURES or min(math.fsum(a), math.fsum(b)) <= 0:
        return None
    random = Random(seed)  # noqa: S311  a statistic should come out the same again
    ours, theirs, pairs = _Blocks(a), _Blocks(b), list(zip(a, b, strict=False))
    freedom, few = _freedom(ours, theirs), min(ours.count, theirs.count)
    if paired:
        freedom, few = len(a) - 1, len(a)

    def drawn() -> float:
        if paired:
            below, above = map(math.fsum, zip(*random.choices(pairs, k=few), strict=True))
        else:
            below, above = ours.drawn(random), theirs.drawn(random)
        return above / below if below else math.inf

    ratios = sorted(drawn() for _ in range(resamples))
    return Drawn(mean(b) / mean(a), ratios, freedom, math.sqrt(few / (few - 1)))


class _Blocks:
    """The means of all blocks of neighbours, one from each figure on; `count` fit side by side."""

    def __init__(self, figures: Sequence[float]) -> None:
        length = int(len(figures) ** (1 / 3) + 1e-9)
        around = [*figures, *figures[: length - 1]]
        self.means = [mean(around[i : i + length]) for i in range(len(figures))]
        self.count = len(figures) // length

    def drawn(self, random: Random) -> float:
        """Return the mean of as many blocks as there are, drawn by chance."""
        return math.fsum(random.choices(self.means, k=self.count)) / self.count

    @property
    def doubt(self) -> float:
        """The variance of the mean, as a share of its square."""
        return variance(self.means) / self.count / mean(self.means) ** 2


def _freedom(a: _Blocks, b: _Blocks) -> float:
    """Return the degrees of freedom by Welch (1947) and Satterthwaite (1946)."""
    ours, theirs = a.doubt, b.doubt
    parts = ours**2 / (a.count - 1) + theirs**2 / (b.count - 1)
    return (ours + theirs) ** 2 / parts if parts else min(a.count, b.count) - 1


def mean(figures: Sequence[float]) -> float:
    """Return the arithmetic mean; raise ZeroDivisionError of nothing."""
    return math.fsum(figures) / len(figures)
