"""Size limits and framing of response bodies."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from crawler.fetch.body import too_large
from crawler.formats import robots_file, sitemap
from crawler.model import media
from crawler.model.config import CrawlConfig
from crawler.model.request import Purpose, Request

DROPPED_BODY = 65_536
"""Bytes of an unwanted body read to keep its connection; beyond, a new one is cheaper."""

_TEXT = re.compile(r"text/.*|application/(?:.*\+xml|.*\+json|xml|json|javascript)")

Values = Callable[[str], Sequence[str]]
"""Returns all values of a response header by its name."""


class Framing(NamedTuple):
    """A body's Content-Encoding ("" without) and its length, if known."""

    encoding: str
    length: int | None


def framing(values: Values) -> Framing:
    """Return a response's framing, checked by `crawler.model.head`."""
    lengths, encodings = values("Content-Length"), values("Content-Encoding")
    return Framing(", ".join(encodings), int(lengths[0]) if lengths else None)


class Room(NamedTuple):
    """The limit of a body in bytes, on the wire and decoded; `cut`: the rest is dropped, no fault.

    `strict`: a body that ends early is a fault, as for robots.txt: the missing rules may be those
    that forbid (RFC 9309, 2.3.1.4 and 2.5).
    """

    cap: int
    cut: bool = False
    strict: bool = False

    @classmethod
    def of(cls, request: Request, config: CrawlConfig) -> Room:
        """Return the limit for a request; standards define those of robots.txt and sitemaps."""
        if request.purpose is Purpose.ROBOTS:
            # The extra byte shows that the file is longer.
            return cls(robots_file.MAX_BYTES + 1, cut=True, strict=True)
        sitemaps = request.purpose is Purpose.SITEMAP
        cap = (
            max(sitemap.MAX_BYTES, config.network.max_body) if sitemaps else config.network.max_body
        )
        return cls(cap, cut=not config.network.strict, strict=config.network.strict)


def admitted(values: Values, room: Room) -> Framing:
    """Return a wanted body's framing; raise `Fault` (TOO_LARGE) if it announces too much."""
    found = framing(values)
    if found.length is not None and found.length > room.cap and not room.cut:
        raise too_large(room.cap, found.length)
    return found


def is_text(content_type: str) -> bool:
    """Return True for a text type in a charset whose texts have no control bytes.

    Texts in UTF-16 and UTF-32 have, and cannot be told from compressed data.
    """
    found = media.read(content_type)
    if found.parameters.get("charset", "").lower().startswith(("utf-16", "utf-32", "ucs-")):
        return False
    return _TEXT.fullmatch(found.essence) is not None


def worth_reading(values: Values) -> bool:
    """Return True if an unwanted body should be read, so that its connection can be reused."""
    length = framing(values).length
    return length <= DROPPED_BODY if length is not None else bool(values("Transfer-Encoding"))
