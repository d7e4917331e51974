"""One list of server behaviours; every fetcher must say the same of each."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crawler.model.outcome import Failed, Kind, Received, Redirect
from tests.fetch.conftest import CONFIG, Way
from tests.fetch.raw import RawServer
from tests.fetch.sites import CAP, PAGE
from tests.patience import PATIENCE

PAGES = {
    "/plain": PAGE,
    "/empty": b"",
    "/nothing": b"",
    "/until-close": PAGE,
    "/http10": PAGE,
    "/hints": PAGE,
    "/folded": b"ok",
    "/identity": PAGE,
    "/unknown-encoding": PAGE,
    "/gzip": PAGE,
    "/x-gzip": PAGE,
    "/members": PAGE,
    "/padded": PAGE,
    "/deflate": PAGE,
    "/raw-deflate": PAGE,
    "/br": PAGE,
    "/zstd": PAGE,
    "/stacked": PAGE,
    "/empty-gzip": b"",
    "/gzip-chunked": PAGE,
    "/chunked": PAGE,
    "/just-fits": b"x" * CAP,
    "/long": PAGE[:5],
    "/bad-header": b"",
    "/length-and-chunks": b"hello",
    "/many-headers": b"",
}

FAILURES = {
    "/bomb": (Kind.TOO_LARGE, f"body exceeds {CAP} bytes"),
    "/zstd-bomb": (Kind.TOO_LARGE, f"body exceeds {CAP} bytes"),
    "/brotli-bomb": (Kind.TOO_LARGE, f"body exceeds {CAP} bytes"),
    "/nested-bomb": (Kind.TOO_LARGE, f"body exceeds {CAP} bytes"),
    "/truncated-gzip": (Kind.ENCODING, "gzip data ends early"),
    "/truncated-br": (Kind.ENCODING, "br data ends early"),
    "/truncated-zstd": (Kind.ENCODING, "zstd data ends early"),
    "/truncated-deflate": (Kind.ENCODING, "deflate data ends early"),
    "/one-byte-deflate": (Kind.ENCODING, "deflate data ends early"),
    "/corrupt-gzip": (Kind.ENCODING, "broken gzip data: "),
    "/corrupt-br": (Kind.ENCODING, "broken br data: "),
    "/corrupt-zstd": (Kind.ENCODING, "broken zstd data: "),
    "/not-gzip": (Kind.ENCODING, "broken gzip data: "),
    "/five-encodings": (Kind.ENCODING, "5 Content-Encodings stacked"),
    "/short": (Kind.DISCONNECTED, "closed in the middle of the body"),
    "/short-chunked": (Kind.DISCONNECTED, "closed in the middle of the body"),
    "/short-reset": (Kind.DISCONNECTED, ""),
    "/until-close-reset": (Kind.DISCONNECTED, "closed in the middle of the body"),
    "/bad-chunk": (Kind.PROTOCOL, "malformed response: "),
    "/bad-first-chunk": (Kind.PROTOCOL, "malformed response: "),
    "/late-bad-chunk": (Kind.PROTOCOL, "malformed response: "),
    "/late-bad-chunk-gzip": (Kind.PROTOCOL, "malformed response: "),
    "/bad-status": (Kind.PROTOCOL, "malformed response: "),
    "/garbage": (Kind.PROTOCOL, "malformed response: "),
    "/ftp-banner": (Kind.PROTOCOL, "malformed response: "),
    "/two-lengths": (Kind.PROTOCOL, ""),
    "/word-length": (Kind.PROTOCOL, ""),
    "/long-header": (Kind.PROTOCOL, "malformed response: "),
    "/empty-reply": (Kind.DISCONNECTED, "closed without an answer"),
    "/half-status": (Kind.DISCONNECTED, "closed without an answer"),
    "/half-header": (Kind.DISCONNECTED, "closed without an answer"),
    "/no-blank-line": (Kind.DISCONNECTED, "closed without an answer"),
    "/reset": (Kind.DISCONNECTED, "connection reset"),
    "/redirect-nowhere": (Kind.REDIRECT, "HTTP 302 without Location"),
    "/not-modified": (Kind.CLIENT_ERROR, "HTTP 304 Not Modified"),
    "/404": (Kind.CLIENT_ERROR, "HTTP 404 Not Found"),
    "/404-large": (Kind.CLIENT_ERROR, "HTTP 404 Not Found"),
    "/404-chunked": (Kind.CLIENT_ERROR, "HTTP 404 Not Found"),
    "/404-cut": (Kind.CLIENT_ERROR, "HTTP 404 Not Found"),
    "/429": (Kind.UNAVAILABLE, "HTTP 429 Too Many Requests"),
    "/503": (Kind.UNAVAILABLE, "HTTP 503 Service Unavailable"),
    "/501": (Kind.SERVER_ERROR, "HTTP 501 Not Implemented"),
    "/799": (Kind.SERVER_ERROR, "HTTP 799"),
    "/large": (Kind.TOO_LARGE, f"body of {CAP + 1} bytes exceeds {CAP} bytes"),
    "/large-announced": (Kind.TOO_LARGE, f"body of 999999999 bytes exceeds {CAP} bytes"),
    "/large-chunked": (Kind.TOO_LARGE, f"body exceeds {CAP} bytes"),
    "/large-until-close": (Kind.TOO_LARGE, f"body exceeds {CAP} bytes"),
}

OVERDUE = (
    "/never",
    "/header-then-never",
    "/drip-header",
    "/drip-body",
    "/drip-until-close",
)


@pytest.mark.parametrize("path", PAGES)
def test_whole_pages(way: Way, site: RawServer, path: str) -> None:
    """A 2xx response arrives decoded and whole, whatever its framing and coding."""
    (outcome,) = way.fetch([site.url(path)])
    assert isinstance(outcome, Received), outcome
    assert outcome.response.body == PAGES[path]
    assert outcome.exchange.body_bytes == len(PAGES[path])
    assert outcome.response.status == outcome.exchange.status


@pytest.mark.slow
@pytest.mark.parametrize("path", FAILURES)
def test_failures(way: Way, site: RawServer, path: str) -> None:
    """What goes wrong ends as the one kind that it is, with one line of reason.

    Bodies that are cut are failures only if that is asked for; `test_cut` has the other half.
    """
    (outcome,) = way.fetch([site.url(path)], replace(CONFIG, strict=True))
    assert isinstance(outcome, Failed), outcome
    kind, reason = FAILURES[path]
    assert (outcome.kind, outcome.reason[: len(reason)]) == (kind, reason)
    assert outcome.reason.isprintable()
    assert len(outcome.reason) <= 200


@pytest.mark.slow
@pytest.mark.parametrize("path", OVERDUE)
def test_total_deadline(way: Way, site: RawServer, path: str) -> None:
    """A server that keeps the exchange from ending is left at the total deadline."""
    (outcome,) = way.fetch([site.url(path)], replace(CONFIG, timeout=0.15))
    assert isinstance(outcome, Failed), outcome
    assert (outcome.kind, outcome.reason) == (Kind.TIMEOUT, "not finished within 0.15 s")
    assert outcome.exchange is not None
    assert 0.14 <= outcome.exchange.total < PATIENCE


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/redirect", "/elsewhere"),
        ("/redirect-utf8", "/caf\xe9"),
        ("/redirect-latin1", "/caf\xe9"),
        ("/redirect-endless", "/x"),
    ],
)
def test_redirects(way: Way, site: RawServer, path: str, location: str) -> None:
    """A redirect is an outcome with its Location, and is not followed."""
    (outcome,) = way.fetch([site.url(path)])
    assert isinstance(outcome, Redirect), outcome
    assert outcome.location == location


def test_retry_after(way: Way, site: RawServer) -> None:
    """Retry-After comes as seconds, from seconds and from a date that has passed."""
    slower, busy, other = way.fetch([site.url("/429"), site.url("/503"), site.url("/404")])
    assert [getattr(each, "retry_after", "?") for each in (slower, busy, other)] == [7, 0, None]
