"""The values found in a page's markup, and the rules common to all HTML libraries.

Scripting is off, so the content of `<noscript>` counts.

A link is anything that leads to a document: `<a>`, `<area>`, frames, embedded content except media,
and `<link>` where the HTML standard calls its type a hyperlink (4.6.7) or HTML 4 has it for
navigation, if its target is HTML as far as declared. Feeds and links for programs would cost a
request per page and lead nowhere new; form targets are left to visitors.

Some pages have so many tags that an HTML library would take minutes; they are flattened (`tamed`).
Frostwork's time is linear but for an unmatched end tag and for `<frameset>`: each looks at every
open element, so that 100,000 `<b>` before 100,000 `</i>` take many seconds. Lexbor does the same
for each `<div>` and the like. On a page with that many tags, every tag that is not a link and does
not change how text is read first becomes a `<br>`. Links stay (but for a tag inside an href); those
inside templates then count.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from crawler.formats import charset

_COUNTED: Final = 1 << 17
"""Size in bytes from which tags are counted."""
_TAGS: Final = 1 << 15
"""Maximum tags of a page left as it is."""
_FLAT = re.compile(
    rb"</?(?!(?:a|area|base|head|html|body|link|meta|title|script|style|textarea|xmp|iframe|frame"
    rb"|embed|object|noembed|noframes|plaintext)[\t\n\f\r />])[a-z][^\t\n\f\r />]*",
    re.IGNORECASE,
)

_MEDIA: Final = ("image/", "video/", "audio/", "font/", "application/x-shockwave")
NO_MEDIA: Final = "".join(f":not([type^='{kind}' i])" for kind in _MEDIA)
"""The part of a selector that keeps embedded content which may be a document."""

HYPERLINKS: Final = frozenset({
    "alternate", "author", "canonical", "help", "license", "next", "prev", "privacy-policy",
    "terms-of-service",
    # HTML 4.01, 6.12, and what was in use with it
    "appendix", "bookmark", "chapter", "contents", "copyright", "first", "glossary", "home",
    "index", "last", "previous", "section", "start", "subsection", "toc", "top", "up",
})  # fmt: skip
"""Values of `rel` that lead to a document."""


class Found(NamedTuple):
    """Values as in the markup, with character references decoded, in document order."""

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
    nofollow: Sequence[str] = ()  # hrefs of links not to follow
    own_robots: Sequence[str] = ()  # robots directives that name this crawler
    related: Sequence[str] = ()  # hrefs of link elements that lead to a document
    scriptless: Sequence[str] = ()  # refreshes for browsers without scripts


def related(rels: Iterable[str], hrefs: Iterable[str]) -> list[str]:
    """Return the hrefs of link elements whose rels lead to a document."""
    return [
        href
        for rel, href in zip(rels, hrefs, strict=True)
        if not HYPERLINKS.isdisjoint(kinds := rel.lower().split()) and "stylesheet" not in kinds
    ]


def clean(body: bytes, encoding: str) -> tuple[bytes, str]:
    """Return `body` with U+FFFD for NUL, as the tokeniser has it, and not in UTF-16."""
    if encoding.startswith("utf-16") or encoding == "replacement" or b"\0" in body:
        # Libraries would delete NULs, or take `<`, NUL at the start for UTF-16.
        text = charset.text(body, encoding).replace("\0", "\ufffd")
        body, encoding = text.encode(), "utf-8"
    return body, encoding


def tamed(body: bytes) -> bytes:
    """Return `body`, with `<br>` for its plain tags if it has very many."""
    if len(body) < _COUNTED or body.count(b"<") < _TAGS:
        return body
    return _FLAT.sub(b"<br", body)


def without(values: list[str], inert: Sequence[str]) -> list[str]:
    """Return `values` without `inert`, each removed as often as it occurs there."""
    left = Counter(values)
    left.subtract(inert)
    return [value for value in values if left[value] > 0]
