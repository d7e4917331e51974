"""Whether a run may be believed: every check can fail, says why, and passes a healthy run."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from crawler.load.load_config import LoadConfig
from crawler.load.measured import Failure, Measured, TargetCounts
from crawler.load.threshold import Threshold
from crawler.load.validity import BEYOND, Probes, Verdict, judge, needed
from crawler.measure.histogram import Histogram
from crawler.measure.json_document import parsed, text

CONFIG = LoadConfig(rate=100, duration=10)
# A second's worth of hits under way at the start is none, so the mean in flight is 100/s * 10 ms.
MEASURED = Measured(
    elapsed=10.0,
    response=Histogram([0.01] * 1000),
    service=Histogram([0.01] * 1000),
    lag=Histogram([0.0001] * 1000),
    statuses={200: 1000},
)
PROBES = Probes(
    cpu_seconds=3.0,
    cpu_share=0.3,
    loop_lag=Histogram([0.0005] * 1000),
    lateness=Histogram([0.0002] * 1000),
    mean_in_flight=1.0,
    listen_overflows=0,
)


def test_a_healthy_run_is_believed() -> None:
    """Each of the nine checks of an open loop holds, with a sentence for it, and no reason."""
    verdict = judge(MEASURED, PROBES, CONFIG)
    assert verdict.valid and verdict.reasons == ()
    assert [check.name for check in verdict.checks] == [
        "generator CPU",
        "event-loop lag",
        "pacer lag",
        "achieved rate",
        "Little's law",
        "ports",
        "descriptors",
        "listen queue",
        "samples",
    ]
    assert all(check.ok and check.why for check in verdict.checks)


def test_a_closed_loop_has_no_schedule_to_keep() -> None:
    """Pace and achieved rate are not asked about where none was wanted."""
    verdict = judge(MEASURED, replace(PROBES, lateness=Histogram()), LoadConfig())
    assert verdict.valid and len(verdict.checks) == 7


LATE = Histogram([0.0005] * 980 + [0.05] * 20)


@pytest.mark.parametrize(
    ("name", "measured", "probes", "why"),
    [
        ("generator CPU", {}, {"cpu_share": 0.97}, "process used 97% of a core (under 90%)"),
        ("event-loop lag", {}, {"loop_lag": LATE}, "loop were up to 50 ms late (p99; up to 10 ms)"),
        ("pacer lag", {}, {"lateness": LATE}, "schedule were up to 50 ms late (p99; up to 10 ms)"),
        (
            "achieved rate",
            {"lag": Histogram([0.0] * 980)},
            {},
            "980 of 1,000 requests left in time: 98.0% (at least 99%; more connections may help)",
        ),
        (
            "Little's law",
            {},
            {"mean_in_flight": 1.3},
            "1.3 requests were in flight on average, and throughput times latency is 1",
        ),
        (
            "ports",
            {"failures": {Failure.PORT_SHORTAGE: 3}},
            {},
            "3 connections found no free local port",
        ),
        (
            "descriptors",
            {"failures": {Failure.DESCRIPTOR_SHORTAGE: 2}},
            {},
            "2 connections found no free file descriptor (ulimit -n)",
        ),
        (
            "listen queue",
            {"service": Histogram([0.01] * 999 + [1.02])},
            {"listen_overflows": 7, "mean_in_flight": 1.1},
            "7 connections did not fit into a listen queue of this machine (of any server on it)",
        ),
        (
            "samples",
            {"response": Histogram()},
            {},
            "0 requests were timed (p50 needs 20)",
        ),
    ],
)
def test_each_check_can_fail_and_says_why(
    name: str, measured: dict[str, Any], probes: dict[str, Any], why: str
) -> None:
    """It alone, of all checks, with the reading and its bound in words."""
    verdict = judge(replace(MEASURED, **measured), replace(PROBES, **probes), CONFIG)
    failed = [check for check in verdict.checks if not check.ok]
    assert not verdict.valid and [check.name for check in failed] == [name]
    assert why in failed[0].why and verdict.reasons == (failed[0].why,)


@pytest.mark.parametrize(
    ("reading", "value", "bound"),
    [("cpu_share", 0.89, 0.9), ("mean_in_flight", 1.04, 0.05), ("mean_in_flight", 0.96, 0.05)],
)
def test_a_reading_within_its_bound_is_no_matter(reading: str, value: float, bound: float) -> None:
    """Just inside is inside."""
    verdict = judge(MEASURED, replace(PROBES, **{reading: value}), CONFIG)
    assert verdict.valid and bound in {check.bound for check in verdict.checks}


def test_lag_below_the_latency_is_harmless() -> None:
    """A server that takes half a second is measured well by a generator 50 ms late."""
    slow = replace(MEASURED, service=Histogram([0.5] * 1000), response=Histogram([0.5] * 1000))
    probes = replace(PROBES, loop_lag=LATE, lateness=LATE, mean_in_flight=50.0)
    assert judge(slow, probes, CONFIG).valid


def test_the_warm_up_is_in_littles_law() -> None:
    """Hits that were sent before the start are in flight after it, and are accounted for."""
    carried = replace(MEASURED, carried=5.0)
    assert carried.expected_in_flight == pytest.approx(1.5, rel=1e-3)
    assert judge(carried, replace(PROBES, mean_in_flight=1.5), CONFIG).valid
    assert not judge(carried, PROBES, CONFIG).valid


@pytest.mark.parametrize(("sent", "valid"), [(880, False), (915, True), (1_100, True)])
def test_chance_arrivals_may_be_fewer_by_chance(sent: int, valid: bool) -> None:
    """Three times the root of a Poisson count is no fault of the generator's."""
    measured = replace(MEASURED, lag=Histogram([0.0] * sent))
    config = dataclasses.replace(CONFIG, arrivals="poisson")
    assert judge(measured, PROBES, config).valid is valid


