"""The address guard, by both fetchers: whatever the spelling, nothing arrives at this machine.

A listener on every loopback address counts connections: it must count none, by either fetcher, of
any form. Names are answered by a resolver of the test's own.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import pytest

from crawler.fetch.names import Addresses, Names, ResolvedAddress
from crawler.model.address import AddressPolicy
from crawler.model.config import CrawlConfig
from crawler.model.outcome import Failed, Fetched, Kind, Received
from crawler.model.url import Url, parse
from tests.fetch.conftest import CONFIG, Way, through_proxies
from tests.fetch.raw import RawServer, closed_port
from tests.fetch.sites import SITE, message, says

GUARDED = replace(CONFIG, allow_private=False)
PUBLIC = "93.184.215.14"


class Trap(NamedTuple):
    """A listener whose port the guard has nothing against: only addresses can keep one out."""

    port: int
    arrived: Callable[[], bool]


@pytest.fixture(scope="module")
def trap() -> Iterator[Trap]:
    """Listens on every address of this machine, IPv4 and IPv6, and must never be reached."""
    six = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if six else socket.AF_INET
    with socket.create_server(("", 0), family=family, dualstack_ipv6=six) as listener:
        listener.setblocking(False)

        def arrived() -> bool:
            try:
                listener.accept()[0].close()
            except BlockingIOError:
                return False
            return True

        yield Trap(listener.getsockname()[1], arrived)


@pytest.fixture
def config(trap: Trap) -> CrawlConfig:
    """The guard as it is, but for the trap's port."""
    return replace(GUARDED, allow_port=(str(trap.port),))


# Ten of the spellings whose table is in `tests/model/test_address.py`, and three names.
SPELLINGS = [
    *("127.1", "2130706433", "0x7f.0x0.0x0.0x1", "0177.0.0.01", "\uff11\uff12\uff17.0.0.1", "0"),
    *("[::1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "example.com%20@127.1"),
    *("loc%61lhost", "me.localhost", "127.0.0.1.nip.test"),
]


def to_loopback(host: str) -> Addresses:
    """A resolver that knows every name for this machine."""
    return (ResolvedAddress(socket.AF_INET, "127.0.0.1"), ResolvedAddress(socket.AF_INET6, "::1"))


def blocked(outcome: Fetched) -> str:
    """The reason of an outcome that must be BLOCKED_ADDRESS."""
    assert isinstance(outcome, Failed), outcome
    assert outcome.kind is Kind.BLOCKED_ADDRESS, outcome.reason
    assert not outcome.kind.retryable
    assert "@" not in outcome.reason
    return outcome.reason


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scheme", "host"),
    [*(("http", host) for host in SPELLINGS), ("https", "0x7f.1"), ("https", "localhost.")],
)
def test_no_form_gets_past(
    way: Way, trap: Trap, config: CrawlConfig, scheme: str, host: str
) -> None:
    """Each spelling of an address that is not the web's is refused, and nobody is connected to."""
    url = parse(f"{scheme}://{host}:{trap.port}/")
    assert isinstance(url, Url), url
    (outcome,) = way.fetch([url.href], config, Names(60, look_up=to_loopback))
    assert blocked(outcome).endswith("(--allow-private opens it)")
    assert not trap.arrived()


@pytest.mark.parametrize("host", ["0x7f.1", "2130706433", "0"])
def test_no_form_gets_past_unread(way: Way, trap: Trap, config: CrawlConfig, host: str) -> None:
    """Not even a URL that was never brought into its canonical form reaches this machine."""
    (outcome,) = way.fetch([f"http://{host}:{trap.port}/"], config)
    assert isinstance(outcome, Failed)
    assert outcome.kind in (Kind.BLOCKED_ADDRESS, Kind.INVALID_URL)
    assert not trap.arrived()


