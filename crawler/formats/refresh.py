"""Refreshes: a header or meta element that sends visitors to another page.

Read by the HTML standard's "shared declarative refresh steps" (4.2.5.3), which browsers follow for
both. The header takes precedence, then the first valid meta element. A refresh without a URL
reloads the page and leads nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice
from typing import Final, NamedTuple

from crawler.formats import caps, links

SOON: Final = 10
"""Seconds within which a refresh counts as a redirect, as on "you will be taken there" pages.

Tickers and slide shows take longer: they are pages, and the next one is a link.
"""

MOST: Final = 16
"""Maximum values read per page; pages have one, at times two."""

_SPACE: Final = r"[\t\n\f\r ]*"
_REFRESH = re.compile(
    rf"{_SPACE}(?:([0-9]+)|(?=\.))[0-9.]*(?:\Z|(?=[;,\t\n\f\r ]){_SPACE}[;,]?{_SPACE}(.*))",
    re.DOTALL,
)
_NAMED = re.compile(rf"url{_SPACE}={_SPACE}", re.IGNORECASE)
_LATEST: Final = 10**9  # seconds; a record's numbers have bounds


class Refresh(NamedTuple):
    """A page's refresh after some seconds; `url` is "" for a reload."""

    seconds: int
    url: str

    @property
    def redirects(self) -> bool:
        """Tell whether it is soon enough to count as a redirect."""
        return bool(self.url) and self.seconds <= SOON


def read(text: str, base: str) -> Refresh | None:
    """Read the value of a header or a meta element's content; None if it is invalid.

    A target other than an http(s) URL, such as `javascript:`, is invalid.
    """
    found = _REFRESH.fullmatch(text)
    if found is None:
        return None
    seconds = min(int((found[1] or "").lstrip("0")[:10] or 0), _LATEST)
    href = _unquoted(found[2] or "")
    if not href:
        return Refresh(seconds, "")
    url = links.join(href, base)
    return Refresh(seconds, url) if url and len(url) <= caps.URL else None


def valid(texts: Iterable[str], base: str) -> list[Refresh]:
    """Return the valid ones of a page's first `MOST` values."""
    found = [read(text, base) for text in islice(texts, MOST)]
    return [each for each in found if each is not None]


def _unquoted(rest: str) -> str:
    named = _NAMED.match(rest)
    href = rest[named.end() :] if named else rest
    quote = href[:1]
    return href[1:].partition(quote)[0] if quote in ("'", '"') and quote else href
