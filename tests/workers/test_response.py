"""What a parser of the user's own is given, and how its failures are told."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import crawler
from crawler.fetch.urllib3_client import ThreadedFetcher
from crawler.formats.response import Headers, Response
from crawler.mock import MockWeb, Served, running
from crawler.model.outcome import Received
from crawler.model.request import Request
from crawler.model.url import Url
from tests.unmannered import MANNERS_OFF

OWN = "tests.workers.parsers:seen"
FILE = f"{Path(__file__).with_name('parsers.py')}:seen"
_FIELDS = (("Set-Cookie", "a=1"), ("X-One", "1"), ("set-cookie", "b=2"))


@pytest.fixture(scope="module")
def web() -> Iterator[Served]:
    """A mock web."""
    with running(MockWeb(pages=20)) as served:
        yield served


def response(body: bytes = b"", content_type: str = "") -> Response:
    """A response, made as a user would to try a parser."""
    return Response(url="http://a.test/", status=200, content_type=content_type, body=body)


@pytest.mark.parametrize(
    ("body", "content_type", "charset", "text"),
    [
        (b"gr\xfc\xdfe", "text/html; charset=iso-8859-1", "windows-1252", "gr\xfc\xdfe"),
        ("<meta charset=koi8-r>да".encode("koi8-r"), "text/html", "koi8-r", "да"),
        ("\ufeffя".encode(), "text/html; charset=koi8-r", "utf-8", "я"),
        (b"", "", "windows-1252", ""),
        (b"a\xff", "text/html; charset=utf-8", "utf-8", "a\ufffd"),
    ],
)
def test_text_is_decoded_as_browsers_do(
    body: bytes, content_type: str, charset: str, text: str
) -> None:
    """Charset and text follow the WHATWG rules, and never raise (field C6)."""
    seen = response(body, content_type)
    assert (seen.charset, seen.text.removeprefix("<meta charset=koi8-r>")) == (charset, text)


def test_headers_are_a_mapping_that_keeps_repeats_apart() -> None:
    """Names in any case; several values are joined by commas, or had apart (RFC 9110, 5.3)."""
    headers = Headers(_FIELDS)
    assert headers["SET-COOKIE"] == "a=1, b=2"
    assert headers.getall("Set-Cookie") == ["a=1", "b=2"] and headers.getall("nope") == []
    assert headers.get("x-one") == "1" and headers.get("nope") is None
    assert dict(headers) == {"set-cookie": "a=1, b=2", "x-one": "1"}
    assert "X-ONE" in headers and len(headers) == 2
    with pytest.raises(KeyError):
        _ = headers["nope"]


def test_a_response_can_be_pickled() -> None:
    """With all that it has, before and after anything was asked of it."""
    whole = Response(
        url="http://a.test/", status=200, content_type="", body=b"x", fields=_FIELDS
    )  # fmt: skip
    for _ in range(2):
        copy = pickle.loads(pickle.dumps(whole))
        assert copy == whole and copy.text == whole.text == "x"
        assert dict(copy.headers) == dict(whole.headers)


def crawled(web: Served, **options: Any) -> list[Any]:
    """The outcomes of two pages, the second of them one that the parser cannot bear."""
    urls = [f"{web.url}/page/1", f"{web.url}/page/13"]
    given = {**MANNERS_OFF, "allow_private": True, "parser": OWN, **options}
    found = crawler.run(urls, **given)
    return sorted(found, key=lambda outcome: len(outcome.url))


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["async", "threaded"])
@pytest.mark.parametrize("parse", ["inline", "thread", "process"])
@pytest.mark.parametrize("parser", [OWN, FILE], ids=["module", "file"])
def test_a_parser_sees_headers_and_its_failure_names_its_line(
    web: Served, engine: str, parse: str, parser: str
) -> None:
    """Whoever fetches and whoever parses, headers come along, and an error has file and line."""
    good, bad = crawled(web, engine=engine, parse=parse, parser=parser)
    parsed = good.fields["parsed"]
    assert parsed["type"].startswith("text/html") and parsed["length"] == parsed["told"]
    assert parsed["charset"] == "utf-8" and parsed["starts"] == "<!doctype html>"
    assert isinstance(bad, crawler.Failed) and bad.kind is crawler.Kind.PARSE
    assert re.fullmatch(r"ValueError: thirteen \(parsers\.py:\d+\)", bad.reason)


@pytest.mark.parametrize("parser", ["", OWN])
def test_without_a_parser_no_header_is_kept(web: Served, parser: str) -> None:
    """What nobody asks for is neither kept nor handed over."""
    url = Url(f"{web.url}/page/1")
    request = Request(url=url, seed=url.href, input=url.href, admitted_at=0.0)
    with ThreadedFetcher(crawler.CrawlConfig(allow_private=True, parser=parser)) as fetcher:
        fetched = fetcher.fetch(request)
    assert isinstance(fetched, Received)
    assert bool(fetched.response.fields) is bool(parser)
