"""What is found in a page's markup, whichever library looks, and the rules that all have in common.

Scripting is off, so the content of `<noscript>` counts.

A link is whatever leads from the page to a document: `<a>`, `<area>`, frames, what is embedded but
for pictures and the like, and `<link>` where the HTML standard calls its type a hyperlink (4.6.7)
or HTML 4 has it for navigation, and what it leads to is HTML as far as it says. Feeds and what is
for programs would cost a request a page and lead nowhere new; what a form sends is its visitor's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from crawler.formats import charset

_MEDIA: Final = ("image/", "video/", "audio/", "font/", "application/x-shockwave")
NO_MEDIA: Final = "".join(f":not([type^='{kind}' i])" for kind in _MEDIA)
"""A selector's part, for what is embedded and may be a document."""

HYPERLINKS: Final = frozenset({
    "alternate", "author", "canonical", "help", "license", "next", "prev", "privacy-policy",
    "terms-of-service",
    # HTML 4.01, 6.12, and what was in use with it
    "appendix", "bookmark", "chapter", "contents", "copyright", "first", "glossary", "home",
    "index", "last", "previous", "section", "start", "subsection", "toc", "top", "up",
})  # fmt: skip
"""Values of `rel` that lead to a document."""


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


def related(rels: Iterable[str], hrefs: Iterable[str]) -> list[str]:
    """Return the hrefs, of link elements with these rels, that lead to a document."""
    return [
        href
        for rel, href in zip(rels, hrefs, strict=True)
        if not HYPERLINKS.isdisjoint(kinds := rel.lower().split()) and "stylesheet" not in kinds
    ]


def clean(body: bytes, encoding: str) -> tuple[bytes, str]:
    """Return `body` with U+FFFD for NUL, as the tokeniser has it, in an encoding but UTF-16."""
    if encoding.startswith("utf-16") or encoding == "replacement" or b"\0" in body:
        # Libraries would delete NULs, or take `<`, NUL at the start for UTF-16.
        text = charset.text(body, encoding).replace("\0", "\ufffd")
        body, encoding = text.encode(), "utf-8"
    return body, encoding


def without(values: list[str], inert: Sequence[str]) -> list[str]:
    """`values` less `inert`, value by value and as often as it stands there."""
    left = Counter(values)
    left.subtract(inert)
    return [value for value in values if left[value] > 0]
