"""Credentials: sent to the origin that the list names, to no other, and shown to nobody."""

from __future__ import annotations

import socket
import time
from base64 import b64encode
from dataclasses import replace

import pytest
import trustme

from crawler.core.cookies import after
from crawler.fetch.names import Names, ResolvedAddress
from crawler.fetch.urllib3_client import ThreadedFetcher
from crawler.model.config import CrawlConfig
from crawler.model.errors import ConfigurationError
from crawler.model.outcome import Failed, Fetched, Kind, Skipped
from crawler.model.request import Hop, Purpose, Request
from crawler.model.url import Url, masked
from tests.fetch.conftest import CONFIG, Way, certified
from tests.fetch.raw import RawServer, header
from tests.fetch.sites import SITE, message, says
from tests.top_level import TopLevelDomains

SECRETS = (
    *("Authorization: Bearer t0ken", "cookie: session=t0ken", "Proxy-Authorization: t0ken"),
    *("X-Api-Key: t0ken", "X-GitLab-token: t0ken", "clientsecret: t0ken"),
)
HEADED = replace(CONFIG, header=(*SECRETS, "X-Own: seen"))


def followed(seed: str, url: str) -> Request:
    """The request that the core makes when `seed` redirected to `url`."""
    return Request(url=Url(url), seed=seed, input=seed, hops=(Hop(url=seed, status=302),))


def fetched(
    way: Way, requests: list[Request], config: CrawlConfig, names: Names | None = None
) -> list[Fetched]:
    """The outcomes of `requests`, by one fetcher."""
    if way.name == "threaded":
        with ThreadedFetcher(config, names=names) as fetcher:
            return [fetcher.fetch(each) for each in requests]

    async def main() -> list[Fetched]:
        async with way.fetcher(config, names=names) as fetcher:
            return [await fetcher.fetch(each) for each in requests]

    return way.run(main)


def basic(pair: str) -> str:
    return f"Basic {b64encode(pair.encode()).decode()}"


def test_headers_stay_with_their_origin(way: Way) -> None:
    """N11: what is named like a credential goes to the seed's origin and nowhere else."""
    with RawServer(SITE) as home, RawServer(SITE) as away:
        seed = home.url("/redirect")
        hops = [seed, away.url("/plain"), home.url("/plain"), home.url("/plain", host="a.test")]
        names = Names(60, look_up=lambda host: (ResolvedAddress(socket.AF_INET, "127.0.0.1"),))
        fetched(way, [followed(seed, url) for url in hops], HEADED, names)
        first, back, renamed = home.heads
        (other,) = away.heads
    for head in (first, back):
        assert header(head, "Authorization") == "Bearer t0ken"
        assert header(head, "Cookie") == "session=t0ken"
        assert header(head, "x-api-key") == header(head, "ClientSecret") == "t0ken"
    for head in (other, renamed):
        assert b"t0ken" not in head
    assert all(header(head, "X-Own") == "seen" for head in (first, back, other, renamed))


def test_headers_for_everybody_go_everywhere(way: Way) -> None:
    """N11: `--header-everywhere` is sent to all, whatever its name; of one name the seed's wins."""
    config = replace(
        CONFIG,
        header=("Authorization: home", "X-Own: seen"),
        header_everywhere=("authorization: everybody", "X-Api-Key: shared", "Cookie: all=1"),
    )
    with RawServer(SITE) as home, RawServer(SITE) as away:
        seed = home.url("/redirect")
        jar = after((), Url(seed), ["b=2; Path=/"], time.time(), TopLevelDomains())
        robots = replace(followed(seed, home.url("/plain")), purpose=Purpose.ROBOTS)
        chained = replace(followed(seed, seed), cookies=jar)
        requests = [followed(seed, seed), followed(seed, away.url("/plain")), robots, chained]
        fetched(way, requests, config)
        (first, asked, last), (other,) = home.heads, away.heads
    sent = [header(head, "Authorization") for head in (first, other, asked)]
    assert sent == ["home", "everybody", "everybody"]
    for head in (first, other, asked, last):
        assert head.lower().count(b"authorization:") == head.lower().count(b"cookie:") == 1
        assert (header(head, "X-Api-Key"), header(head, "X-Own")) == ("shared", "seen")
    assert header(other, "Cookie") == "all=1"
    assert header(last, "Cookie") == "all=1; b=2"


@pytest.mark.parametrize("kind", [Purpose.PAGE, Purpose.SITEMAP])
def test_found_links_and_sitemaps_obey_the_same_rule(way: Way, kind: Purpose) -> None:
    """N11: a URL that was found gets them at the origin of the list's URL that led there, only."""
    with RawServer(SITE) as home, RawServer(SITE) as away:
        origin = Url(home.url("/")).host_key
        urls = [home.url("/plain"), away.url("/plain")]
        requests = [
            Request(url=Url(url), seed=url, input=url, found_on=origin, origin=origin, purpose=kind)
            for url in urls
        ]
        fetched(way, requests, HEADED)
        (same,), (other,) = home.heads, away.heads
    assert header(same, "X-Api-Key") == "t0ken"
    assert b"t0ken" not in other


