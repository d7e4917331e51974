"""Standard input, copied into the state before anything of it is crawled.

A crawl that reads a pipe can be continued without it: `cat list | crawler crawl -i - -o out.jsonl`,
and after a kill the same again, or with `< /dev/null`. A thread reads the pipe, ahead of the crawl
by up to `AHEAD` bytes, and appends to the copy; the crawl reads the copy.

    pipe  ->  [thread: compare with what is there, append the rest]  ->  copy  ->  [blocks]

What an earlier run has copied is compared with what comes now: the same again, a part of it or
nothing at all leave it as it is, more of it is appended, and anything else is another list.

The file has blocks, each with its length and CRC-32, so that one torn by a kill is recognised. An
empty block says that the end of the input was seen.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from struct import Struct
from typing import BinaryIO
from zlib import crc32

from crawler.model.errors import ConfigurationError, CrawlerError, EnvironmentFailure
from crawler.store.journal import disk

AHEAD = 256 * 2**20
"""Bytes copied ahead of the crawl: lists of millions at once, endless ones without end of the disk.
"""
_HEADER = Struct("<II")
_LONGEST = 2**24
"""Bytes of a block that are believed; a read returns fewer."""
_TICK = 0.1  # seconds between two looks at whether the crawl has ended
_COMPARED = 2**20  # bytes compared at once
_PATIENCE = 1.0  # seconds for the thread to see that it is closed
_FIRST = 1.0  # seconds in which another list is noticed before anything is crawled


class InputCopy:
    """The copy at `path`, whose directory is made when something comes.

    Without an earlier run it has another name until there is a state (`adopt`): a run that fails
    before it has anything to keep leaves nothing behind. `ended`: the end of the input was seen.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._place = path.with_name(f"{path.name}.new")
        self.ended = False
        self._change = threading.Condition()
        self._thread: threading.Thread | None = None
        self._file: BinaryIO | None = None
        self._kept = 0  # bytes of the file that an earlier run has left
        self._length = 0  # bytes of the file
        self._synced = 0
        self._read = 0  # bytes of the file that the crawl has read
        self._over = self._closing = False
        self._compared = False  # the first block, or the end, has come
        self._other = b""  # the first block, if it is of another list
        self._failure: CrawlerError | None = None

    def __repr__(self) -> str:
        return f"InputCopy({str(self._path)!r}, {self._length} bytes, ended={self.ended})"

    def load(self, length: int) -> None:
        """Take over what an earlier run has left; a torn block at its end is cut off.

        Raises `ValueError` if it is shorter than the `length` that was committed.
        """
        self._place = self._path
        with self._path.open("rb") as file:
            while (block := _next(file)) is not None:
                self._kept += _HEADER.size + len(block)
                self.ended = not block
        if self._kept < length:
            raise ValueError(f"has {self._kept:,} whole bytes, and had {length:,}")
        disk.truncate(self._path, self._kept)
        self._length = self._kept

    def adopt(self) -> None:
        """Give the copy its name, as there is a state now. Raises `OSError`."""
        with self._change:
            if self._place != self._path and self._file is not None:
                disk.rename(self._place, self._path)
                disk.settle(self._path.parent)  # before a frame counts on the name
            self._place = self._path

    def drop(self) -> None:
        """Remove a copy that has no state. Raises `OSError`."""
        with self._change:
            if self._place != self._path and self._length:
                disk.remove(self._place)
                with suppress(OSError):  # an earlier state is there
                    self._place.parent.rmdir()

    # -- what the crawl reads

    def blocks(
        self, fresh: Iterator[bytes], tally: Callable[[int], None], stopped: Callable[[], bool]
    ) -> Iterator[bytes]:
        """Yield the input from its beginning, of which `fresh` yields what comes now.

        `tally` is called with the size of each block. Raises what `fresh` raises, and
        `ConfigurationError` if another list comes.
        """
        self._start(fresh, stopped)
        at = 0
        while (end := self._wait(at, stopped)) > at:
            with self._opened() as file:
                file.seek(at)
                while at < end and not stopped():
                    block = _next(file) or b""
                    at = file.tell()
                    self._advance(at)
                    if block:
                        tally(len(block))
                        yield block
            if stopped():
                return

    def _opened(self) -> BinaryIO:
        with self._change:  # `adopt` may rename it
            return self._place.open("rb")

    def _wait(self, at: int, stopped: Callable[[], bool]) -> int:
        """Wait for more than `at` bytes; return the length of the file."""
        with self._change:
            while self._length <= at and not (self._over or stopped()):
                self._change.wait(_TICK)
            if self._length <= at and self._failure is not None:
                raise self._failure
            return self._length

    def _advance(self, at: int) -> None:
        with self._change:
            self._read = at
            self._change.notify_all()

    def differs(self, *, accept_change: bool) -> bool:
        """Return whether the input is another list than before, which `renew` takes over.

        Looks at the first of what comes, if it comes within a second. Raises `ConfigurationError`
        for another list that was not accepted.
        """
        if self._thread is None:
            return False
        with self._change:
            self._change.wait_for(lambda: self._compared, _FIRST)
            if self._other and not accept_change and self._failure is not None:
                raise self._failure
            return bool(self._other)

    def renew(self) -> None:
        """Begin the copy anew, with what has come. Raises `OSError`."""
        disk.truncate(self._place, 0)
        with self._change:
            self._kept = self._length = self._synced = self._read = 0
            self._failure = None
        self._append(self._other)
        with self._change:  # the thread goes on behind it, not before
            self._other = b""
            self._change.notify_all()

    def settle(self, sync: Callable[[int], None]) -> int:
        """Make durable what was copied with `sync`; return the length of it."""
        with self._change:
            length, file = self._length, self._file
        if file is not None and length != self._synced:
            sync(file.fileno())
            self._synced = length
        return length

    def close(self) -> None:
        """End the thread, and close the file."""
        with self._change:
            self._closing = True
            self._change.notify_all()
        if self._thread is not None:
            self._thread.join(_PATIENCE)
        if self._file is not None and (self._thread is None or not self._thread.is_alive()):
            self._file.close()
            self._file = None

    # -- what the thread writes

    def _start(self, fresh: Iterator[bytes], stopped: Callable[[], bool]) -> None:
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._run,
                args=(fresh, lambda: self._closing or stopped()),
                name="crawler-input",
                daemon=True,
            )
            self._thread.start()

    def _run(self, fresh: Iterator[bytes], stopped: Callable[[], bool]) -> None:
        try:
            self._copy(fresh, stopped)
        except CrawlerError as error:
            self._failure = error
        except OSError as error:
            why = f"{self._path}: cannot be written: {error.strerror}"
            self._failure = EnvironmentFailure(f"{why}; make room, and run the same command again")
        finally:
            with self._change:
                self._over = self._compared = True
                self._change.notify_all()

    def _copy(self, fresh: Iterator[bytes], stopped: Callable[[], bool]) -> None:
        for block in self._beyond(fresh, stopped):
            if stopped():
                return
            self._append(block)
            with self._change:
                while self._length - self._read > AHEAD and not stopped():
                    self._change.wait(_TICK)

    def _beyond(self, fresh: Iterator[bytes], stopped: Callable[[], bool]) -> Iterator[bytes]:
        """Yield what comes behind what an earlier run has copied, and b"" for the end."""
        came = 0
        expected, before = b"", self._before()
        for block in fresh:
            compared = _without(block, expected, before)
            if compared is None:
                if not self._replaced(block, first=not came, stopped=stopped):
                    return
                compared, before = (b"", b""), iter(())  # `check` has copied the block
            rest, expected = compared
            came += len(block)
            self._first_came()
            if rest:
                yield rest
        known = not (expected or next(before, b""))  # all that an earlier run knew has come
        if came and known and not (self.ended or stopped()):
            yield b""

    def _before(self) -> Iterator[bytes]:
        if self._kept:
            with self._place.open("rb") as file:
                while file.tell() < self._kept:
                    if block := _next(file):
                        yield block

    def _first_came(self) -> None:
        with self._change:
            self._compared = True
            self._change.notify_all()

    def _replaced(self, block: bytes, *, first: bool, stopped: Callable[[], bool]) -> bool:
        """Take note of another list; return whether it is to be copied instead, from `block` on."""
        with self._change:
            self._failure = ConfigurationError(
                "standard input: the list has changed since the crawl began; --accept-change goes "
                "on all the same, --overwrite starts over"
            )
            self._compared = True
            self._other = block if first else b""
            self._change.notify_all()
            while first and self._other and not stopped():
                self._change.wait(_TICK)
            return first and self._failure is None

    def _append(self, block: bytes) -> None:
        if self._file is None:
            disk.make_folder(self._place.parent)
            with self._change:
                self._file = self._place.open("ab" if self._length else "wb", buffering=0)
                if self._place == self._path and not self._length:
                    disk.settle(self._path.parent)  # as in `adopt`, which had nothing to rename
        data = _HEADER.pack(len(block), crc32(block)) + block
        disk.write(self._file.fileno(), data)
        with self._change:
            self._length += len(data)
            self.ended = not block
            self._change.notify_all()


