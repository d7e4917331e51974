"""Latencies in buckets: against exact samples, and against another implementation."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Sequence
from itertools import permutations
from random import Random

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from crawler.measure.histogram import COARSE_BITS, Histogram, index_of, span_of

HOUR = 3_600_000_000
SHARES = (0.0, 0.1, 0.5, 0.75, 0.9, 0.99, 0.999, 0.9999, 1.0)
micros = st.integers(0, HOUR)
seconds = st.floats(0, 86_400, allow_nan=False)


def _lognormal(random: Random) -> float:
    return random.lognormvariate(-7, 1)


def _bimodal(random: Random) -> float:
    return random.gauss(0.0002, 0.00001) if random.random() < 0.98 else random.uniform(1, 1.4)


def _pareto(random: Random) -> float:
    return 0.00005 * random.paretovariate(0.8)


SHAPES = (_lognormal, _bimodal, _pareto)


def sample(shape: Callable[[Random], float], count: int = 20_000) -> list[float]:
    random = Random(7)
    return [min(3_599.0, abs(shape(random))) for _ in range(count)]


def nearest_rank(values: Sequence[float], share: float) -> float:
    return sorted(values)[max(1, math.ceil(share * len(values) - 1e-9)) - 1]


@given(value=micros)
def test_each_value_is_in_its_bucket(value: int) -> None:
    """A bucket spans its values, and is narrower than 0.1 % of them or a microsecond wide."""
    least, width = span_of(index_of(value))
    assert least <= value < least + width
    assert width == 1 or width / least <= 2**-10


@given(value=micros)
def test_neighbouring_buckets_touch(value: int) -> None:
    """Where one bucket ends the next one begins, with the next index."""
    least, width = span_of(index_of(value))
    assert index_of(least + width) == index_of(value) + 1


@pytest.mark.slow
@given(value=micros)
def test_buckets_are_those_of_hdrhistogram(value: int) -> None:
    """The index of every value to an hour is the one that HdrHistogram gives it."""
    assert index_of(value) == HdrHistogram(1, HOUR, 3).get_counts_array_index(value)


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_quantiles_are_those_of_the_samples(shape: Callable[[Random], float]) -> None:
    """Every quantile is within 0.1 %, or a microsecond, of the sample of that rank."""
    values = sample(shape)
    found = Histogram(values).quantiles(SHARES)
    for share, value in zip(SHARES, found, strict=True):
        assert value == pytest.approx(nearest_rank(values, share), rel=2**-10, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_it_agrees_with_hdrhistogram(shape: Callable[[Random], float]) -> None:
    """The same values give the same counts, quantiles, mean and extremes as the package gives."""
    values = sample(shape)
    ours, theirs = Histogram(values), HdrHistogram(1, HOUR, 3)
    for value in values:
        theirs.record_value(round(value * 1e6))
    assert {i: theirs.get_count_at_index(i) for i in ours.counts} == ours.counts
    assert ours.count == theirs.get_total_count()
    # Its rank is rounded, ours never below the share asked for: compared where both are one rank.
    for share in (0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1):
        assert ours.quantile(share) * 1e6 == pytest.approx(
            theirs.get_value_at_percentile(100 * share)
        )
    assert ours.mean * 1e6 == pytest.approx(theirs.get_mean_value())
    assert ours.stdev * 1e6 == pytest.approx(theirs.get_stddev())
    assert ours.largest * 1e6 == pytest.approx(theirs.get_max_value())


@pytest.mark.parametrize("shape", SHAPES)
def test_moments_are_those_of_the_samples(shape: Callable[[Random], float]) -> None:
    """Mean and deviation are within 0.1 % of the exact ones; the extremes, too."""
    values = sample(shape)
    histogram = Histogram(values)
    assert histogram.mean == pytest.approx(statistics.fmean(values), rel=1e-3)
    assert histogram.stdev == pytest.approx(statistics.pstdev(values), rel=1e-3)
    assert histogram.smallest == pytest.approx(min(values), rel=1e-3, abs=1e-6)
    assert histogram.largest == pytest.approx(max(values), rel=1e-3, abs=1e-6)


@pytest.mark.slow
@given(parts=st.lists(st.lists(seconds, max_size=20), min_size=3, max_size=3))
def test_merging_is_exact_in_any_order(parts: list[list[float]]) -> None:
    """Parts merged in any order equal the whole, and read back as the whole to the last bit."""
    whole = Histogram(value for part in parts for value in part)
    for order in permutations(parts):
        merged = Histogram()
        for part in order:
            merged.merge(Histogram(part))
        assert merged == whole
        assert (merged.mean, merged.stdev) == (whole.mean, whole.stdev)


@pytest.mark.slow
@given(values=st.lists(seconds, max_size=50))
def test_many_at_once_are_as_one_by_one(values: list[float]) -> None:
    """`add_many` counts as `add` does, above and below what its table holds."""
    one_by_one = Histogram()
    for value in values:
        one_by_one.add(value)
    assert Histogram(values) == one_by_one


@pytest.mark.slow
@given(values=st.lists(seconds, max_size=50))
def test_wider_buckets_lose_no_value(values: list[float]) -> None:
    """A coarse copy has each value in the coarse bucket that it would have been added to."""
    coarse = Histogram(values).copy(bits=COARSE_BITS)
    assert coarse == Histogram(values, bits=COARSE_BITS)


@given(values=st.lists(seconds, max_size=50), bounds=st.lists(seconds, max_size=3))
def test_it_comes_back_from_json_and_packed(values: list[float], bounds: list[float]) -> None:
    """JSON text and the packed form give an equal histogram back."""
    histogram = Histogram(values)
    for bound in bounds:
        histogram.add_lower_bound(bound)
    assert Histogram.of(json.loads(json.dumps(histogram.json))) == histogram
    assert Histogram.unpacked(histogram.packed) == histogram


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"bits": 10, "lower_bounds": 0, "buckets": [1]},
        {"bits": 10, "lower_bounds": 0, "buckets": [1, 0]},
        {"bits": 10, "lower_bounds": 0, "buckets": [-1, 2]},
        {"bits": 10, "lower_bounds": 0, "buckets": ["x", 2]},
        {"bits": 10, "lower_bounds": 0, "buckets": None},
    ],
)
def test_json_that_is_none_of_its_is_refused(bad: dict[str, object]) -> None:
    """What cannot be a histogram raises, instead of making a wrong one."""
    with pytest.raises((KeyError, TypeError, ValueError)):
        Histogram.of(bad)


def test_lower_bounds_are_counted_and_kept() -> None:
    """A value that is only a lower bound is in the distribution, and known as one."""
    histogram, other = Histogram([0.001] * 9), Histogram()
    other.add_lower_bound(10.0)
    histogram.merge(other)
    assert (histogram.count, histogram.lower_bounds) == (10, 1)
    assert histogram.quantile(0.9) == pytest.approx(0.001, rel=1e-3)
    assert histogram.quantile(0.95) == pytest.approx(10, rel=1e-3)


def test_wide_buckets_do_not_go_into_narrow_ones() -> None:
    """A merge that would have to guess raises ValueError."""
    with pytest.raises(ValueError, match="buckets of 6 bits"):
        Histogram().merge(Histogram([1.0], bits=6))


def test_nothing_reads_as_zero() -> None:
    """An empty histogram has 0 for every figure, and says that it is empty."""
    empty = Histogram()
    figures = (empty.count, empty.quantile(0.99), empty.mean, empty.stdev)
    assert (*figures, empty.smallest, empty.largest) == (0,) * 6
    assert repr(empty) == "Histogram(empty)"


def test_less_than_nothing_is_nothing() -> None:
    """A value below 0, which no clock should give, counts as 0 either way."""
    histogram = Histogram([-5.0])
    histogram.add(-5.0)
    assert histogram.counts == {0: 2}


def test_a_rank_is_not_lost_to_rounding() -> None:
    """0.07 of 100 values is the seventh (of its bucket the end), though the product is above 7."""
    assert Histogram(n / 1000 for n in range(1, 101)).quantile(0.07) == 0.007003


@pytest.mark.slow
def test_buckets_are_bounded() -> None:
    """Values all over a day use no more buckets than the documented number."""
    random = Random(1)
    spread = (math.exp(random.uniform(math.log(1e-6), math.log(86_400))) for _ in range(50_000))
    histogram = Histogram(spread)
    assert max(histogram.counts) < 28_672
    assert repr(histogram).startswith("Histogram(50000 values, p50=")
