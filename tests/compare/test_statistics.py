"""Intervals and words: how often they are right, by drawing figures whose truth is known."""

from __future__ import annotations

import math
from random import Random
from statistics import mean, stdev

import pytest

from crawler.compare import statistics
from crawler.compare.statistics import Estimate, estimate, holm, more_rounds, spread, word_for

NOISE = 0.02


@pytest.fixture(autouse=True)
def _fewer_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two thousand are enough for a share of hundreds of draws."""
    monkeypatch.setattr(statistics, "_RESAMPLES", 2_000)


def _drawn(rounds: int, ratio: float, noise: float, seed: int) -> Estimate:
    random = Random(seed)
    found = estimate([ratio * math.exp(random.gauss(0, noise)) for _ in range(rounds)], seed=seed)
    assert found is not None
    return found


def test_the_median_and_how_far_figures_lie_from_it() -> None:
    """Median and MAD are those of the definition, and one outlier moves neither far."""
    found = spread([1.0, 2.0, 3.0, 4.0, 1_000.0])
    assert (found.median, found.mad, found.count) == (3.0, 1.0, 5)
    assert math.isnan(spread([]).median)


@pytest.mark.slow
@pytest.mark.parametrize("rounds", [5, 8, 12])
def test_an_interval_holds_the_truth_about_as_often_as_it_says(rounds: int) -> None:
    """Of 200 intervals of 95 %, 90 to 99 % hold the ratio that the figures were drawn around."""
    held = 0
    for seed in range(200):
        ratio = _drawn(rounds, 1.3, NOISE, seed).ratio
        held += ratio.low <= 1.3 <= ratio.high
    assert 180 <= held <= 198


@pytest.mark.slow
def test_the_same_thing_twice_is_hardly_ever_called_different() -> None:
    """A/A: of 200 comparisons of equal things under 10 % find a difference (5 % are meant to)."""
    words = [word_for(_drawn(8, 1.0, NOISE, seed), 0.95, 0.0, 0.03) for seed in range(200)]
    assert words.count("faster") + words.count("slower") < 20
    assert words.count("indistinguishable") > 100


@pytest.mark.parametrize(("confidence", "t"), [(0.95, 2.776), (0.995, 5.598), (0.998, 7.173)])
def test_of_few_rounds_an_interval_is_no_narrower_than_students(
    monkeypatch: pytest.MonkeyPatch, confidence: float, t: float
) -> None:
    """Its tails are those of t with 4 degrees of freedom (tables), which the bootstrap has not."""
    monkeypatch.setattr(statistics, "_RESAMPLES", 10_000)
    logs = [-0.02, -0.01, 0.0, 0.01, 0.03]
    found = estimate([math.exp(each) for each in logs])
    assert found is not None
    reach = t * stdev(logs) / math.sqrt(5)
    wide = found.drawn.interval(confidence)
    assert math.log(wide.high) >= 0.99 * (mean(logs) + reach)
    assert math.log(wide.low) <= 0.99 * (mean(logs) - reach)


@pytest.mark.slow
def test_a_sabotage_of_five_percent_is_found() -> None:
    """With 2 % of noise and 8 rounds, 5 % are called slower in nearly every comparison."""
    words = [word_for(_drawn(8, 1 / 1.05, NOISE, seed), 0.95, 0.0, 0.03) for seed in range(100)]
    assert words.count("slower") >= 95 and "faster" not in words


def test_a_difference_below_the_noise_has_no_word() -> None:
    """However sure it is, what is smaller than the machine's noise is indistinguishable."""
    sure = _drawn(12, 1.02, 0.001, 1)
    assert word_for(sure, 0.95, 0.0, 0.03) == "faster"
    assert word_for(sure, 0.95, 0.03, 0.03) == "indistinguishable"


def test_a_wide_interval_is_inconclusive_and_says_how_many_more_rounds() -> None:
    """What may be a difference or none is called neither; more noise needs more rounds."""
    wide = _drawn(6, 1.1, 0.3, 3)
    assert word_for(wide, 0.95, 0.01, 0.03) == "inconclusive"
    wider = _drawn(6, 1.1, 0.6, 3)
    assert 0 < more_rounds(wide, 0.95, 0.01, 0.03) <= more_rounds(wider, 0.95, 0.01, 0.03)


@pytest.mark.slow
def test_the_rounds_that_were_asked_for_are_enough() -> None:
    """After as many more rounds as were proposed, most comparisons have come to a word."""
    done = asked = 0
    for seed in range(40):
        found = _drawn(6, 1.08, 0.08, seed)
        if word_for(found, 0.95, 0.0, 0.03) == "inconclusive":
            asked += 1
            rounds = 6 + more_rounds(found, 0.95, 0.0, 0.03)
            again = _drawn(min(rounds, 400), 1.08, 0.08, seed + 1_000)
            done += word_for(again, 0.95, 0.0, 0.03) != "inconclusive"
    assert asked >= 10
    assert done >= asked * 0.5


def test_too_few_rounds_have_no_interval() -> None:
    """Four ratios, or one that is no ratio, give no estimate, and so no word."""
    assert estimate([1.0, 1.1, 1.2, 1.3]) is None
    assert estimate([1.0, 1.1, 1.2, 1.3, math.nan]) is None
    assert estimate([1.0, 1.1, 1.2, 1.3, 0.0]) is None
    assert word_for(None, 0.95, 0.0, 0.03) == "inconclusive"


def test_equal_figures_give_equal_intervals() -> None:
    """Nothing is drawn without a seed."""
    ratios = [1.0, 1.1, 0.9, 1.2, 1.05]
    assert estimate(ratios, seed=1) == estimate(ratios, seed=1)


def test_a_ratio_and_its_inverse_weigh_the_same() -> None:
    """Which side is the base makes no difference to how sure it is."""
    ratios = [1.1, 1.2, 1.15, 1.3, 1.05, 1.12]
    there, back = estimate(ratios), estimate([1 / r for r in ratios])
    assert there is not None and back is not None
    assert back.ratio.value == pytest.approx(1 / there.ratio.value)
    assert back.ratio.high == pytest.approx(1 / there.ratio.low, rel=0.01)


def test_holm_holds_the_surest_to_the_most() -> None:
    """Holm's own steps: alpha/3, alpha/2, alpha; all behind the first failure fail with it."""
    assert holm([0.001, 0.04, 0.02]) == pytest.approx([1 - 0.05 / 3, 0.95, 1 - 0.05 / 2])
    assert holm([0.5, 0.04, 0.03]) == pytest.approx([1 - 0.05 / 3] * 3)
    assert holm([0.9]) == [0.95]
    assert holm([]) == []


def test_the_p_value_is_where_the_interval_meets_one() -> None:
    """An interval of a little less confidence than 1 - p leaves 1 out, one of more does not."""
    found = _drawn(7, 1.05, 0.05, 11)
    assert 0 < found.p < 1
    inside = found.drawn.interval(1 - found.p * 0.8)
    outside = found.drawn.interval(1 - min(found.p * 1.25, 1))
    assert inside.low <= 1 <= inside.high
    assert not outside.low <= 1 <= outside.high
