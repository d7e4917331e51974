"""Figures at the ends of their range: each is judged and shown, and none ends a comparison."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from crawler.cli.compare import compare_summary
from crawler.compare import catalogue, statistics
from crawler.compare.comparison_report import report
from crawler.compare.comparison_result import ComparisonResult
from crawler.compare.design import Arm, Contrast, Setting
from crawler.compare.observation import Run
from crawler.compare.statistics import (
    FARTHEST,
    MOST_MORE,
    estimate,
    more_rounds,
    quotient,
    word_for,
)
from crawler.measure.interval import draw_ratios
from tests.compare import sample, tiny
from tests.compare.made import found, observed

NOISY = [1.0, 1.4, 1.3, 0.95, 1.25]
EXTREMES = (0.0, 5e-324, 1e-12, 1.0, 1.4, 1e12, 1e300, math.inf, math.nan)
MEASURED = (0.0, 1e-12, 1.0, 1.4, 1e12, math.inf, math.nan)


@pytest.fixture(autouse=True)
def _fewer_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "_RESAMPLES", 300)


@pytest.mark.slow
@pytest.mark.parametrize("confidence", [0.95, 0.999, 1 - 1e-9])
@pytest.mark.parametrize("band", [0.0, 0.02, 0.3, 1e9])
@pytest.mark.parametrize("seed", range(3))
def test_each_estimate_has_a_finite_number_of_rounds(
    seed: int, band: float, confidence: float
) -> None:
    """CM1 (`ceil(inf)` in `more_rounds`): 1 to `MOST_MORE`, whatever the ratios and the noise."""
    random = Random(seed)
    for ratios in (NOISY, random.choices(EXTREMES[1:7], k=5 + seed), [1.0] * 5):
        judged = estimate(ratios, seed=seed)
        assert judged is not None
        assert 1 / FARTHEST <= judged.ratio.low <= judged.ratio.high <= FARTHEST
        assert math.isfinite(judged.reach)
        assert word_for(judged, confidence, band, 0.1) in (
            "faster", "slower", "indistinguishable", "inconclusive",
        )  # fmt: skip
        assert 1 <= more_rounds(judged, confidence, band, 0.1) <= MOST_MORE


def test_a_difference_within_the_noise_is_ended_by_more_rounds() -> None:
    """CM1: 17 % on a machine whose noise is 30 % ends as indistinguishable once 1 is left out."""
    judged = estimate(NOISY)
    assert judged is not None and word_for(judged, 0.95, 0.3, 0.1) == "inconclusive"
    rounds = len(NOISY) + more_rounds(judged, 0.95, 0.3, 0.1)
    again = estimate((NOISY * 20)[: 4 * rounds])
    assert again is not None and word_for(again, 0.95, 0.3, 0.1) == "indistinguishable"


def test_rounds_that_nobody_would_run_are_not_promised() -> None:
    """Where even the most rounds that are proposed would not tell, the text says just that."""
    contrast = Contrast(claim="same", base="a", other="b", expect="faster")
    random = Random(3)
    walls = {"a": [1.0] * 20, "b": [math.exp(random.gauss(0, 2)) for _ in range(20)]}
    tried = replace(tiny.experiment([Arm(name="a"), Arm(name="b")], [contrast]), name="tiny")
    assert "not even 1,000 more rounds would tell" in found(tried, observed(walls))["same"].text


def test_a_quotient_of_nothing_is_no_ratio() -> None:
    """0 below the line is nan, which an estimate takes for no ratio."""
    assert math.isnan(quotient(1, 0)) and quotient(1, 4) == 0.25
    assert estimate([1.0, 1.1, 1.2, 1.3, quotient(1, 0)]) is None


@pytest.mark.parametrize("paired", [True, False])
def test_the_interval_of_a_load_is_a_float_however_few_and_wild_its_figures(
    *, paired: bool
) -> None:
    """A power beyond what a float can hold is a bound far out, not an OverflowError."""
    random = Random(0)
    for _ in range(20):
        a, b = (random.choices((1e-12, 1.0, 1e12, 1e100), k=6) for _ in range(2))
        drawn = draw_ratios(a, b, paired=paired, resamples=300)
        judged = drawn and drawn.interval(1 - 1e-9)
        assert judged is not None and 0 <= judged.low <= judged.high


class _Any(dict[str, float]):
    """Has each figure that is asked for: one by chance."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def get(self, name: str, default: Any = None) -> Any:
        return self.setdefault(name, self._random.choice(MEASURED))


def _wild(name: str) -> ComparisonResult:
    """A comparison in which an experiment's arms have figures by chance."""
    experiment, random = catalogue.load(name), Random(name)
    here = Setting(mode="quick", cores=(0, 1), interpreter=sample.HERE)
    arms = experiment.arms(here)
    runs = [
        replace(each, reading=_Any(random), figures=_Any(random), notes={})
        for n in range(7)
        for each in (_turn(arm.name, n) for arm in arms)
    ]
    return sample.result((experiment, sample.conducted((sample.HERE, arms, runs))))


def _turn(arm: str, number: int) -> Run:
    return replace(sample.run(arm, number, float(number), 1.0), checksum="same")


@pytest.mark.slow
@pytest.mark.parametrize("name", catalogue.NAMES)
def test_no_figure_ends_a_comparison(name: str) -> None:
    """CM1's kind: 0, a picosecond, 31,000 years, infinity and nan are judged and told.

    Each experiment's judgement, summary, JSON and page are made of them without an error.
    """
    result = _wild(name)
    assert result.text and report(result)
    assert all(compare_summary.examined(each) for each in result.examined)
    assert compare_summary.tail(result, "")
