"""Which of two runs is faster, and how sure that is.

Figures of seconds of one run, or of blocks run in turns, are drawn again with replacement some
thousand times (bootstrap; Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13 and
16), and the middle 95 % of the ratios that come out would be the interval, if there were many
figures. Of ten it is too narrow, as is every percentile interval of few: it is made wider as
Student's t would be (expanded percentile interval; Hesterberg, What Teachers Should Know about the
Bootstrap, 2015, 5.3.2). Seconds that follow each other resemble each other, so that they are drawn
in blocks of the cube root of their number, around the end (circular block bootstrap; Politis and
Romano, 1992). Blocks that were run in turns, one of each side after the other, are drawn in pairs:
what troubled the machine then troubled both.

Four figures are judged at once, and of two equal servers one of them is outside its 95 % in up to a
fifth of all comparisons. So the words rest on wider intervals, of 98.75 % each, which all four hold
together with 95 % (Bonferroni).

Two single runs tell about those two runs alone: a machine has better and worse minutes, which no
second of them shows. Runs in turns are what a claim should rest on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random
from statistics import NormalDist, variance
from typing import Literal, NamedTuple

from crawler.load.histogram import Histogram
from crawler.load.measured import Measured
from crawler.load.series import halved

Word = Literal["faster", "slower", "indistinguishable", "inconclusive"]
WORDS: Mapping[Word, str] = {
    "faster": "B is faster than A",
    "slower": "B is slower than A",
    "indistinguishable": "A and B differ by less than 3 %, which is no matter",
    "inconclusive": "too few figures, or too varied ones: measure longer, or more often",
}
MARGIN = 0.03
"""A ratio within 3 % of 1 is not worth a word."""
CONFIDENCE = 0.95
"""Of the interval that is shown, and of all the words of a comparison together."""
LEAST_FIGURES = 5
"""Of fewer there are too few different samples for 95 %."""
RESAMPLES = 20_000
"""So that ten of them lie beyond the bounds that judge ten pairs; some 0.1 s a figure."""
# Fewer resamples than this beyond a bound would make the bound a matter of luck.
_BEYOND = 10
# Of more seconds, neighbours become one: blocks are then long enough for what lasts seconds.
_MOST_FIGURES = 120


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio of means, and the interval in which it is with the confidence asked for."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One figure of two runs: `ratio` is B / A with its 95 % interval.

    `judged` is the same ratio with the wider interval that the word rests on, as several figures
    are judged at once. Both are None if there was too little to compare.
    """

    figure: str
    a: float
    b: float
    ratio: Ratio | None
    judged: Ratio | None
    word: Word


def judged_confidence() -> float:
    """The confidence of each of the intervals that words rest on: 0.9875 for four figures."""
    return 1 - (1 - CONFIDENCE) / len(_FIGURES)


