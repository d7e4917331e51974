"""Hosts that go away and come back, decided without a clock: their URLs wait instead of failing."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.core.crawl_core import Ended
from crawler.model.outcome import Failed, Final, Kind, Page, Redirected, Skipped
from crawler.model.request import Purpose, Request
from tests.core.play import Play, failed, page, redirect, robots

HOST = "http://a.example"
AWAY = {
    "refused": (Kind.CONNECT, None),
    "silent": (Kind.CONNECT_TIMEOUT, None),
    "name server": (Kind.DNS_TEMPORARY, None),
    "reset": (Kind.DISCONNECTED, None),
    "cut": (Kind.DISCONNECTED, 200),
    "timeout": (Kind.TIMEOUT, None),
    "bad gateway": (Kind.UNAVAILABLE, 502),
    "gateway timeout": (Kind.UNAVAILABLE, 504),
}
"""How a host that is away shows it: the kind, and the status of what still answers for it."""


def pages(number: int, host: str = HOST) -> list[str]:
    return [f"{host}/{n}" for n in range(number)]


def kinds(finals: list[Final]) -> Counter[Kind | None]:
    """How many URLs ended as what; None for pages."""
    ended = (final.kind if isinstance(final, Failed | Skipped) else None for final in finals)
    return Counter(ended)


class Site:
    """Hosts that answer, but not in the seconds of `away`: then with this kind and status."""

    def __init__(self, *away: tuple[float, float], kind: Kind, status: int | None = None) -> None:
        self.away = away
        self.kind = kind
        self.status = status

    def __call__(self, request: Request, now: float) -> Ended:
        if any(begin <= now < end for begin, end in self.away):
            return failed(request, self.kind, status=self.status)
        return robots(request, "") if request.purpose is Purpose.ROBOTS else page(request)


def honest(play: Play) -> bool:
    """Whether each record counts the fetches that were really made for its URL."""
    made = Counter(request.seed for _, request in play.starts if request.purpose is Purpose.PAGE)
    told = {f.url: f.request.attempts for f in play.finals if isinstance(f, Page | Failed)}
    return told == {url: made[url] for url in told}


@pytest.mark.slow
@pytest.mark.parametrize("retries", [0, 2])
@pytest.mark.parametrize("how", AWAY)
def test_an_outage_in_the_middle_of_a_list_costs_no_url(how: str, retries: int) -> None:
    """img2dataset#452: away for ten seconds, however it shows, a host gets all its URLs asked."""
    kind, status = AWAY[how]
    play = Play(Site((1.0, 11.0), kind=kind, status=status), delay=0.01, retries=retries)
    assert kinds(play.run(*pages(500))) == {None: 500}
    assert honest(play)
    snapshot = play.core.statistics(play.now)
    assert (snapshot.outages, snapshot.hosts_away, snapshot.pending) == (1, 0, 0)
    assert snapshot.retries == len(play.times()) - 500
    totals = play.core.totals()
    assert totals.pauses == 1 and totals.away > 9.0
    assert len(play.notices) == 2


@pytest.mark.parametrize("retries", [0, 2])
@pytest.mark.parametrize("kind", [Kind.CONNECT, Kind.CONNECT_TIMEOUT, Kind.DNS_TEMPORARY])
def test_a_short_list_waits_for_its_host_too(kind: Kind, retries: int) -> None:
    """Too few URLs to fill the breaker: one that cannot be connected to any more is away."""
    play = Play(Site((0.5, 10.5), kind=kind), delay=0.3, retries=retries)
    assert kinds(play.run(*pages(4))) == {None: 4}
    assert honest(play)


def test_probes_come_one_at_a_time_and_twice_as_late_each_time() -> None:
    """After 1 s, then 2, 4, ... up to `breaker_pause`, each by the URL whose turn it is."""
    site = Site((1.0, 100.0), kind=Kind.CONNECT)
    play = Play(site, delay=0.01, retries=0, breaker_pause=16.0)
    play.run(*pages(300))
    probes = [at for at in play.times() if 1.5 < at < 99.0]
    waits = [round(after - before, 1) for before, after in pairwise(probes)]
    assert waits == [2.0, 4.0, 8.0, *([16.0] * 5)]
    asked = [request.seed for at, request in play.starts if 1.5 < at < 99.0]
    assert len(set(asked)) == len(asked)


