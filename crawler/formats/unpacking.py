"""Unpack consecutive parts (gzip members, Zstandard frames) in bounded memory.

What may follow a part, and how many there may be, differs: an archive on disk is whole or damaged,
a response may be padded, a sitemap may try to cost more than it is worth. So the caller decides
where each part begins, and limits what comes out.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Final, Protocol

GZIP: Final = b"\x1f\x8b"
"""The first bytes of a gzip member (RFC 1952, 2.3.1)."""

_GZIP_WBITS: Final = zlib.MAX_WBITS | 16  # zlib.h: + 16 for a gzip header


class PackedPart(Protocol):
    """A gzip member or Zstandard frame; the names are zlib's."""

    @property
    def eof(self) -> bool:
        """True at its end."""

    @property
    def unused_data(self) -> bytes:
        """The bytes after its end."""

    @property
    def unconsumed_tail(self) -> bytes | memoryview:
        """The bytes to give again."""

    def decompress(self, data: bytes | memoryview, max_length: int, /) -> bytes:
        """Return what bytes unpack to, up to about `max_length`."""


def member(wbits: int = _GZIP_WBITS) -> PackedPart:
    """Return a new gzip member, or another stream of zlib's."""
    return zlib.decompressobj(wbits)


class Unpacker:
    """Unpacks what is fed, in pieces of at most about `size` bytes.

    `begin` returns the part that some bytes begin; None drops them. `inside` is true after bytes
    that end within a part.
    """

    __slots__ = ("_begin", "_part", "_size")

    def __init__(self, begin: Callable[[bytes], PackedPart | None], size: int) -> None:
        self._begin = begin
        self._size = size
        self._part: PackedPart | None = None

    @property
    def inside(self) -> bool:
        """True while a part has begun and not ended."""
        return self._part is not None

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what `data` unpacks to; raises the library's error for damage."""
        while data:
            part = self._part = self._part or self._begin(data)
            if part is None:
                return
            yield from self._pieces(part, data)
            if not part.eof:
                return
            data, self._part = part.unused_data, None

    def _pieces(self, part: PackedPart, data: bytes | memoryview) -> Iterator[bytes]:
        more = True
        while more and not part.eof:
            piece = part.decompress(data, self._size)
            data = part.unconsumed_tail
            more = len(data) > 0 or len(piece) >= self._size  # zlib may hold back at its limit
            if piece:
                yield piece
