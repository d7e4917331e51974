"""Our own network that goes away, told from hosts that are dead; decided without a clock."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.core.crawl_core import Ended
from crawler.model.outcome import Failed, Final, Kind, Lost, Page, Resolved, Skipped
from crawler.model.request import Purpose, Request
from tests.core.play import LATENCY, Play, failed, page, robots

GONE = {
    "no name server": (Kind.DNS_TEMPORARY, None),
    "no route": (Kind.CONNECT, Lost.NETWORK),
    "no gateway": (Kind.CONNECT, Lost.HOST),
    "silence": (Kind.CONNECT_TIMEOUT, None),
    "no proxy": (Kind.PROXY, Lost.NETWORK),
}
"""How a network that is gone shows it."""
AT_ONCE = ("no name server", "no route")
"""What shows it where nothing ever worked: the others may be the hosts' fault, or a wrong proxy."""


def many(hosts: int, pages: int = 1) -> list[str]:
    return [f"http://h{host}.example/{n}" for n in range(pages) for host in range(hosts)]


def kinds(finals: list[Final]) -> Counter[Kind | None]:
    """How many URLs ended as what; None for pages."""
    ended = (final.kind if isinstance(final, Failed | Skipped) else None for final in finals)
    return Counter(ended)


def name(request: Request) -> str:
    return request.url.host_key.partition("//")[2]


class Net:
    """A network that is away from `begin` to `end` and shows it so."""

    def __init__(self, begin: float, end: float, how: str) -> None:
        self.begin, self.end = begin, end
        self.kind, self.lost = GONE[how]

    def __call__(self, request: Request, now: float) -> Ended:
        if self.begin <= now < self.end:
            return replace(failed(request, self.kind), lost=self.lost)
        match request.purpose:
            case Purpose.ADDRESS:
                number = int(name(request)[1:].partition(".")[0])
                return Resolved(request=request, address=f"192.0.2.{number % 250}")
            case Purpose.ROBOTS:
                return robots(request, "")
        return page(request)


@pytest.mark.slow
@pytest.mark.parametrize("retries", [0, 2])
@pytest.mark.parametrize("how", GONE)
def test_no_url_fails_because_the_network_is_gone(how: str, retries: int) -> None:
    """img2dataset#452: the crawl pauses, says so, probes one host at a time, and goes on."""
    play = Play(Net(2.0, 42.0, how), gates=True, retries=retries, delay=0.5, per_ip=4)
    assert kinds(play.run(*many(40, 8))) == {None: 320}
    asked = [at for at, _ in play.starts if 3.0 < at < 42.0]
    assert len(asked) <= 7
    first, last = play.notices
    assert first.startswith("no host can be reached (it failed)") and "900 s" in first
    assert last.startswith("the network is back after")
    snapshot = play.core.statistics(play.now)
    assert snapshot.network_pauses == 1 and 35.0 < snapshot.network_paused < 75.0
    assert snapshot.outages == 0


@pytest.mark.parametrize("robots", ["obey", "ignore"])
@pytest.mark.parametrize("per_ip", [0, 4])
@pytest.mark.parametrize("how", AT_ONCE)
def test_a_crawl_that_begins_without_a_network_waits_for_one(
    how: str, per_ip: int, robots: str
) -> None:
    """Whatever a host is asked first, and with no retries at all."""
    net = Net(0.0, 30.0, how)
    play = Play(net, gates=True, retries=0, per_ip=per_ip, robots=robots)
    assert kinds(play.run(*many(20, 2))) == {None: 40}
    assert len(play.notices) == 2


@pytest.mark.parametrize("how", AT_ONCE)
def test_the_pause_has_an_end(how: str) -> None:
    """After `breaker_give_up` the crawl goes on, and every URL ends as what its host shows."""
    play = Play(Net(0.0, float("inf"), how), gates=True, per_ip=4, breaker_give_up=100.0)
    ended = kinds(play.run(*many(20, 2)))
    assert ended == {GONE[how][0]: 40}
    assert 100.0 < play.now < 110.0
    assert play.notices[-1].startswith("the network is not back after 100 s")
    assert len(play.notices) == 2


@pytest.mark.slow
def test_hosts_that_worked_are_not_waited_for_once_more() -> None:
    """The bound is one bound: what the network was waited for counts for its hosts."""
    play = Play(Net(2.0, float("inf"), "no route"), delay=0.5, breaker_give_up=100.0)
    ended = kinds(play.run(*many(40, 8)))
    assert sum(ended.values()) == 320 and ended[None] > 100
    assert play.now < 120.0


