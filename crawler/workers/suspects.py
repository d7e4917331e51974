"""The pages that are parsed in the crawler's own process, named in a file for the next run.

A page that ends its worker costs that worker. One that is parsed inline, in a thread or in an
interpreter ends the whole process, and would do so again each time the crawl goes on. So a shared
file names the pages that are being parsed there, by a cell each: zero, or the CRC-32 of the URL
with a bit above it. The system keeps what was written to a mapped file, whatever ends the process.

Pages that the file still names when a crawl goes on are suspects: each runs alone in a process
(`crawler.workers.parsing`) and is struck off when that has an answer. Two URLs with one CRC only
mean that an innocent page runs there, too.
"""

from __future__ import annotations

import mmap
import os
from collections import deque
from collections.abc import MutableSequence
from contextlib import suppress
from pathlib import Path
from typing import cast
from zlib import crc32

_SIZE = 8 * 1_024
"""Bytes of a file: as many pages can be named at once as it has cells of 8; more are not."""
_NAMED = 1 << 32
_NOBODY = -1


class Suspects:
    """The file at `place`; without one nothing is named and nobody is suspected.

    The file is made by `open` and removed by `close`, unless suspects are left. A disk that cannot
    take it costs nothing but the names.
    """

    def __init__(self, place: Path | None) -> None:
        self._place = place
        self._left: dict[int, int] = {}  # cells by name
        self._free: deque[int] = deque()
        self._cells: MutableSequence[int] = []

    def __repr__(self) -> str:
        return f"Suspects({str(self._place or '')!r}, {len(self._left)})"

    def open(self) -> None:
        """Read what an earlier run has left, and name pages from now on."""
        if self._place is None:
            return
        with suppress(OSError):
            self._place.parent.mkdir(mode=0o700, exist_ok=True)
            with open(self._place, "a+b", opener=_private) as file:
                # Written, and not only made longer: a mapped page needs room on the disk.
                file.write(bytes(_SIZE - file.tell()) if file.tell() < _SIZE else b"")
                file.flush()
                view = memoryview(mmap.mmap(file.fileno(), _SIZE)).cast("Q")
                self._cells = cast("MutableSequence[int]", view)
            self._take_over()

    def __contains__(self, url: str) -> bool:
        return bool(self._left) and _name(url) in self._left

    def strike_off(self, url: str) -> None:
        """Suspect a page no more: it was parsed, or has failed, where it cost nobody else."""
        if (cell := self._left.pop(_name(url), None)) is not None:
            self.end(cell)

    def begin(self, url: str) -> int:
        """Name a page that is parsed from now on; return the cell, for `end`."""
        try:
            cell = self._free.pop()
        except IndexError:
            return _NOBODY
        self._cells[cell] = _name(url)
        return cell

    def end(self, cell: int) -> None:
        """Name the page no more."""
        cells = self._cells
        if cell != _NOBODY and cells:  # a thread may parse for longer than the crawl lasts
            cells[cell] = 0
            self._free.append(cell)

    def close(self) -> None:
        """Let go of the file, and remove it unless it names suspects for the next run."""
        self._free.clear()
        self._cells = []  # and with it the map, which would keep a file system busy
        if self._place is not None and not self._left:
            with suppress(OSError):
                self._place.unlink(missing_ok=True)
                self._place.parent.rmdir()  # unless there is a state

    def _take_over(self) -> None:
        """Suspect whom the file names; the other cells are free."""
        for cell, name in enumerate(self._cells):
            if name and name not in self._left:
                self._left[name] = cell
            else:
                self.end(cell)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def _name(url: str) -> int:
    return _NAMED | crc32(url.encode("utf-8", "surrogatepass"))
