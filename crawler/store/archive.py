"""gzip and Zstandard, unpacked block by block in bounded memory.

What is packed shows in its first bytes (RFC 1952, 2.3.1; RFC 8878, 3.1), so an archive is unpacked
whatever its name and also from a pipe; a name that promises an archive must keep its word. Several
gzip members or Zstandard frames in a row are one text (`cat a.gz b.gz`), and Zstandard's skippable
frames hold nothing. Both kinds of unpacking see a truncated archive only at its end: everything
before it has been yielded by then.

No block unpacks to more than it should: zlib takes a limit; Zstandard's streaming object takes
none, so it is fed small slices (a frame of repeats may grow 32,768 times, RFC 8878, 3.1.1.2.2).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Protocol

import zstandard

from crawler.model.errors import EnvironmentFailure
from crawler.store.blocks import BLOCK

GZIP = (b"\x1f\x8b",)
ZSTD = (b"\x28\xb5\x2f\xfd", *(bytes((n, 0x2A, 0x4D, 0x18)) for n in range(0x50, 0x60)))
SUFFIXES = (".gz", ".zst")

_SLICE = 128  # x 32,768 = 4 MB at the worst
_GZIP_WBITS = 31  # zlib.h: 15 bits of window + 16 for a gzip header


class _ArchivePart(Protocol):
    """A gzip member or Zstandard frame; the names are zlib's."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def unconsumed_tail(self) -> bytes | memoryview: ...
    def decompress(self, data: bytes | memoryview, max_length: int, /) -> bytes: ...


class _Frame:
    """A Zstandard frame with zlib's interface."""

    __slots__ = ("_object", "eof", "unconsumed_tail", "unused_data")

    def __init__(self) -> None:
        self._object = zstandard.ZstdDecompressor().decompressobj()
        self.eof = False
        self.unused_data = b""
        self.unconsumed_tail: bytes | memoryview = b""

    def decompress(self, data: bytes | memoryview, max_length: int, /) -> bytes:
        view = memoryview(data)
        text = self._object.decompress(view[:_SLICE])
        self.unconsumed_tail = view[_SLICE:]
        if self._object.eof:
            self.eof, self.unused_data = True, self._object.unused_data + bytes(view[_SLICE:])
        return text


def settle(blocks: Iterator[bytes], marks: Sequence[bytes]) -> bytes:
    """Read blocks until it is clear if the text starts with one of `marks`; return b"" if empty."""
    head = b""
    for block in blocks:
        head += block
        if not any(len(head) < len(mark) and mark.startswith(head) for mark in marks):
            break
    return head


def unpacked(blocks: Iterator[bytes], name: str) -> Iterator[bytes]:
    """Return the text of `blocks`, unpacked if it is an archive.

    Raises `EnvironmentFailure` that names `name` if the archive is damaged or truncated, or if the
    name ends in .gz or .zst and the text is not an archive.
    """
    head = settle(blocks, GZIP + ZSTD)
    if head.startswith(GZIP):
        return _Archive(name, GZIP, lambda: zlib.decompressobj(_GZIP_WBITS)).text(head, blocks)
    if head.startswith(ZSTD):
        return _Archive(name, ZSTD, _Frame).text(head, blocks)
    if head and name.lower().endswith(SUFFIXES):
        raise EnvironmentFailure(f"{name}: is not an archive, despite its name; rename it")
    return chain((head,) if head else (), blocks)


class _Archive:
    """Consecutive parts of one kind; `name` appears in errors."""

    __slots__ = ("_marks", "_name", "_part", "_start")

    def __init__(
        self, name: str, marks: tuple[bytes, ...], start: Callable[[], _ArchivePart]
    ) -> None:
        self._name = name
        self._marks = marks
        self._start = start
        self._part: _ArchivePart | None = None

    def text(self, head: bytes, blocks: Iterator[bytes]) -> Iterator[bytes]:
        for block in chain((head,), blocks):
            yield from self._unpacked(block)
        if self._part is not None:
            raise self._failure("the archive ends too early")

    def _unpacked(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._part is None:
                if not data.strip(b"\0"):
                    return  # gzip archives may be padded with zeros
                self._part = self._next_part(data)
            yield from self._fed(self._part, data)
            if not self._part.eof:
                return
            data, self._part = self._part.unused_data, None

    def _fed(self, part: _ArchivePart, data: bytes | memoryview) -> Iterator[bytes]:
        """Feed `data` to `part` until it needs more or ends."""
        more = True
        while more and not part.eof:
            try:
                text = part.decompress(data, BLOCK)
            except (zlib.error, zstandard.ZstdError) as error:
                raise self._failure(f"the archive is damaged ({error})") from None
            if text:
                yield text
            data = part.unconsumed_tail
            more = len(data) > 0 or len(text) >= BLOCK  # zlib may hold text back at its limit

    def _next_part(self, data: bytes) -> _ArchivePart:
        # A mark may be cut by the end of the block; then the decoder itself sees what follows.
        if any(mark.startswith(data[: len(mark)]) for mark in self._marks):
            return self._start()
        raise self._failure("something else follows the archive")

    def _failure(self, what: str) -> EnvironmentFailure:
        return EnvironmentFailure(f"{self._name}: {what}; fetch it or pack it again")
