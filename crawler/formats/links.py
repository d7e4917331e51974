"""Resolve the `href`s of a page to absolute URLs, by the WHATWG URL standard.

A page of documentation has some 680 hrefs but only 60 targets, so fragments and repeats are removed
first, by text alone. Most of the rest is plain: `name.html`, `../library/os.html`, `/a/b?c=d`,
`https://example.com/a`. If the standard copies every character, no segment begins with a dot, and
the host is plain lower-case ASCII with an alphabetic end, the result is the text appended to the
right prefix of the base, which a regular expression recognises at a third of the cost. Everything
else (dots, escapes, backslashes, spaces, punycode, ports, `//host`, `?query`) goes through ada. A
property test compares both ways.

Beyond the caps (`crawler.formats.caps`) hrefs are only counted.

An href that is only a fragment links to the page itself, or to its `<base>`. Invalid URLs and
schemes other than http and https are dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

import ada_url

from crawler.formats import caps

_PATH: Final = r"(?:[\w-][\w.~-]*/)*(?:[\w-][\w.~-]*)?(?:\?[\w.~!$&()*+,;=@/?:%-]*)?"
_RELATIVE = re.compile(rf"(?=[\w/.-])(?:((?:\.\./)+)|(/))?{_PATH}", re.ASCII)
_ABSOLUTE = re.compile(rf"https?://(?:(?!xn--)[a-z0-9_-]+\.)+(?!xn--)[a-z]{{2,}}/{_PATH}", re.ASCII)
_NO_PAGES: Final = ("javascript:", "mailto:", "tel:", "data:")
_PAGES: Final = ("https://", "http://")


class Links(NamedTuple):
    """The URLs kept of a page; `left_off` counts those too long, and hrefs beyond the caps."""

    urls: list[str]
    left_off: int


def absolute(hrefs: Iterable[str], base: str) -> list[str]:
    """Return the http(s) URLs behind `hrefs`, without fragments and repeats, in order.

    `base` is an absolute http(s) URL, serialised. Never raises for any href.
    """
    return capped(hrefs, base).urls


def capped(hrefs: Iterable[str], base: str) -> Links:
    """Return the same, with the number of hrefs beyond the caps."""
    hrefs = list(hrefs)
    parents = _parents(base)
    found = _FoundLinks()
    for href in dict.fromkeys([href.partition("#")[0] for href in hrefs]):
        if found.full:
            found.left_off += 1
            continue
        plain = _RELATIVE.fullmatch(href)
        if plain is not None:
            found.add(_plain(href, plain, parents))
        elif _ABSOLUTE.fullmatch(href) is not None:
            found.add(href)
        elif href[-1:] > " " or not href:
            found.add(join(href, base))
        else:  # a trailing space: see `_exactly`
            return _exactly(hrefs, base)
    return found.links()


class _FoundLinks:
    """The URLs of a page so far, within the caps."""

    __slots__ = ("_room", "_urls", "full", "left_off")

    def __init__(self) -> None:
        self._urls: dict[str, None] = {}
        self._room = caps.LINK_CHARACTERS - caps.URL  # characters until another URL may not fit
        self.left_off = 0
        self.full = False

    def add(self, url: str | None) -> None:
        """Keep a URL that is new and not too long; ignore None."""
        urls = self._urls
        if url is None or url in urls:
            return
        size = len(url)
        if size > caps.URL:
            self.left_off += 1  # costs as much room as a kept one
            size = caps.URL
        else:
            urls[url] = None
        self._room -= size
        if self._room < 0 or len(urls) >= caps.LINKS:
            self.full = True

    def links(self) -> Links:
        return Links(list(self._urls), self.left_off)


def join(href: str, base: str) -> str | None:
    """Return the http(s) URL of `href` against `base` by WHATWG URL, without fragment, or None."""
    if href.startswith(_NO_PAGES):
        return None
    try:
        url = ada_url.join_url(base, href)
    except ValueError:
        scalars = href.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return None if scalars == href else join(scalars, base)  # there was a lone surrogate
    return url.partition("#")[0] if url.startswith(_PAGES) else None


def _plain(href: str, found: re.Match[str], parents: list[str]) -> str:
    last = found.lastindex
    if last is None:
        return parents[-1] + href
    if last == 2:
        return parents[0] + href[1:]
    up = found.end(1)
    return parents[max(0, len(parents) - 1 - up // 3)] + href[up:]


def _exactly(hrefs: list[str], base: str) -> Links:
    # A space at the end is stripped, but before a fragment it belongs to the path: no short cut.
    found = _FoundLinks()
    for href in dict.fromkeys(hrefs):
        if found.full:
            found.left_off += 1
        else:
            found.add(join(href, base))
    return found.links()


def _parents(base: str) -> list[str]:
    """Return the directories above `base`, each with its slash, from the root to its own."""
    path = base.partition("#")[0].partition("?")[0]
    at = path.index("/", path.index("//") + 2)
    parents = []
    while at >= 0:
        parents.append(path[: at + 1])
        at = path.find("/", at + 1)
    return parents
