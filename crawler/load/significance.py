"""Comparison of two runs: which is faster, and how sure that is.

Figures of seconds of one run, or of blocks run in turns, are drawn again with replacement
(`crawler.measure.interval` tells how). Four of them are judged at once, and of two equal servers
one is outside its 95 % in up to a fifth of all comparisons. So the words rest on wider intervals,
of 98.75 % each, which all four hold together with 95 % (Bonferroni).

Two single runs tell about those two runs alone: a machine has better and worse minutes, which no
second of them shows. Runs in turns are what a claim should rest on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from crawler.load.measured import Measured
from crawler.load.series import halved
from crawler.measure.histogram import Histogram
from crawler.measure.interval import CONFIDENCE, RESAMPLES, Ratio, draw_ratios, mean

Word = Literal["faster", "slower", "indistinguishable", "inconclusive"]
WORDS: Mapping[Word, str] = {
    "faster": "B is faster than A",
    "slower": "B is slower than A",
    "indistinguishable": "A and B differ by less than 3 %, which does not matter",
    "inconclusive": "too few figures, or too varied ones: measure longer, or more often",
}
MARGIN = 0.03
"""A ratio within 3 % of 1 is not worth a word."""
# Of more seconds, neighbours become one: blocks are then long enough for what lasts seconds.
_MOST_FIGURES = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class RunComparison:
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
    """Return the confidence of each interval that words rest on: 0.9875 for four figures."""
    return 1 - (1 - CONFIDENCE) / len(_FIGURES)


def word_for(ratio: Ratio | None, *, more_is_better: bool) -> Word:
    """Return the word for a ratio B / A."""
    if ratio is None:
        return "inconclusive"
    if ratio.low >= 1 - MARGIN and ratio.high <= 1 + MARGIN:
        return "indistinguishable"
    if ratio.low <= 1 <= ratio.high:
        return "inconclusive"
    return "faster" if (ratio.low > 1) == more_is_better else "slower"


def compare(a: Measured, b: Measured, *, seed: int = 0) -> tuple[RunComparison, ...]:
    """Compare two runs by their seconds: rate, response p50 and p99, service p50."""
    found = _compared(_seconds(a), _seconds(b), paired=False, seed=seed, resamples=RESAMPLES)
    return tuple(found)


def compare_blocks(
    a: Sequence[Measured],
    b: Sequence[Measured],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> tuple[RunComparison, ...]:
    """Compare blocks run in turns, a[i] and b[i] one after the other; the same figures."""
    first, second = (
        [_Part(run.rate, run.response, run.service) for run in runs] for runs in (a, b)
    )
    return tuple(_compared(first, second, paired=True, seed=seed, resamples=resamples))


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
    return [
        _Part(row.count / length, row.response.histogram, row.service.histogram) for row in rows
    ]


def _compared(
    a: Sequence[_Part], b: Sequence[_Part], *, paired: bool, seed: int, resamples: int
) -> Iterator[RunComparison]:
    for name, take in _FIGURES.items():
        ours, theirs = list(map(take, a)), list(map(take, b))
        drawn = draw_ratios(ours, theirs, paired=paired, seed=seed, resamples=resamples)
        judged = drawn and drawn.interval(judged_confidence())
        yield RunComparison(
            figure=name,
            a=mean(ours) if ours else 0.0,
            b=mean(theirs) if theirs else 0.0,
            ratio=drawn and drawn.interval(CONFIDENCE),
            judged=judged,
            word=word_for(judged, more_is_better=name == "rate"),
        )
