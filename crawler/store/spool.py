"""URLs that wait outside of memory: a queue per shelf, in append-only segments on disk.

The segments are unnamed files in the directory for temporary files (`TMPDIR`), which vanish with
the process. Positions count through all of them. Data appended together are in one file, and a file
is closed once all of it was freed. The file size grows with the amount kept, so that about 40 files
are open at most.

A shelf belongs to a host, or is shared by many hosts (`crawler.core.backlog`). Lines collect in
memory, up to `BUFFER` bytes; then those of each shelf are appended as one run, and all runs with
one write. A shelf's cursor is the position of its next line. A run takes 16 bytes of memory, its
requests none.
"""

from __future__ import annotations

import os
import tempfile
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import IO

from crawler.model.errors import EnvironmentFailure
from crawler.model.request import Listed, Request
from crawler.store.request_line import lined, request_of

BUFFER = 2**20
"""Bytes that collect in memory: small crawls need no disk, and runs get long."""
_READ = 4_096  # bytes read of a run at the least
_LINE = 160  # bytes of a usual line

SEGMENT = 4 * 2**20
"""Bytes of a file, at the least, before the next one is begun."""
_PART = 32  # of all that is kept, which a file may be


class _Segment:
    """One file: it begins at position `base`, and has `live` bytes that were not freed."""

    __slots__ = ("base", "file", "live", "size")

    def __init__(self, base: int) -> None:
        self.base = base
        self.size = 0
        self.live = 0
        self.file: IO[bytes] = tempfile.TemporaryFile(  # noqa: SIM115
            prefix="crawler-spool-", buffering=0
        )


class Segments:
    """Append-only files. Raises OSError if the disk fails; nothing is changed then."""

    def __init__(self) -> None:
        self._segments: list[_Segment] = []
        self._end = 0
        self.live = 0

    @property
    def files(self) -> int:
        """Number of open files."""
        return len(self._segments)

    def append(self, data: bytes) -> int:
        """Append `data` and return its position."""
        current = self._segments[-1] if self._segments else None
        if current is None or current.size >= max(SEGMENT, self.live // _PART):
            self._end += 1  # what is next to each other lies in one file
            current = _Segment(self._end)
            self._segments.append(current)
        written = 0
        while written < len(data):
            left = memoryview(data)[written:]
            written += os.pwrite(current.file.fileno(), left, current.size + written)
        position = self._end
        current.size += written
        current.live += written
        self.live += written
        self._end += written
        return position

    def read(self, position: int, size: int) -> bytes:
        """Return `size` bytes that were appended together, or a part of such bytes."""
        segment = self._at(position)
        data = os.pread(segment.file.fileno(), size, position - segment.base)
        if len(data) < size:
            raise OSError(0, f"{size - len(data)} bytes are missing")
        return data

    def give_back(self, position: int, size: int) -> None:
        """Free bytes that will not be read again."""
        segment = self._at(position)
        segment.live -= size
        self.live -= size
        if not segment.live:
            segment.file.close()
            self._segments.remove(segment)

    def close(self) -> None:
        """Close all files."""
        for segment in self._segments:
            segment.file.close()
        self._segments.clear()

    def _at(self, position: int) -> _Segment:
        return self._segments[
            bisect_right(self._segments, position, key=lambda each: each.base) - 1
        ]


class _Shelf:
    """Runs on disk, as pairs of position and size, then lines in memory."""

    __slots__ = ("_at", "_runs", "lines")

    def __init__(self) -> None:
        self._runs = array("Q")
        self._at = 0
        self.lines: list[bytes] = []

    def add(self, position: int, size: int) -> None:
        runs = self._runs
        if len(runs) > self._at and runs[-2] + runs[-1] == position and not size >> 32:
            runs[-1] += size
        else:
            runs.extend((position, size))

    def first(self) -> tuple[int, int] | None:
        if self._at == len(self._runs):
            return None
        return self._runs[self._at], self._runs[self._at + 1]

    def taken(self, size: int) -> None:
        self._runs[self._at] += size
        self._runs[self._at + 1] -= size
        if not self._runs[self._at + 1]:
            self._at += 2
        if 2 * self._at > len(self._runs):
            del self._runs[: self._at]
            self._at = 0


class Spool:
    """First in, first out, on each shelf. Raises `EnvironmentFailure` if the disk fails.

    What cannot be written stays in memory, so that it can still be taken.
    """

    def __init__(self) -> None:
        self._segments = Segments()
        self._shelves: dict[str, _Shelf] = {}
        self._unwritten: dict[str, _Shelf] = {}
        self._buffered = 0

    @property
    def files(self) -> int:
        """Number of open files."""
        return self._segments.files

    def keep(self, parts: Iterable[tuple[str, Iterable[Request | Listed]]]) -> None:
        """Append requests to their shelves."""
        for name, requests in parts:
            lines = list(map(lined, requests))
            shelf = self._shelves.setdefault(name, _Shelf())
            shelf.lines += lines
            self._unwritten[name] = shelf
            self._buffered += sum(map(len, lines))
        if self._buffered >= BUFFER:
            self._write()

    def take(self, parts: Iterable[tuple[str, int]]) -> list[Request]:
        """Return the oldest requests of each shelf, up to the number asked for."""
        return [request_of(line) for name, most in parts for line in self._taken(name, most)]

    def close(self) -> None:
        """Close the files."""
        self._segments.close()

    def _write(self) -> None:
        runs = [(shelf, b"".join(shelf.lines)) for shelf in self._unwritten.values()]
        try:
            position = self._segments.append(b"".join(run for _, run in runs))
        except OSError as error:
            place = tempfile.gettempdir()
            raise EnvironmentFailure(
                f"cannot keep the URLs that wait for their hosts in {place}: {error.strerror}; "
                "set TMPDIR to a place with room, or --read-ahead to fewer URLs"
            ) from error
        for shelf, run in runs:
            shelf.add(position, len(run))
            shelf.lines = []
            position += len(run)
        self._unwritten.clear()
        self._buffered = 0

    def _taken(self, name: str, most: int) -> Iterator[bytes]:
        shelf = self._shelves.get(name)
        if shelf is None:
            return
        while most > 0 and (run := shelf.first()) is not None:
            lines = self._read(*run, most)
            yield from lines
            most -= len(lines)
            size = sum(map(len, lines))
            self._segments.give_back(run[0], size)
            shelf.taken(size)
        lines, shelf.lines = shelf.lines[:most], shelf.lines[most:]
        self._buffered -= sum(map(len, lines))
        yield from lines
        if not shelf.lines:
            self._unwritten.pop(name, None)
            if shelf.first() is None:
                del self._shelves[name]

    def _read(self, position: int, size: int, most: int) -> list[bytes]:
        """Return up to `most` whole lines of a run, at least one."""
        part = min(size, max(_READ, most * _LINE))
        while True:
            try:
                data = self._segments.read(position, part)
            except OSError as error:
                raise EnvironmentFailure(
                    f"cannot read back the URLs that wait for their hosts: {error.strerror}"
                ) from error
            lines = data[: data.rfind(b"\n") + 1].splitlines(keepends=True)[:most]
            if lines:
                return lines
            part = min(size, 2 * part)
