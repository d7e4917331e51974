"""`scale`: connections that wait, what is planned within the limits, and what can be found."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from time import perf_counter

import pytest

from crawler.compare.experiments import scale
from crawler.compare.experiments.scale import EXPERIMENT, possible
from crawler.compare.experiments.scale_peer import STAMP, take, wake
from crawler.compare.experiments.scale_work import Calls, Waited, _told, peer, work
from crawler.measure.processes import tree
from tests.compare.made import found, outcome, setting
from tests.compare.observing import FakeWatch, names, observed

KINDS = ("asyncio", "uvloop", "threads")


@pytest.fixture(autouse=True)
def room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits as on a large machine, whichever this is."""
    monkeypatch.setattr(scale, "most_connections", lambda: 50_000.0)
    monkeypatch.setattr(scale, "most_threads", lambda: 50_000.0)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, list[socket.socket]]]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = [socket.create_connection(server.getsockname()) for _ in range(3)]
        yield server, near
        for each in near:
            each.close()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_wake_up_is_noted(kind: str) -> None:
    """All wake-ups are taken by the waiters, and neither a process nor a thread is left."""
    threads, processes = threading.active_count(), len(tree(os.getpid()))
    told = {"kind": kind, "connections": 15, "wake_ups": 40, "seconds": 0.01, "seed": 1}
    done = work(told, FakeWatch())
    assert done.checksum == "40"
    assert 0 <= done.figures["wake_p50"] <= done.figures["wake_p99"] <= done.figures["wake_max"]
    assert threading.active_count() == threads
    assert len(tree(os.getpid())) == processes


@pytest.mark.slow
def test_the_peer_takes_and_ends() -> None:
    """The process at the other end accepts what is asked for and goes with its user."""
    before = tree(os.getpid())
    with peer() as other:
        near = other.connect(3)
        other.wake(Calls(3, 0.001, 0))
        stamps = [each.recv(STAMP.size, socket.MSG_WAITALL) for each in near]
        assert all(STAMP.unpack(stamp)[0] <= perf_counter() for stamp in stamps)
        for each in near:
            each.close()
    assert tree(os.getpid()) == before


def test_wake_ups_are_shared_out(pair: tuple[socket.socket, list[socket.socket]]) -> None:
    """Every connection is woken as often as the others, give or take one."""
    server, near = pair
    far = take(server, 3)
    wake(far, 7, 0.001, 3)
    for each in far:
        each.shutdown(socket.SHUT_WR)
    taken = [len(each.makefile("rb").read()) // STAMP.size for each in near]
    for each in far:
        each.close()
    assert sum(taken) == 7
    assert sorted(taken) == [2, 2, 3]


def test_clocks_that_differ_are_refused() -> None:
    """A wake-up that was taken before it was sent voids the turn."""
    with pytest.raises(RuntimeError, match="clocks"):
        _told(Waited([0.1, -0.1], 1.0, 1.0), 2)


def test_memory_is_left_out_where_it_is_not_told() -> None:
    """Without a figure of the system there is none in the turn."""
    assert "memory" not in _told(Waited([0.1], 0.0, 1.0), 1).figures
    assert _told(Waited([0.1], 7.0, 1.0), 1).figures["memory"] == 7.0


def test_limits_leave_out_what_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts above the limits are not run, nothing is compared with them, and that is said."""
    monkeypatch.setattr(scale, "most_connections", lambda: 4_000.0)
    monkeypatch.setattr(scale, "most_threads", lambda: 1_500.0)
    planned = setting()
    assert possible(planned, "asyncio") == [100, 1_000, 2_000]
    assert possible(planned, "threads") == [100, 1_000]
    arms = names(EXPERIMENT.arms(planned))
    assert all({e.base, e.other} <= arms for e in EXPERIMENT.contrasts(planned))
    told = [f.text for f in EXPERIMENT.checks(observed(EXPERIMENT, planned, {}))]
    assert "left out: 5,000; the limits here allow 4,000 at most" in told
    assert "left out: 2,000; the limits here allow 1,500 at most" in told


def test_without_room_nothing_is_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits below the least count leave no arm and no comparison, and the charts bear it."""
    monkeypatch.setattr(scale, "most_connections", lambda: 10.0)
    planned = setting()
    assert not EXPERIMENT.arms(planned)
    assert not EXPERIMENT.contrasts(planned)
    assert not EXPERIMENT.charts(observed(EXPERIMENT, planned, {}))


def arms(kind: str, memory: float, wake_p99: float) -> dict[str, dict[str, float]]:
    counts = possible(setting(), kind)
    return {f"{kind}, {n:,} waiting": {"memory": memory, "wake_p99": wake_p99} for n in counts}


@pytest.mark.slow
def test_predictions_hold_when_they_come_true() -> None:
    """Tasks that need less and are woken as early are as predicted."""
    values = arms("asyncio", 1.0, 1.0) | arms("threads", 3.0, 1.1)
    outcomes = {
        f.outcome for f in found(EXPERIMENT, observed(EXPERIMENT, setting(), values)).values()
    }
    assert outcomes == {"as predicted", "told"}


@pytest.mark.slow
def test_the_opposite_is_found() -> None:
    """Tasks that need more memory, or wake up later, are reported as otherwise."""
    values = arms("asyncio", 3.0, 3.0) | arms("threads", 1.0, 1.0)
    seen = found(EXPERIMENT, observed(EXPERIMENT, setting(), values))
    assert outcome(seen, "1,000 waiting tasks need less memory") == "otherwise"
    assert outcome(seen, "2,000 waiting a task wakes up") == "otherwise"
    assert outcome(seen, "with 100 waiting a task wakes up") == "told"


@pytest.mark.slow
def test_fewer_wake_ups_void_the_comparison() -> None:
    """An arm that took another number of wake-ups is invalid."""
    name = "threads, 1,000 waiting"
    seen = observed(EXPERIMENT, setting(), {}, {name: "599"})
    assert outcome(found(EXPERIMENT, seen), "1,000 waiting tasks need less memory") == "invalid"


def test_charts_have_a_point_a_count() -> None:
    """Memory and wake-up are drawn over the counts that were run."""
    memory, wake_up = EXPERIMENT.charts(observed(EXPERIMENT, setting(), {}))
    assert [n for n, _ in memory.series[0].points] == [100, 1_000, 2_000, 5_000]
    assert [each.name for each in wake_up.series] == ["asyncio", "threads"]


def test_memory_is_compared_where_it_must_grow() -> None:
    """A hundred tasks may find room in what the process has already, or less: 3.13t gives back."""
    planned = EXPERIMENT.contrasts(setting())
    memory = [each.other for each in planned if each.figure.name == "memory"]
    assert memory == ["asyncio, 1,000 waiting", "asyncio, 2,000 waiting"]
    assert "asyncio, 100 waiting" in {each.other for each in planned}
