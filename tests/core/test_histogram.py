"""Log-linear histograms keep quantiles within their resolution."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.core.durations import DurationHistogram


@pytest.mark.slow
@given(
    st.lists(st.floats(0, 100_000), min_size=1), st.sampled_from([0.0, 0.01, 0.5, 0.9, 0.99, 1.0])
)
def test_quantiles_are_within_a_thirty_second(values: list[float], q: float) -> None:
    """A quantile is never below the exact one and at most 1/32 (and 1 us) above it."""
    histogram = DurationHistogram()
    for value in values:
        histogram.add(value)
    ranked = sorted(values)
    exact = next(v for i, v in enumerate(ranked, 1) if i >= q * len(ranked))
    found = histogram.freeze().quantile(q)
    assert found is not None
    assert exact - 1e-6 <= found <= exact * (1 + 1 / 32) + 2e-6


def test_an_empty_histogram_has_no_quantile() -> None:
    """Nothing recorded gives None, not a zero that looks like a measurement."""
    assert DurationHistogram().freeze().quantile(0.5) is None


@pytest.mark.slow
@given(st.floats(-1e9, 1e12))
def test_any_duration_is_counted_once(seconds: float) -> None:
    """Negative and absurdly long durations are counted too."""
    histogram = DurationHistogram()
    histogram.add(seconds)
    assert histogram.freeze().count == 1
