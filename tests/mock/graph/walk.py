"""A crawl that shares nothing with the graph but its answers: the judge of the graph's truth.

Breadth first, links by turbohtml or html5lib, URLs by ada, robots.txt as two lines of Python.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import ada_url
import html5lib  # type: ignore[import-untyped]
import turbohtml

from crawler.mock import MockWeb
from crawler.mock.graph.site import page_of_graph as answer
from crawler.mock.reply import Answer, Ask

_XHTML = "{http://www.w3.org/1999/xhtml}"
_CHARSET = re.compile(r"""charset=["']?([^"';\s]+)""", re.IGNORECASE)


@dataclass(slots=True)
class Read:
    """What a parser finds in a page: title, base and (href, rel) of its links."""

    title: str
    base: str | None
    anchors: list[tuple[str, str]]


@dataclass(slots=True)
class Seen:
    """One page as the walk saw it."""

    status: int
    title: str = ""
    location: str = ""
    links: list[str] = field(default_factory=list)
    nofollow: list[str] = field(default_factory=list)
    noindex: bool = False
    answer: Answer = field(default_factory=Answer)


Parser = Callable[[bytes, str | None], Read]


def by_turbohtml(body: bytes, charset: str | None) -> Read:
    tree = turbohtml.parse(body, encoding=charset, positions=False)
    title = tree.select_one("title")
    base = tree.select_one("base[href]")
    anchors = [
        (str(e.attrs["href"]), " ".join(e.attrs["rel"]) if "rel" in e.attrs else "")
        for e in tree.select("a[href]")
    ]
    return Read(title.text if title else "", str(base.attrs["href"]) if base else None, anchors)


def by_html5lib(body: bytes, charset: str | None) -> Read:
    tree = html5lib.parse(body, transport_encoding=charset)
    title = tree.find(f".//{_XHTML}title")
    base = tree.find(f".//{_XHTML}base[@href]")
    anchors = [(e.get("href"), e.get("rel", "")) for e in tree.iter(f"{_XHTML}a") if e.get("href")]
    return Read(title.text, None if base is None else base.get("href"), anchors)


def allowed(url: str) -> bool:
    """The default robots.txt by hand."""
    path = urlsplit(url).path
    closed = path.startswith(("/private/", "/members/")) or path.endswith(".print")
    return not closed or (path.startswith("/members/open/") and not path.endswith(".print"))


def fetch(options: MockWeb, url: str, attempt: int = 0) -> Answer | None:
    parts = urlsplit(url)
    target = url[len(f"{parts.scheme}://{parts.netloc}") :]
    return answer(Ask(target=target, host=parts.netloc, count=lambda: attempt), options)


def visit(options: MockWeb, url: str, parser: Parser = by_turbohtml) -> Seen:
    """Fetch a page, again while it answers 503, and read it."""
    for attempt in range(5):
        reply = fetch(options, url, attempt)
        assert reply is not None, url
        if reply.status != 503:
            break
    fields = {name.lower(): value for name, value in reply.headers}
    seen = Seen(reply.status, answer=reply)
    if "location" in fields:
        seen.location = ada_url.join_url(url, fields["location"])
    if reply.status == 200 and fields["content-type"].lower().startswith("text/html"):
        charset = _CHARSET.search(fields["content-type"])
        _read(seen, url, parser(reply.body, charset[1] if charset else None))
    return seen


def _read(seen: Seen, url: str, read: Read) -> None:
    seen.title = read.title
    base = url if read.base is None else ada_url.join_url(url, read.base)
    for href, rel in read.anchors:
        link = ada_url.join_url(base, href).partition("#")[0]
        (seen.nofollow if "nofollow" in rel.lower().split() else seen.links).append(link)


def walk(
    options: MockWeb,
    start: str,
    parser: Parser = by_turbohtml,
    may: Callable[[str], bool] = allowed,
) -> dict[str, Seen]:
    """All that a crawl from `start` finds when it obeys; traps are not entered."""
    found: dict[str, Seen] = {}
    known, waiting = {start}, deque([start])
    while waiting:
        url = waiting.popleft()
        if not may(url) or "/trap/" in url:
            continue
        found[url] = seen = visit(options, url, parser)
        for link in [*seen.links, *filter(None, [seen.location])]:
            if link not in known:
                known.add(link)
                waiting.append(link)
    return found
