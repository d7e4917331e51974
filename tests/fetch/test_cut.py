"""Bodies that are cut: what came is kept and marked, and waits where a retry may bring it whole."""

from __future__ import annotations

import gzip
import random
import zlib
from collections.abc import Iterator
from dataclasses import replace

import brotli
import pytest

from crawler.model.outcome import Failed, Kind, Received
from crawler.model.request import Purpose, Request
from crawler.model.url import Url
from tests.fetch.conftest import CONFIG, Way
from tests.fetch.raw import RawServer
from tests.fetch.sites import (
    CAP,
    HEAD,
    PAGE,
    chunked,
    drips,
    encoded,
    message,
    raw_deflate,
    says,
    then_never,
    zstd,
)

HTML = HEAD + b"Content-Type: text/html\r\n"
SOUND = HEAD + b"Content-Type: audio/mpeg\r\n"
# Long, and like no part of itself: every coding has given something before its end.
LONG = PAGE + " ".join(map(str, random.Random(18).sample(range(10**9), 9_000))).encode()[:80_000]


def short(body: bytes, head: bytes = HTML, missing: int = 50) -> bytes:
    """A head that promises more than follows."""
    return head + b"Content-Length: %d\r\n\r\n" % (len(body) + missing) + body


SITE = {
    "/gzip": encoded(gzip.compress(LONG)[:-8], "gzip"),
    "/gzip-half": encoded(gzip.compress(LONG)[:9_000], "gzip"),
    "/gzip-second": encoded(gzip.compress(LONG) + gzip.compress(PAGE)[:10], "gzip"),
    "/deflate": encoded(zlib.compress(LONG)[:-4], "deflate"),
    "/raw-deflate": encoded(raw_deflate(LONG)[:-1], "deflate"),
    "/br": encoded(brotli.compress(LONG, quality=5)[:-1], "br"),
    "/zstd": encoded(zstd(LONG + LONG)[:-1], "zstd"),
    "/stacked": encoded(gzip.compress(brotli.compress(LONG, quality=5))[:-8], "br, gzip"),
    "/large": says(message(LONG * 2)),
    "/large-chunked": says(chunked(LONG, LONG)),
    "/large-gzip": encoded(gzip.compress(LONG * 2), "gzip"),
    "/nothing-decoded": encoded(gzip.compress(LONG)[:10], "gzip"),
    "/length": says(short(PAGE), close=True),
    "/length-large": says(short(LONG), close=True),
    "/length-gzip": says(
        short(gzip.compress(LONG), HTML + b"Content-Encoding: gzip\r\n"), close=True
    ),
    "/chunk": says(chunked(PAGE, end=b""), close=True),
    "/chunk-half": says(chunked(PAGE, end=b"ffff\r\nhalf a chunk"), close=True),
    "/chunk-line": says(chunked(PAGE).removesuffix(b"\r\n0\r\n\r\n"), close=True),
    "/length-nothing": says(short(b""), close=True),
    "/chunk-nothing": says(chunked(end=b""), close=True),
    "/slow": drips(HTML + b"\r\n" + PAGE, b"<p>more"),
    "/slow-counted": drips(short(PAGE, missing=10**6), b"<p>more"),
    "/slow-sound": drips(SOUND + b"\r\n", bytes(100)),
    "/slow-untyped": drips(HEAD + b"\r\n" + PAGE, b"<p>more"),
    "/stuck": then_never(short(PAGE)),
    "/stuck-sound": then_never(short(bytes(100), SOUND)),
    "/slow-404": drips(HTML.replace(b"200", b"404") + b"Content-Length: 9999\r\n\r\n", b"x"),
}  # fmt: skip


@pytest.fixture(scope="module")
def cut() -> Iterator[RawServer]:
    """Serve the cases."""
    with RawServer(SITE) as server:
        yield server


AT_ONCE = {
    "/gzip": LONG,
    "/gzip-half": LONG,
    "/gzip-second": LONG,
    "/deflate": LONG,
    "/raw-deflate": LONG,
    "/br": LONG,
    "/zstd": LONG + LONG,
    "/stacked": LONG,
    "/large": (LONG * 2)[:CAP],
    "/large-chunked": (LONG * 2)[:CAP],
    "/large-gzip": (LONG * 2)[:CAP],
}


