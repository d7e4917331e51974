"""A journal replayed: what its frames come to, in memory that does not grow with them.

The lines of a URL that still waits are found by reading the frames backwards: the last line of a
key counts, unless the key has ended since, or has moved to another partition. Keys are compared in
classes, `_CLASS` of them in memory at a time; one byte for each line says whether it counts.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import compress
from typing import BinaryIO

from crawler.store.journal.frame import Frame, Marks, frames, packed
from crawler.store.journal.host_lines import HostLines

_CLASS = 500_000
"""Keys compared at a time: 40 MB."""
_PORTION = 10_000
"""URLs that wait in one frame of a base."""


class Replay:
    """The state that a journal's file, or its first `length` bytes, describes.

    `pause` is called after each frame that was read or written; it may raise to end the work.
    Raises `Damaged`.
    """

    def __init__(
        self,
        file: BinaryIO,
        length: int | None = None,
        pause: Callable[[], None] = lambda: None,
    ) -> None:
        self._file = file
        self._pause = pause
        self.marks = Marks()
        self.places: list[str] = []
        self.hosts = HostLines()
        self.by_host: Counter[str] = Counter()
        self._starts = array("Q")  # positions of the frames
        self._firsts = array("Q")  # numbers of their first lines
        self._keys = self._lines = 0
        self._scan(length)
        self._counts = bytearray(self._lines)
        classes = max(1, -(-self._keys // _CLASS))
        for number in range(classes):
            self._select(number, classes)
        self.waiting = self._counts.count(1)

    def __repr__(self) -> str:
        return f"Replay({self.marks!r}, waiting={self.waiting})"

    def _scan(self, length: int | None) -> None:
        self._file.seek(0)
        found = frames(self._file, length)
        while True:
            start = self._file.tell()
            frame = next(found, None)
            if frame is None:
                return
            self._starts.append(start)
            self._firsts.append(self._lines)
            self._lines += len(frame.keys)
            self._keys += len(frame.keys) + len(frame.ended)
            self._take(frame)
            self._pause()

    def _take(self, frame: Frame) -> None:
        self.marks = frame.marks
        self.places += frame.places
        self.by_host.update(frame.by_host)
        self.hosts.read(frame.hosts)

    def _select(self, number: int, classes: int) -> None:
        """Mark the lines that count, of the keys of one class."""
        over: set[int] = set()  # ended, or with a later line
        for place in reversed(range(len(self._starts))):
            frame, first = self._frame(place), self._firsts[place]
            over.update(_of(frame.ended, number, classes))
            for at in reversed(range(len(frame.keys))):
                key = frame.keys[at]
                if key % classes == number and key not in over:
                    over.add(key)
                    self._counts[first + at] = 1
            self._pause()

    def _frame(self, place: int) -> Frame:
        self._file.seek(self._starts[place])
        return next(frames(self._file))

    def _waiting(self) -> Iterator[tuple[int, bytes]]:
        """Yield keys and lines of the URLs that wait, the first to wait first."""
        for place, first in enumerate(self._firsts):
            frame = self._frame(place)
            counts = self._counts[first : first + len(frame.keys)]
            yield from compress(zip(frame.keys, frame.lines, strict=True), counts)
            self._pause()

    def base(self, marks: Marks | None = None) -> Iterator[bytes]:
        """Yield the packed frames of a journal that comes to the same, with the marks given."""
        marks = marks or self.marks
        places, by_host = self.places, self.by_host
        yield packed(Frame(marks=marks, places=places, by_host=by_host))
        for text in self.hosts.portions():
            yield packed(Frame(marks=marks, hosts=text))
        keys, lines = array("Q"), list[bytes]()
        for key, line in self._waiting():
            keys.append(key)
            lines.append(line)
            if len(keys) == _PORTION:
                yield packed(Frame(marks=marks, keys=keys, text=b"".join(lines)))
                keys, lines = array("Q"), []
        if keys:
            yield packed(Frame(marks=marks, keys=keys, text=b"".join(lines)))


def _of(keys: Iterable[int], number: int, classes: int) -> Iterable[int]:
    return keys if classes == 1 else [key for key in keys if key % classes == number]
