"""The descriptor that records go to, and the packing in front of it.

Writes go straight to the descriptor: nothing waits in a buffer of Python's, so a closed pipe leaves
nothing that the interpreter would try to write again, loudly, at its exit.
"""

from __future__ import annotations

import os
import select
import stat
import sys
import zlib
from typing import Protocol

import zstandard

from crawler.model.errors import EnvironmentFailure

_GZIP_LEVEL = 4  # 220 MB/s of records against 165 at zlib's default of 6, for 9 % more bytes
_GZIP_WBITS = 31  # zlib.h: 15 bits of window + 16 for a gzip header
_ZSTD_LEVEL = 3


class Packing(Protocol):
    """A streaming compressor, or nothing in its place."""

    def pack(self, data: bytes) -> bytes:
        """All of `data`, packed so that it can be unpacked at once (for `tail -f`)."""

    def end(self) -> bytes:
        """What closes the archive."""


class Plain:
    """No packing."""

    def pack(self, data: bytes) -> bytes:
        """`data` itself."""
        return data

    def end(self) -> bytes:
        """Nothing."""
        return b""


class Gzip:
    """One gzip member; every group of records ends at a byte (RFC 1951, 3.2.4)."""

    def __init__(self) -> None:
        self._object = zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP_WBITS)

    def pack(self, data: bytes) -> bytes:
        """`data`, packed."""
        return self._object.compress(data) + self._object.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        """The last block and the checksum."""
        return self._object.flush()


class Zstd:
    """One Zstandard frame; every group of records is a block of its own."""

    def __init__(self) -> None:
        compressor = zstandard.ZstdCompressor(level=_ZSTD_LEVEL, write_checksum=True)
        self._object = compressor.compressobj()

    def pack(self, data: bytes) -> bytes:
        """`data`, packed."""
        packed = self._object.compress(data)
        return packed + self._object.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)

    def end(self) -> bytes:
        """The last block and the checksum."""
        return self._object.flush()


class Outlet:
    """A file that was opened for records (`-`: standard output), emptied if it was there.

    `live` tells that somebody may be watching: a terminal, a pipe, a device. `records` counts the
    lines that are really written.

    Raises `EnvironmentFailure` if it cannot be opened.
    """

    __slots__ = ("_fd", "_offset", "_owned", "_packing", "label", "live", "records")

    def __init__(self, path: str) -> None:
        self.label = "standard output" if path == "-" else path
        self._owned = path != "-"
        self._packing = _packing(path)
        self._fd = _open(path) if self._owned else _standard_output()
        self.live = not stat.S_ISREG(os.fstat(self._fd).st_mode)
        self._offset = 0
        self.records = 0

    def __repr__(self) -> str:
        return f"Outlet({self.label!r}, records={self.records})"

    def write(self, lines: bytes) -> None:
        """Write whole lines. Raises `OSError`; the file then still ends with a whole line."""
        data = self._packing.pack(lines)
        done = 0
        try:
            while done < len(data):
                done += self._write_some(memoryview(data)[done:])
        except OSError:
            if data is lines:
                done = lines.rfind(b"\n", 0, done) + 1
                self.records += lines.count(b"\n", 0, done)
                self._offset += done
            self._cut()
            raise
        self._offset += done
        self.records += lines.count(b"\n")

    def end(self) -> None:
        """Close the archive, if it is one. Raises `OSError`."""
        data = memoryview(self._packing.end())
        while data:
            data = data[self._write_some(data) :]

    def close(self) -> None:
        """Close the file; standard output stays open. Raises `OSError` for a late write error."""
        if self._owned:
            self._owned = False
            os.close(self._fd)

    def _write_some(self, data: memoryview) -> int:
        while True:
            try:
                return os.write(self._fd, data)
            except BlockingIOError:  # a pipe that somebody made non-blocking
                poll = select.poll()
                poll.register(self._fd, select.POLLOUT)
                poll.poll()

    def _cut(self) -> None:
        """Take half a line, or half a packed group, off the end of a file of ours."""
        if self._owned and not self.live:
            os.ftruncate(self._fd, self._offset)


def _packing(path: str) -> Packing:
    if path.lower().endswith(".gz"):
        return Gzip()
    return Zstd() if path.lower().endswith(".zst") else Plain()


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    except (OSError, ValueError) as error:
        raise unwritable(path, error) from None


def _standard_output() -> int:
    if sys.__stdout__ is None:  # closed by the caller; whatever has the number 1 now is not it
        raise EnvironmentFailure("standard output: is closed; name a file with -o")
    return 1


def unwritable(path: str, error: OSError | ValueError) -> EnvironmentFailure:
    """Why `path` cannot be written, in one line."""
    folder = os.path.dirname(path) or "."
    if isinstance(error, IsADirectoryError):
        why = "is a directory; name a file"
    elif isinstance(error, FileNotFoundError):
        why = f"the directory {folder!r} does not exist; make it first"
    elif isinstance(error, PermissionError):
        why = "may not be written; check its permissions"
    elif isinstance(error, OSError):
        why = f"cannot be written: {error.strerror}"
    else:
        why = f"is no file name: {error}"
    return EnvironmentFailure(f"{path}: {why}")