@pytest.mark.parametrize("path", AT_ONCE)
def test_kept_at_once(way: Way, cut: RawServer, path: str) -> None:
    """Where a retry cannot help, what came is the response, marked (scrapy#2586, crawler4j#58)."""
    (outcome,) = way.fetch([cut.url(path)])
    assert isinstance(outcome, Received), outcome
    assert outcome.exchange.truncated
    assert AT_ONCE[path].startswith(outcome.response.body)
    assert len(outcome.response.body) > 5_000
    if "half" not in path and path not in ("/zstd", "/br"):
        assert outcome.response.body == AT_ONCE[path]


KEPT = {
    "/length": PAGE,
    "/length-large": LONG,
    "/length-gzip": LONG,
    "/chunk": PAGE,
    "/chunk-half": PAGE + b"half a chunk",
    "/chunk-line": PAGE,
}


@pytest.mark.parametrize("path", KEPT)
def test_kept_for_the_last_attempt(way: Way, cut: RawServer, path: str) -> None:
    """What a connection lost is a failure that may pass, with all that came (scrapy#2590).

    Where the coding has come to its end a server counts wrongly, and will do so again.
    """
    (outcome,) = way.fetch([cut.url(path)])
    assert isinstance(outcome, Failed), outcome
    assert (outcome.kind, outcome.hopeless) == (Kind.DISCONNECTED, path == "/length-gzip")
    assert outcome.kept is not None
    assert outcome.kept.exchange.truncated
    assert outcome.kept.response.body == KEPT[path]


@pytest.mark.parametrize("path", ["/nothing-decoded", "/length-nothing", "/chunk-nothing"])
def test_nothing_is_not_kept(way: Way, cut: RawServer, path: str) -> None:
    """Where not one byte of a page came, there is none."""
    (outcome,) = way.fetch([cut.url(path)])
    assert isinstance(outcome, Failed), outcome
    assert outcome.kept is None
    assert outcome.kind in (Kind.ENCODING, Kind.DISCONNECTED)


@pytest.mark.parametrize("path", [*AT_ONCE, *KEPT])
def test_strict(way: Way, cut: RawServer, path: str) -> None:
    """Who wants whole pages alone gets failures, and nothing is kept."""
    (outcome,) = way.fetch([cut.url(path)], replace(CONFIG, strict=True))
    assert isinstance(outcome, Failed), outcome
    assert outcome.kept is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "hopeless", "kept"),
    [
        ("/slow", True, True),
        ("/slow-counted", True, True),
        ("/slow-untyped", True, True),
        ("/slow-sound", True, False),
        ("/stuck", False, True),
        ("/stuck-sound", False, False),
    ],
)
def test_time_is_up(way: Way, cut: RawServer, path: str, *, hopeless: bool, kept: bool) -> None:
    """A server that was still sending is not asked again, and half a page is one (newspaper#964).

    Half a film is nothing. A server that went silent may do better at the next attempt.
    """
    (outcome,) = way.fetch([cut.url(path)], replace(CONFIG, timeout=1.0))
    assert isinstance(outcome, Failed), outcome
    assert (outcome.kind, outcome.hopeless) == (Kind.TIMEOUT, hopeless)
    assert (outcome.kept is not None) is kept
    if outcome.kept is not None:
        assert outcome.kept.response.body.startswith(PAGE)


@pytest.mark.slow
def test_a_status_is_not_lost_to_its_body(way: Way, cut: RawServer) -> None:
    """A 404 whose body does not end is a 404."""
    (outcome,) = way.fetch([cut.url("/slow-404")], replace(CONFIG, timeout=1.0))
    assert isinstance(outcome, Failed)
    assert (outcome.kind, outcome.reason) == (Kind.CLIENT_ERROR, "HTTP 404 Not Found")


@pytest.mark.parametrize("path", ["/length", "/gzip", "/chunk"])
def test_half_a_robots_txt_is_none(way: Way, cut: RawServer, path: str) -> None:
    """What is missing of a robots.txt may be what forbids: it could not be had (RFC 9309, 2.3.1.4).

    One that is longer than what is read of it is read as far as that (2.5).
    """
    half, long = way.fetch([robots(cut.url(path)), robots(cut.url("/large"))])
    assert isinstance(half, Failed)
    assert half.kept is None
    assert isinstance(long, Received)


def robots(url: str) -> Request:
    """A request for a host's rules."""
    return Request(url=Url(url), seed=url, input=url, purpose=Purpose.ROBOTS)