def test_the_system_resolver_is_guarded_too(way: Way, trap: Trap, config: CrawlConfig) -> None:
    """`localhost`, looked up as every name is, is refused for the address that it has."""
    (outcome,) = way.fetch([f"http://localhost:{trap.port}/"], config)
    assert blocked(outcome) in (
        "127.0.0.1 is loopback (--allow-private opens it)",
        "::1 is loopback (--allow-private opens it)",
    )
    assert not trap.arrived()


@pytest.mark.parametrize("port", [22, 65_535])
def test_ports(way: Way, port: int) -> None:
    """On a public address a port that is not the web's is refused, by name and by literal."""
    names = Names(60, look_up=lambda host: (ResolvedAddress(socket.AF_INET, PUBLIC),))
    urls = [f"http://{host}:{port}/" for host in ("site.test", PUBLIC)]
    for outcome in way.fetch(urls, GUARDED, names):
        assert blocked(outcome) == AddressPolicy().port_refusal(port)


# -- names that change their answer: 127.0.0.1 stands for the web, 127.0.0.2 for what is inside

WEB, INSIDE = (ResolvedAddress(socket.AF_INET, ip) for ip in ("127.0.0.1", "127.0.0.2"))
OUTSIDE = replace(GUARDED, allow_network=("127.0.0.1/32",))


@pytest.fixture
def both() -> Iterator[tuple[RawServer, RawServer]]:
    """A server on the web and one inside, on the same port."""
    with RawServer(SITE) as web, RawServer(SITE, host=INSIDE.ip, port=web.port) as inside:
        yield web, inside


class Turning:
    """A resolver that gives one answer after the other, then the last again and again."""

    def __init__(self, *answers: Addresses) -> None:
        self._answers = list(answers)
        self.asked = 0

    def __call__(self, host: str) -> Addresses:
        self.asked += 1
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def test_the_checked_address_is_the_one_used(way: Way, both: tuple[RawServer, RawServer]) -> None:
    """One look-up a connection: a name that turns inwards between check and use gains nothing."""
    web, inside = both
    resolver = Turning((WEB,), (INSIDE,))
    (outcome,) = way.fetch([web.url("/plain", host="a.test")], OUTSIDE, Names(0, look_up=resolver))
    assert isinstance(outcome, Received)
    assert (resolver.asked, web.connections, inside.connections) == (1, 1, 0)


def test_a_second_look_up_is_checked_again(way: Way, both: tuple[RawServer, RawServer]) -> None:
    """DNS rebinding: the next connection has the new address judged, and is refused."""
    web, inside = both
    urls = [web.url("/until-close", host="a.test"), web.url("/plain", host="a.test")]
    first, second = way.fetch(urls, OUTSIDE, Names(0, look_up=Turning((WEB,), (INSIDE,))))
    assert isinstance(first, Received)
    assert blocked(second) == "127.0.0.2 is loopback (--allow-private opens it)"
    assert inside.connections == 0


def test_a_kept_name_is_checked_when_it_is_renewed(
    way: Way, both: tuple[RawServer, RawServer]
) -> None:
    """While a name is kept its old address is used; the one that follows is judged anew."""
    web, inside = both
    now = iter(range(1_000_000))
    urls = [web.url("/until-close", host="a.test")] * 12
    names = Names(8, look_up=Turning((WEB,), (INSIDE,)), clock=lambda: next(now))
    outcomes = way.fetch(urls, OUTSIDE, names)
    kinds = [type(outcome) for outcome in outcomes]
    kept = kinds.index(Failed)
    assert kinds == [Received] * kept + [Failed] * (12 - kept)
    assert 1 < kept < 12
    assert {blocked(outcome) for outcome in outcomes[kept:]} == {
        "127.0.0.2 is loopback (--allow-private opens it)"
    }
    assert inside.connections == 0


