"""A bounded cache of answers that depend only on target and host."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

CACHE_BYTES = 32 * 1024 * 1024
# A page that would push everything else out is cheaper to build again.
MAX_CACHED_BYTES = CACHE_BYTES // 16

Key = tuple[bytes, bytes]


class Weighed(Protocol):
    """Anything with a size in memory."""

    @property
    def size(self) -> int:
        """Bytes."""


Entry = TypeVar("Entry", bound=Weighed)


class Cache(Generic[Entry]):
    """Answers by host and target; the oldest is evicted first."""

    __slots__ = ("_entries", "get", "held_bytes")

    def __init__(self) -> None:
        self._entries: dict[Key, Entry] = {}
        self.get = self._entries.get
        self.held_bytes = 0

    def keep(self, key: Key, kept: Entry) -> None:
        """Keep a new answer unless it is too large."""
        size = kept.size
        if size > MAX_CACHED_BYTES:
            return
        self._entries[key] = kept
        self.held_bytes += size
        while self.held_bytes > CACHE_BYTES:
            self.held_bytes -= self._entries.pop(next(iter(self._entries))).size
