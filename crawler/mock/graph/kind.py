"""The kinds of pages, which exclude each other.

To a crawl that obeys everything they mean:

| kind | linked to | fetched | answers |
|---|---|---|---|
| plain | yes | yes | 200 |
| disallowed | yes | no, unless its host's robots.txt is a 4xx | 200 |
| nofollow | by rel=nofollow only | no | 200 |
| noindex | yes | yes, its links count | 200, marked in the page or by X-Robots-Tag |
| sitemap_only | no | only from a sitemap | 200 |
| redirect | yes | yes | 301, 302, 303, 307 or 308 to a hub |
| error | yes | yes | 404, 410 or 500 |
| flaky | yes | yes | 503 with Retry-After once or twice, then 200 |
| faulty | yes | tried | a fault of the catalogue |
| duplicate | yes | yes | 200, title and text of its hub |
| near_duplicate | yes | yes | 200, text of its hub with a few words changed |
| file | yes | yes | 200, not HTML |
"""

from __future__ import annotations

from enum import StrEnum


class PageKind(StrEnum):
    """The kind of a page; see the module."""

    PLAIN = "plain"
    DISALLOWED = "disallowed"
    NOFOLLOW = "nofollow"
    NOINDEX = "noindex"
    SITEMAP_ONLY = "sitemap_only"
    REDIRECT = "redirect"
    ERROR = "error"
    FLAKY = "flaky"
    FAULTY = "faulty"
    DUPLICATE = "duplicate"
    NEAR_DUPLICATE = "near_duplicate"
    FILE = "file"


UNLINKED = frozenset({PageKind.NOFOLLOW, PageKind.SITEMAP_ONLY})
"""Kinds that no ordinary link leads to, by definition."""

UNLISTED = frozenset(
    {
        PageKind.DISALLOWED,
        PageKind.NOFOLLOW,
        PageKind.NOINDEX,
        PageKind.REDIRECT,
        PageKind.ERROR,
        PageKind.FAULTY,
    }
)
"""Kinds that no sitemap should list."""

NO_HTML = frozenset({PageKind.REDIRECT, PageKind.ERROR, PageKind.FAULTY, PageKind.FILE})
"""Kinds without their own title, text and links."""

FAULTS = ("reset", "empty-reply", "malformed", "bad-chunk", "close-early", "reset-mid-body")
"""Faults of the catalogue for faulty pages; all end at once."""

FILES = (
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("json", "application/json"),
    ("txt", "text/plain; charset=utf-8"),
    ("css", "text/css"),
)

TRAP_LINKS = (
    "/trap/calendar/2026/1",
    "/trap/session/",
    "/trap/facets",
    "/trap/nest/",
    "/trap/next/1",
    "/trap/soft404/x",
    "/trap/fresh/",
)
"""The links of front pages into the traps."""