def test_a_kept_connection_stays_where_it_is(way: Way, both: tuple[RawServer, RawServer]) -> None:
    """A connection was judged when it was made; its name may say what it likes afterwards."""
    web, inside = both
    resolver = Turning((WEB,), (INSIDE,))
    urls = [web.url("/plain", host="a.test")] * 3
    outcomes = way.fetch(urls, OUTSIDE, Names(0, look_up=resolver))
    assert [type(outcome) for outcome in outcomes] == [Received] * 3
    assert (resolver.asked, web.connections, inside.connections) == (1, 1, 0)


SIX = ResolvedAddress(socket.AF_INET6, "::1")


@pytest.mark.parametrize(
    "answer",
    [(WEB, INSIDE), (INSIDE, SIX, WEB, INSIDE)],
)
def test_of_a_mixed_answer_only_the_allowed_are_used(
    way: Way, both: tuple[RawServer, RawServer], answer: Addresses
) -> None:
    """A name with addresses inside and outside is fetched from outside."""
    web, inside = both
    names = Names(0, look_up=lambda host: answer)
    (outcome,) = way.fetch([web.url("/plain", host="a.test")], OUTSIDE, names)
    assert isinstance(outcome, Received)
    assert (web.connections, inside.connections) == (1, 0)


def test_a_mixed_answer_does_not_fall_back(way: Way) -> None:
    """Where the allowed address refuses, the one inside is still not tried."""
    port = closed_port()
    with RawServer(SITE, host=INSIDE.ip, port=port) as inside:
        names = Names(0, look_up=lambda host: (INSIDE, WEB))
        (outcome,) = way.fetch([f"http://a.test:{port}/plain"], OUTSIDE, names)
        assert inside.connections == 0
    assert isinstance(outcome, Failed)
    assert outcome.kind is Kind.CONNECT


def test_networks_that_are_opened(way: Way, both: tuple[RawServer, RawServer]) -> None:
    """`allow_network` opens its own addresses on any port, `allow_private` opens everything."""
    web, inside = both
    urls = [web.url("/plain"), inside.url("/plain", host=INSIDE.ip)]
    first, second = way.fetch(urls, OUTSIDE)
    assert isinstance(first, Received)
    blocked(second)
    for opened in (replace(GUARDED, allow_network=("127.0.0.0/8",)), CONFIG):
        assert all(isinstance(outcome, Received) for outcome in way.fetch(urls, opened))


# -- behind a proxy


@through_proxies
@pytest.mark.parametrize(
    ("scheme", "host"), [("http", "0x7f.1"), ("https", "[::1]"), ("http", "169.254.169.254")]
)
def test_literals_do_not_reach_a_proxy(way: Way, scheme: str, host: str) -> None:
    """What stands in the URL is judged before the proxy hears of it."""
    url = parse(f"{scheme}://{host}/")
    assert isinstance(url, Url)
    with RawServer({}) as server:
        config = replace(GUARDED, proxy=f"http://127.0.0.1:{server.port}")
        (outcome,) = way.fetch([url.href], config)
        assert server.connections == 0
    blocked(outcome)


@through_proxies
@pytest.mark.parametrize("place", ["localhost", "me.localhost.", "site.test:22"])
def test_local_names_and_ports_do_not_reach_a_proxy(way: Way, place: str) -> None:
    """Names that are loopback everywhere, and ports that are not the web's, are refused, too."""
    with RawServer({}) as server:
        config = replace(GUARDED, proxy=f"http://127.0.0.1:{server.port}")
        (outcome,) = way.fetch([f"http://{place}/"], config)
        assert server.connections == 0
    blocked(outcome)


@through_proxies
def test_the_proxy_itself_may_be_anywhere(way: Way) -> None:
    """The user named the proxy; it looks names up, and the guard cannot know what they are."""
    with RawServer({"http://site.test/": says(message())}) as server:
        config = replace(GUARDED, proxy=f"http://127.0.0.1:{server.port}")
        (outcome,) = way.fetch(["http://site.test/"], config)
    assert isinstance(outcome, Received)
