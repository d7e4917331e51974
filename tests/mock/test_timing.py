"""Plans of time: which parts there are, what they depend on, and the token bucket."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.mock import MockWeb
from crawler.mock.server.delivery import server_timing
from crawler.mock.server.table import take_token
from crawler.mock.server.timing import MAX_SECONDS, Clock, Timing

START = 1000.0


def clock(**options: Any) -> Clock:
    return Clock(MockWeb(**options), START)


def test_nothing_configured_is_nothing_to_do() -> None:
    """A web without delays is idle and its plans are empty."""
    idle = clock()
    assert (idle.idle, idle.needs_attempt, idle.plan("a/", 0, START)) == (True, False, Timing())


def test_fixed_times_need_no_attempt() -> None:
    """Fixed latency and transfer are always the same."""
    fixed = clock(latency=0.1, transfer="0.5")
    assert not (fixed.idle or fixed.needs_attempt)
    assert fixed.plan("a/", 3, START) == Timing(0.1, 0.5, (("latency", 0.1),))


def test_draws_follow_from_seed_label_and_attempt() -> None:
    """Equal arguments give equal times in any clock, others other ones; the moment is no matter."""
    drawn = {"latency": "lognormal:0.1,0.5", "transfer": "uniform:0,1"}
    plan = clock(**drawn).plan("a/", 0, START)
    assert clock(**drawn).needs_attempt
    assert plan == clock(**drawn).plan("a/", 0, START + 99)
    others = [
        clock(**drawn).plan("a/", 1, START), clock(**drawn).plan("b/", 0, START),
        clock(seed=1, **drawn).plan("a/", 0, START),
    ]  # fmt: skip
    assert len({plan.delay, *(other.delay for other in others)}) == 4
    assert plan.transfer != plan.delay


def test_draws_stay_what_they_are() -> None:
    """A seed's delays are pinned: another version of Python or of this package keeps them."""
    assert clock(latency="uniform:0,1").plan("127.0.0.1/", 0, START).delay == pytest.approx(
        0.382902028
    )


def test_an_answer_is_held_until_the_stall_is_over() -> None:
    """An answer that would leave within a stall leaves at its end; that is a part of its own."""
    stalled = clock(latency=0.5, stall="1s every 10s")
    assert stalled.plan("a/", 0, START + 8).parts == (("latency", 0.5),)
    assert stalled.plan("a/", 0, START + 9).parts == (("latency", 0.5), ("stall", 0.5))
    assert stalled.plan("a/", 0, START + 9).delay == 1.0


def test_brownouts_add_latency_and_errors() -> None:
    """Within them, latency is added and the share of errors answered 503 until they are over."""
    web = clock(latency=0.1, brownout=("10s..20s latency 0.4 errors 0.25", "15s..16s latency 1"))
    assert web.needs_attempt
    assert web.plan("a/", 0, START).parts == (("latency", 0.1),)
    assert web.plan("a/", 0, START + 15).delay == 1.5
    plans = [web.plan("a/", attempt, START + 12) for attempt in range(2000)]
    refused = [plan.refused for plan in plans if plan.refused is not None]
    assert set(refused) == {8.0}
    assert 0.2 < len(refused) / len(plans) < 0.3


def test_the_queue_has_parts_and_a_limit() -> None:
    """Waiting and work are told apart; past the line there is a 503 with the time to come back."""
    web = clock(workers=1, service=2, queue=1)
    assert not web.needs_attempt
    assert web.plan("a/", 0, START).parts == (("queue", 0.0), ("service", 2.0))
    assert web.plan("a/", 0, START).parts == (("queue", 2.0), ("service", 2.0))
    assert web.plan("a/", 0, START) == Timing(refused=2.0)


def test_no_delay_outgrows_a_timer() -> None:
    """A power law's largest draw is still a time that a loop can wait for."""
    web = clock(latency="pareto:80000,0.1", transfer="pareto:80000,0.1")
    assert max(web.plan("a/", n, START)[:2] for n in range(50)) == (MAX_SECONDS, MAX_SECONDS)


def test_the_header_line() -> None:
    """Server-Timing has each part in milliseconds; without parts there is no line."""
    line = b"Server-Timing: latency;dur=100.000, queue;dur=3.250\r\n"
    assert server_timing((("latency", 0.1), ("queue", 0.00325))) == line
    assert server_timing(()) == b""


@pytest.mark.slow
@given(
    rate=st.floats(0.1, 1000),
    burst=st.integers(1, 20),
    gaps=st.lists(st.floats(0, 5), max_size=80),
)
def test_a_bucket_passes_no_more_than_it_may(rate: float, burst: int, gaps: list[float]) -> None:
    """In any stretch of time at most burst + rate * seconds pass; who waits as told does pass."""
    arrival, now = 0.0, START
    passed: list[float] = []
    for gap in gaps:
        now += gap
        arrival, wait = take_token(arrival, now, rate, burst)
        if not wait:
            passed.append(now)
            recent = passed[-200:]
            for place, first in enumerate(recent):
                assert len(recent) - place <= burst + rate * (now - first) + 1e-3
        else:
            assert take_token(arrival, now + wait, rate, burst)[1] == 0
