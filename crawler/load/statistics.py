"""Which of two runs is faster, and how sure that is.

Figures of seconds of one run, or of blocks run in turns, are drawn again with replacement some
thousand times (bootstrap; Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13 and
16): the middle 95 % of the ratios that come out are the interval. Seconds that follow each other
resemble each other, so that they are drawn in blocks of the cube root of their number, around the
end (circular block bootstrap; Politis and Romano, 1992). Blocks that were run in turns, one of each
side after the other, are drawn in pairs: what troubled the machine then troubled both.

Two single runs tell about those two runs alone: a machine has better and worse minutes, which no
second of them shows. Runs in turns are what a claim should rest on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal, NamedTuple

from crawler.load.histogram import Histogram
from crawler.load.measured import Measured
from crawler.load.series import halved

Word = Literal["faster", "slower", "indistinguishable", "inconclusive"]
WORDS: Mapping[Word, str] = {
    "faster": "b is faster than a: the whole interval is on that side of 1",
    "slower": "b is slower than a: the whole interval is on that side of 1",
    "indistinguishable": "the interval holds 1 or all but, and is so narrow that no matter",
    "inconclusive": "the interval holds 1, but it is wide: measure longer, or more often",
}
MARGIN = 0.03
"""A ratio within 3 % of 1 is not worth a word."""
LEAST_FIGURES = 5
"""Of fewer there are too few different samples for 95 %."""
_RESAMPLES = 2_000
# Of more seconds, neighbours become one: the samples of a figure then take under half a second.
_MOST_FIGURES = 120


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio of means, and the interval in which it is with 95 % confidence."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One figure of two runs. `ratio` is b / a, None if there was too little to compare."""

    figure: str
    a: float
    b: float
    ratio: Ratio | None
    word: Word


def ratio(
    a: Sequence[float], b: Sequence[float], *, seed: int = 0, paired: bool = False
) -> Ratio | None:
    """The mean of `b` over that of `a`; None of fewer than 5 figures, or with a mean of 0.

    paired: a[i] and b[i] were measured one after the other; they must be as many (ValueError).
    """
    if paired and len(a) != len(b):
        raise ValueError(f"{len(a)} and {len(b)} figures are no pairs")
    if min(len(a), len(b)) < LEAST_FIGURES or min(math.fsum(a), math.fsum(b)) <= 0:
        return None
    random = Random(seed)  # noqa: S311  a statistic should come out the same again
    draw = _pairs if paired else _blocks
    ratios = sorted(draw(a, b, random) for _ in range(_RESAMPLES))
    tail = _RESAMPLES // 40
    return Ratio(_mean(b) / _mean(a), ratios[tail], ratios[-tail - 1])


def word_for(ratio: Ratio | None, *, more_is_better: bool, margin: float = MARGIN) -> Word:
    """What to say of a ratio b / a."""
    if ratio is None:
        return "inconclusive"
    if 1 - margin <= ratio.low and ratio.high <= 1 + margin:
        return "indistinguishable"
    if ratio.low <= 1 <= ratio.high:
        return "inconclusive"
    return "faster" if (ratio.low > 1) == more_is_better else "slower"


def compare(a: Measured, b: Measured, *, seed: int = 0) -> tuple[Comparison, ...]:
    """Two runs by their seconds: rate, response p50 and p99, service p50, each with a word."""
    return _compared(_seconds(a), _seconds(b), seed=seed)


def compare_blocks(
    a: Sequence[Measured], b: Sequence[Measured], *, seed: int = 0
) -> tuple[Comparison, ...]:
    """Blocks that were run in turns, a[i] and b[i] one after the other; the same figures."""
    first, second = (
        [_Part(run.rate, run.response, run.service) for run in runs] for runs in (a, b)
    )
    return _compared(first, second, seed=seed, paired=True)


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
    a: Sequence[_Part], b: Sequence[_Part], *, seed: int, paired: bool = False
) -> tuple[Comparison, ...]:
    return tuple(
        _comparison(name, list(map(take, a)), list(map(take, b)), seed=seed, paired=paired)
        for name, take in _FIGURES.items()
    )


def _comparison(
    name: str, a: Sequence[float], b: Sequence[float], *, seed: int, paired: bool = False
) -> Comparison:
    found = ratio(a, b, seed=seed, paired=paired)
    word = word_for(found, more_is_better=name == "rate")
    return Comparison(
        figure=name,
        a=_mean(a) if a else 0.0,
        b=_mean(b) if b else 0.0,
        ratio=found,
        word=word,
    )


def _pairs(a: Sequence[float], b: Sequence[float], random: Random) -> float:
    chosen = random.choices(range(len(a)), k=len(a))
    below = math.fsum(a[i] for i in chosen)
    return math.fsum(b[i] for i in chosen) / below if below else math.inf


def _blocks(a: Sequence[float], b: Sequence[float], random: Random) -> float:
    below = _resampled(a, random)
    return _resampled(b, random) / below if below else math.inf


def _resampled(figures: Sequence[float], random: Random) -> float:
    """The mean of as many figures, drawn in blocks."""
    count = len(figures)
    length = max(1, round(count ** (1 / 3)))
    around = [*figures, *figures[: length - 1]]
    starts = random.choices(range(count), k=math.ceil(count / length))
    drawn = [figure for start in starts for figure in around[start : start + length]]
    return _mean(drawn[:count])


def _mean(figures: Sequence[float]) -> float:
    return math.fsum(figures) / len(figures)
