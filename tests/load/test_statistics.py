"""Comparisons, against simulations: equal servers are not told apart, different ones are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from crawler.load.hit import Recorder
from crawler.load.measured import Measured
from crawler.load.significance import (
    compare,
    compare_blocks,
    judged_confidence,
    word_for,
)
from crawler.measure.histogram import Histogram
from crawler.measure.interval import CONFIDENCE, LEAST_FIGURES, Ratio, draw_ratios, student

BLOCKS = 10
TRIALS = 200
# 5 % of 200 are 10; chance alone makes more than 16 of them in one of forty such tests.
MOST_WRONG = 16


def ratio(a: Sequence[float], b: Sequence[float], **options: Any) -> Ratio | None:
    """The ratio of the means with its 95 % interval."""
    drawn = draw_ratios(a, b, **options)
    return drawn and drawn.interval(CONFIDENCE)


def block(chance: Random, noise: float, *, slower: float = 0.0) -> Measured:
    """A turn of 2 s whose four figures each stray on their own, by `noise` as a share."""

    def about(value: float) -> float:
        return value * math.exp(noise * chance.gauss(0, 1))

    count = round(about(20_000) / (1 + slower))
    p50, p99, served = (about(seconds) * (1 + slower) for seconds in (0.01, 0.05, 0.009))
    return Measured(
        elapsed=2.0,
        statuses={200: count},
        response=Histogram([p50] * 90 + [p99] * 10),
        service=Histogram([served]),
    )


def words(chance: Random, noise: float, *, slower: float = 0.0, resamples: int = 600) -> list[str]:
    """What is said of ten pairs of turns."""
    a = [block(chance, noise) for _ in range(BLOCKS)]
    b = [block(chance, noise, slower=slower) for _ in range(BLOCKS)]
    return [each.word for each in compare_blocks(a, b, resamples=resamples)]


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.03, 0.2])
def test_equal_servers_are_hardly_ever_told_apart(noise: float) -> None:
    """One wrong "faster" or "slower" among the four figures in at most 5 % of comparisons."""
    chance = Random(11)
    wrong = sum(bool({"faster", "slower"} & set(words(chance, noise))) for _ in range(TRIALS))
    assert wrong <= MOST_WRONG


@pytest.mark.slow
def test_a_difference_of_ten_percent_is_found() -> None:
    """Behind 3 % of noise, every figure of every comparison says slower."""
    chance = Random(12)
    assert {word for _ in range(20) for word in words(chance, 0.03, slower=0.1)} == {"slower"}


def test_a_faster_server_is_called_so() -> None:
    """Of the rate more is better, of latencies less is."""
    assert words(Random(13), 0.01, slower=-0.1) == ["faster"] * 4


def test_small_differences_do_not_matter() -> None:
    """Equal within 3 % for certain is a finding, too, and not a lack of one."""
    assert words(Random(14), 0.005) == ["indistinguishable"] * 4


@pytest.mark.slow
@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("count", [5, 10, 40])
def test_the_interval_holds_the_truth(paired: bool, count: int) -> None:
    """In some 95 % of cases; a plain percentile interval has 83 % with 5 figures, 90 % with 10."""
    chance, held = Random(15), 0
    for seed in range(TRIALS):
        a, b = ([math.exp(0.2 * chance.gauss(0, 1)) for _ in range(count)] for _ in range(2))
        found = ratio(a, b, paired=paired, seed=seed, resamples=600)
        assert found is not None
        held += found.low <= 1 <= found.high
    assert held / TRIALS >= 0.91


@pytest.mark.slow
def test_waves_of_the_machine_do_not_tell_pairs_apart() -> None:
    """What both sides of a pair suffer alike cancels out; without pairs it hides a difference."""
    chance = Random(16)
    moods = [chance.uniform(1, 3) for _ in range(BLOCKS)]
    a = [mood * (1 + 0.01 * chance.gauss(0, 1)) for mood in moods]
    b = [1.1 * mood * (1 + 0.01 * chance.gauss(0, 1)) for mood in moods]
    in_pairs, apart = ratio(a, b, paired=True), ratio(a, b)
    assert in_pairs is not None and apart is not None
    assert 1 < in_pairs.low < 1.1 < in_pairs.high and apart.low < 1


@pytest.mark.parametrize(
    ("share", "freedom", "value"),  # from tables of Student's distribution
    [
        (0.975, 4, 2.776),
        (0.975, 9, 2.262),
        (0.975, 30, 2.042),
        (0.99375, 9, 3.111),
        (0.995, 4, 4.604),
        (0.5, 9, 0.0),
        (0.025, 9, -2.262),
    ],
)
def test_students_quantiles_are_those_of_the_tables(
    share: float, freedom: int, value: float
) -> None:
    """Within 2 %, from 4 degrees of freedom on."""
    assert student(share, freedom) == pytest.approx(value, rel=0.02, abs=1e-9)


@pytest.mark.slow
def test_the_words_rest_on_wider_intervals() -> None:
    """Four at once with 95 %: each with 98.75 %, around the 95 % of its own."""
    chance = Random(17)
    a, b = ([block(chance, 0.05) for _ in range(BLOCKS)] for _ in range(2))
    assert judged_confidence() == pytest.approx(1 - (1 - CONFIDENCE) / 4)
    for each in compare_blocks(a, b):
        assert each.ratio is not None and each.judged is not None
        assert each.judged.low < each.ratio.low < each.ratio.value < each.ratio.high
        assert each.ratio.high < each.judged.high
        assert each.ratio.value == pytest.approx(each.b / each.a)


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (0.99, 1.02, "indistinguishable"),
        (1.001, 1.02, "indistinguishable"),
        (0.9, 1.2, "inconclusive"),
        (1.01, 1.2, "slower"),
        (0.8, 0.99, "faster"),
    ],
)
def test_a_word_follows_from_the_interval(low: float, high: float, word: str) -> None:
    """Of a latency; of a rate faster and slower change places."""
    assert word_for(Ratio(1.0, low, high), more_is_better=False) == word
    turned = {"faster": "slower", "slower": "faster"}.get(word, word)
    assert word_for(Ratio(1.0, low, high), more_is_better=True) == turned


@pytest.mark.parametrize(
    ("a", "b"),
    [([1.0] * (LEAST_FIGURES - 1), [1.0] * 9), ([], []), ([0.0] * 9, [1.0] * 9)],
)
def test_too_little_has_no_ratio(a: Sequence[float], b: Sequence[float]) -> None:
    """Fewer than five figures, or nothing but zeros, are no ratio, and inconclusive."""
    assert ratio(a, b) is None
    assert word_for(None, more_is_better=True) == "inconclusive"


def test_pairs_must_be_pairs() -> None:
    """An odd one would shift all that follow."""
    with pytest.raises(ValueError, match="6 and 7 figures cannot be paired"):
        ratio([1.0] * 6, [1.0] * 7, paired=True)


@pytest.mark.slow
def test_figures_without_any_spread_have_a_ratio() -> None:
    """An interval of no width, and no division by zero."""
    for paired in (True, False):
        found = ratio([2.0] * 9, [3.0] * 9, paired=paired)
        assert found == Ratio(1.5, 1.5, 1.5)


@pytest.mark.slow
def test_a_comparison_comes_out_the_same_again() -> None:
    """Chance is seeded: the same results give the same interval."""
    a, b = steady(0.010), steady(0.011)
    assert compare(a, b) == compare(a, b)


def steady(latency: float, seconds: int = 20) -> Measured:
    """100 answers a second, each after `latency` and up to 2 % more."""
    recorder = Recorder(0.0)
    for number in range(seconds * 100):
        due = number / 100
        recorder.hit(due, due, due + latency * (1 + 0.02 * (number % 7) / 7), 200, 1)
    return recorder.freeze(float(seconds))


@pytest.mark.slow
def test_two_runs_are_compared_by_their_seconds() -> None:
    """Equal rates are equal, and 20 % more latency is slower, in each of its figures."""
    found = {each.figure: each for each in compare(steady(0.010), steady(0.012))}
    assert found["rate"].word == "indistinguishable"
    for name in ("response p50", "response p99", "service p50"):
        assert found[name].word == "slower"
        assert found[name].a == pytest.approx(0.010, rel=0.03)
        ratio_ = found[name].ratio
        assert ratio_ is not None and ratio_.value == pytest.approx(1.2, rel=0.02)


@pytest.mark.slow
def test_long_runs_are_compared_by_longer_stretches() -> None:
    """An hour of seconds costs no more than two minutes of them."""
    found = compare(steady(0.010, 500), steady(0.010, 500))
    assert [each.word for each in found] == ["indistinguishable"] * 4


def test_runs_too_short_to_compare_say_so() -> None:
    """Three seconds are no sample: the figures are shown, without a ratio."""
    (rate, *_) = compare(steady(0.01, 3), steady(0.01, 3))
    assert rate.ratio is None and rate.judged is None and rate.word == "inconclusive"
    assert rate.a == pytest.approx(100, rel=0.02)