def ratio(
    a: Sequence[float],
    b: Sequence[float],
    *,
    paired: bool = False,
    confidence: float = CONFIDENCE,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Ratio | None:
    """The mean of `b` over that of `a`; None of fewer than 5 figures, or with a mean of 0.

    paired: a[i] and b[i] were measured one after the other; they must be as many (ValueError).
    """
    drawn = _drawn(a, b, paired=paired, seed=seed, resamples=resamples)
    return None if drawn is None else drawn.interval(confidence)


def word_for(ratio: Ratio | None, *, more_is_better: bool, margin: float = MARGIN) -> Word:
    """What to say of a ratio B / A."""
    if ratio is None:
        return "inconclusive"
    if 1 - margin <= ratio.low and ratio.high <= 1 + margin:
        return "indistinguishable"
    if ratio.low <= 1 <= ratio.high:
        return "inconclusive"
    return "faster" if (ratio.low > 1) == more_is_better else "slower"


def student(share: float, freedom: float) -> float:
    """The quantile `share` (0 to 1) of Student's t, from that of the normal distribution.

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


class _Drawn(NamedTuple):
    """Resampled ratios in rising order, and of how few figures they come.

    widened: by how much the spread of a mean is underestimated, `sqrt(n / (n - 1))`.
    """

    value: float
    ratios: Sequence[float]
    freedom: float
    widened: float

    def interval(self, confidence: float) -> Ratio:
        """Hesterberg's tails: `Phi(-sqrt(n / (n - 1)) * t)` on each side."""
        reach = self.widened * student((1 + confidence) / 2, self.freedom)
        low, high = self._bound(reach, self.ratios), self._bound(reach, self.ratios[::-1])
        return Ratio(self.value, low, high)

    def _bound(self, reach: float, outward: Sequence[float]) -> float:
        """The ratio `reach` deviations from the middle; `outward` has that end first.

        Where too few resamples are beyond it, it is further out than the last that can be told, as
        a normal distribution of the ratio's logarithm would have it.
        """
        count = len(outward)
        beyond = count * NormalDist().cdf(-reach)
        if beyond >= _BEYOND:
            return outward[int(beyond)]
        far, middle = outward[_BEYOND], outward[count // 2]
        told = -NormalDist().inv_cdf(_BEYOND / count)
        return middle * (far / middle) ** (reach / told) if middle else far


def _drawn(
    a: Sequence[float], b: Sequence[float], *, paired: bool, seed: int, resamples: int
) -> _Drawn | None:
    if paired and len(a) != len(b):
        raise ValueError(f"{len(a)} and {len(b)} figures are no pairs")
    if min(len(a), len(b)) < LEAST_FIGURES or min(math.fsum(a), math.fsum(b)) <= 0:
        return None
    random = Random(seed)  # noqa: S311  a statistic should come out the same again
    draw, freedom, few = _pairs(a, b, random) if paired else _blocks(a, b, random)
    return _Drawn(
        value=_mean(b) / _mean(a),
        ratios=sorted(islice(draw, resamples)),
        freedom=freedom,
        widened=math.sqrt(few / (few - 1)),
    )


def compare(a: Measured, b: Measured, *, seed: int = 0) -> tuple[Comparison, ...]:
    """Two runs by their seconds: rate, response p50 and p99, service p50, each with a word."""
    return _compared(_seconds(a), _seconds(b), paired=False, seed=seed, resamples=RESAMPLES)


def compare_blocks(
    a: Sequence[Measured],
    b: Sequence[Measured],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> tuple[Comparison, ...]:
    """Blocks that were run in turns, a[i] and b[i] one after the other; the same figures."""
    first, second = (
        [_Part(run.rate, run.response, run.service) for run in runs] for runs in (a, b)
    )
    return _compared(first, second, paired=True, seed=seed, resamples=resamples)


class _Part(NamedTuple):
    """A second of a run, or a run that is one block of several."""

    rate: float
    response: Histogram
    service: Histogram


_FIGURES: Mapping[str, Callable[[_Part], float]] = {
    "rate": lambda part: part.rate,
    "response p50": lambda part: part.response.quantile(0.5),
    "response p99": lambda part: part.response.quantile(0.99),
    "service p50": lambda part: part.service.quantile(0.5),
}


def _seconds(measured: Measured) -> list[_Part]:
    rows, length = list(measured.whole_rows), measured.row_seconds
    while len(rows) > _MOST_FIGURES:
        rows, length = halved(rows[: len(rows) // 2 * 2]), 2 * length
    return [_Part(row.count / length, row.response, row.service) for row in rows]


def _compared(
    a: Sequence[_Part], b: Sequence[_Part], *, paired: bool, seed: int, resamples: int
) -> tuple[Comparison, ...]:
    found = []
    for name, take in _FIGURES.items():
        ours, theirs = list(map(take, a)), list(map(take, b))
        drawn = _drawn(ours, theirs, paired=paired, seed=seed, resamples=resamples)
        found.append(_comparison(name, ours, theirs, drawn))
    return tuple(found)


def _comparison(
    name: str, a: Sequence[float], b: Sequence[float], drawn: _Drawn | None
) -> Comparison:
    judged = drawn and drawn.interval(judged_confidence())
    return Comparison(
        figure=name,
        a=_mean(a) if a else 0.0,
        b=_mean(b) if b else 0.0,
        ratio=drawn and drawn.interval(CONFIDENCE),
        judged=judged,
        word=word_for(judged, more_is_better=name == "rate"),
    )


_Draws = tuple[Iterator[float], float, int]
"""Ratios without end, degrees of freedom, and of how many figures the shorter side is."""


def _pairs(a: Sequence[float], b: Sequence[float], random: Random) -> _Draws:
    return _ratios_of_pairs(list(zip(a, b, strict=True)), random), len(a) - 1, len(a)


def _ratios_of_pairs(pairs: Sequence[tuple[float, float]], random: Random) -> Iterator[float]:
    while True:
        below, above = map(math.fsum, zip(*random.choices(pairs, k=len(pairs)), strict=True))
        yield above / below if below else math.inf


def _blocks(a: Sequence[float], b: Sequence[float], random: Random) -> _Draws:
    ours, theirs = _Blocks(a), _Blocks(b)
    return _ratios(ours, theirs, random), _freedom(ours, theirs), min(ours.count, theirs.count)


def _ratios(a: _Blocks, b: _Blocks, random: Random) -> Iterator[float]:
    while True:
        below = a.mean(random)
        yield b.mean(random) / below if below else math.inf


class _Blocks:
    """The means of all blocks of neighbours, one from each figure on; `count` fit side by side."""

    def __init__(self, figures: Sequence[float]) -> None:
        length = int(len(figures) ** (1 / 3) + 1e-9)
        around = [*figures, *figures[: length - 1]]
        self.means = [_mean(around[i : i + length]) for i in range(len(figures))]
        self.count = len(figures) // length

    def mean(self, random: Random) -> float:
        """Of as many blocks as there are, drawn by chance."""
        return math.fsum(random.choices(self.means, k=self.count)) / self.count

    @property
    def doubt(self) -> float:
        """The variance of the mean, as a share of its square."""
        return variance(self.means) / self.count / _mean(self.means) ** 2


def _freedom(a: _Blocks, b: _Blocks) -> float:
    """Welch (1947), Satterthwaite (1946): from those of the worse side to those of both."""
    ours, theirs = a.doubt, b.doubt
    parts = ours**2 / (a.count - 1) + theirs**2 / (b.count - 1)
    return (ours + theirs) ** 2 / parts if parts else min(a.count, b.count) - 1


def _mean(figures: Sequence[float]) -> float:
    return math.fsum(figures) / len(figures)
