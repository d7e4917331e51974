"""The self-test's theory, against simulated servers: honest generators pass, others do not."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest

from crawler.load.hit import Recorder
from crawler.load.measured import Measured
from crawler.load.selftest import CASES, Case, Expectation

STALL, FULL, CHANCE = CASES


def told(case: Case, measured: Measured) -> dict[str, bool]:
    """Each finding's name, and whether it is within its bounds."""
    return {finding.name: finding.ok for finding in case.findings(measured)}


def stalled(*, honest: bool, begins: float = 1.5) -> Measured:
    """1,000/s for 4 s over 4 connections, at a server that takes 1 ms and stalls 0.5 s of each 2.

    honest: whether a hit that had to wait for a connection keeps the time at which it was due.
    """
    recorder = Recorder(0.0)
    free = [0.0] * 4
    for number in range(4000):
        due = number / 1000
        at = min(range(4), key=free.__getitem__)
        sent = max(due, free[at])
        phase = (sent + 0.001 - begins) % 2.0
        ended = sent + 0.001 + (0.5 - phase if phase < 0.5 else 0.0)
        free[at] = ended
        recorder.hit(due if honest else sent, sent, ended, 200, 100)
    return recorder.freeze(4.0)


@pytest.mark.parametrize("begins", [0.3, 0.9, 1.5])
def test_an_honest_generator_shows_the_stall(begins: float) -> None:
    """Response p99 has it, service p99 has not, wherever in the run the stalls are."""
    assert all(told(STALL, stalled(honest=True, begins=begins)).values())


def test_coordinated_omission_is_seen() -> None:
    """A generator that counts from when it came to send hides the stall, and fails."""
    found = told(STALL, stalled(honest=False))
    assert found["response p99 shows the stall"] is False
    assert found["service p99 does not"] is True


def queued(gaps: Callable[[random.Random], float], seconds: float) -> Measured:
    """Arrivals at one worker that takes 4 ms each."""
    chance = random.Random(3)
    recorder = Recorder(0.0)
    due = free = 0.0
    while (due := due + gaps(chance)) < seconds:
        free = max(due, free) + 0.004
        recorder.hit(due, due, free, 200, 100)
    return recorder.freeze(seconds)


def test_poisson_arrivals_queue_as_theory_says() -> None:
    """With exponential gaps the mean is within the bounds, with equal ones it is not."""
    assert all(told(CHANCE, queued(lambda chance: chance.expovariate(125), 6.0)).values())
    assert not any(told(CHANCE, queued(lambda _: 1 / 125, 6.0)).values())


@pytest.mark.parametrize(("latency", "ok"), [(0.04, True), (0.041, True), (0.05, False)])
def test_a_full_queue_has_one_latency(latency: float, ok: bool) -> None:
    """16 connections at 4 workers of 10 ms each wait 40 ms, and get 400 answers a second."""
    recorder = Recorder(0.0)
    for number in range(round(3 / latency)):
        for _ in range(16):
            recorder.hit(number * latency, number * latency, (number + 1) * latency, 200, 100)
    assert set(told(FULL, recorder.freeze(3.0)).values()) == {ok}


def test_bounds_belong_to_the_range() -> None:
    """A finding at its bound is within it."""
    findings: Sequence[Expectation] = [
        Expectation(name="least", value=1, least=1, most=2),
        Expectation(name="most", value=2, least=1, most=2),
    ]
    assert all(finding.ok for finding in findings)
    assert not Expectation(name="above", value=2.1, least=1, most=2).ok
