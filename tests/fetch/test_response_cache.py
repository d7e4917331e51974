"""`--cache` and `--offline`: responses from the disk, in both engines."""

from __future__ import annotations

import gzip
import os
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from crawler.cli import main
from crawler.fetch.response_cache import CachedResponse, ResponseCache
from crawler.model.config import CrawlConfig
from crawler.model.errors import ConfigurationError
from crawler.model.outcome import Failed, Kind, Received, Redirect
from tests.fetch.conftest import CONFIG, Way
from tests.fetch.raw import Behaviour, RawServer, header

BODY = b"<title>hi</title>" * 9_000  # more than one piece
MOST = 300_000


def says(head: str, body: bytes = BODY) -> bytes:
    lines = (*head.split("; "), f"Content-Length: {len(body)}", "", "")
    return "\r\n".join(lines).encode() + body


class Site:
    """Answers, and counts what it was asked."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()

    def answers(self, path: str, data: bytes, tag: str = "") -> Behaviour:
        """Send `data`, or 304 to whoever has its ETag."""

        def behaviour(_server: RawServer, sock: socket.socket, head: bytes) -> bool:
            self.asked[path] += 1
            if tag and header(head, "If-None-Match") == tag:
                sock.sendall(f"HTTP/1.1 304 Not Modified\r\nETag: {tag}\r\n\r\n".encode())
            else:
                sock.sendall(data)
            return True

        return behaviour


PAGES: dict[str, tuple[bytes, str]] = {
    "/fresh": (says("HTTP/1.1 200 OK; Cache-Control: max-age=1000"), ""),
    "/tagged": (says('HTTP/1.1 200 OK; ETag: "a"; Content-Type: text/html'), '"a"'),
    "/packed": (says("HTTP/1.1 200 OK; Content-Encoding: gzip", gzip.compress(BODY)), ""),
    "/secret": (says("HTTP/1.1 200 OK; Cache-Control: private, no-store"), ""),
    "/moved": (says("HTTP/1.1 301 Moved; Location: /fresh", b""), ""),
    "/gone": (says("HTTP/1.1 404 Not Found", b"no"), ""),
    "/cut": (says("HTTP/1.1 200 OK", bytes(2 * MOST)), ""),
}


def facts(outcome: Any) -> object:
    match outcome:
        case Received(exchange=exchange, response=response):
            return exchange.status, response.body, response.content_type
        case Redirect(location=location):
            return location
        case Failed(kind=kind):
            return kind
    raise AssertionError(outcome)


@pytest.mark.slow
def test_responses_are_kept_used_while_fresh_and_checked_afterwards(
    way: Way, tmp_path: Path
) -> None:
    """Fresh ones cost nothing, others a conditional request; offline all are there again."""
    site = Site()
    config = replace(CONFIG, cache=str(tmp_path / "cache"), max_body=MOST)
    with RawServer({path: site.answers(path, *page) for path, page in PAGES.items()}) as server:
        urls = [server.url(path) for path in PAGES]
        first = list(map(facts, way.fetch(urls, config)))
        assert site.asked == dict.fromkeys(PAGES, 1)
        assert list(map(facts, way.fetch(urls, config))) == first
        assert site.asked == dict.fromkeys(PAGES, 2) | {"/fresh": 1}
    offline = list(map(facts, way.fetch(urls, replace(config, offline=True))))
    assert offline[:3] == first[:3] and first[2] == (200, BODY, "")
    assert offline[3:] == [Kind.NOT_CACHED, *first[4:6], Kind.NOT_CACHED]
    assert os.stat(tmp_path / "cache").st_mode & 0o777 == 0o700


def response(*fields: tuple[str, str], at: float = 1_000.0) -> CachedResponse:
    return CachedResponse(at, 200, fields, b"")


DATE = ("Date", "Sun, 29 Nov 2026 10:00:00 GMT")


@pytest.mark.parametrize(
    ("fields", "age", "fresh"),
    [
        ([("cache-control", "public, max-age=60")], 59, True),
        ([("Cache-Control", "max-age=60")], 60, False),
        ([("Cache-Control", "max-age=60"), ("Age", "50")], 11, False),
        ([("Cache-Control", "max-age=60, no-cache")], 1, False),
        ([("Cache-Control", "s-maxage=60")], 1, False),
        ([("Expires", "Sun, 29 Nov 2026 10:01:00 GMT"), DATE], 59, True),
        ([("Expires", "Sun, 29 Nov 2026 10:01:00 GMT"), DATE], 61, False),
        ([("Expires", "0"), DATE], 0, False),
        ([], 0, False),
    ],
)
def test_freshness_is_what_the_server_says(
    fields: list[tuple[str, str]], age: float, fresh: bool
) -> None:
    """By max-age, else by Expires; nothing is guessed (RFC 9111, 4.2)."""
    assert response(*fields).fresh(1_000.0 + age) is fresh


def test_an_unreadable_file_is_as_good_as_none(tmp_path: Path) -> None:
    """Damage, and another URL in the place, cost a fetch and no more."""
    cache = ResponseCache(str(tmp_path))
    cache.put("http://a/", response(("X", "\xe4")))
    found = cache.get("http://a/")
    assert found is not None and found.values("x") == ["\xe4"]
    assert cache.get("http://b/") is None
    (path,) = (each for each in tmp_path.rglob("*") if each.is_file())
    path.write_bytes(path.read_bytes().replace(b"http://a/", b"http://c/"))
    assert cache.get("http://a/") is None
    path.write_bytes(b"x")
    assert cache.get("http://a/") is None
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == [path]


def test_offline_needs_a_cache_that_can_be_made(tmp_path: Path) -> None:
    """Both are one line before the crawl."""
    with pytest.raises(ConfigurationError, match="offline: needs the responses"):
        CrawlConfig(offline=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"cache: .* cannot be made"):
        ResponseCache(str(tmp_path / "file" / "cache"))


@pytest.fixture
def crawled(tmp_path: Path) -> Callable[..., list[tuple[str, str, str | None]]]:
    """A crawl into a file; the path, outcome and title of its records."""

    def crawl(url: str, *words: str) -> list[tuple[str, str, str | None]]:
        output = tmp_path / "out.jsonl"
        how = ("--allow-private", "--parse", "inline", "-q", "--overwrite", "--delay", "0")
        cache = ("--cache", str(tmp_path / "cache"))
        assert main(["crawl", url, "--follow", *how, *cache, "-o", str(output), *words]) == 0
        found = map(orjson.loads, output.read_bytes().splitlines())
        return sorted((each["url"], each["outcome"], each["title"]) for each in found)

    return crawl


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["async", "threaded"])
def test_a_site_is_crawled_again_without_its_server(
    crawled: Callable[..., list[tuple[str, str, str | None]]], engine: str
) -> None:
    """Links, redirects and robots.txt come from the cache; what it lacks is a record."""
    site = Site()
    home = b"<title>home</title><a href=/moved>x</a><a href=/none>y</a><a href=/private>z</a>"
    pages = {
        "/": says("HTTP/1.1 200 OK; Content-Type: text/html", home),
        "/robots.txt": says("HTTP/1.1 200 OK", b"User-agent: *\nDisallow: /private\n"),
        "/moved": says("HTTP/1.1 302 Found; Location: /end", b""),
        "/end": says("HTTP/1.1 200 OK; Content-Type: text/html", b"<title>end</title>"),
        "/none": says("HTTP/1.1 404 Not Found", b""),
    }
    with RawServer({path: site.answers(path, data) for path, data in pages.items()}) as server:
        first = crawled(server.url("/"), "--engine", engine)
        port = server.port
    assert sorted(each[1] for each in first) == ["failed", "page", "page", "skipped"]
    asked = site.asked.copy()
    assert crawled(f"http://127.0.0.1:{port}/", "--engine", engine, "--offline") == first
    assert site.asked == asked
