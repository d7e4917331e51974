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
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

import ada_url

from crawler.formats import caps

_PATH: Final = r"(?:[\w-][\w.~-]*+/)*(?:[\w-][\w.~-]*+)?(?:\?[\w.~!$&()*+,;=@/?:%-]*+)?"
_RELATIVE = re.compile(rf"(?:((?:\.\./)+)|(/)|(?=[\w-])){_PATH}", re.ASCII)
_ABSOLUTE = re.compile(
    rf"https?://(?:(?!xn--)[a-z0-9_-]++\.)+(?!xn--)[a-z]{{2,}}/{_PATH}", re.ASCII
)
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
    distinct = dict.fromkeys([href.partition("#")[0] for href in hrefs])
    try:
        return _kept(distinct, _resolver(base))
    except _Spaced:  # stripped at the end, but before a fragment it belongs to the path
        return _kept(dict.fromkeys(hrefs), lambda href: join(href, base))


class _Spaced(Exception):
    """An href without its fragment ends with a space: there is no short cut."""


def _kept(hrefs: Iterable[str], resolve: Callable[[str], str | None]) -> Links:
    """Return the URLs within the caps. Called for each link of each page, so it is written out."""
    urls: dict[str, None] = {}
    room = caps.LINK_CHARACTERS - caps.URL  # characters until another URL may not fit
    left_off = 0
    rest = iter(hrefs)
    for href in rest:
        url = resolve(href)
        if url is None or url in urls:
            continue
        size = len(url)
        if size > caps.URL:
            left_off += 1  # costs as much room as a kept one
            size = caps.URL
        else:
            urls[url] = None
        room -= size
        if room < 0 or len(urls) >= caps.LINKS:
            left_off += sum(1 for _ in rest)
    return Links(list(urls), left_off)


def _resolver(base: str) -> Callable[[str], str | None]:
    """Return what makes a URL of an href without its fragment, or None of one that is no page's."""
    parents = _parents(base)
    root, own = parents[0], parents[-1]
    relative, absolute = _RELATIVE.fullmatch, _ABSOLUTE.fullmatch

    def resolve(href: str) -> str | None:
        plain = relative(href)
        if plain is not None:
            if (last := plain.lastindex) is None:
                return own + href
            return root + href[1:] if last == 2 else _above(href, plain.end(1), parents)
        if absolute(href) is not None:
            return href
        if href[-1:] > " " or not href:
            return join(href, base)
        raise _Spaced

    return resolve


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


def _above(href: str, up: int, parents: list[str]) -> str:
    """Return the URL of an href that begins with so many characters of `../`."""
    return parents[max(0, len(parents) - 1 - up // 3)] + href[up:]


def _parents(base: str) -> list[str]:
    """Return the directories above `base`, each with its slash, from the root to its own."""
    path = base.partition("#")[0].partition("?")[0]
    at = path.index("/", path.index("//") + 2)
    parents = []
    while at >= 0:
        parents.append(path[: at + 1])
        at = path.find("/", at + 1)
    return parents