def test_a_run_by_number_is_asked_for_no_more() -> None:
    """200 requests at 100/s in a run of up to 10 s are all there should be."""
    few = replace(MEASURED, lag=Histogram([0.0] * 200))
    assert judge(few, PROBES, dataclasses.replace(CONFIG, requests=200)).valid
    assert not judge(few, PROBES, CONFIG).valid


def test_thresholds_need_their_samples() -> None:
    """A p99.9 that something hangs on wants ten values above it."""
    verdict = judge(MEASURED, PROBES, CONFIG, claims=claims("p50<1s", "p99.9<1s"))
    assert verdict.reasons == ("1,000 requests were timed (p99.9 needs 10,000)",)


def test_a_threshold_of_a_target_needs_samples_of_it() -> None:
    """Requests to other targets do not make its percentile any surer."""
    rare = TargetCounts(name="rare", response=Histogram([0.01] * 19), statuses={200: 19})
    measured = replace(MEASURED, targets=(rare,))
    verdict = judge(measured, PROBES, CONFIG, claims=claims("p99<1s", "rare:p50<1s"))
    assert verdict.reasons == ("19 requests were timed (p50 needs 20)",)


@pytest.mark.parametrize(
    ("measured", "probes", "name"),
    [
        ({"response": Histogram([0.01] * 7)}, {}, "samples"),
        ({}, {"listen_overflows": 7}, "listen queue"),
    ],
)
def test_what_nothing_rests_on_is_a_note(
    measured: dict[str, Any], probes: dict[str, Any], name: str
) -> None:
    """Few samples without a percentile claimed (LD9); other servers' listen queues (LD12)."""
    verdict = judge(replace(MEASURED, **measured), replace(PROBES, **probes), CONFIG)
    assert verdict.valid and [check.name for check in verdict.notes] == [name]


@pytest.mark.parametrize(
    ("text", "lag", "valid"),
    [
        ("p99<200ms", 0.039, True),  # met, and would be without any lag
        ("p99<200ms", 0.3, False),  # no figure of 10 ms goes with a lag of 300
        ("p99<15ms", 0.014, True),
        ("p99<5ms", 0.004, True),  # missed by more than the lag can have made
        ("p99<9ms", 0.012, False),  # missed by 1 ms: the lag may be why
        ("p99>2ms", 0.012, False),  # met by 8 ms: the lag may be why
        ("p99>1s", 0.3, True),  # missed, and by more without lag
        ("errors<1%", 0.012, False),  # claims nothing about latencies
    ],
)
def test_lag_is_held_against_the_claim(text: str, lag: float, valid: bool) -> None:
    """Latencies of 10 ms can be trusted as far as the threshold's answer cannot change (LD11)."""
    probes = replace(PROBES, loop_lag=Histogram([lag] * 1000))
    latencies = {"response": Histogram([0.01] * 1000), "service": Histogram([0.001] * 1000)}
    measured = replace(MEASURED, **latencies)
    verdict = judge(measured, replace(probes, mean_in_flight=0.1), CONFIG, claims=claims(text))
    assert verdict.valid is valid


def test_a_busy_machine_is_told_with_its_verdict() -> None:
    """How late, who used the cores, and which latencies cannot be believed (issue 14, 2)."""
    probes = replace(PROBES, loop_lag=LATE, machine_cpu=19.0, cores=2)
    (why,) = judge(MEASURED, probes, CONFIG).reasons
    assert "other programs used 1.6 of 2 cores; latencies below 50 ms cannot be believed" in why


def claims(*texts: str) -> list[Threshold]:
    """Thresholds, read."""
    return [Threshold.read(text) for text in texts]


def test_what_cannot_be_read_is_no_reason() -> None:
    """Without the kernel's counter the check holds, and says that there is none."""
    verdict = judge(MEASURED, replace(PROBES, listen_overflows=None), CONFIG)
    (check,) = (check for check in verdict.checks if check.name == "listen queue")
    assert verdict.valid and check.value is None and "cannot be read here" in check.why


def test_a_run_in_which_nothing_happened_is_not_believed() -> None:
    """No hit, no time: it fails for its samples, and by no exception."""
    verdict = judge(Measured(elapsed=0.0), Probes(), LoadConfig())
    assert not verdict.valid
    assert [check.name for check in verdict.checks if not check.ok] == ["samples"]


def test_probes_of_processes_are_added_up() -> None:
    """CPU seconds and hits in flight add up, of shares and counters of the machine the greatest."""
    other = replace(PROBES, cpu_share=0.5, listen_overflows=None, mean_in_flight=2.0)
    both = PROBES.merge(other)
    assert (both.cpu_seconds, both.cpu_share, both.mean_in_flight) == (6.0, 0.5, 3.0)
    assert (both.loop_lag.count, both.lateness.count, both.listen_overflows) == (2000, 2000, 0)


def test_probes_and_verdicts_come_back_from_json() -> None:
    """Equal values, by way of JSON text."""
    assert parsed(text(PROBES), Probes) == PROBES
    verdict = judge(MEASURED, PROBES, CONFIG)
    assert parsed(text(verdict), Verdict) == verdict


@given(st.integers(0, 200_000))
def test_a_quantile_is_shown_if_enough_is_above_it(count: int) -> None:
    """`BEYOND` values above each, and one that is not shown has fewer."""
    quantiles = (0.5, 0.9, 0.99, 0.999, 0.9999)
    for quantile in quantiles:
        assert (needed(quantile) <= count) == (count * (1 - quantile) >= BEYOND - 1e-6)
    assert needed(1.0) == 1
