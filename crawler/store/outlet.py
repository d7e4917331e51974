"""The output for records: its descriptor, and the compression in front of it.

Writes go straight to the descriptor: nothing waits in a Python buffer, so that a closed pipe leaves
nothing for the interpreter to write again, with a traceback, at exit.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from crawler.model.choices import Existing
from crawler.store.claim import Claim
from crawler.store.compression import Plain, packing
from crawler.store.descriptor import Descriptor
from crawler.store.joint import joint
from crawler.store.journal import disk
from crawler.store.naming import LINES, check_name
from crawler.store.volumes import check_volumes, reached, size_of_all, volume, volumes_of

_HINT = "say --append or --overwrite, have `crawler retry` crawl its failures again"


Head = Callable[[str], bytes]
"""Makes what a file of this name begins with."""


def no_head(_name: str) -> bytes:
    """Return nothing: the file begins with a record."""
    return b""


class Outlet:
    """An output for lines (`-`: standard output), unchanged until the first of them.

    `live` is true if somebody may be watching: a terminal, a pipe, a device. `records` counts the
    lines that were written.

    apart: each write is a whole gzip member or Zstandard frame, so that the file is always a whole
    archive. resumed: the file is that of an earlier run; `rewind` sets its end. head: what a file
    begins with; records may then have several lines. forms: suffixes that the name may have.
    ending: the suffix of what is written to a stream, whose name has none.
    most: bytes after which a write goes to another file (`crawler.store.volumes`), 0 for never;
    sizes and places are those of all files together. The first one stays locked.
    Raises what `check_name`, `Claim`, `check_volumes` and `joint` raise.
    """

    __slots__ = (
        *("_apart", "_before", "_claim", "_descriptor", "_first", "_form", "_head"),
        *("_lead", "_make_head", "_most", "_named", "_number", "_offset", "_packing", "_path"),
        *("_replaces", "label", "live", "path", "records"),
    )

    def __init__(
        self,
        path: str,
        existing: Existing = "refuse",
        *,
        apart: bool = False,
        resumed: bool = False,
        head: Head = no_head,
        forms: Sequence[str] = LINES,
        ending: str = "",
        most: int = 0,
    ) -> None:
        check_name(path, forms, packed=True)
        self._path = self.path = path
        self._make_head = head
        self._head = head(os.path.basename(path))
        self._form = path + ending
        self._packing = packing(self._form)
        self._apart = apart
        self._most = most
        self._number = self._before = 0  # of the file that is written; bytes in those before it
        onto: Existing = "add" if resumed else existing
        self._replaces = onto == "replace"
        self._first = self._claim = Claim(path, onto, hint=_HINT)
        self._descriptor = Descriptor(self._claim.fd, lent=self._claim.lent)
        self.label = self._claim.label
        self.live = not self._claim.regular
        self._offset = self._claim.held
        self._named = False
        self._lead = b""
        self.records = 0
        if self._first.ours and not resumed:
            self._take_up(onto)
        if self._offset and not resumed:
            self._lead = self._joint()

    def __repr__(self) -> str:
        return f"Outlet({self.label!r}, records={self.records})"

    @property
    def packed(self) -> bool:
        """True if the lines are in an archive, which lacks its end after a failure."""
        return not isinstance(self._packing, Plain)

    def write(self, lines: bytes, number: int = 0) -> None:
        """Write whole records; number: how many, where they need not be one a line.

        Raises `OSError`; the file then still ends with a whole record.
        """
        self._start()
        if self._most and self._offset >= self._most and self._claim.ours:
            self._roll()
        data = self._packing.pack(self._head + lines if not self._offset else lines)
        if self._apart and self.packed:
            data += self._packing.end()
            self._packing = packing(self._form)
        done = 0
        try:
            while done < len(data):
                done += self._descriptor.write(memoryview(data)[done:])
        except OSError:
            if data is lines and not self._head:
                done = lines.rfind(b"\n", 0, done) + 1
                self.records += lines.count(b"\n", 0, done)
                self._offset += done
            self._cut()
            raise
        self._offset += done
        self.records += number if self._head else lines.count(b"\n")

    def end(self, *, whole: bool = True) -> None:
        """Close the archive, if it is one. Raises `OSError`.

        If nothing was written, old content is kept. Only a run that was `whole` and had nothing to
        write leaves an empty output.
        """
        if not self._claim.started and (self.written or not whole):
            return
        self._start()
        if self._head and not self.written:
            self.write(b"")
        if not self._apart:
            self._write_all(self._packing.end())

    @property
    def size(self) -> int:
        """Size of the file in bytes, if it is one of ours."""
        return size_of_all(self._path) if self._first.ours else 0

    @property
    def written(self) -> int:
        """Number of bytes up to the end of the last lines."""
        return self._before + self._offset

    def rewind(self, size: int) -> None:
        """Continue after `size` bytes of the file, and cut off the rest. Raises `OSError`."""
        self._claim.start()
        if self._first.ours:
            self._go_to(*reached(self._path, size))
            self._drop_after(self._number)
        size -= self._before
        disk.truncate(self._claim.fd, size)
        os.lseek(self._claim.fd, size, os.SEEK_SET)
        self._offset, self._lead = size, b""

    def settle(self, sync: Callable[[int], None]) -> None:
        """Make the last write durable with `sync`, at first also the name. Raises `OSError`."""
        sync(self._claim.fd)
        if self._claim.ours and not self._named:
            self._claim.settle_name(sync)
            self._named = True

    def close(self) -> None:
        """Close the file; standard output stays open. Raises `OSError` for a late write error."""
        self._descriptor.close()
        try:
            if self._claim is not self._first:
                self._claim.release()
        finally:
            self._first.release()

    def leave(self) -> None:
        """Wait for the reader no more: a write that would have to raises `ReaderGone`."""
        self._descriptor.leave()

    def _joint(self) -> bytes:
        try:
            return joint(self._claim.fd, self._claim.path, self._head)
        except BaseException:
            self.close()
            raise

    def _take_up(self, existing: Existing) -> None:
        """Add to the last file of an archive that is there; refuse to begin one among others."""
        try:
            check_volumes(self._path, existing)
            if existing == "add":
                number = len(volumes_of(self._path)) - 1
                before = size_of_all(self._path) - os.stat(volume(self._path, number)).st_size
                self._go_to(number, before)
        except BaseException:
            self.close()
            raise

    def _go_to(self, number: int, before: int) -> None:
        """Write to another file of the archive, after what it holds. Raises what `Claim` raises."""
        if number == self._number:
            return
        claim = Claim(place := volume(self._path, number), "add")
        self._head = self._make_head(os.path.basename(place))
        self._descriptor.close()
        if self._claim is not self._first:
            self._claim.release()
        self._claim, self._number, self._before = claim, number, before
        self._descriptor = Descriptor(claim.fd, lent=False)
        self._offset, self._named = claim.held, False

    def _roll(self) -> None:
        """Go on in a new file, once this one lasts, whatever syncs are asked for."""
        os.fsync(self._claim.fd)
        before, number = self.written, self._number + 1
        if os.path.exists(place := volume(self._path, number)):  # since the crawl began
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), place)
        self._go_to(number, before)
        self._claim.start()

    def _drop_after(self, number: int) -> None:
        for place in volumes_of(self._path)[number + 1 :]:
            disk.remove(Path(place))

    def _start(self) -> None:
        if self._claim.started:
            return
        self._claim.start()
        self._first.start()
        if self._replaces and self._first.ours:
            self._drop_after(0)
        if not self._lead:
            return
        try:
            self._offset += self._write_all(self._packing.pack(self._lead))
        except OSError:
            self._cut()
            raise

    def _write_all(self, data: bytes) -> int:
        rest = memoryview(data)
        while rest:
            rest = rest[self._descriptor.write(rest) :]
        return len(data)

    def _cut(self) -> None:
        """Cut half a line, or half a compressed group, off the end of a file of ours."""
        if self._claim.ours:
            os.ftruncate(self._claim.fd, self._offset)


def write_groups(outlets: Sequence[Outlet], groups: Sequence[bytes], number: int = 0) -> None:
    """Write so many records to each of several outputs; nothing without groups.

    Raises `OSError` with the label of the one that failed as `filename`.
    """
    for outlet, group in zip(outlets, groups, strict=True) if groups else ():
        if not group and not number:  # redirects are for archives alone
            continue
        try:
            outlet.write(group, number)
        except OSError as error:
            error.filename = outlet.label
            raise
