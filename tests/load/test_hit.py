"""What the recorder makes of hits: three latencies, lower bounds, rows, and exact sums."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from crawler.load.hit import Failure, Measured, Recorder
from crawler.load.series import MOST_ROWS, Row, halved
from crawler.measure.histogram import COARSE_BITS, Histogram
from crawler.measure.json_document import parsed, plain, text

START = 1_000.0


def near(seconds: float, rel: float = 2e-3) -> object:
    return pytest.approx(seconds, rel=rel, abs=2e-6)


def recorded(seed: int, count: int = 300, seconds: float = 4.0) -> Recorder:
    """Hits of every kind over some seconds, in the order of their ends."""
    random, recorder = Random(seed), Recorder(START)
    for ended in sorted(START + random.uniform(0, seconds) for _ in range(count)):
        sent = ended - random.lognormvariate(-7, 1)
        intended = sent - random.choice((0.0, 0.0, random.expovariate(100)))
        match random.randrange(10):
            case 0:
                recorder.failed(intended, sent, ended, random.choice(list(Failure)))
            case 1:
                recorder.dropped(intended, ended)
            case _:
                recorder.hit(intended, sent, ended, random.choice((200, 200, 503)), 100)
    return recorder


def test_three_latencies_of_one_hit() -> None:
    """Response counts from the intended time, service from the time sent, lag is between."""
    recorder = Recorder(START)
    recorder.hit(START + 1, START + 1.5, START + 1.75, 200, 1_400)
    measured = recorder.freeze(START + 2)
    assert measured.response.largest == near(0.75)
    assert measured.service.largest == near(0.25)
    assert measured.lag.largest == near(0.5)
    assert (measured.count, measured.received, measured.elapsed) == (1, 1_400, 2.0)


@pytest.mark.parametrize("early", [0.0, 0.001])
def test_a_punctual_hit_has_no_lag(early: float) -> None:
    """Sent when intended, or a little earlier, response is service and the lag 0."""
    recorder = Recorder(START)
    recorder.hit(START + 1 + early, START + 1, START + 1.25, 200, 1)
    measured = recorder.freeze(START + 2)
    assert measured.response == measured.service
    assert measured.service.largest == near(0.25)
    assert measured.lag.counts == {0: 1}


def test_coordinated_omission_shows() -> None:
    """One stall that holds up 100 hits is one slow service, and a hundred slow responses."""
    recorder = Recorder(START)
    recorder.hit(START, START, START + 1, 200, 1)
    for n in range(1, 101):
        ended = START + 1 + n / 1000
        recorder.hit(START + n / 100, max(ended - 0.001, START + n / 100), ended, 200, 1)
    measured = recorder.freeze(START + 2)
    assert measured.service.quantile(0.9) == near(0.001)
    assert measured.response.quantile(0.9) > 0.8


def test_the_warm_up_does_not_count() -> None:
    """Hits intended before the start are in no figure, but for the time that they reach into it."""
    recorder = Recorder(START)
    recorder.hit(START - 2, START - 2, START - 1.5, 200, 10)
    recorder.hit(START - 1, START - 1, START + 0.5, 200, 10)
    recorder.failed(START - 1, START - 1, START + 0.25, Failure.TIMEOUT)
    recorder.failed(START - 1, None, START + 0.25, Failure.CONNECT)
    recorder.unfinished(START - 1, START - 0.5, START + 1)
    recorder.dropped(START - 1, START - 1)
    measured = recorder.freeze(START + 1)
    assert (measured.attempts, measured.errors, measured.received) == (0, 0, 0)
    assert measured.carried == pytest.approx(0.5 + 0.25 + 1)
    assert measured.response.count == measured.service.count == measured.lag.count == 0


def test_failures_are_lower_bounds() -> None:
    """A timeout and a hit that never left stay in the distributions, marked as lower bounds."""
    recorder = Recorder(START)
    recorder.failed(START + 1, START + 2, START + 4, Failure.TIMEOUT)
    recorder.failed(START + 1, None, START + 2, Failure.CONNECT)
    measured = recorder.freeze(START + 5)
    assert measured.failures == {Failure.TIMEOUT: 1, Failure.CONNECT: 1}
    assert (measured.response.lower_bounds, measured.response.largest) == (2, near(3))
    assert (measured.service.lower_bounds, measured.service.count) == (1, 1)
    assert (measured.lag.lower_bounds, measured.lag.count, measured.sent) == (1, 2, 1)
    assert (measured.errors, measured.error_share) == (2, 1.0)


def test_what_is_in_flight_at_the_end_counts() -> None:
    """Unfinished hits are attempts with a lower bound, and no errors."""
    recorder = Recorder(START)
    recorder.unfinished(START + 1, START + 1, START + 3)
    recorder.unfinished(START + 2, None, START + 3)
    measured = recorder.freeze(START + 3)
    assert (measured.unfinished, measured.attempts, measured.errors) == (2, 2, 0)
    assert (measured.response.lower_bounds, measured.service.lower_bounds) == (2, 1)


def test_errors_are_failures_drops_and_bad_statuses() -> None:
    """Statuses from 400 on, failures and drops are errors; the rate counts every answer."""
    recorder = Recorder(START)
    for status in (200, 204, 301, 404, 500):
        recorder.hit(START, START, START + 0.5, status, 1)
    recorder.dropped(START, START + 0.5)
    recorder.failed(START, START, START + 0.5, Failure.DISCONNECTED)
    measured = recorder.freeze(START + 2)
    assert measured.errors == 4
    assert measured.error_share == pytest.approx(4 / 7)
    assert measured.rate == 2.5
    assert [(row.count, row.errors) for row in measured.rows] == [(5, 4), (0, 0), (0, 0)]


def test_rows_are_seconds_by_the_end_of_a_hit() -> None:
    """A row holds what ended in its second; seconds in which nothing ended have empty rows."""
    recorder = Recorder(START)
    recorder.hit(START + 0.5, START + 0.5, START + 0.75, 200, 1)
    recorder.hit(START + 0.5, START + 1.5, START + 3.25, 200, 1)
    measured = recorder.freeze(START + 3.5)
    assert [(row.at, row.count) for row in measured.rows] == [(0, 1), (1, 0), (2, 0), (3, 1)]
    last = measured.rows[3]
    assert last.response.histogram.largest == near(2.75, rel=0.016)
    assert last.service.histogram.largest == near(1.75, rel=0.016)
    assert last.lag.histogram.largest == near(1.0, rel=0.016)
    assert [measured.row_length(row) for row in measured.rows] == [1, 1, 1, 0.5]
    assert [row.at for row in measured.whole_rows] == [0, 1, 2]


@pytest.mark.parametrize("seed", range(3))
def test_rows_add_up_to_the_whole(seed: int) -> None:
    """Merged, the rows are the whole run in coarse buckets, answer for answer."""
    measured = recorded(seed).freeze(START + 4.5)
    merged = [Histogram(bits=COARSE_BITS) for _ in range(3)]
    for row in measured.rows:
        for total, part in zip(merged, (row.response, row.service, row.lag), strict=True):
            total.merge(part.histogram)
    whole = (measured.response, measured.service, measured.lag)
    assert merged == [histogram.copy(bits=COARSE_BITS) for histogram in whole]
    assert sum(row.count for row in measured.rows) == measured.count
    assert sum(row.errors for row in measured.rows) == measured.errors


def test_looking_changes_nothing() -> None:
    """A recorder that was frozen on the way ends with what it would have had without."""
    looked, left = recorded(1), recorded(1)
    early = looked.freeze(START + 4.0)
    assert repr(looked) == f"Recorder({early.count} answers)"
    for recorder in (looked, left):
        recorder.hit(START + 4.25, START + 4.25, START + 4.5, 200, 1)
    assert looked.freeze(START + 5) == left.freeze(START + 5)
    assert early.count + 1 == looked.freeze(START + 5).count


@pytest.mark.parametrize("seed", range(3))
def test_processes_merge_exactly(seed: int) -> None:
    """What two recorders counted, merged, is what one would have counted."""
    random, both = Random(seed), Recorder(START)
    parts = [Recorder(START), Recorder(START)]
    for ended in sorted(START + random.uniform(0, 5) for _ in range(400)):
        hit = (ended - 0.5 * random.random(), ended - 0.1 * random.random(), ended, 200, 7)
        random.choice(parts).hit(*hit)
        both.hit(*hit)
    one, other = (part.freeze(START + 5) for part in parts)
    whole = both.freeze(START + 5)
    # Sums of floats depend on the order by a last bit; all else is whole numbers.
    assert replace(one.merge(other), carried=0.0) == replace(whole, carried=0.0)
    assert one.merge(other).carried == pytest.approx(whole.carried)


@pytest.mark.parametrize("seed", range(3))
def test_it_comes_back_from_json(seed: int) -> None:
    """JSON text gives an equal value back."""
    measured = recorded(seed).freeze(START + 4.5)
    assert parsed(text(measured), Measured) == measured


def test_a_row_of_json_has_its_figures() -> None:
    """A reader of the file finds the percentiles of each second without counting buckets."""
    recorder = Recorder(START)
    recorder.hit(START + 0.25, START + 0.25, START + 0.5, 200, 1)
    row = plain(recorder.freeze(START + 1))["rows"][0]
    assert (row["at"], row["count"], row["errors"]) == (0, 1, 0)
    figures = [row["response"][name] for name in ("p50", "p90", "p99", "max")]
    assert figures == 4 * [near(0.25, rel=0.016)]


@pytest.mark.slow
def test_rows_are_bounded() -> None:
    """A run longer than 3,600 rows has each two made one, and loses none."""
    recorder = Recorder(START)
    for second in range(2 * MOST_ROWS + 10):
        recorder.hit(START + second, START + second, START + second + 0.5, 200, 1)
    measured = recorder.freeze(START + 2 * MOST_ROWS + 10)
    assert (len(measured.rows), measured.row_seconds) == (MOST_ROWS // 2 + 3, 4)
    assert sum(row.count for row in measured.rows) == measured.count == 2 * MOST_ROWS + 10
    assert [row.at for row in measured.rows] == list(range(0, 2 * MOST_ROWS + 16, 4))[:-1]


def test_a_long_run_has_long_rows_from_the_start() -> None:
    """A run that is known to take a day has rows of 32 s, as one that turned out so would."""
    recorder = Recorder(START, 86_400)
    recorder.hit(START, START, START + 40, 200, 1)
    measured = recorder.freeze(START + 70)
    assert (len(measured.rows), measured.row_seconds) == (3, 32)


def test_rows_of_unlike_length_merge() -> None:
    """The finer rows are made as long as the others, and then added up."""
    long, short = Recorder(START, 2 * MOST_ROWS), Recorder(START)
    for recorder in (long, short):
        for second in range(6):
            recorder.hit(START + second, START + second, START + second + 0.5, 200, 1)
    one, other = long.freeze(START + 6), short.freeze(START + 5.75)
    for merged in (one.merge(other), other.merge(one)):
        assert merged.row_seconds == 2
        assert [row.count for row in merged.rows] == [4, 4, 4, 0]
        assert merged.elapsed == 6


def test_an_odd_row_stays() -> None:
    """Halving five rows makes three, and the last one is what it was."""
    rows = [Row(at=at, count=at) for at in range(5)]
    assert [(row.at, row.count) for row in halved(rows)] == [(0, 1), (2, 5), (4, 4)]


@pytest.mark.slow
@given(service=st.floats(1e-5, 5), connections=st.integers(1, 20))
def test_littles_law_holds_for_a_closed_loop(service: float, connections: int) -> None:
    """With every connection always busy, all their time over the time is their number.

    The warm-up's share and the unfinished ones are in it, so that a run of two answers adds up too.
    """
    recorder = Recorder(START)
    length = 7.3 * service
    hits = sorted(
        (START + offset * service / connections + n * service)
        for offset in range(connections)
        for n in range(-1, 9)
    )
    for sent in hits:
        if sent + service <= START + length:
            recorder.hit(sent, sent, sent + service, 200, 1)
        elif sent <= START + length:
            recorder.unfinished(sent, sent, START + length)
    measured = recorder.freeze(START + length)
    assert measured.expected_in_flight == pytest.approx(connections, rel=0.06)


def test_nothing_measured_divides_by_nothing() -> None:
    """A run stopped before its start has no figures, and raises nothing."""
    measured = Recorder(START).freeze(START - 1)
    assert (measured.elapsed, measured.rate, measured.error_share) == (0, 0, 0)
    assert measured.expected_in_flight == 0
