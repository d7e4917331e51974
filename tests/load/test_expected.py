"""Errors count: what a success is, and what becomes of a run that has too few of them."""

from __future__ import annotations

import pytest

from crawler.load.hit import Recorder
from crawler.load.load_config import LoadConfig, statuses
from crawler.load.load_result import Judged
from crawler.load.measured import Failure, Measured
from crawler.load.threshold import Threshold
from crawler.model.option import OptionError


@pytest.mark.parametrize(
    ("text", "some", "others"),
    [
        ("200-399", {200, 302, 399}, {199, 400, 999}),
        ("2xx", {200, 299}, {300, 199}),
        ("200, 404,5XX", {200, 404, 500, 599}, {201, 403, 600}),
        ("999", {999}, {998}),
    ],
)
def test_statuses_are_lists_and_ranges(text: str, some: set[int], others: set[int]) -> None:
    """Numbers, ranges and classes, with commas between."""
    assert some <= statuses(text) and not others & statuses(text)


@pytest.mark.parametrize("text", ["", "20", "200-", "399-200", "ok", "200;404", "1000", "099"])
def test_what_is_not_a_status_is_refused(text: str) -> None:
    """With the option's name, and how to write it."""
    with pytest.raises(OptionError, match=r"^expect_status: .*(expected a list|lower status)"):
        LoadConfig(expect_status=text)


def run(good: int, *, status: int | None = None, kind: Failure | None = None) -> Measured:
    """So many answers of 200 in 1 ms, and ten that failed in one way, as fast."""
    recorder = Recorder(0.0)
    for number in range(good + 10):
        ended = 0.001 * (number + 1)
        if number < good:
            recorder.hit(ended - 0.001, ended - 0.001, ended, 200, 5)
        elif status is not None:
            recorder.hit(ended - 0.001, ended - 0.001, ended, status, 5)
        elif kind is not None:
            recorder.failed(ended - 0.001, ended - 0.001, ended, kind)
        else:
            recorder.dropped(ended - 0.001, ended)
    return recorder.freeze(1.0)


WAYS = [
    *({"status": status} for status in (400, 429, 500, 503, 999, 100)),
    *({"kind": kind} for kind in Failure),
    {},  # dropped
]


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_every_way_to_fail_misses_a_latency_threshold(way: dict[str, int]) -> None:
    """10 of 500 are 2 %, more than may be: fast failures keep no p99, nor a rate (LD2)."""
    measured = run(490, **way)  # type: ignore[arg-type]
    assert measured.error_share == 0.02
    for text in ("p99<100s", "service.mean<100s", "rate>1"):
        judged = Judged.of(Threshold.read(text), measured, 0.01)
        assert not judged.met and "2% of the requests failed; at most 1% may" in judged.why
        assert Judged.of(Threshold.read(text), measured, 0.02).met
    assert Judged.of(Threshold.read("errors<3%"), measured, 0.01).met


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_run_in_which_nothing_succeeded_has_failed(way: dict[str, int]) -> None:
    """However many errors may be, and in whatever way (LD3)."""
    measured = run(0, **way)  # type: ignore[arg-type]
    assert measured.succeeded == 0
    assert measured.failure(1.0) == "NO REQUEST SUCCEEDED: none of 10 had an expected answer"
    assert not Judged.of(Threshold.read("p99<100s"), measured, 1.0).met


def test_expected_statuses_are_no_errors() -> None:
    """With 404 expected it is a success, and 200 an error."""
    recorder = Recorder(0.0, expected=statuses("404"))
    for status in (200, 404, 404):
        recorder.hit(0.0, 0.0, 0.1, status, 5)
    measured = recorder.freeze(1.0)
    assert (measured.unexpected, measured.succeeded, measured.errors) == (1, 2, 1)
    assert measured.rows[0].errors == 1
    assert measured.merge(measured).unexpected == 2
