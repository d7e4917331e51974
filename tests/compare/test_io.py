"""`io`: fetching with one and with many in flight, what it plans and what it can find."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Self

import pytest

from crawler.compare.bare_client import by_threads
from crawler.compare.experiments import io
from crawler.compare.experiments.io import EXPERIMENT, LATENCY, SEQUENTIAL, work
from crawler.mock import MockWeb, Served, running
from tests.compare.made import found, outcome, setting
from tests.compare.observing import FakeWatch, names, observed

KINDS = (SEQUENTIAL, "threads", "asyncio", "uvloop", "bare threads", "bare asyncio")


@pytest.fixture(scope="module")
def web() -> Iterator[Served]:
    with running(MockWeb(pages=20, page_bytes=500, links=2)) as served:
        yield served


def parameters(web: Served, kind: str, fetches: int = 9):
    in_flight = 1 if kind == SEQUENTIAL else 4
    told = {"kind": kind, "server": web.url, "in_flight": in_flight, "fetches": fetches}
    told["pages"] = 100
    return told | ({"processes": 2} if kind == "processes" else {})


@pytest.mark.slow
def test_all_kinds_fetch_the_same(web: Served) -> None:
    """One after the other, threads, loops and processes bring the same bodies, none failed."""
    done = [work(parameters(web, kind), FakeWatch()) for kind in (*KINDS, "processes")]
    assert len({each.checksum for each in done}) == 1
    assert {each.errors for each in done} == {0}
    assert {each.figures["rate"] for each in done} == {9}
    assert all(each.figures["start_up"] > 0 for each in done)


@pytest.mark.parametrize("kind", [SEQUENTIAL, "bare threads", "bare asyncio"])
def test_only_the_steady_state_is_measured(web: Served, kind: str) -> None:
    """CM3: the watch starts when each slot has a connection: none is opened from then on.

    A library may lend a slot the connection of another one that was quick, so it is not asked.
    """
    opened: list[int] = []

    class Looking(FakeWatch):
        def __enter__(self) -> Self:
            opened.append(web.statistics().connections)
            return super().__enter__()

        def __exit__(self, *error: object) -> None:
            opened.append(web.statistics().connections)
            super().__exit__(*error)

    assert work(parameters(web, kind), Looking()).errors == 0
    assert len(opened) == 2 and opened[0] == opened[1]


def test_a_slot_does_enough_for_its_start_not_to_count() -> None:
    """CM3: twelve fetches a slot at least, and one client on both sides at 64 and at 256."""
    for mode in ("quick", "normal", "full"):
        arms = {arm.name: arm.parameters for arm in EXPERIMENT.arms(setting(mode=mode))}
        del arms[SEQUENTIAL]
        assert all(each["fetches"] >= 12 * each["in_flight"] for each in arms.values())
        for width in (64, 256):
            assert {f"bare threads, {width} in flight", f"bare asyncio, {width} in flight"} <= {
                *arms
            }


def test_a_bare_client_whose_server_goes_ends() -> None:
    """Every thread ends, and the first error is told."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
    with pytest.raises(ConnectionRefusedError):
        by_threads([url] * 4, 2, FakeWatch())


@pytest.mark.parametrize("kind", KINDS)
def test_a_fetch_that_fails_is_an_error(web: Served, kind: str) -> None:
    """A page that is not there counts as an error."""
    assert work(parameters(web, kind, fetches=22), FakeWatch()).errors == 2


