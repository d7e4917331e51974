"""A page as an earlier crawl recorded it, and what has changed since."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import orjson

CHANGES: Final = ("body_hash", "text_hash", "title", "status", "bytes", "final_url")
"""What is compared, in the order of `changed`."""


class FormerPage(NamedTuple):
    """What an earlier record says; None and "" stand for what it does not."""

    final_url: str
    status: int | None = None
    size: int | None = None  # of the decoded body, in bytes
    title: str | None = None
    body_hash: str | None = None
    etag: str = ""
    last_modified: str = ""
    text_hash: str | None = None
    fetched_at: str = ""  # RFC 3339

    def conditions(self, href: str) -> tuple[tuple[str, str], ...]:
        """Return the headers that ask for `href` only if it has changed (RFC 9110, 13.1)."""
        if href != self.final_url:
            return ()
        pairs = (("If-None-Match", self.etag), ("If-Modified-Since", self.last_modified))
        return tuple(pair for pair in pairs if pair[1])

    def changed(self, now: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the names of what differs from the values `now`, as far as both are known."""
        before = {**self._asdict(), "bytes": self.size}
        known = (name for name in CHANGES if None not in (before[name], now.get(name)))
        return tuple(name for name in known if before[name] != now[name])

    def document(self) -> bytes:
        """Return the fields of a document that are known although its body was not sent."""
        known = {"title": self.title, "body_hash": self.body_hash}
        return orjson.dumps(known | ({"text_hash": self.text_hash} if self.text_hash else {}))
