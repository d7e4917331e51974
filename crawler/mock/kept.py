"""Answers that only target and host decide, kept ready to be sent again: in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from crawler.mock.answer import Answer
from crawler.mock.wire import Delivery

CACHE_BYTES = 32 * 1024 * 1024
# A page that would push everything else out is cheaper to build again.
MAX_CACHED_BYTES = CACHE_BYTES // 16
# What a dict entry, its key and its delivery weigh beside the page.
_ENTRY_BYTES = 1024

Key = tuple[bytes, bytes]


@dataclass(slots=True)
class Kept:
    """An answer ready to be sent.

    head: the answer without its body, for those who ask whether it has changed. timed: the
    delivery in a web where every answer takes the same time. verdicts: whether robots.txt forbids
    it, by user agent; a few.
    """

    head: Answer
    delivery: Delivery
    timed: Delivery | None = None
    verdicts: dict[bytes, bool] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """What it weighs, in bytes; a body that is made while it is sent weighs next to nothing."""
        pieces = self.delivery.pieces
        return _ENTRY_BYTES + (sum(map(len, pieces)) if isinstance(pieces, tuple) else 0)


class Cache:
    """Answers by host and target; the one that came first goes first."""

    __slots__ = ("_entries", "get", "held_bytes")

    def __init__(self) -> None:
        self._entries: dict[Key, Kept] = {}
        self.get = self._entries.get
        self.held_bytes = 0

    def keep(self, key: Key, kept: Kept) -> None:
        """Keep an answer that was not there, if it is not too large."""
        size = kept.size
        if size > MAX_CACHED_BYTES:
            return
        self._entries[key] = kept
        self.held_bytes += size
        while self.held_bytes > CACHE_BYTES:
            self.held_bytes -= self._entries.pop(next(iter(self._entries))).size