def test_a_change_of_scheme_is_another_origin(way: Way, authority: trustme.CA) -> None:
    """From https to http nothing secret goes along: anyone on the way could read it."""
    with RawServer(SITE, certified(authority, "127.0.0.1")) as secure, RawServer(SITE) as plain:
        seed = secure.url("/redirect").replace("//", "//me:t0ken@")
        fetched(way, [followed(seed, seed), followed(seed, plain.url("/plain"))], HEADED)
        (first,), (second,) = secure.heads, plain.heads
    assert header(first, "Cookie") == "session=t0ken"
    assert b"t0ken" not in second and b"Authorization" not in second


def test_credentials_of_the_seed_stay_with_its_origin(way: Way) -> None:
    """Those of the list's URL are sent wherever it redirects within its origin, and only there."""
    with RawServer(SITE) as home, RawServer(SITE) as away:
        seed = home.url("/redirect").replace("//", "//me:t0ken@")
        urls = [seed, home.url("/plain"), away.url("/plain")]
        fetched(way, [followed(seed, url) for url in urls], CONFIG)
        same, other = home.heads, away.heads
    assert [header(head, "Authorization") for head in same] == [basic("me:t0ken")] * 2
    assert [header(head, "Authorization") for head in other] == [None]


def test_credentials_in_a_location_are_not_sent_elsewhere(way: Way) -> None:
    """A server cannot make the crawler log in to another one."""
    with RawServer(SITE) as home, RawServer(SITE) as away:
        seed = home.url("/redirect")
        login = away.url("/plain").replace("//", "//admin:admin@")
        fetched(way, [followed(seed, login)], CONFIG)
        (head,) = away.heads
    assert header(head, "Authorization") is None


def test_a_users_header_goes_before_a_urls_credentials(way: Way) -> None:
    """One Authorization is sent, the header's, however its name is spelled."""
    with RawServer(SITE) as server:
        url = server.url("/plain").replace("//", "//me:pw@")
        way.fetch([url], replace(CONFIG, header=("AUTHORIZATION: Bearer x", "Cookie: a=b")))
        (head,) = server.heads
    assert head.lower().count(b"authorization:") == 1
    assert header(head, "Authorization") == "Bearer x"


def test_cookies_of_a_chain_go_with_the_chain_alone(way: Way) -> None:
    """They join the user's in one header, of one name they win; another host gets neither."""
    with RawServer(SITE) as home, RawServer(SITE) as away:
        seed = home.url("/redirect")
        jar = after(
            (),
            Url(seed),
            ["b=2; Path=/", "session=n3w", "w=\u0141"],
            time.time(),
            TopLevelDomains(),
        )
        chain = [replace(followed(seed, url), cookies=jar) for url in (home.url("/plain"), seed)]
        foreign = replace(followed(seed, away.url("/plain", host="localhost")), cookies=jar)
        own = ("Cookie: a=1; session=old", "Cookie: c=3")
        fetched(way, [*chain, foreign, followed(seed, seed)], replace(CONFIG, header=own))
        heads, (other,) = home.heads, away.heads
    for head in heads[:2]:
        cookie = header(head, "Cookie")
        assert cookie is not None
        assert cookie.encode("latin-1").decode() == "a=1; c=3; b=2; session=n3w; w=\u0141"
        assert head.lower().count(b"cookie:") == 1
    assert b"ookie" not in other
    assert b"n3w" not in heads[2] and b"session=old" in heads[2]


def test_cookies_of_servers_are_not_kept(way: Way) -> None:
    """Set-Cookie changes no later request, neither to the same server nor to another."""
    cookie = says(message(b"", "302 Found", set_cookie="id=t0ken; Path=/", location="/plain"))
    with RawServer({**SITE, "/set": cookie}) as server, RawServer(SITE) as away:
        way.fetch([server.url("/set"), server.url("/plain"), away.url("/plain")])
        heads = [*server.heads, *away.heads]
    assert len(heads) == 3
    assert not any(b"cookie" in head.lower() for head in heads)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://me:pw@a.test/x@y", "http://***@a.test/x@y"),
        ("to 'https://a'b:c%40@[::1]:8/': no", "to 'https://***@[::1]:8/': no"),
        ("http://a.test/x@y//b@c", "http://a.test/x@y//***@c"),
        ("a@b http://x@y http://z", "a@b http://***@y http://z"),
        ("'me:pw@a.test' mailto:a@b.test", "'***@a.test' mailto:a@b.test"),
        ("nothing", "nothing"),
    ],
)
def test_masked(text: str, shown: str) -> None:
    """Whatever stands before the @ of an authority is replaced."""
    assert masked(text) == shown


def test_reasons_and_reprs_show_no_credentials() -> None:
    """What is logged or shown to a person has no credentials; the record's own fields keep them."""
    url = Url("http://me:s3cret@a.test/")
    request = Request(url=url, seed=url.href, input=url.href, hops=(Hop(url=url.href, status=301),))
    reason = f"redirect loop back to {url.href}"
    failed = Failed(request=request, kind=Kind.REDIRECT, reason=reason)
    skipped = Skipped(url=url.href, input=url.href, kind=Kind.INTERRUPTED, reason=reason)
    assert failed.reason == skipped.reason == "redirect loop back to http://***@a.test/"
    assert "s3cret" not in f"{url!r} {request!r}"
    assert failed.url == "http://me:s3cret@a.test/"


def test_an_error_shows_no_password_of_a_proxy() -> None:
    """A proxy that cannot be is named without its credentials."""
    with pytest.raises(ConfigurationError) as raised:
        CrawlConfig(proxy="ftp://me:s3cret@proxy.test:1")
    assert "s3cret" not in str(raised.value)
    assert "proxy.test" in str(raised.value)
