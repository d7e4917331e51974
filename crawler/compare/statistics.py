"""Estimates of how much better one arm is than another, how sure that is, and the word for it.

The arms of a round were run within seconds of each other, so that what troubled the machine then
troubled all of them: what is compared is the ratio within each round. Its logarithms are averaged
(a ratio and its inverse then weigh the same) and drawn again with replacement some thousand times;
the interval is the expanded percentile interval that `crawler.measure.interval` explains, or that
of Student for the mean logarithm where that goes further: of five figures the bootstrap has no
tails (its means lie between the least and the greatest), and 95 % would be 92 %, and worse for what
Holm asks for.

An experiment makes several comparisons at once. Words rest on intervals that all hold together with
95 %: the comparison that is surest is held to 95 % divided by their number, the next by one less,
and so on until one fails (Holm, A Simple Sequentially Rejective Multiple Test Procedure, 1979).

Below the machine's noise, as the A/A experiment found it, no difference has a word.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Annotated

from crawler.compare.design import Outcome, Word
from crawler.measure.interval import CONFIDENCE, LEAST_FIGURES, Drawn, Ratio, student
from crawler.measure.json_document import told

LEAST_ROUNDS = LEAST_FIGURES
"""Of fewer there are too few different samples for 95 %."""
MARGIN = 0.03
"""A difference of 3 % does not matter: a model chosen by it is chosen by chance."""
MOST_MORE = 1_000
"""More rounds than this are not proposed: the difference, if any, does not matter."""
FARTHEST = 1e9
"""Where an interval ends at the latest, and its inverse. Student's t of a high confidence over few
noisy rounds goes further than a float can; nothing is known of such a ratio anyway."""
_RESAMPLES = 10_000
_NULLABLE = {"nullable": True}  # nan has no other form in JSON
_STEPS = 40  # of the bisection: a p-value to a billionth


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle of some figures and how far they lie from it."""

    median: Annotated[float, told("The middle; null of none.", extra_json_schema=_NULLABLE)]
    mad: Annotated[
        float, told("The median distance from it; null of none.", extra_json_schema=_NULLABLE)
    ]
    count: Annotated[int, told("Number of figures.", ge=0)]


def spread(figures: Sequence[float]) -> Spread:
    """Return median and median absolute deviation; nan of nothing."""
    if not figures:
        return Spread(math.nan, math.nan, 0)
    middle = statistics.median(figures)
    return Spread(middle, statistics.median(abs(f - middle) for f in figures), len(figures))


@dataclass(frozen=True, slots=True)
class Sampled:
    """The resampled ratios, and the standard error of the mean of their logarithms."""

    drawn: Drawn
    error: float

    def interval(self, confidence: float) -> Ratio:
        """Return, at each end, the wider of the bootstrap's and of Student's t."""
        found = self.drawn.interval(confidence)
        reach = student((1 + confidence) / 2, self.drawn.freedom) * self.error
        middle, most = math.log(found.value), math.log(FARTHEST)
        low = min(_log(found.low), max(middle - reach, -most))
        high = max(_log(found.high), min(middle + reach, most))
        return Ratio(found.value, math.exp(low), math.exp(high))


@dataclass(frozen=True, slots=True)
class Estimate:
    """A ratio between two arms, with its 95 % interval, its p-value and its rounds."""

    ratio: Ratio
    p: float
    rounds: int
    drawn: Sampled

    @property
    def reach(self) -> float:
        """Distance from the ratio to the farther end of the interval, as a logarithm."""
        low, high = math.log(self.ratio.low), math.log(self.ratio.high)
        middle = math.log(self.ratio.value)
        return max(middle - low, high - middle)


def interval(figures: Sequence[float]) -> Ratio | None:
    """Return the geometric mean with its 95 % interval, by Student's t; None if under 5 above 0."""
    if len(figures) < LEAST_ROUNDS or not all(0 < f < math.inf for f in figures):
        return None
    logs = [math.log(f) for f in figures]
    middle = math.fsum(logs) / len(logs)
    reach = student((1 + CONFIDENCE) / 2, len(logs) - 1) * statistics.stdev(logs)
    low, high = (middle + sign * reach / math.sqrt(len(logs)) for sign in (-1, 1))
    return Ratio(math.exp(middle), math.exp(low), math.exp(high))


