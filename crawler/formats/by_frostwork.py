"""Extract with Frostwork: one scan of the bytes for a fixed set of selectors, without a tree.

It tokenises by the HTML standard, decodes by the WHATWG tables, and releases the GIL for the whole
scan. Few of these fields need a tree; for those, a second scan finds the values to remove: links
and titles inside `<template>` are not part of the document, and `<title>` inside `<svg>` does not
name the page. In the standard a late `<html>` adds its `lang`, which the library ignores; if no
language was found, it is searched under another tag name.

`href` of `<a>` counts inside SVG (browsers follow it) and inside `<select>` (as in the standard
since select became customisable).
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

import frostwork

from crawler.formats.found import NO_MEDIA, Found, clean, related, tamed, without

_HREFS: Final = (
    *("a::attr(href)", "area::attr(href)", r"svg a::attr(xlink\:href)"),
    *("frame::attr(src)", "iframe::attr(src)"),
    *(f"embed{NO_MEDIA}::attr(src)", f"object{NO_MEDIA}::attr(data)"),
)
_RELATED: Final = ("link[rel][href]:not([type])", "link[rel][href][type*=html i]")
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
_NOFOLLOW: Final = ", ".join(
    f"{link}[rel~=nofollow i]::attr({href})"
    for link, href in (("a", "href"), ("area", "href"), ("svg a", r"xlink\:href"))
)
_OWN_ROBOTS: Final = "meta[name={token} i]::attr(content)"
_TEXTS: Final = [":not(script):not(style):not(a)::text", "a::text"]
_HTML = re.compile(rb"<html(?=[\t\n\f\r /][^<>]*lang)", re.IGNORECASE)

_SHARED: Final = len(_FIELDS) - 3  # columns of a scan that `Found` shares
_NOT_ASKED: Final = ((), (), (), ())  # what following its links needs


class Scan:
    """Selectors searched together, one column of values for each."""

    def __init__(self, *selectors: str) -> None:
        self._names = [str(number) for number in range(len(selectors))]
        self._page = frostwork.Page()
        for name, selector in zip(self._names, selectors, strict=True):
            self._page.field_all(name, selector)
        self._page.extract(b"")  # compiles, and raises for selectors unknown to the library

    def columns(self, markup: bytes, label: str) -> list[list[str]]:
        """Return the values of each selector, in document order."""
        item = self._page.extract(markup, label)
        return [item.get_all(name) for name in self._names]


_SCAN = Scan(*_FIELDS)
_INERT_LINKS = Scan(", ".join(f"template {link}" for link in _HREFS))
_INERT_REFRESHES = Scan(f"template {_REFRESH}", f"noscript {_REFRESH}")
_LANGUAGES = Scan(
    "x-html::attr(lang)",
    "svg x-html::attr(lang), math x-html::attr(lang), template x-html::attr(lang)",
)
_TITLES = Scan("title::text", "svg title::text, template title::text")


def find(body: bytes, encoding: str, token: str) -> Found:
    """Find the fields; see `crawler.formats.html.find`."""
    whole, label = clean(body, encoding)
    markup = tamed(whole)
    columns = (_following(token) if token else _SCAN).columns(markup, label)
    rels, hrefs, inert = columns[_SHARED : len(_FIELDS)]
    leading = related(rels, hrefs) if rels else ()
    following = columns[len(_FIELDS) :] if token else _NOT_ASKED
    found = Found._make([*columns[:_SHARED], *following, leading, ()])
    if inert:
        (links,) = _INERT_LINKS.columns(markup, label)
        found = found._replace(hrefs=without(found.hrefs, links))
    if found.refreshes:
        found = _refreshes(
            found, *_INERT_REFRESHES.columns(markup, label), tame=markup is not whole
        )
    if not found.titles:
        found = found._replace(titles=without(*_TITLES.columns(markup, label)))
    if not found.languages:
        found = found._replace(languages=_later_languages(markup, label))
    return found


def _refreshes(found: Found, inert: list[str], scriptless: list[str], *, tame: bool) -> Found:
    """Return `found` with acting and scriptless refreshes separated; if `tame`, none acts."""
    if tame:
        return found._replace(refreshes=[], scriptless=found.refreshes)
    left = without(found.refreshes, inert)
    return found._replace(refreshes=without(left, scriptless), scriptless=scriptless)


def _later_languages(markup: bytes, label: str) -> list[str]:
    """Return the `lang` of `<html>` tags that do not begin the page (WHATWG HTML, 13.2.6.4.7)."""
    if not _HTML.search(markup):
        return []
    return without(*_LANGUAGES.columns(_HTML.sub(b"<x-html", markup), label))


@cache
def _following(token: str) -> Scan:
    return Scan(*_FIELDS, *_TEXTS, _NOFOLLOW, _OWN_ROBOTS.format(token=token))
