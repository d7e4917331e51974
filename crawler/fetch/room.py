"""How a body comes, how much of it is read, and whether it is text."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from crawler.fetch.body import too_large
from crawler.formats import robots, sitemap
from crawler.model import media
from crawler.model.config import CrawlConfig
from crawler.model.request import Purpose, Request

DROPPED_BODY = 65_536
"""Bytes of an unwanted body that are read to keep its connection; beyond, a new one is cheaper."""

_TEXT = re.compile(r"text/.*|application/(?:.*\+xml|.*\+json|xml|json|javascript)")

Values = Callable[[str], Sequence[str]]
"""All values of a response header, by its name."""


class Framing(NamedTuple):
    """How a body comes: its Content-Encoding ("" without) and its length where that is known."""

    encoding: str
    length: int | None


def framing(values: Values) -> Framing:
    """Return a response's framing, which `crawler.model.head` has settled."""
    lengths, encodings = values("Content-Length"), values("Content-Encoding")
    return Framing(", ".join(encodings), int(lengths[0]) if lengths else None)


class Room(NamedTuple):
    """Bytes that a body may have, on the wire and decoded; `cut`: more is left off, no fault.

    `strict`: a body that was cut off by anything else is a fault. Half a robots.txt is none: what
    is missing may be what forbids (RFC 9309, 2.3.1.4 and 2.5).
    """

    cap: int
    cut: bool = False
    strict: bool = False

    @classmethod
    def of(cls, request: Request, config: CrawlConfig) -> Room:
        """For what the request is for: the two that standards speak of have room of their own."""
        if request.purpose is Purpose.ROBOTS:
            # One more tells that there is more.
            return cls(robots.MAX_BYTES + 1, cut=True, strict=True)
        sitemaps = request.purpose is Purpose.SITEMAP
        cap = (
            max(sitemap.MAX_BYTES, config.network.max_body) if sitemaps else config.network.max_body
        )
        return cls(cap, cut=not config.network.strict, strict=config.network.strict)


def admitted(values: Values, room: Room) -> Framing:
    """The framing of a body that is wanted; raises `Fault` (TOO_LARGE) if it announces too much."""
    found = framing(values)
    if found.length is not None and found.length > room.cap and not room.cut:
        raise too_large(room.cap, found.length)
    return found


def is_text(content_type: str) -> bool:
    """Tell whether a header names a type of text, in a charset whose texts have no control bytes.

    Those of UTF-16 and UTF-32 have, and cannot be told from something that is packed.
    """
    found = media.read(content_type)
    if found.parameters.get("charset", "").lower().startswith(("utf-16", "utf-32", "ucs-")):
        return False
    return _TEXT.fullmatch(found.essence) is not None


def worth_reading(values: Values) -> bool:
    """Whether an unwanted body should be read off, so that its connection can be used again."""
    length = framing(values).length
    return length <= DROPPED_BODY if length is not None else bool(values("Transfer-Encoding"))
