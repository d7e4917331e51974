"""What a record may say of a response: validators, headers to keep, and what it came over."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import Any

import pytest
import trustme

from crawler.model.config import CrawlConfig
from crawler.model.errors import ConfigurationError
from crawler.model.outcome import Failed, Received, Redirect
from crawler.model.transfer import Particulars
from tests.fetch.conftest import CONFIG, Way, certified
from tests.fetch.raw import RawServer
from tests.fetch.sites import says

FIELDS = b'ETag: "a"\r\nLast-Modified: Sun, 29 Nov 2026 10:00:00 GMT\r\nX-A: 1\r\nx-a: \xe4\r\n'
PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nServer: s\r\n" + FIELDS + b"\r\nhi"
SITE = {
    "/page": says(PAGE),
    "/old": says(PAGE.replace(b"HTTP/1.1", b"HTTP/1.0")),
    "/closing": says(PAGE.replace(b"Server: s", b"Connection: close")),
    "/plain": says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"),
    "/long": says(b"HTTP/1.1 200 OK\r\nETag: %b\r\nContent-Length: 0\r\n\r\n" % (b"x" * 2_000)),
    "/gone": says(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nX-A: 1\r\n\r\n"),
    "/moved": says(b"HTTP/1.1 301 Moved\r\nLocation: /page\r\nX-A: 2\r\nContent-Length: 0\r\n\r\n"),
}
BOTH = replace(CONFIG, keep_headers=("x-a", "none"), keep_connection=True)


def particulars(outcome: Any) -> Particulars:
    assert isinstance(outcome, Received | Redirect | Failed) and outcome.exchange is not None
    return outcome.exchange.particulars or Particulars()


def test_validators_are_kept_unless_they_are_too_long(way: Way) -> None:
    """ETag and Last-Modified are as sent; an endless one is none; others have nothing at all."""
    with RawServer(SITE) as server:
        page, long, plain = way.fetch([server.url(path) for path in ("/page", "/long", "/plain")])
    assert particulars(page) == Particulars(
        etag='"a"', last_modified="Sun, 29 Nov 2026 10:00:00 GMT"
    )
    assert particulars(long) == Particulars()
    assert isinstance(plain, Received) and plain.exchange.particulars is None


def test_headers_to_keep_are_those_of_any_response(way: Way) -> None:
    """Values come in order under names in lower case, of pages, failures and redirects."""
    with RawServer(SITE) as server:
        found = way.fetch([server.url(path) for path in ("/page", "/gone", "/moved")], BOTH)
        everything = way.fetch([server.url("/page")], replace(CONFIG, keep_headers=("all",)))
    assert [particulars(each).headers for each in found] == [
        {"x-a": ["1", "\xe4"]},
        {"x-a": ["1"]},
        {"x-a": ["2"]},
    ]
    headers = particulars(everything[0]).headers
    assert headers is not None and headers["server"] == ["s"] and headers["etag"] == ['"a"']


def test_a_response_tells_address_and_version(way: Way) -> None:
    """New and reused connections alike, also one that is closed at once."""
    paths = ("/page", "/page", "/old", "/closing", "/gone")
    with RawServer(SITE) as server:
        found = way.fetch([server.url(path) for path in paths], BOTH)
        assert server.connections == 3
    facts = [particulars(each).connection for each in found]
    assert all(each is not None and each.ip == "127.0.0.1" for each in facts)
    assert [each and each.http_version for each in facts] == ["1.1", "1.1", "1.0", "1.1", "1.1"]
    assert facts[0] is not None and facts[0].tls_version is facts[0].certificate_expires is None


@pytest.mark.parametrize("insecure", [False, True])
def test_tls_tells_its_version_and_when_the_certificate_ends(
    way: Way, authority: trustme.CA, insecure: bool
) -> None:
    """The end of a certificate that was not verified is unknown."""
    with RawServer(SITE, certified(authority, "127.0.0.1")) as server:
        config = replace(BOTH, insecure=insecure)
        found = way.fetch([server.url("/page"), server.url("/closing")], config)
    for each in found:
        facts = particulars(each).connection
        assert facts is not None and facts.tls_version == "TLSv1.3"
        assert facts.ip == "127.0.0.1"
        if insecure:
            assert facts.certificate_expires is None
        else:
            assert facts.certificate_expires is not None
            assert facts.certificate_expires > "2026-11-29T00:00:00.000Z"


def test_a_failure_without_a_response_has_none(way: Way) -> None:
    """A connection that was closed at once says nothing of a response."""

    def hangs_up(_server: RawServer, _sock: socket.socket, _head: bytes) -> bool:
        return False

    with RawServer({"/": hangs_up}) as server:
        (found,) = way.fetch([server.url("/")], BOTH)
    assert isinstance(found, Failed) and particulars(found) == Particulars()


def test_names_of_headers_are_checked() -> None:
    """Names are separated by commas or given one by one, in any case."""
    config = CrawlConfig(keep_headers=["Server, X-A", "server"])
    assert config.keep_headers == ("server", "x-a")
    with pytest.raises(ConfigurationError, match="keep_headers: 'a b' is not the name of a header"):
        CrawlConfig(keep_headers=["a b"])
