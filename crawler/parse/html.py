"""What a crawler asks of a page's markup, in one pass; the only module that knows the HTML library.

Frostwork scans bytes for a fixed set of selectors and builds no tree. It tokenises as the HTML
standard does, decodes by the WHATWG tables, and gives the GIL away for the whole scan. For these
few fields a tree is needed in three places only, and there the columns of a second scan say what to
take off: links and titles inside `<template>` are in no document, `<title>` inside `<svg>` names no
page.

Scripting is off, so the content of `<noscript>` counts. `href` of `<a>` inside SVG counts (browsers
follow it), inside `<select>` too (as the standard has had it since select became customisable).

Frostwork's time is linear but for an end tag that nothing opened, and for `<frameset>`: each looks
at every open element, at 0.5 to 2.5 ns apiece, so that 100,000 `<b>` before 100,000 `</i>` would
take up to 25 s. Where a page has so many tags that this could hurt, every tag that neither is a
link nor changes how text is read becomes a `<br>` first, which leaves the links as they are (but
for a tag inside an href) and costs about 0.1 us a tag; links inside templates then count.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Final, NamedTuple

from frostwork import _frostwork

from crawler.parse import charset

_LINKS: Final = "a::attr(href), area::attr(href)"
_FIELDS: Final = [
    _LINKS,
    "head > title::text",
    "meta[name=description i]::attr(content)",
    "link[rel~=canonical i]::attr(href)",
    "html::attr(lang)",
    "meta[name=robots i]::attr(content)",
    "base::attr(href)",
    "template ::attr(href)",
]
_SCAN = _frostwork.Plan(_FIELDS, [])
_NOFOLLOW: Final = "a[rel~=nofollow i]::attr(href), area[rel~=nofollow i]::attr(href)"
_OWN_ROBOTS: Final = "meta[name={token} i]::attr(content)"
_TEXTS: Final = [":not(script):not(style):not(a)::text", "a::text"]
_INERT_LINKS = _frostwork.Plan(["template a::attr(href), template area::attr(href)"], [])
_TITLES = _frostwork.Plan(["title::text", "svg title::text, template title::text"], [])
_COUNTED: Final = 1 << 17
"""Bytes from which tags are counted (1 us for 2 KB); the worst page below takes 0.2 to 0.8 s."""
_TAGS: Final = 1 << 15
"""Tags that a page may have as it is: half of them unmatched, 0.2 to 0.7 s at the worst."""
_FLAT = re.compile(
    rb"</?(?!(?:a|area|base|head|html|body|link|meta|title|script|style|textarea|xmp|iframe"
    rb"|noembed|noframes|plaintext)[\t\n\f\r />])[a-z][^\t\n\f\r />]*",
    re.IGNORECASE,
)


class Found(NamedTuple):
    """Values as they stand in the markup, character references decoded, in document order."""

    hrefs: list[str]
    titles: list[str]
    descriptions: list[str]
    canonicals: list[str]
    languages: list[str]
    robots: list[str]
    bases: list[str]
    texts: Sequence[str] = ()  # outside links
    linked: Sequence[str] = ()  # directly in links
    nofollow: Sequence[str] = ()  # hrefs of links that are not to be followed
    own_robots: Sequence[str] = ()  # robots directives for this crawler by name


def find(body: bytes, encoding: str, *, token: str = "") -> Found:
    """The fields' raw values in `body`, in the WHATWG encoding `encoding`. Never raises.

    With a crawler's product token all that following its links needs, too: the text nodes but for
    scripts and styles, and what is not to be followed; another 0.2 ms for 74 KB.
    """
    markup, label = _prepared(body, encoding)
    columns = (_following(token) if token else _SCAN).extract(markup, label)
    inert = columns.pop(len(_FIELDS) - 1)
    found = Found(*columns)
    if inert:
        (links,) = _INERT_LINKS.extract(markup, label)
        found = found._replace(hrefs=without(found.hrefs, links))
    if not found.titles:
        found = found._replace(titles=without(*_TITLES.extract(markup, label)))
    return found


@cache
def _following(token: str) -> _frostwork.Plan:
    own = _OWN_ROBOTS.format(token=token)
    return _frostwork.Plan([*_FIELDS, *_TEXTS, _NOFOLLOW, own], [])


def _prepared(body: bytes, encoding: str) -> tuple[bytes, str]:
    if encoding.startswith("utf-16") or encoding == "replacement" or b"\0" in body:
        # The library would delete NULs, and take `<`, NUL at the start for UTF-16.
        text = charset.text(body, encoding).replace("\0", "\ufffd")
        body, encoding = text.encode(), "utf-8"
    return (_tamed(body) if len(body) >= _COUNTED else body), encoding


def _tamed(body: bytes) -> bytes:
    return body if body.count(b"<") < _TAGS else _FLAT.sub(b"<br", body)


def without(values: list[str], inert: Sequence[str]) -> list[str]:
    """`values` less `inert`, value by value and as often as it stands there."""
    left = Counter(values)
    left.subtract(inert)
    return [value for value in values if left[value] > 0]
