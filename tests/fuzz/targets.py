"""The paths that bytes of a server take, each a function of bytes that asserts its guarantees.

Where a path takes two things, the first line of the input is the one and the rest the other. Who
calls them: atheris (`tests.fuzz.one`), hypothesis and the corpus of found cases (`test_*.py`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Final

from webencodings.labels import LABELS

from crawler.core.refusal import Refusal
from crawler.core.scope import Scope
from crawler.core.traps import Traps
from crawler.fetch import exchange
from crawler.fetch.exchange import RETRY_AFTER_MOST, ExchangeProgress
from crawler.fetch.message import Message
from crawler.fetch.room import worth_reading
from crawler.formats import caps, charset, links
from crawler.formats import html as markup
from crawler.formats.follow import Following, directives
from crawler.formats.page import page
from crawler.formats.robots import RobotsRules, RobotsVerdict
from crawler.formats.robots_file import MAX_BYTES, MAX_SITEMAPS
from crawler.formats.sitemap_listing import sitemap
from crawler.model.config import CrawlConfig
from crawler.model.document import RawResponse
from crawler.model.following_config import FollowingConfig
from crawler.model.head import Head, read_head
from crawler.model.outcome import Exchange, Kind, Listing, Skipped
from crawler.model.url import InvalidUrl, Seed, Url, join, parse
from tests.fuzz.invariants import START, ended, page_of, plain, recorded, rejected, request
from tests.fuzz.invariants import whole_url as whole
from tests.fuzz.on_connections import connections
from tests.top_level import TopLevelDomains

Target = Callable[[bytes], None]

AGENT: Final = "crawler/0.1.0"
FOLLOWING: Final = Following(drop_params=("utm_*", "gclid"), token="crawler")
SECONDS: Final = 2.0
"""CPU seconds for one input of `LONGEST` bytes, a longer one in proportion, traced line by line."""
LONGEST: Final = 16_384

_NAMES: Final = frozenset(LABELS.values())
_EMPTY: Final = Exchange()


def text_of(data: bytes) -> str:
    """Bytes as a list's line or a header gives them: what is no UTF-8 becomes lone surrogates."""
    return data.decode("utf-8", "surrogateescape")


def urls(data: bytes) -> None:
    """A line of a list, and the references on the page behind it, one a line."""
    first, *rest = data.split(b"\n")
    line, references = text_of(first), [text_of(reference) for reference in rest]
    seed = Seed.read(line)
    if isinstance(seed.url, Url):
        whole(seed.url)
    else:
        rejected(seed.url)
        kind = Kind.UNSUPPORTED_SCHEME if seed.url.unsupported_scheme else Kind.INVALID_URL
        recorded(Skipped(url=seed.url.text, input=seed.input, kind=kind, reason=seed.url.reason))
    base = seed.url if isinstance(seed.url, Url) else START
    for reference in references:
        _joined(base, reference)
    listed = "|".join(references)
    recorded(Skipped(url=base.href, input=listed, kind=Kind.ROBOTS, reason=listed))
    _exact(references, base.href)


def _exact(references: list[str], base: str) -> None:
    """All links of a page together are what each is by itself, as far as the caps allow."""
    each = dict.fromkeys(links.join(reference, base) for reference in references)
    urls = [url for url in each if url is not None]
    if len(urls) < caps.LINK_CHARACTERS // caps.URL:
        kept = [url for url in urls if len(url) <= caps.URL]
        assert links.absolute(references, base) == kept


def _joined(base: Url, reference: str) -> None:
    found = join(base, reference)
    if isinstance(found, InvalidUrl):
        rejected(found)
        return
    whole(found)
    assert join(base, found.href) == found
    assert links.join(reference, base.href) in (found.href, None)
    for refusal in (_scope().refusal(found), Traps(FollowingConfig()).refusal(found)):
        assert refusal is None or isinstance(refusal, Refusal)
    assert parse(exchange.target(found).href) is not None


@cache
def _scope() -> Scope:
    scope = Scope("domain", suffixes=TopLevelDomains())
    scope.add_seed(START)
    return scope


def robots(data: bytes) -> None:
    """A URL, and the robots.txt of its host."""
    first, _, body = data.partition(b"\n")
    rules = RobotsRules.parse(body, AGENT)
    assert rules.crawl_delay is None or 0 <= rules.crawl_delay < math.inf
    assert len(rules.sitemaps) <= MAX_SITEMAPS
    found = join(START, text_of(first))
    url = found if isinstance(found, Url) else START
    verdict = rules.verdict(url.href)
    assert isinstance(verdict, RobotsVerdict) and rules.verdict(url.href) == verdict
    assert 0 <= verdict.line <= body[:MAX_BYTES].count(b"\n") + body.count(b"\r") + 1
    assert rules.verdict("http://a.example/robots.txt").allowed
    skipped = Skipped(url=url.href, input=url.href, kind=Kind.ROBOTS, reason=verdict.reason)
    recorded(skipped)
    for text in rules.sitemaps:
        named = join(START, text)
        (whole if isinstance(named, Url) else rejected)(named)  # type: ignore[operator]


