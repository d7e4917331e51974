"""Thresholds: how they are written, what they hold against, and what a typo is told."""

from __future__ import annotations

import asyncio
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.load.hit import Recorder
from crawler.load.load_config import LoadConfig
from crawler.load.load_result import Judged
from crawler.load.measured import ErrorKind, Failure, Measured, TargetCounts
from crawler.load.run import run_load
from crawler.load.threshold import Threshold
from crawler.measure.histogram import Histogram
from crawler.model.errors import ConfigurationError

URL = "http://127.0.0.1:9/a"


def run() -> Measured:
    """1,000 answers in 10 s, 1 to 1,000 ms; sent 5 ms late each; and 9 timeouts of 2 s."""
    recorder = Recorder(0.0)
    for number in range(1, 1001):
        recorder.hit(5.0, 5.005, 5.0 + number / 1000, 200, 1)
    for _ in range(9):
        recorder.failed(6.0, 6.0, 8.0, Failure.TIMEOUT)
    return recorder.freeze(10.0)


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("p50<510ms", True),
        ("p50 < 0.5 s", False),
        ("P99.9<=2.1S", True),
        ("p99.9<1500000us", False),
        ("max>1.9s", True),
        ("min<=2ms", True),
        ("mean<0.1m", True),
        ("stdev<1ms", False),
        ("lag.p50<=5.1ms", True),
        ("lag.p50<4ms", False),
        ("service.p50<response.p50", None),
        ("service.p50<503ms", True),
        ("errors<1%", True),
        ("errors<0.001", False),
        ("errors>=0%", True),
        ("rate>99/s", True),
        ("rate>=101", False),
    ],
)
def test_a_threshold_is_held_against_the_run(text: str, met: bool | None) -> None:
    """Percentiles, mean and extremes of each latency, errors and rate; None: it is refused."""
    if met is None:
        with pytest.raises(ValueError, match="is not a threshold"):
            Threshold.read(text)
        return
    threshold = Threshold.read(text)
    assert threshold.met(run()) is met
    assert str(threshold) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected p99<50ms or errors<0.1%"),
        ("p99", "is not a threshold"),
        ("p99=50ms", "is not a threshold"),
        ("p99<-1ms", "is not a threshold"),
        ("p99<50ms extra", "'50ms extra' is not a duration"),
        ("p99<50", "a latency needs a unit, as in 50ms or 2s"),
        ("p99<50xs", "'50xs' is not a duration"),
        ("p99<5%", "'5%' is not a duration"),
        ("errors<5ms", "'5ms' is not a share; expected 0.05 or 5%"),
        ("rate>5ms", "'5ms' is not a rate; expected a number, or 100/s"),
        ("p101<1s", "p101 is not a percentile; expected p0 to p100"),
        ("p9.9.9<1s", "p9.9.9 is not a percentile"),
        ("eror<1%", "'eror' is unknown; did you mean errors?"),
        ("maen<1s", "'maen' is unknown; did you mean mean?"),
        ("q<1s", "'q' is unknown; there are p50, p99, mean"),
        ("servce.p99<1s", "'servce' is unknown; did you mean service?"),
        ("put:service.p99<1s", "service is of the whole run; leave out the target"),
        ("put:maen<1s", "'maen' is unknown; did you mean mean?"),
        ("service.errors<1%", "errors is of the whole run; leave out 'service.'"),
    ],
)
def test_a_typo_is_told(text: str, said: str) -> None:
    """One line that shows the text, what is wrong in it and, if one is near, what was meant."""
    with pytest.raises(ValueError, match=f"(?m){re.escape(said)}.*\\Z"):
        Threshold.read(text)


@pytest.mark.slow
@given(st.text(max_size=30))
def test_any_text_is_read_or_refused_in_one_line(text: str) -> None:
    """Nothing that a person may write is another error than a ValueError with a short text."""
    problem = "none"
    try:
        Threshold.read(text)
    except ValueError as error:
        problem = str(error)
    assert 0 < len(problem) < 250


@pytest.mark.slow
@given(st.floats(0, 100).map(lambda share: round(share, 3)))
def test_percentiles_are_exact(percent: float) -> None:
    """p99.9 is the quantile 0.999, and no hair more that would ask for another rank."""
    quantile = Threshold.read(f"p{percent:.3f}<1s").quantile
    assert quantile is not None and quantile == float(f"{percent / 100:.12g}")


def test_a_run_without_a_hit_keeps_nothing() -> None:
    """No attempt at all is no success, whatever the comparison would say of zeros."""
    assert not Threshold.read("p99<1s").met(Measured(elapsed=1.0))
    assert not Threshold.read("errors<1%").met(Measured(elapsed=1.0))


def test_what_needs_samples_is_known() -> None:
    """A percentile asks for samples, a mean or a rate for no number in particular."""
    assert Threshold.read("service.p99.9<1s").quantile == 0.999
    assert Threshold.read("mean<1s").quantile is None
    assert Threshold.read("errors<1%").quantile is None


def of_targets() -> Measured:
    """A run of 10 s with a fast target, and a slow one of which every fifth request failed."""
    errors = {
        "timeout": ErrorKind(count=10),
        "dropped": ErrorKind(count=4),
        "status 500": ErrorKind(count=6),
    }
    slow = TargetCounts(
        name="GET http://a:80/slow",
        response=Histogram([0.5] * 100),
        statuses={200: 80, 500: 6},
        errors=errors,
    )
    fast = TargetCounts(name="fast", response=Histogram([0.01] * 900), statuses={200: 900})
    return Measured(elapsed=10.0, statuses={200: 980, 500: 6}, targets=(fast, slow))


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("fast:p99<20ms", True),
        ("fast : response.max>20ms", False),
        ("fast:rate>=90/s", True),
        ("fast:errors<0.1%", True),
        ("GET http://a:80/slow:p50>100ms", True),
        ("GET http://a:80/slow:rate<9/s", True),
        ("GET http://a:80/slow:errors<=20%", True),
        ("GET http://a:80/slow:errors<19%", False),
        ("other:p50<1s", False),
    ],
)
def test_a_threshold_may_be_about_one_target(text: str, met: bool) -> None:
    """By its name, which may have colons; one that was never hit keeps nothing."""
    threshold = Threshold.read(text)
    assert threshold.met(of_targets()) is met
    assert threshold.name.startswith(f"{threshold.target}:")


def test_a_target_that_failed_keeps_no_latency() -> None:
    """Its own errors count, however many requests of others succeeded; a limit on them aside."""
    slow, run = "GET http://a:80/slow:", of_targets()
    judged = Judged.of(Threshold.read(f"{slow}p99<1s"), run, 0.1)
    assert not judged.met and judged.why.startswith("20% of the requests failed")
    for text, most in ((f"{slow}p99<1s", 0.2), (f"{slow}errors<=20%", 0.1), ("fast:p99<1s", 0.1)):
        assert Judged.of(Threshold.read(text), run, most).met


def test_a_target_has_to_be_counted() -> None:
    """A name that no row of the results has is refused, with the one that was meant."""
    Threshold.read("p99<1s").check_target(["fast"])
    Threshold.read("fast:p99<1s").check_target(["fast"])
    with pytest.raises(ConfigurationError, match="'fsat' is unknown; did you mean fast"):
        Threshold.read("fsat:p99<1s").check_target(["fast", "slow"])
    work = run_load(LoadConfig(), [URL], claims=[Threshold.read("GET /b:p99<1s")])
    with pytest.raises(ConfigurationError, match="'GET /b' is unknown"):
        asyncio.run(work)  # before anything is asked of the server, which is not there
