"""Compute a page's leads: the fingerprints of its links, and hashes of its text.

Computed where the page is parsed, so that the event loop handles no URL that the crawl knows
already. A link does not count if its author says so: by rel=nofollow on every spelling of it, by a
robots meta element, or by the X-Robots-Tag header (nofollow or none, for all crawlers or for this
one by its product token).
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from crawler.formats.simhash import likeness
from crawler.model.document import Leads
from crawler.model.url import Tracking, Url, canonical, fingerprint
from crawler.model.value import value

_CLOSING: Final = frozenset({"nofollow", "none"})
_VALUED: Final = frozenset(
    {"max-snippet", "max-image-preview", "max-video-preview", "unavailable_after"}
)
"""Directives whose colon does not follow a crawler's name."""


@value(frozen=True, slots=True, kw_only=True)
class Following:
    """The settings for following: query parameters to ignore, and the crawler's product token."""

    drop_params: tuple[str, ...]
    token: str


def leads(
    links: Iterable[str],
    followed: Collection[str] | None,
    texts: Iterable[str],
    linked: Iterable[str],
    tracking: Tracking,
) -> Leads:
    """Return the leads of a page with these links, of which `followed` count (None: all)."""
    keys = array("Q")
    for link in links:
        counts = followed is None or link in followed
        keys.append(fingerprint(canonical(Url(link), tracking)) if counts else 0)
    return Leads(keys.tobytes(), *likeness(texts, linked))


def directives(content: str, token: str) -> Iterator[str]:
    """Yield lower-case directives of an X-Robots-Tag header for all crawlers and for `token`.

    A name before a colon applies to all directives up to the next name.
    """
    ours = True
    for part in content.lower().split(","):
        name, colon, rest = part.partition(":")
        if colon and name.strip() not in _VALUED:
            ours = name.strip() == token
            part = rest
        if ours and part.strip():
            yield part.strip()


def closed(names: Iterable[str]) -> bool:
    """Tell whether directives forbid following links."""
    return not _CLOSING.isdisjoint(names)
