"""A journal replayed: what its frames come to, in memory that does not grow with them.

The last line of a key counts, unless the key has ended since, or has moved to another partition. To
find it, the numbers of a key's lines are brought together: the keys are divided into parts, each of
which is compared with a dictionary of its own. That takes 12 bytes a key; beyond `_CLASS` keys the
frames are read once more for each further class of them. One byte a line says whether it counts.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain, compress, count, repeat
from typing import BinaryIO

from crawler.store.journal.frame import Frame, Marks, frames, packed
from crawler.store.journal.host_lines import HostLines

_CLASS = 10_000_000
"""Keys in memory at a time: 120 MB."""
_PARTS = 256
"""Parts of a class: the dictionary of one takes 5 MB."""
_OVER = 0  # in place of the number of a line: the key has ended
_PORTION = 10_000
"""URLs that wait in one frame of a base, or some more."""


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
        keys = [array("Q") for _ in range(_PARTS)]
        lines = [array("I") for _ in range(_PARTS)]  # numbers from 1 on
        parts = slice(number * _PARTS, (number + 1) * _PARTS)
        modulus = classes * _PARTS
        nowhere: list[Callable[[int], None]] = [_leave] * modulus
        take_key, take_line = nowhere[:], nowhere[:]
        take_key[parts], take_line[parts] = [k.append for k in keys], [n.append for n in lines]
        for place, first in enumerate(self._firsts):
            frame = self._frame(place)
            numbered = zip(frame.keys, count(first + 1), strict=False)
            for key, line in chain(numbered, zip(frame.ended, repeat(_OVER), strict=False)):
                part = key % modulus
                take_key[part](key)
                take_line[part](line)
            self._pause()
        for each in zip(keys, lines, strict=True):
            for line in dict(zip(*each, strict=True)).values():
                if line:
                    self._counts[line - 1] = 1
            self._pause()

    def _frame(self, place: int) -> Frame:
        self._file.seek(self._starts[place])
        return next(frames(self._file))

    def _waiting(self) -> Iterator[tuple[array[int], bytes]]:
        """Yield keys and lines of the URLs that wait, the first to wait first, frame by frame."""
        for place, first in enumerate(self._firsts):
            frame = self._frame(place)
            counts = self._counts[first : first + len(frame.keys)]
            if 0 not in counts:
                yield array("Q", frame.keys), frame.text
            elif 1 in counts:
                keys = array("Q", compress(frame.keys, counts))
                yield keys, b"".join(compress(frame.lines, counts))
            self._pause()

    def base(self, marks: Marks | None = None) -> Iterator[bytes]:
        """Yield the packed frames of a journal that comes to the same, with the marks given."""
        marks = marks or self.marks
        places, by_host = self.places, self.by_host
        yield packed(Frame(marks=marks, places=places, by_host=by_host))
        for text in self.hosts.portions():
            yield packed(Frame(marks=marks, hosts=text))
        keys, lines = array("Q"), list[bytes]()
        for more, their in self._waiting():
            keys += more
            lines.append(their)
            if len(keys) >= _PORTION:
                yield packed(Frame(marks=marks, keys=keys, text=b"".join(lines)))
                keys, lines = array("Q"), []
        if keys:
            yield packed(Frame(marks=marks, keys=keys, text=b"".join(lines)))


def _leave(_of_another_class: int) -> None:
    """Take no key, and no line."""
