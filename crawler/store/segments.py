"""Append-only storage on disk in unnamed files, freed piece by piece.

The files are in the directory for temporary files (`TMPDIR`) and vanish with the process. Positions
count through all of them. Data appended together are in one file, and a file is closed once all of
it was freed. The file size grows with the amount kept, so that about 40 files are open at most.
"""

from __future__ import annotations

import os
import tempfile
from bisect import bisect_right
from typing import IO

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

    def __repr__(self) -> str:
        return f"Segments({self.live} bytes in {len(self._segments)} files)"

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
