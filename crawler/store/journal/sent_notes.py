"""Notes of requests that leave and must not be repeated: POST and PATCH.

A note is written, and synced, before its request leaves. So a request without a note has not left,
and one with a note and without a record may have: the run that continues does not send it again.
A note is the key of one fetch (`crawler.store.journal.lines`), 8 bytes.
"""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from crawler.store.journal import disk

_KEY = 8


class SentNotes:
    """The notes in a file, which is made with the first. resumed: those there are an earlier run's.

    Any thread may add one.
    """

    def __init__(self, path: Path, *, resumed: bool) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._file: BinaryIO | None = None
        self._earlier = frozenset(_read(path)) if resumed else frozenset()

    def __repr__(self) -> str:
        return f"SentNotes({str(self._path)!r}, {len(self._earlier)} earlier)"

    def add(self, key: int, sync: Callable[[int], None]) -> bool:
        """Write a note to last; return False if an earlier run has. Raises `OSError`."""
        if key in self._earlier:
            return False
        with self._lock:
            if self._file is None:
                self._file = self._opened()
            disk.write(self._file.fileno(), array("Q", [key]).tobytes())
            sync(self._file.fileno())
        return True

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _opened(self) -> BinaryIO:
        file = self._path.open("ab", buffering=0)
        if torn := file.tell() % _KEY:
            disk.truncate(self._path, file.tell() - torn)
        disk.settle(self._path.parent)
        return file


def _read(path: Path) -> array[int]:
    """Return the notes that are whole: a torn one was never relied on."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return array("Q")
    return array("Q", data[: len(data) - len(data) % _KEY])
