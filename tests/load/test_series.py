"""The seconds of a run as rows: bounded, and none lost when they are put together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.load.series import Latencies, Row, halved
from crawler.measure.histogram import COARSE_BITS, Histogram
from crawler.measure.json_document import parsed, plain, text
from crawler.measure.json_document import total as merged

values = st.lists(st.floats(0, 5), max_size=6)


@st.composite
def rows(draw: st.DrawFn, most: int = 7) -> list[Row]:
    """Rows of a second each, from the start on."""
    made = []
    for at in range(draw(st.integers(0, most))):
        histograms = [Histogram(draw(values)) for _ in range(3)]
        count, errors = draw(st.integers(0, 9)), draw(st.integers(0, 9))
        response, service, lag = [Latencies(each) for each in histograms]
        parts = {"response": response, "service": service, "lag": lag}
        made.append(Row(at=at, count=count, errors=errors, **parts))
    return made


def total(found: list[Row]) -> tuple[int, int, Histogram, Histogram, Histogram]:
    """All rows as one, by adding up outside of what is tested."""
    sums = [Histogram(bits=COARSE_BITS) for _ in range(3)]
    for row in found:
        for whole, part in zip(sums, (row.response, row.service, row.lag), strict=True):
            whole.merge(part.histogram)
    count, errors = sum(row.count for row in found), sum(row.errors for row in found)
    return count, errors, sums[0], sums[1], sums[2]


@pytest.mark.slow
@given(rows())
def test_halving_loses_nothing(found: list[Row]) -> None:
    """Half as many rows, twice as long, with the same values; an odd last one stays."""
    half = halved(found)
    assert [row.at for row in half] == [row.at for row in found[::2]]
    assert total(half) == total(found)


@pytest.mark.slow
@given(rows(), rows())
def test_rows_of_two_processes_add_up(one: list[Row], other: list[Row]) -> None:
    """Second by second; where only one process has a row, it is that row."""
    both = merged(tuple(one), tuple(other))
    assert [row.at for row in both] == list(range(max(len(one), len(other))))
    assert total(both) == total([*one, *other])
    assert both == merged(tuple(other), tuple(one))


@pytest.mark.slow
@given(rows())
def test_rows_come_back_from_json(found: list[Row]) -> None:
    """What a file has is the row again, and its figures are those of its buckets."""
    assert [parsed(text(row), Row) for row in found] == found
    for row in found:
        assert plain(row)["response"]["p99"] == row.response.histogram.quantile(0.99)


@given(values)
def test_a_row_is_coarse(seconds: list[float]) -> None:
    """Its values are within 1.6 % (or half a microsecond) of those that went in."""
    histogram = Histogram(seconds)
    row = Row(at=0, response=Latencies(histogram))
    assert row.response.histogram.count == len(seconds)
    for share in (0.0, 0.5, 1.0):
        exact, coarse = histogram.quantile(share), row.response.histogram.quantile(share)
        assert abs(coarse - exact) <= 0.0165 * exact + 1e-6


def test_an_empty_row_is_nothing() -> None:
    """A second in which nothing ended."""
    assert total([Row(at=3)]) == total([])
