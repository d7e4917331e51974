"""Where a page leads to: the fingerprints of its links, and what its text is like.

Computed where the page is parsed, so that the event loop has no URL to look at that the crawl knows
already. A link counts for nothing where its author says so: by rel=nofollow on every spelling of
it, by a robots meta element, or by the X-Robots-Tag header (nofollow or none, for all crawlers or
for this one by its product token).
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from crawler.formats.simhash import likeness
from crawler.model.document import Leads
from crawler.model.url import Tracking, Url, canonical, fingerprint

_CLOSING: Final = frozenset({"nofollow", "none"})
_VALUED: Final = frozenset(
    {"max-snippet", "max-image-preview", "max-video-preview", "unavailable_after"}
)
"""Directives with a colon of their own, which is none after a crawler's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """What following needs to know: parameters that do not count, and the crawler's own name."""

    drop_params: tuple[str, ...]
    token: str


def leads(
    links: Iterable[str],
    followed: Collection[str] | None,
    texts: Iterable[str],
    linked: Iterable[str],
    tracking: Tracking,
) -> Leads:
    """Of a page with these links; `followed` are those that count, None for all."""
    keys = array("Q")
    for link in links:
        counts = followed is None or link in followed
        keys.append(fingerprint(canonical(Url(link), tracking)) if counts else 0)
    return Leads(keys.tobytes(), *likeness(texts, linked))


def directives(content: str, token: str) -> Iterator[str]:
    """Directives for all crawlers and for `token`, in lower case, of an X-Robots-Tag header.

    A name before a colon is whom all directives up to the next name are for.
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
    """Whether directives forbid to follow any link."""
    return not _CLOSING.isdisjoint(names)
