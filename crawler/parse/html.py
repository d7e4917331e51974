"""What a crawler asks of a page's markup, in one pass; the only module that knows the HTML library.

Frostwork scans bytes for a fixed set of selectors and builds no tree. It tokenises as the HTML
standard does, decodes by the WHATWG tables, and gives the GIL away for the whole scan. For these
few fields a tree is needed in few places only, and there the columns of a second scan say what to
take off: links and titles inside `<template>` are in no document, `<title>` inside `<svg>` names no
page. An `<html>` behind other content adds its `lang` in the standard, and is passed over by the
library; where no language was found it is looked for under another name.

Scripting is off, so the content of `<noscript>` counts. `href` of `<a>` inside SVG counts (browsers
follow it), inside `<select>` too (as the standard has had it since select became customisable).

A link is whatever leads from the page to a document: `<a>`, `<area>`, frames, what is embedded but
for pictures and the like, and `<link>` where the HTML standard calls its type a hyperlink (4.6.7)
or HTML 4 has it for navigation, and what it leads to is HTML as far as it says. Feeds and what is
for programs would cost a request a page and lead nowhere new; what a form sends is its visitor's.

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

_MEDIA: Final = ("image/", "video/", "audio/", "font/", "application/x-shockwave")
_NO_MEDIA: Final = "".join(f":not([type^='{kind}' i])" for kind in _MEDIA)
_HREFS: Final = (
    *("a::attr(href)", "area::attr(href)", r"svg a::attr(xlink\:href)"),
    *("frame::attr(src)", "iframe::attr(src)"),
    *(f"embed{_NO_MEDIA}::attr(src)", f"object{_NO_MEDIA}::attr(data)"),
)
_RELATED: Final = ("link[rel][href]:not([type])", "link[rel][href][type*=html i]")
_HYPERLINKS: Final = frozenset({
    "alternate", "author", "canonical", "help", "license", "next", "prev", "privacy-policy",
    "terms-of-service",
    # HTML 4.01, 6.12, and what was in use with it
    "appendix", "bookmark", "chapter", "contents", "copyright", "first", "glossary", "home",
    "index", "last", "previous", "section", "start", "subsection", "toc", "top", "up",
})  # fmt: skip
_REFRESH: Final = "meta[http-equiv=refresh i]::attr(content)"
_FIELDS: Final = [
    ", ".join(_HREFS),
    "head > title::text",
    "meta[name=description i]::attr(content)",
    "link[rel~=canonical i]::attr(href)",
    "html::attr(lang)",
    "meta[name=robots i]::attr(content)",
    "base::attr(href)",
    _REFRESH,
    ", ".join(f"{link}::attr(rel)" for link in _RELATED),
    ", ".join(f"{link}::attr(href)" for link in _RELATED),
    "template ::attr(href), template ::attr(src), template ::attr(data)",
]
_SCAN = _frostwork.Plan(_FIELDS, [])
_NOFOLLOW: Final = "a[rel~=nofollow i]::attr(href), area[rel~=nofollow i]::attr(href)"
_OWN_ROBOTS: Final = "meta[name={token} i]::attr(content)"
_TEXTS: Final = [":not(script):not(style):not(a)::text", "a::text"]
_INERT_LINKS = _frostwork.Plan([", ".join(f"template {link}" for link in _HREFS)], [])
_INERT_REFRESHES = _frostwork.Plan([f"template {_REFRESH}", f"noscript {_REFRESH}"], [])
_LANGUAGES = _frostwork.Plan(
    [
        "x-html::attr(lang)",
        "svg x-html::attr(lang), math x-html::attr(lang), template x-html::attr(lang)",
    ],
    [],
)
_HTML = re.compile(rb"<html(?=[\t\n\f\r /][^<>]*lang)", re.IGNORECASE)
_TITLES = _frostwork.Plan(["title::text", "svg title::text, template title::text"], [])
_COUNTED: Final = 1 << 17
"""Bytes from which tags are counted (1 us for 2 KB); the worst page below takes 0.2 to 0.8 s."""
_TAGS: Final = 1 << 15
"""Tags that a page may have as it is: half of them unmatched, 0.2 to 0.7 s at the worst."""
_FLAT = re.compile(
    rb"</?(?!(?:a|area|base|head|html|body|link|meta|title|script|style|textarea|xmp|iframe|frame"
    rb"|embed|object|noembed|noframes|plaintext)[\t\n\f\r />])[a-z][^\t\n\f\r />]*",
    re.IGNORECASE,
)


_SHARED: Final = len(_FIELDS) - 3  # columns that a scan and `Found` have in common


class Found(NamedTuple):
    """Values as they stand in the markup, character references decoded, in document order."""

    hrefs: list[str]
    titles: list[str]
    descriptions: list[str]
    canonicals: list[str]
    languages: list[str]
    robots: list[str]
    bases: list[str]
    refreshes: list[str]  # of meta elements that act
    texts: Sequence[str] = ()  # outside links
    linked: Sequence[str] = ()  # directly in links
    nofollow: Sequence[str] = ()  # hrefs of links that are not to be followed
    own_robots: Sequence[str] = ()  # robots directives for this crawler by name
    related: Sequence[str] = ()  # hrefs of link elements that lead to a document
    scriptless: Sequence[str] = ()  # refreshes for who runs no scripts


def find(body: bytes, encoding: str, *, token: str = "") -> Found:
    """The fields' raw values in `body`, in the WHATWG encoding `encoding`. Never raises.

    With a crawler's product token all that following its links needs, too: the text nodes but for
    scripts and styles, and what is not to be followed; another 0.2 ms for 74 KB.
    """
    whole, label = _prepared(body, encoding)
    markup = _tamed(whole) if len(whole) >= _COUNTED else whole
    columns = (_following(token) if token else _SCAN).extract(markup, label)
    rels, hrefs, inert = columns[_SHARED : len(_FIELDS)]
    found = Found(*columns[:_SHARED], *columns[len(_FIELDS) :])
    found = found._replace(related=_related(rels, hrefs))
    if inert:
        (links,) = _INERT_LINKS.extract(markup, label)
        found = found._replace(hrefs=without(found.hrefs, links))
    if found.refreshes:
        found = _refreshes(
            found, *_INERT_REFRESHES.extract(markup, label), tame=markup is not whole
        )
    if not found.titles:
        found = found._replace(titles=without(*_TITLES.extract(markup, label)))
    if not found.languages:
        found = found._replace(languages=_later_languages(markup, label))
    return found


def _refreshes(found: Found, inert: list[str], scriptless: list[str], *, tame: bool) -> Found:
    """`found` with its refreshes told apart; where none can be, none acts."""
    if tame:
        return found._replace(refreshes=[], scriptless=found.refreshes)
    left = without(found.refreshes, inert)
    return found._replace(refreshes=without(left, scriptless), scriptless=scriptless)


def _related(rels: list[str], hrefs: list[str]) -> list[str]:
    return [
        href
        for rel, href in zip(rels, hrefs, strict=True)
        if not _HYPERLINKS.isdisjoint(kinds := rel.lower().split()) and "stylesheet" not in kinds
    ]


def _later_languages(markup: bytes, label: str) -> list[str]:
    """The `lang` of `<html>` tags that do not begin the page (WHATWG HTML, 13.2.6.4.7)."""
    if not _HTML.search(markup):
        return []
    return without(*_LANGUAGES.extract(_HTML.sub(b"<x-html", markup), label))


@cache
def _following(token: str) -> _frostwork.Plan:
    own = _OWN_ROBOTS.format(token=token)
    return _frostwork.Plan([*_FIELDS, *_TEXTS, _NOFOLLOW, own], [])


def _prepared(body: bytes, encoding: str) -> tuple[bytes, str]:
    if encoding.startswith("utf-16") or encoding == "replacement" or b"\0" in body:
        # The library would delete NULs, and take `<`, NUL at the start for UTF-16.
        text = charset.text(body, encoding).replace("\0", "\ufffd")
        body, encoding = text.encode(), "utf-8"
    return body, encoding


def _tamed(body: bytes) -> bytes:
    return body if body.count(b"<") < _TAGS else _FLAT.sub(b"<br", body)


def without(values: list[str], inert: Sequence[str]) -> list[str]:
    """`values` less `inert`, value by value and as often as it stands there."""
    left = Counter(values)
    left.subtract(inert)
    return [value for value in values if left[value] > 0]
