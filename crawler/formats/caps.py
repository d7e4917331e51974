"""How much of a page goes into its record: a page has no end, a record has one.

A body of 10 MB may have 870,000 links, or 30,000 relative ones behind a `<base>` of 2,000
characters, which are 60 MB; a title may be the whole body. What is kept here is more than any of
the 1,834 real pages that the parser was compared on has, and 2 MB of links at the very most. What
is left off is left off at the end; of links it is counted.
"""

from __future__ import annotations

from typing import Final

LINKS: Final = 10_000
"""Links kept; the longest index of the Python docs has some 5,000, a sitemap 50,000."""

URL: Final = 2_048
"""Characters of a URL found on a page; the crawl follows none that is longer (`core.traps`), and
sitemaps.org allows no more."""

LINK_CHARACTERS: Final = 2 << 20
"""Characters of all links together: 10,000 of 209, three times what they have on real pages."""

TITLE: Final = 1_024
"""Characters; search engines show some 60."""

DESCRIPTION: Final = 4_096
"""Characters; search engines show some 160."""

LANGUAGE: Final = 64
"""Characters; a language tag needs 35 at the most (RFC 5646, 4.4.1)."""

DIRECTIVES: Final = 64
"""Robots directives; some 15 are known."""

DIRECTIVE: Final = 128
"""Characters of one; the longest known holds a date."""

_CUT: Final = "\N{HORIZONTAL ELLIPSIS}"


def cut(text: str, most: int) -> str:
    """`text`, or its beginning and an ellipsis: `most` characters."""
    return text if len(text) <= most else text[: most - 1] + _CUT