@pytest.mark.parametrize(
    ("kind", "lost"),
    [
        (Kind.DNS, None),
        (Kind.CONNECT, None),
        (Kind.CONNECT_TIMEOUT, None),
        (Kind.CONNECT, Lost.HOST),
        (Kind.TIMEOUT, None),
        (Kind.DISCONNECTED, None),
        (Kind.TLS, None),
        (Kind.PROXY, Lost.NETWORK),
        (Kind.BLOCKED_ADDRESS, None),
    ],
)
def test_a_list_of_dead_hosts_is_no_missing_network(kind: Kind, lost: Lost | None) -> None:
    """Names that do not exist and refusals are answers; what never worked may be dead itself."""

    def answer(request: Request, now: float) -> Ended:
        return replace(failed(request, kind), lost=lost)

    play = Play(answer, gates=True, per_ip=4)
    assert kinds(play.run(*many(100))) == {kind: 100}
    assert not play.notices and play.now < 10.0


def test_an_address_that_this_machine_has_no_route_to_is_no_missing_network() -> None:
    """IPv6 addresses in a list, on a machine with IPv4 alone."""

    def answer(request: Request, now: float) -> Ended:
        return replace(failed(request), lost=Lost.NETWORK)

    play = Play(answer, gates=True)
    finals = play.run(*(f"http://[2001:db8::{n}]/" for n in range(1, 20)))
    assert kinds(finals) == {Kind.CONNECT: 19} and not play.notices


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.01, 0.25, 0.5, 0.75])
def test_slow_dead_names_among_good_ones_stop_nothing(share: float) -> None:
    """Their time-outs come in after all good answers, and say nothing of the network then."""
    hosts = 400
    dead = {f"h{n}.example" for n in range(hosts) if (n * 37) % 100 < share * 100}

    def answer(request: Request, now: float) -> Ended:
        if name(request) in dead:
            return failed(request, Kind.DNS_TEMPORARY)
        return net(request, now)

    net = Net(-1.0, -1.0, "no route")
    play = Play(
        answer,
        gates=True,
        latency=lambda request, _: 20.0 if name(request) in dead else LATENCY,
        delay=0.25,
        per_ip=4,
    )
    ended = kinds(play.run(*many(hosts, 2)))
    assert ended[None] == 2 * (hosts - len(dead)) and ended[Kind.DNS_TEMPORARY] == 2 * len(dead)
    assert not play.notices


def test_late_answers_of_before_do_not_end_the_pause() -> None:
    """What had come in full before the network went, and was parsed after, shows nothing."""
    play = Play(Net(2.0, 12.0, "no route"), delay=0.5)
    core_finish = play.core.finish

    def late(request: Request, outcome: Ended, now: float) -> object:
        if isinstance(outcome, Page) and outcome.exchange is not None:
            outcome = replace(outcome, exchange=replace(outcome.exchange, total=0.0))
        return core_finish(request, outcome, now)

    play.core.finish = late  # type: ignore[assignment,method-assign]
    assert kinds(play.run(*many(20, 8))) == {None: 160}
    assert len(play.notices) == 2


def test_ctrl_c_works_while_the_crawl_pauses() -> None:
    """Everything ends at once, each URL with a record."""
    play = Play(Net(0.0, float("inf"), "no route"), gates=True, retries=0)
    step = play.core.next

    def stopping(now: float) -> object:
        if now > 20.0:
            play.finals += play.core.stop()
        return step(now)

    play.core.next = stopping  # type: ignore[assignment,method-assign]
    ended = kinds(play.run(*many(20, 2)))
    assert sum(ended.values()) == 40 and play.now < 40.0


@pytest.mark.slow
@given(
    st.floats(0.0, 20.0),
    st.floats(0.2, 300.0),
    st.sampled_from(list(GONE)),
    st.integers(0, 2),
    st.sampled_from([0, 4]),
    st.integers(12, 30),
)
def test_no_absence_of_the_network_costs_a_url_of_hosts_that_worked(
    begin: float, length: float, how: str, retries: int, per_ip: int, hosts: int
) -> None:
    """Whenever and for how long: every URL ends once, and as a page."""
    net = Net(begin + (how not in AT_ONCE) * 1.0, begin + 1.0 + length, how)
    play = Play(net, gates=True, retries=retries, per_ip=per_ip, delay=0.5)
    finals = play.run(*many(hosts, 5))
    assert len({final.url for final in finals}) == len(finals) == 5 * hosts
    assert kinds(finals) == {None: 5 * hosts}
