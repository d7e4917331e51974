"""Notes of requests that leave and must not be repeated: POST and PATCH.

A note is written, and synced, before its request leaves. So a request without a note has not left,
and one with a note and without a record may have: the run that continues does not send it again.
A note is the key of one fetch (`crawler.store.journal.lines`), 8 bytes. Notes that come while
others are being synced wait for those, and are then written and synced together: the requests of a
crawl share the disk's pace.
"""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable
from errno import EIO
from pathlib import Path
from typing import BinaryIO

from crawler.store.journal import disk

_ANY = 2**64 - 1
"""A note for those that nobody has: any request may have left."""
_KEY = 8
DOUBT = array("Q", [_ANY]).tobytes()
"""That note, as it is written."""


class SentNotes:
    """The notes in a file, which is made with the first. resumed: those there are an earlier run's.

    Any thread may add one.
    """

    def __init__(self, path: Path, *, resumed: bool) -> None:
        self._path = path
        self._change = threading.Condition()
        self._waiting = array("Q")
        self._group = self._written = 0  # groups of notes that were begun, and are on the disk
        self._busy = self._failed = False
        self._file: BinaryIO | None = None
        self._earlier = frozenset(_read(path)) if resumed else frozenset()

    def __repr__(self) -> str:
        waiting = len(self._waiting)
        return f"SentNotes({str(self._path)!r}, {len(self._earlier)} earlier, {waiting} waiting)"

    def add(self, key: int, sync: Callable[[int], None]) -> bool:
        """Write a note to last; return False if an earlier run has. Raises `OSError`."""
        if key in self._earlier or _ANY in self._earlier:
            return False
        with self._change:
            self._waiting.append(key)
            group = self._group
            self._change.wait_for(lambda: not self._busy or self._written > group)
            keys = self._taken(group)
        if keys:
            self._write(keys, sync)
        return True

    def _taken(self, group: int) -> array[int]:
        """Return the notes to write, none if another thread has written those of the group."""
        if self._failed:  # what the disk has of a note that another has written is not known
            raise OSError(EIO, "could not be written before")
        if self._written > group:
            return array("Q")
        keys, self._waiting = self._waiting, array("Q")
        self._group += 1
        self._busy = True
        return keys

    def _write(self, keys: array[int], sync: Callable[[int], None]) -> None:
        try:
            if self._file is None:
                self._file = self._opened()
            disk.write(self._file.fileno(), keys.tobytes())
            sync(self._file.fileno())
        except BaseException:
            self._failed = True
            raise
        finally:
            with self._change:
                self._busy, self._written = False, self._group
                self._change.notify_all()

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


def without_doubt(notes: bytes) -> bytes:
    """Return whole notes without `DOUBT`: they are those of a run that is known."""
    keys = array("Q", notes[: len(notes) // _KEY * _KEY])
    return array("Q", [key for key in keys if key != _ANY]).tobytes()