def sitemaps(data: bytes) -> None:
    """A Content-Type, and a sitemap in any form."""
    first, _, body = data.partition(b"\n")
    response = RawResponse(url=START.href, status=200, content_type=text_of(first), body=body)
    found = sitemap(response)
    assert not (found.pages and found.sitemaps)
    for href in found.pages + found.sitemaps:
        assert parse(href) == Url(href)
    listing = Listing(
        request=request(),
        exchange=_EMPTY,
        pages=found.pages,
        sitemaps=found.sitemaps,
        problem=found.problem,
    )
    recorded(listing)


def headers(data: bytes) -> None:
    """A response's header lines behind a line with its status."""
    first, _, lines = data.partition(b"\n")
    status = first if first.isdigit() and len(first) == 3 and first >= b"100" else b"200"
    head, _, _ = _message([b"HTTP/1.1 " + status + b"\r\n", lines, b"\r\n\r\n"])
    if head is None:
        return
    assert head.length is None or 0 <= head.length < 10**19
    assert worth_reading(head.values) in (True, False)
    progress = ExchangeProgress(request())
    progress.answered(head.status, head.values)
    _headers_of(head.values)
    if not 200 <= head.status < 300:
        progress.refuse(head.values, proxied=head.status % 2 == 0)
        ended(progress.settled())
    progress.expect(lambda name: (), CrawlConfig())
    progress.take(b"<a href=x>")
    response = progress.received().response
    recorded(page_of(page(response, FOLLOWING), progress.exchange()))


def messages(data: bytes) -> None:
    """What a server sends on a connection: read alike whatever the segments it comes in."""
    whole_one = _message([data])
    assert _message([data[at : at + 1] for at in range(len(data))]) == whole_one
    assert _message([data[:7], data[7:40], data[40:]]) == whole_one
    head, body, failed = whole_one
    if head is None or failed:
        return
    assert len(body) <= len(data) and (head.length is None or len(body) <= head.length)
    assert read_head(head.plain()) == replace(head, version="1.1")  # said in the one plain way


def _message(pieces: list[bytes]) -> tuple[Head | None, bytes, bool]:
    message = Message(1_000_000)
    body = b"".join([message.feed(piece) for piece in pieces])
    return message.head, body, message.problem is not None


def _headers_of(values: exchange.Values) -> None:
    for value in values("Retry-After"):
        wait = exchange.retry_after(value, 1.7e9)
        assert wait is None or 0 <= wait <= RETRY_AFTER_MOST
    for value in values("Content-Type"):
        assert charset.declared(value) in _NAMES | {None}
    for value in values("X-Robots-Tag"):
        assert all(name == name.strip() and name for name in directives(value, "crawler"))
    for value in values("Location"):
        found = join(START, value)
        (whole if isinstance(found, Url) else rejected)(found)  # type: ignore[operator]


def charsets(data: bytes) -> None:
    """A Content-Type, and a body in whatever encoding."""
    first, _, body = data.partition(b"\n")
    content_type = text_of(first)
    name = charset.detect(body, content_type)
    assert name in _NAMES
    charset.text(body, name).encode("utf-8")
    assert charset.prescan(body[: charset.PRESCAN]) in _NAMES | {None}


def html(data: bytes) -> None:
    """A Content-Type and, behind a bar, an X-Robots-Tag; then a page, whose links are followed."""
    first, _, body = data.partition(b"\n")
    kind, _, tag = text_of(first).partition("|")
    response = RawResponse(
        url=START.href,
        status=200,
        content_type=kind or "text/html",
        body=body,
        robots_tag=tag,
        refresh=tag,
    )
    document = page(response, FOLLOWING)
    record = recorded(page_of(document, _EMPTY))
    assert page(response, FOLLOWING).json == document.json
    if record["charset"] is not None:
        _exact(markup.find(body, record["charset"]).hrefs, START.href)
    for href in record["links"]:
        assert parse(href) == Url(href), href
    assert len(set(record["links"])) == len(record["links"])
    if record["title"] is not None:
        assert record["title"] == record["title"].strip("\t\n\f\r ") != ""
    if document.leads is not None:
        assert len(document.leads.links) == 8 * len(record["links"])


TARGETS: Final[dict[str, Target]] = {
    "urls": urls,
    "robots": robots,
    "sitemaps": sitemaps,
    "headers": headers,
    "messages": messages,
    "connections": connections,
    "charsets": charsets,
    "html": html,
}


def check(name: str, data: bytes) -> None:
    """Run one input through a target; raises what the target raises, or that it took too long."""
    begun = time.thread_time()
    TARGETS[name](data)
    spent = time.thread_time() - begun
    assert spent < SECONDS * max(1, len(data) / LONGEST), f"{spent:.2f} s for {len(data)} bytes"


__all__ = ["LONGEST", "SECONDS", "TARGETS", "check", "plain"]
