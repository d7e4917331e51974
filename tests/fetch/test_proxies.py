"""Proxies over real sockets: HTTP and SOCKS5, by the options and by the environment."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from dataclasses import replace

import pytest
import trustme

from crawler.fetch.aiohttp_client import AioFetcher
from crawler.fetch.names import Addresses, Names, ResolvedAddress
from crawler.fetch.urllib3_client import ThreadedFetcher
from crawler.model.config import CrawlConfig
from crawler.model.outcome import Failed, Fetched, Kind, Received
from crawler.model.proxies import Proxies
from tests.fetch.conftest import CONFIG, Way, certified, request, through_proxies
from tests.fetch.proxies import TestProxy
from tests.fetch.raw import RawServer, closed_port
from tests.fetch.sites import PAGE, SITE

SCHEMES = ("http", "socks5", "socks5h")
PUBLIC = (ResolvedAddress(socket.AF_INET, "93.184.215.14"),)
SIX = (ResolvedAddress(socket.AF_INET6, "2606:2800:21f:cb07:6820:80da:af6b:8b2c"),)
GUARDED = replace(CONFIG, allow_private=False)

pytestmark = through_proxies


def known(addresses: Addresses = PUBLIC) -> Names:
    """Every name has these addresses, but for the proxies', which are literals."""
    return Names(60, look_up=lambda host: addresses)


def fetched(
    way: Way,
    urls: list[str],
    proxies: Proxies,
    config: CrawlConfig = CONFIG,
    names: Names | None = None,
) -> list[Fetched]:
    """Fetch through given proxies, as a session does."""
    requests = [request(url) for url in urls]
    if way.name == "threaded":
        with ThreadedFetcher(config, names=names, proxies=proxies) as threaded:
            return [threaded.fetch(each) for each in requests]

    async def main() -> list[Fetched]:
        async with AioFetcher(config, names=names, proxies=proxies) as fetcher:
            return [await fetcher.fetch(each) for each in requests]

    return way.run(main)


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_page_through_a_proxy(way: Way, authority: trustme.CA, scheme: str, secure: bool) -> None:
    """Every kind of proxy reaches plain sites and TLS, twice over one connection.

    What the proxy hears is an address with socks5://, and the name with the others. scrapy#747,
    curl_cffi#674.
    """
    tls: ssl.SSLContext | None = certified(authority, "site.test") if secure else None
    with RawServer(SITE, tls) as site, TestProxy(scheme, site.port) as proxy:
        port = 443 if secure else 8080
        url = f"{'https' if secure else 'http'}://site.test:{port}/plain"
        config = replace(GUARDED, proxy=proxy.url)
        outcomes = way.fetch([url, url], config, known())
        connections = site.connections
    for outcome in outcomes:
        assert isinstance(outcome, Received), outcome
        assert outcome.response.body == PAGE
    host = PUBLIC[0].ip if scheme == "socks5" else "site.test"
    assert set(proxy.asked) == {(host, port)}
    assert connections == 1


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_credentials_for_socks(way: Way, scheme: str) -> None:
    """User and password of the proxy's URL are sent by RFC 1929; wrong ones are named as that."""
    with (
        RawServer(SITE) as site,
        TestProxy(scheme, site.port, user="me", password="s3cret") as proxy,
    ):
        wrong = proxy.url.replace("s3cret", "wrong")
        none = proxy.url.replace("me:s3cret@", "")
        urls = ["http://site.test/plain"]
        (good,) = way.fetch(urls, replace(GUARDED, proxy=proxy.url), known())
        (bad,) = way.fetch(urls, replace(GUARDED, proxy=wrong), known())
        (bare,) = way.fetch(urls, replace(GUARDED, proxy=none), known())
    assert isinstance(good, Received), good
    assert isinstance(bad, Failed) and isinstance(bare, Failed)
    assert (bad.kind, bad.reason) == (Kind.PROXY, "proxy: wants other credentials")
    assert bare.kind is Kind.PROXY and bare.reason.startswith("proxy: wants credentials")


@pytest.mark.parametrize(
    ("reply", "kind", "reason"),
    [
        (5, Kind.CONNECT, "connection refused, says the proxy"),
        (4, Kind.CONNECT, "host unreachable, says the proxy"),
        (1, Kind.PROXY, "proxy: general server failure"),
        (2, Kind.PROXY, "proxy: connection not allowed by ruleset"),
        (99, Kind.PROXY, "proxy: not SOCKS5: Malformed reply"),
    ],
)
def test_what_a_socks_proxy_refuses(way: Way, reply: int, kind: Kind, reason: str) -> None:
    """Failures of the target are the target's and may be retried; others are the proxy's."""
    with TestProxy("socks5h", 9, reply=reply) as proxy:
        (outcome,) = way.fetch(["http://site.test/"], replace(GUARDED, proxy=proxy.url))
    assert isinstance(outcome, Failed)
    assert (outcome.kind, outcome.reason) == (kind, reason)


