"""Limits on the fields of a record: a page may be endless, a record may not.

A body of 10 MB may have 870,000 links, or 30,000 relative ones behind a `<base>` of 2,000
characters, which are 60 MB; a title may be the whole body. The limits exceed every real page that
the parser was compared on, and bound the links to 2 MB. Excess is cut at the end; links left off
are counted.
"""

from __future__ import annotations

from typing import Final

LINKS: Final = 10_000
"""Maximum links; the longest index of the Python docs has some 5,000, a sitemap 50,000."""

URL: Final = 2_048
"""Maximum length of a URL on a page; the crawl follows no longer ones (`core.traps`), and
sitemaps.org allows none.
"""

LINK_CHARACTERS: Final = 2 << 20
"""Maximum length of all links together: 10,000 of 209, three times the length on real pages."""

TITLE: Final = 1_024
"""Maximum length; search engines show some 60 characters."""

DESCRIPTION: Final = 4_096
"""Maximum length; search engines show some 160 characters."""

LANGUAGE: Final = 64
"""Maximum length; a language tag needs at most 35 characters (RFC 5646, 4.4.1)."""

DIRECTIVES: Final = 64
"""Maximum robots directives; some 15 are known."""

DIRECTIVE: Final = 128
"""Maximum length of a directive; the longest known holds a date."""

DEPTH: Final = 256
"""Maximum depth of elements of a page whose main text is looked for by scores, which takes the
square of it: the limit of libxml2, and so of trafilatura. The deepest of 181 news pages has 64,
browsers stop at 512. A deeper page has the text of its body.
"""

SHALLOW: Final = 20_000
"""Tags of a page whose depth does not matter: at worst it takes a quarter of a second."""

TEXT: Final = 4 << 20
"""Maximum characters of a main text, and of its Markdown; a long novel has 3 million."""

RESOLVED: Final = 32 << 20
"""Maximum characters that a page's relative links may grow by, in Markdown; else they stay so."""

VALUES: Final = 10_000
"""Maximum matches of one selector."""

SELECTED: Final = 1 << 20
"""Maximum characters of one selector's values together."""

ALTERNATES: Final = 500
"""Maximum feeds and translations of a page; a large site has some 200 languages."""

STRUCTURED: Final = 1 << 20
"""Maximum bytes of a page's JSON-LD, of its microdata and of its OpenGraph, each."""

_CUT: Final = "\N{HORIZONTAL ELLIPSIS}"


def cut(text: str, most: int) -> str:
    """Return `text`, cut to `most` characters with an ellipsis."""
    return text if len(text) <= most else text[: most - 1] + _CUT
