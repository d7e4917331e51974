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
from itertools import chain, compress, count, pairwise, repeat
from typing import BinaryIO

from crawler.store.journal.frame import Frame, Marks, frames, packed, read_keys
from crawler.store.journal.host_lines import HostLines

_CLASS = 10_000_000
"""Keys in memory at a time: 120 MB."""
_PARTS = 256
"""Parts of a class: the dictionary of one takes 5 MB."""
_OVER = 0  # in place of the number of a line: the key has ended
_KEY = 8  # bytes of a key
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
        self._keys = self._lines = self._text = 0
        self.end = 0  # of the last whole frame
        self.former = False  # some frame has a format that is not written any more
        self._scan(length)
        self._firsts.append(self._lines)
        self._counts = bytearray(self._lines + 1)  # by the numbers of lines, from 1 on
        classes = max(1, -(-self._keys // _CLASS))
        for number in range(classes):
            self._select(number, classes)
        self._counts[_OVER] = 0
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
            self.end = self._file.tell()
            self._starts.append(start)
            self._firsts.append(self._lines)
            self._lines += len(frame.keys)
            self._keys += len(frame.keys) + len(frame.ended)
            self._text += len(frame.text)
            self._take(frame)
            self._pause()

    def _take(self, frame: Frame) -> None:
        self.marks = frame.marks
        self.former = self.former or frame.former
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
        for start, first in zip(self._starts, self._firsts, strict=False):
            waiting, ended = read_keys(self._file, start)
            numbered = zip(waiting, count(first + 1), strict=False)
            for key, line in chain(numbered, zip(ended, repeat(_OVER), strict=False)):
                part = key % modulus
                take_key[part](key)
                take_line[part](line)
            self._pause()
        for each in zip(keys, lines, strict=True):
            for line in dict(zip(*each, strict=True)).values():
                self._counts[line] = 1
            self._pause()

    def _frame(self, start: int) -> Frame:
        self._file.seek(start)
        return next(frames(self._file))

    def _waiting(self) -> Iterator[tuple[array[int], bytes]]:
        """Yield keys and lines of the URLs that wait, the first to wait first, frame by frame."""
        for start, (first, end) in zip(self._starts, pairwise(self._firsts), strict=True):
            counts = self._counts[first + 1 : end + 1]
            if 1 not in counts:
                continue
            frame = self._frame(start)
            if 0 not in counts:
                yield array("Q", frame.keys), frame.text
            else:
                keys = array("Q", compress(frame.keys, counts))
                yield keys, b"".join(compress(frame.lines, counts))
            self._pause()

    @property
    def base_size(self) -> int:
        """Approximate bytes of a base."""
        size = self._text + _KEY * self._lines
        return size * self.waiting // self._lines if self._lines else 0

    def lines(self) -> Iterator[bytes]:
        """Yield the lines of the URLs that wait; the file may go on behind them meanwhile."""
        for _, text in self._waiting():
            yield from text.splitlines(keepends=True)

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
