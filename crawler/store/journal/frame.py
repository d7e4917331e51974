"""The journal's file: frames, each of which says what is true once it is there.

A frame is a header (magic, length and CRC-32 of what follows) and, as one JSON line, counts and the
lengths that the other files had when it was written; then packed: the keys of URLs that ended, the
keys of those that wait, and their lines (`crawler.store.request_line`). It is written after what it
speaks of, so a frame that is whole can be believed. Whoever is killed leaves a torn frame at the
very end at most, which was never believed by anybody. A broken frame with a whole one behind it is
damage instead.
"""

from __future__ import annotations

import os
import struct
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import BinaryIO
from zlib import crc32

import orjson

_HEADER = struct.Struct("<4sII")
_MAGIC = b"CRJ1"
_LONGEST = 1 << 30
"""Bytes of a frame that are believed: far more than a commit holds."""


class Damaged(Exception):
    """The journal is broken in the middle: somebody else has changed it, or the disk has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """The progress of a crawl: lengths of its files in bytes, and counts.

    `cursor` is the number of entries read of the list as it is now, `entries` their CRC-32, each
    with a line end.
    """

    output: int = 0
    seen: int = 0
    cursor: int = 0
    entries: int = 0
    read: int = 0
    repeats: int = 0
    found: int = 0
    records: int = 0

    @property
    def left(self) -> int:
        """Number of URLs without a record."""
        return self.read + self.found - self.repeats - self.records


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The changes of one commit. `waiting` has keys and lines, each with its line end."""

    marks: Marks
    ended: Sequence[int] = ()
    waiting: Sequence[tuple[int, bytes]] = ()
    places: Sequence[str] = field(default=())


def packed(frame: Frame) -> bytes:
    """Return a frame as it lies in the file."""
    head = {
        "marks": asdict(frame.marks),
        "ended": len(frame.ended),
        "waiting": len(frame.waiting),
        "places": list(frame.places),
    }
    keys = array("Q", (key for key, _ in frame.waiting))
    body = b"".join(
        (
            orjson.dumps(head) + b"\n",
            array("Q", frame.ended).tobytes(),
            keys.tobytes(),
            *(line for _, line in frame.waiting),
        )
    )
    return _HEADER.pack(_MAGIC, len(body), crc32(body)) + body


def frames(file: BinaryIO) -> Iterator[Frame]:
    """Yield the frames of a file, up to a torn one at its end. Raises `Damaged`."""
    while True:
        start = file.tell()
        frame = _next(file)
        if frame is None:
            break
        yield frame
    file.seek(start)
    rest = file.read()
    for at in _starts(rest):
        if _whole(rest, at):
            raise Damaged(f"broken at byte {start:,}, and whole at byte {start + at:,}")


def last_marks(file: BinaryIO) -> Marks | None:
    """Return the marks of the last whole frame, without reading all before it; None if none is."""
    size = os.fstat(file.fileno()).st_size
    starts = [0]
    while (header := file.read(_HEADER.size)) and len(header) == _HEADER.size:
        magic, length, _ = _HEADER.unpack(header)
        end = starts[-1] + _HEADER.size + length
        if magic != _MAGIC or end > size:
            break
        starts = [*starts[-1:], end]
        file.seek(end)
    for start in reversed(starts):
        file.seek(start)
        if (frame := _next(file)) is not None:
            return frame.marks
    return None


def _next(file: BinaryIO) -> Frame | None:
    header = file.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return None
    magic, length, check = _HEADER.unpack(header)
    if magic != _MAGIC or length > _LONGEST:
        return None
    body = file.read(length)
    return _unpacked(body) if len(body) == length and crc32(body) == check else None


def _unpacked(body: bytes) -> Frame:
    line, _, rest = body.partition(b"\n")
    head = orjson.loads(line)
    middle = 8 * head["ended"]
    end = middle + 8 * head["waiting"]
    ended, keys = array("Q", rest[:middle]), array("Q", rest[middle:end])
    return Frame(
        marks=Marks(**head["marks"]),
        ended=ended,
        waiting=list(zip(keys, rest[end:].splitlines(keepends=True), strict=True)),
        places=head["places"],
    )


def _starts(data: bytes) -> Iterator[int]:
    at = data.find(_MAGIC, 1)
    while at >= 0:
        yield at
        at = data.find(_MAGIC, at + 1)


def _whole(data: bytes, at: int) -> bool:
    if len(data) - at < _HEADER.size:
        return False
    _, length, check = _HEADER.unpack_from(data, at)
    body = data[at + _HEADER.size : at + _HEADER.size + length]
    return len(body) == int(length) and crc32(body) == int(check)
