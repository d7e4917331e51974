"""Caps on what a server controls; those of lines, counts and times are among the scenarios."""

from __future__ import annotations

import gzip
from dataclasses import replace
from functools import partial

import brotli
import pytest
import zstandard

from crawler.fetch.body import RATIO, UNSUSPICIOUS, Body
from crawler.fetch.exchange import CONTENT_TYPE
from crawler.model.fault import Fault
from crawler.model.head import HEADER_BYTES
from crawler.model.outcome import Failed, Kind, Received
from crawler.model.url import MAX_LENGTH, InvalidUrl, Url, join
from tests.fetch.conftest import CONFIG, Way
from tests.fetch.raw import RawServer
from tests.fetch.sites import HEAD, PAGE, message, pours, says

ROOMY = replace(CONFIG, max_body=2**30)


def headed(size: int, *, before: bytes = b"") -> bytes:
    """A page whose header has about `size` bytes, in lines of 32 KB."""
    lines = b"".join(b"X-%d: %s\r\n" % (n, b"y" * 32_000) for n in range(size // 32_000))
    return before + HEAD + lines + b"Content-Length: 2\r\n\r\nok"


def test_a_large_header_is_taken(way: Way) -> None:
    """Up to the bound a header may be as large as it likes, again and again on one connection."""
    with RawServer({"/": says(headed(HEADER_BYTES - 40_000))}) as server:
        outcomes = way.fetch([server.url()] * 3)
        assert server.connections == 1
    assert all(isinstance(outcome, Received) for outcome in outcomes)


@pytest.mark.parametrize("before", [b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"])
def test_a_huge_header_is_refused(way: Way, before: bytes) -> None:
    """A header of few and short lines that is too large as a whole is no HTTP."""
    with RawServer({"/": says(headed(2 * HEADER_BYTES, before=before))}) as server:
        (outcome,) = way.fetch([server.url()])
    assert isinstance(outcome, Failed), outcome
    assert (outcome.kind, outcome.reason) == (
        Kind.PROTOCOL,
        "malformed response: header too large",
    )


def test_a_body_is_no_header(way: Way) -> None:
    """Large bodies before it, on the same connection, do not count against a header."""
    page = says(message(b"x" * (2 * HEADER_BYTES)))
    with RawServer({"/": page}) as server:
        outcomes = way.fetch([server.url()] * 3, ROOMY)
        assert server.connections == 1
    assert all(isinstance(outcome, Received) for outcome in outcomes)


@pytest.mark.parametrize(
    "drop", [b"1;" + b"e" * 8_000 + b"\r\nx\r\n", b"1;e=" + b"f" * 60_000 + b"\r\nx\r\n"]
)
def test_chunk_extensions_are_bounded(way: Way, drop: bytes) -> None:
    """A body of bytes that each come in thousands ends before the deadline ends it."""
    start = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    with RawServer({"/": pours(start, drop)}) as server:
        (outcome,) = way.fetch([server.url()])
    assert isinstance(outcome, Failed)
    assert (outcome.kind, outcome.reason) == (
        Kind.PROTOCOL,
        "malformed response: chunk framing too large",
    )


@pytest.mark.slow
def test_small_chunks_are_no_flood(way: Way) -> None:
    """Chunks of a few bytes, whose frames outweigh them, are a body like any other."""
    body = b"".join(b"4\r\nabcd\r\n" for _ in range(20_000))
    page = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + body + b"0\r\n\r\n"
    with RawServer({"/": says(page)}) as server:
        (outcome,) = way.fetch([server.url()])
    assert isinstance(outcome, Received)
    assert outcome.response.body == b"abcd" * 20_000


def test_a_content_type_is_cut(way: Way) -> None:
    """A Content-Type of thousands of characters does not stand in the record."""
    with RawServer({"/": says(message(content_type="text/html; x=" + "y" * 9_000))}) as server:
        (outcome,) = way.fetch([server.url()])
    assert isinstance(outcome, Received)
    assert len(outcome.response.content_type) == CONTENT_TYPE


ZEROS = bytes(64 * UNSUSPICIOUS)
BOMBS = {
    "gzip": gzip.compress,
    "br": partial(brotli.compress, quality=1),
    "zstd": zstandard.compress,
    "gzip, gzip": lambda data: gzip.compress(gzip.compress(data)),
}


@pytest.fixture(scope="module", params=BOMBS)
def bomb(request: pytest.FixtureRequest) -> tuple[str, bytes]:
    """A coding, and what unpacks to 64 MB."""
    return request.param, BOMBS[request.param](ZEROS)


@pytest.mark.slow
def test_a_bomb_is_known_by_its_ratio(way: Way, bomb: tuple[str, bytes]) -> None:
    """64 MB from a few KB are given up long before a cap of 1 GB."""
    coding, body = bomb
    with RawServer({"/": says(message(body, content_encoding=coding))}) as server:
        (outcome,) = way.fetch([server.url()], ROOMY)
    assert isinstance(outcome, Failed)
    assert (outcome.kind, outcome.reason) == (
        Kind.TOO_LARGE,
        f"body unpacks to more than {RATIO} times its size",
    )


def test_where_the_ratio_counts() -> None:
    """Up to the unsuspicious size nothing is a bomb; a byte more is, if it came from too little."""
    fits, over = bytes(UNSUSPICIOUS), bytes(UNSUSPICIOUS + 1)
    assert unpacked(gzip.compress(fits)) == fits
    with pytest.raises(Fault) as caught:
        unpacked(gzip.compress(over))
    assert caught.value.kind is Kind.TOO_LARGE


@pytest.mark.slow
def test_repetitive_pages_are_no_bombs() -> None:
    """A table of 40,000 like rows, 6 MB of it, is a page."""
    row = (
        b"<tr><td class='number'>%d</td><td><a href='/item/%d'>An item like any other</a></td></tr>"
    )
    page = b"".join(row % (n, n) for n in range(40_000)) + PAGE
    assert len(page) > 3 * UNSUSPICIOUS
    assert unpacked(gzip.compress(page, 9)) == page


def unpacked(wire: bytes) -> bytes:
    """A gzip body, fed as a network does it."""
    body = Body("gzip", 2**30)
    for start in range(0, len(wire), 1_400):
        body.feed(wire[start : start + 1_400])
    return body.finish()


def test_a_location_is_bounded_once_it_is_encoded() -> None:
    """What a server sends must not grow beyond a URL's length by being resolved."""
    base = Url("http://a.test/")
    assert isinstance(join(base, "/" + "x" * 60_000), Url)
    for reference in ("/" + "x" * MAX_LENGTH, "/" + "\u00e9" * (MAX_LENGTH // 4)):
        refused = join(base, reference)
        assert isinstance(refused, InvalidUrl)
        assert refused.reason == f"longer than {MAX_LENGTH} characters"
        assert len(refused.text) <= 128