def quotient(above: float, below: float) -> float:
    """Return `above / below`, or nan, which `estimate` refuses, if `below` is 0."""
    return above / below if below else math.nan


def _log(bound: float) -> float:
    """Return the logarithm of an interval's end, which is at most `FARTHEST` away from 1."""
    return math.log(min(max(bound, 1 / FARTHEST), FARTHEST))


def estimate(ratios: Sequence[float], *, seed: int = 0) -> Estimate | None:
    """Estimate from the ratios of rounds; None of fewer than 5, or if one is not positive."""
    if len(ratios) < LEAST_ROUNDS or not all(0 < r < math.inf for r in ratios):
        return None
    random = Random(seed)  # noqa: S311  a statistic should come out the same again
    logs, count = [math.log(r) for r in ratios], len(ratios)
    means = (math.fsum(random.choices(logs, k=count)) / count for _ in range(_RESAMPLES))
    drawn = Drawn(
        value=math.exp(math.fsum(logs) / count),
        ratios=sorted(map(math.exp, means)),
        freedom=count - 1,
        widened=math.sqrt(count / (count - 1)),
    )
    sampled = Sampled(drawn, statistics.stdev(logs) / math.sqrt(count))
    return Estimate(sampled.interval(CONFIDENCE), _p(sampled), count, sampled)


def _p(drawn: Sampled) -> float:
    """One minus the confidence of the widest interval without 1: by bisection of its logarithm."""
    if not _excludes_one(drawn.interval(0.0)):
        return 1.0
    low, high = -9.0, 0.0  # powers of ten; what is surer than 1e-9 is as sure
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if _excludes_one(drawn.interval(1 - 10**middle)):
            high = middle
        else:
            low = middle
    return float(10**high)


def _excludes_one(ratio: Ratio) -> bool:
    return ratio.low > 1 or ratio.high < 1


def holm(ps: Sequence[float]) -> list[float]:
    """Return the confidence that each comparison's word rests on, by how sure all of them are.

    Those behind the first that fails are held to the confidence at which it failed.
    """
    level = 1 - CONFIDENCE
    found = [0.0] * len(ps)
    share = level / max(len(ps), 1)
    failed = False
    for rank, index in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        if not failed:
            share = level / (len(ps) - rank)
            failed = ps[index] > share
        found[index] = 1 - share
    return found


def word_for(found: Estimate | None, confidence: float, band: float, margin: float) -> Word:
    """Return the word for an estimate.

    band: the noise, 0.02 for 2 %; a smaller difference has no word, and none has one where the
    noise is infinite: untold. margin: a difference surely smaller than this does not matter.
    """
    if found is None or math.isinf(band):
        return "inconclusive"
    if _excludes_one(found.drawn.interval(confidence)):
        if abs(math.log(found.ratio.value)) <= math.log1p(band):
            return "indistinguishable"
        return "faster" if found.ratio.value > 1 else "slower"
    most = 1 + margin
    within = 1 / most <= found.ratio.low and found.ratio.high <= most
    return "indistinguishable" if within else "inconclusive"


def faster(found: Estimate | None) -> Outcome:
    """Return the outcome of a prediction that the ratio surely exceeds 1 by `MARGIN`."""
    if found is None or found.ratio.low <= 1 + MARGIN <= found.ratio.high:
        return "undecided"
    return "as predicted" if found.ratio.low > 1 + MARGIN else "otherwise"


def more_rounds(found: Estimate, confidence: float, band: float, margin: float) -> int:
    """Return about how many more rounds would decide a comparison; at most `MOST_MORE`.

    An interval shrinks as the root of their number: until 1 is outside of it if the difference is
    what was found (a word then follows, be the difference within the noise or not), or until none
    of it matters, whichever comes first. Neither may ever be: `MOST_MORE`, too.
    """
    wide = found.drawn.interval(confidence)
    value = abs(math.log(found.ratio.value))
    judged = max(math.log(wide.high) - math.log(wide.low), 1e-9) / 2
    room = math.log1p(margin) - value
    shrinks = [reach / goal for reach, goal in ((judged, value), (found.reach, room)) if goal > 0]
    shrink = min(shrinks, default=math.inf)
    more = found.rounds * (shrink * shrink - 1)
    return MOST_MORE if more >= MOST_MORE else max(math.ceil(more), 1)
