"""gzip, Zstandard, bzip2 and xz, unpacked block by block in bounded memory.

What is packed shows in its first bytes (RFC 1952, 2.3.1; RFC 8878, 3.1), so an archive is unpacked
whatever its name and also from a pipe; a name that promises an archive must keep its word. Several
parts in a row are one text (`cat a.gz b.gz`), and Zstandard's skippable frames hold nothing. A
truncated archive shows only at its end: everything before it has been yielded by then.

No block unpacks to more than it should: most libraries take a limit; Zstandard's streaming object
takes none, so it is fed small slices (a frame of repeats may grow 32,768 times, RFC 8878,
3.1.1.2.2).
"""

from __future__ import annotations

import lzma
import zlib
from bz2 import BZ2Decompressor
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

import zstandard

from crawler.formats.unpacking import GZIP, PackedPart, Unpacker, member
from crawler.model.errors import EnvironmentFailure
from crawler.store.blocks import BLOCK

ZSTD = (b"\x28\xb5\x2f\xfd", *(bytes((n, 0x2A, 0x4D, 0x18)) for n in range(0x50, 0x60)))
SUFFIXES = (".gz", ".zst")
"""What is written as well as read."""
READABLE = (*SUFFIXES, ".bz2", ".xz")

_BZIP2 = tuple(
    b"BZh%d%b" % (level, begin)
    for level in range(1, 10)
    for begin in (b"1AY&SY", b"\x17rE8P\x90")  # the second is that of an empty text
)
_XZ_MEMORY = 268_435_456  # bytes; `xz -9` needs 65 MiB to unpack

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


class _Stream:
    """A stream of bz2 or xz with zlib's interface: it keeps what it has not unpacked yet."""

    __slots__ = ("_object", "unconsumed_tail")

    def __init__(self, decompressor: BZ2Decompressor | lzma.LZMADecompressor) -> None:
        self._object = decompressor
        self.unconsumed_tail: bytes | memoryview = b""

    @property
    def eof(self) -> bool:
        return self._object.eof

    @property
    def unused_data(self) -> bytes:
        return self._object.unused_data

    def decompress(self, data: bytes | memoryview, max_length: int, /) -> bytes:
        try:
            return self._object.decompress(data, max_length)
        except OSError as error:  # so bz2 reports damage
            raise lzma.LZMAError(str(error)) from None


def _bzip2() -> PackedPart:
    return _Stream(BZ2Decompressor())


def _xz() -> PackedPart:
    return _Stream(lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY))


_FORMS: tuple[tuple[tuple[bytes, ...], Callable[[], PackedPart]], ...] = (
    ((GZIP,), member),
    (ZSTD, _Frame),
    (_BZIP2, _bzip2),
    ((b"\xfd7zXZ\0",), _xz),
)


def settle(blocks: Iterator[bytes], marks: Sequence[bytes]) -> bytes:
    """Read blocks until it is clear if the text starts with one of `marks`; return b"" if empty."""
    head = b""
    for block in blocks:
        head += block
        if not any(len(head) < len(mark) and mark.startswith(head) for mark in marks):
            break
    return head


def starter(head: bytes) -> Callable[[], PackedPart] | None:
    """Return what begins each part of an archive with such first bytes; None if it is none."""
    return next((start for marks, start in _FORMS if head.startswith(marks)), None)


def unpacked(blocks: Iterator[bytes], name: str) -> Iterator[bytes]:
    """Return the text of `blocks`, unpacked if it is an archive.

    Raises `EnvironmentFailure` that names `name` if the archive is damaged or truncated, or if the
    name has the suffix of one and the text is not an archive.
    """
    head = settle(blocks, [mark for marks, _ in _FORMS for mark in marks])
    whole = chain((head,) if head else (), blocks)
    for marks, start in _FORMS:
        if head.startswith(marks):
            return _text(whole, name, marks, start)
    if head and name.lower().endswith(READABLE):
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
    except (zlib.error, zstandard.ZstdError, lzma.LZMAError) as error:
        raise failure(f"the archive is damaged ({error})") from None
    if unpacker.inside:
        raise failure("the archive ends too early")