@pytest.mark.parametrize("how", AWAY)
def test_a_host_that_does_not_come_back_is_given_up(how: str) -> None:
    """After `breaker_give_up` seconds without one answer, and then all of its URLs at once."""
    kind, status = AWAY[how]
    site = Site((1.0, float("inf")), kind=kind, status=status)
    play = Play(site, delay=0.01, retries=1, breaker_give_up=60.0)
    finals = play.run(*pages(300), "http://b.example.:1/x")
    ended = kinds(finals)
    assert ended[None] + ended[Kind.HOST_DOWN] == 301 and ended[None] >= 90
    assert 60.0 < play.now < 65.0
    assert honest(play)
    reasons = {final.reason for final in finals if isinstance(final, Failed)}
    assert reasons == {"its host was down for 60 s: it failed"}
    assert play.core.statistics(play.now).hosts_away == 0


def test_a_host_that_was_given_up_has_to_prove_itself() -> None:
    """What comes later asks it once, and waits for it no second time before it has answered."""
    site = Site((1.0, 500.0), kind=Kind.CONNECT)
    play = Play(site, delay=0.01, retries=0, breaker_give_up=30.0, breaker_pause=50.0)
    play.run(*pages(200))
    play.core._window.exhausted, play.now = False, 200.0
    before = len(play.starts)
    play.run(*(f"{HOST}/later/{n}" for n in range(20)))
    assert len(play.starts) == before + 1 and play.now < 201.0
    play.core._window.exhausted, play.now = False, 600.0
    play.run(f"{HOST}/back")
    assert isinstance(play.finals[-1], Page)


@pytest.mark.parametrize("robots", ["obey", "ignore"])
@pytest.mark.parametrize("kind", [Kind.CONNECT, Kind.CONNECT_TIMEOUT, Kind.DNS_TEMPORARY])
def test_a_host_that_never_worked_is_not_waited_for(kind: Kind, robots: str) -> None:
    """Dead hosts in a list hold nothing: each ends when its retries are used up."""
    play = Play(lambda request, now: failed(request, kind), gates=True, robots=robots, delay=0.1)
    finals = play.run(*pages(15), *pages(15, "http://b.example"))
    assert set(kinds(finals)) <= {kind, Kind.HOST_DOWN} and len(finals) == 30
    assert play.now < 10.0 and not play.notices


@pytest.mark.slow
@pytest.mark.parametrize("retries", [0, 2])
@pytest.mark.parametrize("robots", ["obey", "ignore"])
@pytest.mark.parametrize("kind", [Kind.CONNECT, Kind.CONNECT_TIMEOUT])
def test_a_long_list_survives_a_server_that_starts_late(
    kind: Kind, robots: str, retries: int
) -> None:
    """A host of many URLs that is away at first is tried for half a minute, and no longer."""
    late = Play(Site((-1.0, 10.0), kind=kind), gates=True, robots=robots, retries=retries)
    assert kinds(late.run(*pages(300))) == {None: 300}
    dead = Play(Site((-1.0, 9e9), kind=kind), gates=True, robots=robots, retries=retries)
    assert kinds(dead.run(*pages(300), *pages(300, "http://b.example"))) == {Kind.HOST_DOWN: 600}
    assert dead.now < 45.0


def test_one_url_that_always_fails_holds_nothing() -> None:
    """Its host answers others, or nothing else is left: either way it has failed by itself."""

    def answer(request: Request, now: float) -> Ended:
        bad = request.url.href in (f"{HOST}/7", f"{HOST}/39")
        return failed(request, Kind.TIMEOUT) if bad else page(request)

    play = Play(answer, delay=0.1)
    assert kinds(play.run(*pages(40))) == {None: 38, Kind.TIMEOUT: 2}
    assert play.now < 10.0 and not play.notices
    assert {f.request.attempts for f in play.finals if isinstance(f, Failed)} == {3}


@pytest.mark.parametrize("status", [500, 408, 425])
def test_errors_of_the_pages_themselves_are_not_an_outage(status: int) -> None:
    """A part of a site that is broken ends as what it says, not after a quarter of an hour."""

    def answer(request: Request, now: float) -> Ended:
        if int(request.url.href.rpartition("/")[2]) >= 30:
            return failed(request, Kind.UNAVAILABLE, status=status)
        return page(request)

    play = Play(answer, delay=0.1, per_host=1)
    assert kinds(play.run(*pages(60))) == {None: 30, Kind.UNAVAILABLE: 30}
    assert play.now < 120.0
    assert {f.request.attempts for f in play.finals if isinstance(f, Failed)} == {3}


