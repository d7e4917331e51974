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
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

import zstandard

from crawler.formats.unpacking import GZIP, PackedPart, Unpacker, member
from crawler.model.errors import EnvironmentFailure
from crawler.store.blocks import BLOCK

ZSTD = (b"\x28\xb5\x2f\xfd", *(bytes((n, 0x2A, 0x4D, 0x18)) for n in range(0x50, 0x60)))
SUFFIXES = (".gz", ".zst")

_SLICE = 128  # x 32,768 = 4 MB at the worst


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
    head = settle(blocks, (GZIP, *ZSTD))
    whole = chain((head,) if head else (), blocks)
    if head.startswith(GZIP):
        return _text(whole, name, (GZIP,), member)
    if head.startswith(ZSTD):
        return _text(whole, name, ZSTD, _Frame)
    if head and name.lower().endswith(SUFFIXES):
        raise EnvironmentFailure(f"{name}: is not an archive, despite its name; rename it")
    return whole


def _text(
    blocks: Iterable[bytes], name: str, marks: Sequence[bytes], start: Callable[[], PackedPart]
) -> Iterator[bytes]:
    """Yield the text of consecutive parts of one kind."""

    def failure(what: str) -> EnvironmentFailure:
        return EnvironmentFailure(f"{name}: {what}; fetch it or pack it again")

    def begin(data: bytes) -> PackedPart | None:
        if not data.strip(b"\0"):
            return None  # gzip archives may be padded with zeros
        # A mark may be cut by the end of the block; then the decoder itself sees what follows.
        if any(mark.startswith(data[: len(mark)]) for mark in marks):
            return start()
        raise failure("something else follows the archive")

    unpacker = Unpacker(begin, BLOCK)
    try:
        for block in blocks:
            yield from unpacker.feed(block)
    except (zlib.error, zstandard.ZstdError) as error:
        raise failure(f"the archive is damaged ({error})") from None
    if unpacker.inside:
        raise failure("the archive ends too early")