@pytest.mark.slow
def test_a_proxy_that_is_not_socks(way: Way) -> None:
    """An HTTP server taken for a SOCKS proxy is named as what it is not."""
    with RawServer(SITE) as server:
        config = replace(GUARDED, proxy=f"socks5h://127.0.0.1:{server.port}", connect_timeout=0.3)
        (outcome,) = way.fetch(["http://site.test/"], config)
    assert isinstance(outcome, Failed)
    assert outcome.kind in (Kind.PROXY, Kind.CONNECT_TIMEOUT)


def test_no_socks_proxy_there(way: Way) -> None:
    """A SOCKS proxy that cannot be reached is a proxy failure, which no retry will mend."""
    for scheme in ("socks5", "socks5h"):
        config = replace(GUARDED, proxy=f"{scheme}://127.0.0.1:{closed_port()}")
        (outcome,) = way.fetch(["http://site.test/"], config, known())
        assert isinstance(outcome, Failed)
        assert (outcome.kind, outcome.reason) == (Kind.PROXY, "proxy: connection refused")


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_a_silent_socks_proxy(way: Way, scheme: str) -> None:
    """A proxy that takes the connection and says nothing is left at the connect deadline."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}"
        config = replace(GUARDED, proxy=url, connect_timeout=0.15)
        (outcome,) = way.fetch(["http://site.test/"], config, known())
    assert isinstance(outcome, Failed)
    assert (outcome.kind, outcome.reason) == (
        Kind.CONNECT_TIMEOUT,
        "no connection within 0.15 s",
    )


# -- the address guard


@pytest.mark.parametrize("host", ["inside.test", "127.0.0.1", "[::1]", "10.1.2.3"])
@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "http"])
def test_the_guard_behind_a_proxy(way: Way, scheme: str, host: str) -> None:
    """Addresses in URLs reach no proxy; names that turn out to be inside do not with socks5://.

    With the others the proxy looks names up, and the guard cannot know: that is its limit.
    """
    inside = known((ResolvedAddress(socket.AF_INET, "10.1.2.3"),))
    with RawServer(SITE) as site, TestProxy(scheme, site.port) as proxy:
        config = replace(GUARDED, proxy=proxy.url)
        (outcome,) = way.fetch([f"http://{host}/plain"], config, inside)
    if host == "inside.test" and scheme != "socks5":
        assert isinstance(outcome, Received)
    else:
        assert isinstance(outcome, Failed) and outcome.kind is Kind.BLOCKED_ADDRESS
        assert not proxy.asked


def test_addresses_of_ipv6(way: Way) -> None:
    """A target and a proxy with addresses of IPv6 are reached alike."""
    with RawServer(SITE) as site, TestProxy("socks5", site.port, host="::1") as proxy:
        urls = ["http://site.test/plain", f"http://[{SIX[0].ip}]/plain"]
        outcomes = way.fetch(urls, replace(GUARDED, proxy=proxy.url), known(SIX))
    assert all(isinstance(outcome, Received) for outcome in outcomes), outcomes
    assert set(proxy.asked) == {(SIX[0].ip, 80)}


# -- several, and those of the environment


@pytest.mark.slow
def test_a_host_keeps_its_proxy(way: Way) -> None:
    """Of several proxies each gets a share of the hosts, and a host stays with one."""
    with (
        RawServer(SITE) as site,
        TestProxy("http", site.port) as first,
        TestProxy("socks5h", site.port) as second,
    ):
        urls = [f"http://h{n % 12}.test/plain" for n in range(36)]
        config = replace(GUARDED, proxy=(first.url, second.url))
        outcomes = way.fetch(urls, config)
    assert all(isinstance(outcome, Received) for outcome in outcomes)
    hosts = [{host for host, _ in proxy.asked} for proxy in (first, second)]
    assert all(hosts) and not hosts[0] & hosts[1]
    assert len(hosts[0] | hosts[1]) == 12


def test_the_environments_proxies_and_what_is_spared(way: Way) -> None:
    """By the target's scheme, but for NO_PROXY and for loopback, which are asked directly.

    broken-link-checker#37.
    """
    with RawServer(SITE) as site, TestProxy("http", site.port) as proxy:
        environment: Mapping[str, str] = {"http_proxy": proxy.url, "no_proxy": ".spared.test"}
        here = Names(60, look_up=lambda host: (ResolvedAddress(socket.AF_INET, "127.0.0.1"),))
        urls = [
            "http://site.test/plain",
            site.url("/plain"),
            site.url("/plain", host="a.spared.test"),
            site.url("/plain", host="localhost"),
        ]
        outcomes = fetched(way, urls, Proxies((), environment), names=here)
    assert all(isinstance(outcome, Received) for outcome in outcomes), outcomes
    assert proxy.asked == [("site.test", 80)]