def test_a_bad_url_does_not_keep_a_host_down() -> None:
    """Probes take turns: the first URLs of a host that came back may be broken themselves."""
    site = Site((1.0, 10.0), kind=Kind.CONNECT)

    def answer(request: Request, now: float) -> Ended:
        bad = int(request.url.href.rpartition("/")[2]) in range(105, 110)
        return failed(request, Kind.TIMEOUT) if bad and now > 10.0 else site(request, now)

    play = Play(answer, delay=0.01)
    assert kinds(play.run(*pages(200))) == {None: 195, Kind.TIMEOUT: 5}
    assert play.now < 100.0


def test_a_host_whose_last_urls_end_by_themselves_is_not_away() -> None:
    """Statistics count hosts that URLs wait for; the last ones may fail while it is down."""
    site = Site((1.0, 9e9), kind=Kind.CONNECT)

    def answer(request: Request, now: float) -> Ended:
        return failed(request, Kind.TLS) if now > 2.0 else site(request, now)

    play = Play(answer, delay=0.01, retries=0)
    assert kinds(play.run(*pages(130))).keys() == {None, Kind.TLS}
    assert play.core.statistics(play.now).hosts_away == 0


def test_a_redirect_to_a_host_that_is_away_waits_there() -> None:
    """It joins that host's queue, and its record counts the fetches of the whole chain."""
    site = Site((1.0, 20.0), kind=Kind.CONNECT)

    def answer(request: Request, now: float) -> Ended:
        if "b.example" in request.url.href:
            return redirect(request, f"{HOST}/from/{request.url.href[-1]}")
        return site(request, now)

    play = Play(answer, delay=0.05, retries=0)
    finals = play.run(*pages(50), *pages(60, "http://b.example"))
    assert {type(final) for final in finals} <= {Page, Redirected} and len(finals) == 110
    assert honest(play)


def test_a_host_that_worked_by_https_is_not_asked_by_http_when_it_goes() -> None:
    """A host without a scheme waits like any other: that it refuses now says nothing of TLS."""
    site = Site((1.0, 20.0), kind=Kind.CONNECT)

    def answer(request: Request, now: float) -> Ended:
        outcome = site(request, now)
        return replace(outcome, no_tls=True) if isinstance(outcome, Failed) else outcome

    play = Play(answer, delay=0.05)
    assert kinds(play.run(*(f"a.example/{n}" for n in range(60)))) == {None: 60}
    assert all(request.url.href.startswith("https:") for _, request in play.starts)


def test_without_a_breaker_or_its_patience_failures_are_final() -> None:
    """`--breaker 0` and `--breaker-give-up 0` end every URL by its own attempts."""
    for options in ({"breaker": 0}, {"breaker_give_up": 0.0}):
        play = Play(Site((1.0, 9e9), kind=Kind.CONNECT), delay=0.01, retries=0, **options)
        ended = kinds(play.run(*pages(200)))
        assert ended[None] < 120 and play.now < 5.0


def test_ctrl_c_ends_what_waits_for_a_host() -> None:
    """What is held is written as the failure that it is, the rest as interrupted."""
    play = Play(Site((1.0, 9e9), kind=Kind.CONNECT), delay=0.01, retries=0)
    step = play.core.next

    def stopping(now: float) -> object:
        if now > 30.0:
            play.finals += play.core.stop()
        return step(now)

    play.core.next = stopping  # type: ignore[assignment,method-assign]
    ended = kinds(play.run(*pages(300)))
    assert sum(ended.values()) == 300 and set(ended) == {None, Kind.INTERRUPTED}
    assert play.now < 35.0


@pytest.mark.slow
@given(
    st.lists(st.tuples(st.floats(1.0, 40.0), st.floats(0.5, 60.0)), min_size=1, max_size=3),
    st.sampled_from(list(AWAY)),
    st.integers(0, 2),
    st.integers(1, 8),
    st.sampled_from([0.05, 0.3]),
)
def test_no_outage_within_the_patience_costs_a_url(
    away: list[tuple[float, float]], how: str, retries: int, per_host: int, delay: float
) -> None:
    """Whenever, as often and in whichever way: all URLs are pages, limits hold, records count."""
    kind, status = AWAY[how]
    windows = tuple((begin, begin + length) for begin, length in away)
    site = Site(*windows, kind=kind, status=status)
    play = Play(site, per_host=per_host, retries=retries, delay=delay)
    finals = play.run(*pages(100))
    lost = kinds(finals)
    lost.pop(None)
    assert len({final.url for final in finals}) == len(finals) == 100
    if how in ("refused", "silent", "name server"):
        assert not lost
    else:  # what breaks off for less than the breaker's length may be the URLs' own
        assert sum(lost.values()) < 20 * len(away)
    assert honest(play)
    times = play.times()
    assert all(after - before >= delay - 1e-6 for before, after in pairwise(times))
