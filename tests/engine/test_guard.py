"""Whole crawls against the address guard: redirects inwards, and credentials across origins."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest

import crawler
from crawler.model.outcome import Failed, Kind, Page
from tests.engine.test_web import ENGINES
from tests.fetch.raw import RawServer, header
from tests.fetch.sites import SITE, message, says
from tests.unmannered import MANNERS_OFF

INLINE = MANNERS_OFF | {"parse": "inline"}

# Where a server on 127.0.0.1, which is opened, sends the crawler: to 127.0.0.2, or a place like it.
INWARDS = [
    *("//127.0.0.2:{port}/plain", "http:\\\\127.0.0.2:{port}\\plain", "//0x7f.2:{port}/plain"),
    *("//127.0.0.1@127.0.0.2:{port}/plain", "//[::ffff:127.0.0.2]:{port}/plain"),
    *("//169.254.169.254/latest/", "https://127.0.0.2:{port}/plain"),
]


@pytest.fixture
def inside() -> Iterator[RawServer]:
    """A server that nothing may reach."""
    with RawServer(SITE, host="127.0.0.2") as server:
        yield server


@pytest.mark.slow
@pytest.mark.parametrize("location", INWARDS)
@pytest.mark.parametrize("engine", ENGINES)
def test_redirects_inwards_end_at_the_guard(inside: RawServer, engine: str, location: str) -> None:
    """A public page cannot send the crawler into a private network, however it spells the way."""
    location = quote(location.format(port=inside.port), safe="/:@[]\\")
    moved = says(message(b"", "302 Found", location=location))
    with RawServer({**SITE, "/moved": moved}) as server:
        urls = [server.url("/moved"), server.url("/plain")]
        options = {"allow_network": ["127.0.0.1"], "retries": 3, "timeout": 5.0}
        first, second = sorted(
            crawler.run(urls, **INLINE | options | ENGINES[engine]),  # type: ignore[arg-type]
            key=lambda outcome: outcome.url,
        )
    assert isinstance(first, Failed), first
    assert (first.kind, first.request.attempts) == (Kind.BLOCKED_ADDRESS, 2)
    assert isinstance(second, Page)
    assert inside.connections == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_credentials_do_not_follow_a_redirect_elsewhere(engine: str) -> None:
    """Cookies and Authorization stop at the border; the page behind it is fetched without."""
    with RawServer(SITE, host="127.0.0.2") as away:
        moved = says(message(b"", "302 Found", location=away.url("/plain", host="127.0.0.2")))
        with RawServer({"/": moved}) as home:
            outcomes = list(
                crawler.run(
                    [home.url().replace("//", "//me:s3cret@")],
                    header=["Cookie: a=s3cret", "X-Own: seen"],
                    allow_network=["127.0.0.0/8"],
                    **INLINE | ENGINES[engine],  # type: ignore[arg-type]
                )
            )
            (first,), (second,) = home.heads, away.heads
    assert isinstance(outcomes[0], Page)
    assert header(first, "Cookie") == "a=s3cret"
    assert header(first, "Authorization") == "Basic bWU6czNjcmV0"
    assert header(second, "X-Own") == "seen"
    assert header(second, "Cookie") is header(second, "Authorization") is None


@pytest.mark.parametrize("engine", ENGINES)
def test_this_machine_is_closed_by_default(inside: RawServer, engine: str) -> None:
    """Without an option nothing of this machine is crawled, and the reason says what opens it."""
    url = inside.url("/plain", host="127.0.0.2")
    (outcome,) = crawler.run([url], **ENGINES[engine])  # type: ignore[arg-type]
    assert isinstance(outcome, Failed)
    assert outcome.kind is Kind.BLOCKED_ADDRESS
    why = "127.0.0.2 is loopback (--allow-private opens it)"
    assert outcome.reason == f"{why} (asked for robots.txt)"
    assert inside.connections == 0