def _next(file: BinaryIO) -> bytes | None:
    """Return the next block of a copy, b"" for the end of the input; None if none is whole."""
    header = file.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return None
    length, check = _HEADER.unpack(header)
    if length > _LONGEST:
        return None
    block = file.read(length)
    return block if len(block) == length and crc32(block) == check else None


def _without(block: bytes, expected: bytes, before: Iterator[bytes]) -> tuple[bytes, bytes] | None:
    """Return what is left of a block behind what is expected, and what is expected behind it.

    `before` yields what is expected next. None if they differ.
    """
    while block and (expected := expected or next(before, b"")):
        size = min(len(block), len(expected))
        if block[:size] != expected[:size]:
            return None
        block, expected = block[size:], expected[size:]
    return block, expected


def copied_whole(place: Path, fresh: Iterator[bytes], *, accept_change: bool) -> None:
    """Copy an input to `place` as a whole, for several processes that read it.

    What an earlier run has copied stays if the same, a part of it or nothing comes now. Raises
    `ConfigurationError` if another list comes that was not accepted, and `OSError`.
    """
    draft = place.with_name(f"{place.name}.new")
    with draft.open("wb", buffering=0) as file:
        for block in fresh:
            disk.write(file.fileno(), block)
        os.fsync(file.fileno())
    if place.exists():
        common, size = _common(place, draft)
        if common == draft.stat().st_size:
            disk.remove(draft)
            return
        if common < size and not accept_change:
            disk.remove(draft)
            raise ConfigurationError(
                "standard input: the list has changed since the crawl began; --accept-change goes "
                "on all the same, --overwrite starts over"
            )
    disk.rename(draft, place)
    disk.settle(place.parent)


def _common(one: Path, other: Path) -> tuple[int, int]:
    """Return how many bytes two files have in common, and the first's size.

    They are counted to the block that differs, unless the one file ends there.
    """
    common = 0
    with one.open("rb") as a, other.open("rb") as b:
        while (left := a.read(_COMPARED)) and (right := b.read(_COMPARED)):
            if left != right:
                shorter, longer = sorted((left, right), key=len)
                common += len(shorter) * longer.startswith(shorter)
                break
            common += len(left)
    return common, one.stat().st_size
