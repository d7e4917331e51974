"""The queue against what queueing theory says of it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.mock.graph.draw import draw
from crawler.mock.server.timing import Full, Queue
from crawler.model.distribution import Distribution

ARRIVALS = 200_000


def uniforms(label: str) -> list[float]:
    """Numbers strictly between 0 and 1, one for each arrival."""
    return [(word + 0.5) / 2**32 for word in draw(label, ARRIVALS)]


def mean_wait(workers: int, load: float, service: str) -> float:
    """The mean wait in multiples of the mean service time of 1, at a load a worker."""
    between, takes = (
        Distribution.read(f"exponential:{1 / (load * workers)}"),
        Distribution.read(service),
    )
    queue, now, total = Queue(workers, ARRIVALS), 0.0, 0.0
    ones, others = uniforms("arrivals"), uniforms("services")
    for one, other in zip(ones, others, strict=True):
        now += between.quantile(one)
        found = queue.arrive(now, takes.quantile(other))
        assert isinstance(found, float)
        total += found
    return total / ARRIVALS


def erlang_c(workers: int, load: float) -> float:
    """The mean wait of M/M/c: Erlang C over (c - offered load) (Kleinrock 1975, 3.5)."""
    offered = load * workers
    terms = [offered**n / math.factorial(n) for n in range(workers)]
    last = offered**workers / math.factorial(workers) / (1 - load)
    return last / (sum(terms) + last) / (workers - offered)


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "load"), [(1, 0.5), (1, 0.7), (2, 0.6), (4, 0.8)])
def test_exponential_service_waits_as_erlang_says(workers: int, load: float) -> None:
    """M/M/c: the mean wait is Erlang C's, which for one worker is load / (1 - load)."""
    expected = erlang_c(workers, load)
    assert workers > 1 or math.isclose(expected, load / (1 - load))
    assert mean_wait(workers, load, "exponential:1") == pytest.approx(expected, rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("load", [0.5, 0.8])
def test_fixed_service_waits_as_pollaczek_and_khinchine_say(load: float) -> None:
    """M/D/1: half the wait of M/M/1."""
    assert mean_wait(1, load, "1") == pytest.approx(load / (1 - load) / 2, rel=0.05)


@pytest.mark.slow
@given(
    workers=st.integers(1, 4),
    room=st.integers(0, 4),
    arrivals=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6)), max_size=60),
)
def test_a_queue_is_what_a_simulation_of_it_is(
    workers: int, room: int, arrivals: list[tuple[int, int]]
) -> None:
    """No more are served than workers, nor in line than room; first come first served.

    It is full only when line and workers are, and no worker is idle while anybody waits.
    """
    queue, now = Queue(workers, room), 0
    taken: list[tuple[float, float]] = []
    for gap, service in arrivals:
        now += gap
        busy = sum(start <= now < end for start, end in taken)
        line = [start for start, _ in taken if start > now]
        match queue.arrive(now, service):
            case Full(retry_after):
                assert busy == workers
                assert len(line) == room
                assert retry_after > 0
            case wait:
                assert (wait == 0) == (busy < workers)
                assert not wait or len(line) < room
                assert wait >= max(line, default=now) - now
                taken.append((now + wait, now + wait + service))
    for moment in {start for start, _ in taken}:
        assert sum(start <= moment < end for start, end in taken) <= workers


def test_full_says_when_there_is_room() -> None:
    """Who comes back when told is taken, if nobody else came."""
    queue = Queue(1, 1)
    assert queue.arrive(0.0, 2.0) == 0.0
    assert queue.arrive(0.5, 2.0) == 1.5
    assert queue.arrive(0.5, 2.0) == Full(1.5)
    assert queue.arrive(2.0, 2.0) == 2.0


def test_time_does_not_go_back() -> None:
    """An arrival before the last one counts as arriving with it."""
    queue = Queue(1, 5)
    queue.arrive(5.0, 1.0)
    assert queue.arrive(4.0, 1.0) == 1.0


@pytest.mark.parametrize(("workers", "room"), [(0, 1), (-1, 1), (1, -1)])
def test_a_queue_that_cannot_be_is_refused(workers: int, room: int) -> None:
    """A queue has a worker, and room for nobody at least."""
    with pytest.raises(ValueError, match="workers"):
        Queue(workers, room)
