"""The journal's file: frames, each of which says what is true once it is there.

A frame is a header (magic, length and CRC-32 of what follows) and, as one JSON line, counts and the
lengths that the other files had when it was written; then packed: the keys of URLs that ended, the
keys of those that wait, their lines (`crawler.store.journal.lines`), and lines of hosts
(`crawler.store.journal.host_lines`). It is written after what it speaks of, so a frame that is
whole can be believed. A process that is killed leaves a torn frame at the very end at most, which
nothing has relied on. A broken frame with a whole one behind it is damage instead.

Frames of format 1 have no lines of hosts and fewer counts; both formats are read, the present one
is written.
"""

from __future__ import annotations

import os
import struct
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, field
from typing import Any, BinaryIO
from zlib import crc32

import orjson

from crawler.model.value import value

_HEADER = struct.Struct("<4sII")
_MAGIC = b"CRJ2"
_FORMER = b"CRJ1"
_LONGEST = 1 << 30
"""Bytes of a frame that are believed: far more than a commit holds."""


class Damaged(Exception):
    """The journal is broken in the middle: another program has changed it, or the disk has."""


@value(frozen=True, slots=True, kw_only=True)
class Marks:
    """The progress of a crawl: lengths of its files in bytes, and counts.

    `cursor` is the number of entries read of the list as it is now, `entries` their CRC-32, each
    with a line end. `taken` counts the pages that were found and taken up, `found` sitemaps, too.
    `copied` is the length of the copy of standard input. `outcomes` counts the records by outcome,
    `failed` those that are failures; states that are older than these counts lack them. `others`
    are the lengths of further outputs. `rounds` is the last round whose records lie in files of its
    own (`crawler.engine.round_files`); the lengths are those of what came after it.

    Between partitions (`crawler.store.journal.handover`): `handed` is the length of what was handed
    over, `sent` and `received` count the lines, `went` and `come` those of them that moved a URL
    with its record; `positions` has sender, block and lines received of each.
    """

    output: int = 0
    others: Sequence[int] = ()
    seen: int = 0
    cursor: int = 0
    entries: int = 0
    read: int = 0
    repeats: int = 0
    found: int = 0
    records: int = 0
    failed: int = 0
    taken: int = 0
    copied: int = 0
    rounds: int = 0
    handed: int = 0
    sent: int = 0
    received: int = 0
    went: int = 0
    come: int = 0
    positions: Sequence[Sequence[int]] = ()
    outcomes: Mapping[str, int] = field(default_factory=dict)

    @property
    def lengths(self) -> tuple[int, ...]:
        """The lengths of all outputs."""
        return (self.output, *self.others)

    @property
    def left(self) -> int:
        """Number of URLs without a record."""
        return self.read + self.found + self.come - self.repeats - self.records - self.went


@value(frozen=True, slots=True, kw_only=True)
class Frame:
    """The changes of one commit. `text` has the lines of `keys`, which wait; each has its line end.

    `hosts` has the lines of hosts, `places` the URLs that widened the scope, `by_host` how many
    pages were taken up by host. `former`: it was read in a format that is not written any more.
    """

    marks: Marks
    ended: Sequence[int] = ()
    keys: Sequence[int] = ()
    text: bytes = b""
    hosts: bytes = b""
    places: Sequence[str] = ()
    by_host: Mapping[str, int] = field(default_factory=dict)
    former: bool = False

    @property
    def lines(self) -> list[bytes]:
        """The lines of the URLs that wait, in the order of `keys`."""
        return self.text.splitlines(keepends=True)


def packed(frame: Frame) -> bytes:
    """Return a frame as it lies in the file."""
    head = {
        "marks": asdict(frame.marks),
        "ended": len(frame.ended),
        "waiting": len(frame.keys),
        "text": len(frame.text),
        "places": list(frame.places),
        "by_host": dict(frame.by_host),
    }
    body = b"".join(
        (
            orjson.dumps(head) + b"\n",
            array("Q", frame.ended).tobytes(),
            array("Q", frame.keys).tobytes(),
            frame.text,
            frame.hosts,
        )
    )
    return _HEADER.pack(_MAGIC, len(body), crc32(body)) + body


def frames(file: BinaryIO, length: int | None = None) -> Iterator[Frame]:
    """Yield the frames of a file, or of its first bytes, up to a torn one at its end.

    Raises `Damaged`.
    """
    start = file.tell()
    while length is None or start < length:
        file.seek(start)  # the caller may have read elsewhere since
        frame = _next(file)
        if frame is None:
            _check_rest(file, start)
            return
        start = file.tell()
        yield frame


def _check_rest(file: BinaryIO, start: int) -> None:
    file.seek(start)
    rest = file.read()
    for at in _starts(rest):
        if _whole(rest, at):
            raise Damaged(f"broken at byte {start:,}, and whole at byte {start + at:,}")


def read_keys(file: BinaryIO, start: int) -> tuple[array[int], array[int]]:
    """Return the keys that wait and those that ended, of a frame that was found whole before."""
    file.seek(start + _HEADER.size)
    head = orjson.loads(file.readline())
    size = 8 * head["ended"]
    data = file.read(size + 8 * head["waiting"])
    return array("Q", data[size:]), array("Q", data[:size])


def last_marks(file: BinaryIO) -> Marks | None:
    """Return the marks of the last whole frame, without reading all before it; None if none is."""
    size = os.fstat(file.fileno()).st_size
    starts = [0]
    while (header := file.read(_HEADER.size)) and len(header) == _HEADER.size:
        magic, length, _ = _HEADER.unpack(header)
        end = starts[-1] + _HEADER.size + length
        if magic not in (_MAGIC, _FORMER) or end > size:
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
    if magic not in (_MAGIC, _FORMER) or length > _LONGEST:
        return None
    body = file.read(length)
    if len(body) < length or crc32(body) != check:
        return None
    return _unpacked(body, former=magic == _FORMER)


def _unpacked(body: bytes, *, former: bool) -> Frame:
    start = body.index(b"\n") + 1
    head = orjson.loads(body[:start])
    middle = start + 8 * head["ended"]
    text = middle + 8 * head["waiting"]
    end = text + head["text"] if "text" in head else len(body)
    ended, keys = array("Q", body[start:middle]), array("Q", body[middle:text])
    head["marks"].setdefault("taken", head["marks"]["found"])  # format 1 knew no better
    return Frame(
        marks=_marks(head["marks"]),
        ended=ended,
        keys=keys,
        text=body[text:end],
        hosts=body[end:],
        places=head["places"],
        by_host=head.get("by_host", {}),
        former=former,
    )


def _marks(values: dict[str, Any]) -> Marks:
    lists = {"positions": tuple(map(tuple, values.get("positions", ())))}
    return Marks(**{**values, **lists, "others": tuple(values.get("others", ()))})


def _starts(data: bytes) -> Iterator[int]:
    for magic in (_MAGIC, _FORMER):
        at = data.find(magic, 1)
        while at >= 0:
            yield at
            at = data.find(magic, at + 1)


def _whole(data: bytes, at: int) -> bool:
    if len(data) - at < _HEADER.size:
        return False
    _, length, check = _HEADER.unpack_from(data, at)
    body = data[at + _HEADER.size : at + _HEADER.size + length]
    return len(body) == int(length) and crc32(body) == int(check)