def test_equal_work_has_an_equal_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arms claim the same work exactly when they fetch as much, and each contrast is within it."""
    monkeypatch.setattr(io, "most_connections", lambda: 5_000.0)
    monkeypatch.setattr(io, "most_threads", lambda: 5_000.0)
    for mode in ("quick", "normal", "full"):
        planned = setting(mode=mode)
        arms = {arm.name: arm for arm in EXPERIMENT.arms(planned)}
        assert len({(a.equal, a.parameters["fetches"]) for a in arms.values()}) == len(
            {a.equal for a in arms.values()}
        )
        for each in EXPERIMENT.contrasts(planned):
            alone = SEQUENTIAL in (each.base, each.other)  # of which fewer are enough
            assert alone or arms[each.base].equal == arms[each.other].equal


def test_processes_are_tried_where_one_loop_has_enough_to_do() -> None:
    """From 256 in flight on; with few, each would have hardly any."""
    arms = {mode: names(EXPERIMENT.arms(setting(mode=mode))) for mode in ("quick", "full")}
    split = {name for name in arms["quick"] | arms["full"] if name.startswith("processes")}
    assert "processes, 64 in flight" not in split
    assert {"processes, 256 in flight", "processes, 512 in flight"} <= arms["full"]


def test_every_process_has_its_share_in_flight() -> None:
    """What is in flight can be divided by the processes, on one core and on many."""
    for cores in (1, 2, 3, 4, 12):
        for arm in EXPERIMENT.arms(setting(cores=cores, mode="full")):
            assert arm.parameters["in_flight"] % arm.parameters.get("processes", 1) == 0


def test_what_the_limits_forbid_is_left_out_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where threads are few, arms and comparisons that need more are left out, with a finding."""
    monkeypatch.setattr(io, "most_connections", lambda: 5_000.0)
    monkeypatch.setattr(io, "most_threads", lambda: 300.0)
    planned = setting(mode="normal")
    arms = names(EXPERIMENT.arms(planned))
    assert "threads, 512 in flight" not in arms
    assert "asyncio, 512 in flight" in arms
    assert all({e.base, e.other} <= arms for e in EXPERIMENT.contrasts(planned))
    (told,) = EXPERIMENT.checks(observed(EXPERIMENT, planned, {}))
    assert "threads at 512" in told.text and "asyncio" not in told.text


def rates(threads: float, asyncio: float, large: float) -> dict[str, dict[str, float]]:
    found = {
        SEQUENTIAL: 1.0,
        "threads, 64 in flight": threads,
        "asyncio, 64 in flight": asyncio,
        "uvloop, 64 in flight": asyncio,
        "threads, 256 in flight": 100.0,
        "asyncio, 256 in flight": large,
    }
    return {name: {"rate": rate} for name, rate in found.items()}


@pytest.mark.slow
def test_twenty_times_is_what_it_takes() -> None:
    """25 times is as predicted, 18 times is otherwise, each for its own arm."""
    seen = found(EXPERIMENT, observed(EXPERIMENT, setting(), rates(18, 25, 150)))
    assert outcome(seen, "threads with 64") == "otherwise"
    assert outcome(seen, "asyncio with 64") == "as predicted"
    assert outcome(seen, "uvloop with 64") == "as predicted"
    assert outcome(seen, "not slower than threads") == "as predicted"


@pytest.mark.slow
def test_a_loop_that_is_slower_is_found() -> None:
    """asyncio behind threads at 256 in flight is otherwise; without the lock it is only told."""
    values = rates(25, 25, 50)
    claim = "not slower than threads"
    assert outcome(found(EXPERIMENT, observed(EXPERIMENT, setting(), values)), claim) == "otherwise"
    free = observed(EXPERIMENT, setting(gil=False), values)
    assert outcome(found(EXPERIMENT, free), claim) == "told"


@pytest.mark.slow
def test_other_bodies_void_the_comparison() -> None:
    """An arm that fetched something else is invalid."""
    name = "threads, 64 in flight"
    seen = observed(EXPERIMENT, setting(), rates(25, 25, 150), {name: "other"})
    assert outcome(found(EXPERIMENT, seen), "threads with 64") == "invalid"


def test_the_chart_has_the_ideal_and_no_failed_arm() -> None:
    """Rates are drawn from one in flight on, beside Little's law; a voided arm is left out."""
    name = "asyncio, 64 in flight"
    seen = observed(EXPERIMENT, setting(), rates(25, 25, 150), {name: "other"})
    (chart,) = EXPERIMENT.charts(seen)
    by_name = {each.name: each for each in chart.series}
    assert [n for n, _ in by_name["threads"].points] == [1, 64, 256]
    assert [n for n, _ in by_name["asyncio"].points] == [256]
    assert chart.ideal is not None
    assert chart.ideal.points == [(1.0, 1 / LATENCY), (256.0, 256 / LATENCY)]
