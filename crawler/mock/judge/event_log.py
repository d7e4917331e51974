"""The ledger of several processes: each logs its events, and `merged` reads them in time order.

A host's requests go to any process, so gap and width cannot be derived from each process's figures.
Every process appends `begin` and `end` to its own file, and `merged` feeds all events in order into
one `Ledger`, as exact as that of a single process. The clock is `time.monotonic`, which all
processes share on Linux.

In the directory, for process P:

    events-P   a header and then records, both of 32 bytes; see `_HEADER` and `_RECORD`
    names-P    the hosts and addresses that records number from 0 on, one per line

A file grows to 256 MiB (four million requests). Then, or when the disk is full, the process stops
writing and marks the header; the ledger is complete up to there, and marked as truncated. Reading
streams: it needs no more memory than the ledger.
"""

from __future__ import annotations

import contextlib
import heapq
import os
import struct
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path

from crawler.mock.judge.ledger import MAX_ROWS, OTHERS, Ledger

# time, end of the Retry-After (0: none), host, address, kind
_RECORD = struct.Struct("<ddIIB7x")
# magic, 1 if truncated
_HEADER = struct.Struct("<8sB23x")
_MAGIC = b"mockweb1"
_END, _BEGIN, _FORBIDDEN = range(3)

MAX_BYTES = 256 * 1024 * 1024
_BUFFER_BYTES = 64 * 1024
_READ_RECORDS = 4096

Event = tuple[float, float, str, str, int]


class EventLog:
    """A `Recorder` that writes to `directory`; `process` distinguishes its files.

    Raises OSError if the files cannot be created; later errors of the disk truncate the log.
    """

    def __init__(self, directory: Path, process: int) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        self._events = os.open(directory / f"events-{process}", flags, 0o600)
        self._names = os.open(directory / f"names-{process}", flags | os.O_APPEND, 0o600)
        self._numbers: dict[str, int] = {}
        self._new: list[str] = []
        self._buffer = bytearray()
        self._size = _HEADER.size
        self._last = 0.0
        self.truncated = False
        os.pwrite(self._events, _HEADER.pack(_MAGIC, 0), 0)

    def __repr__(self) -> str:
        return f"EventLog(bytes={self._size + len(self._buffer)}, truncated={self.truncated})"

    def begin(self, host: str, address: str, now: float, *, forbidden: bool) -> None:
        """See `Recorder`."""
        self._add(host, address, now, 0.0, _FORBIDDEN if forbidden else _BEGIN)

    def end(self, host: str, address: str, now: float, retry_after: float | None) -> None:
        """See `Recorder`."""
        until = 0.0 if retry_after is None else now + retry_after
        self._add(host, address, now, until, _END)

    def reset(self) -> None:
        """See `Recorder` and, about requests in flight, `Ledger`."""
        self._buffer.clear()
        self._new.clear()
        self._numbers.clear()
        self._size, self.truncated = _HEADER.size, False
        os.ftruncate(self._events, self._size)
        os.ftruncate(self._names, 0)
        self._mark()

    def flush(self) -> None:
        """Write everything, names first, so that a reader never sees a number without a name."""
        if not self._buffer or self.truncated:
            return
        try:
            if self._new:
                _write(self._names, "".join(f"{name}\n" for name in self._new).encode(), None)
                self._new.clear()
            _write(self._events, self._buffer, self._size)
            self._size += len(self._buffer)
            if self._size >= MAX_BYTES:
                self._cut()
        except OSError:
            # The server goes on; its ledger is marked as truncated.
            self._cut()
        self._buffer.clear()

    def close(self) -> None:
        """Flush and close; a second call is an error."""
        self.flush()
        os.close(self._events)
        os.close(self._names)

    def _add(self, host: str, address: str, now: float, until: float, kind: int) -> None:
        if self.truncated:
            return
        numbers = self._numbers
        first, second = numbers.get(host), numbers.get(address)
        if first is None:
            first = self._number(host)
        if second is None:
            second = self._number(address)
        # An end may have the time of its beginning, but a file's times must not decrease.
        self._last = max(self._last, now)
        self._buffer += _RECORD.pack(self._last, until, first, second, kind)
        if len(self._buffer) >= _BUFFER_BYTES:
            self.flush()

    def _number(self, name: str) -> int:
        name = "".join(name.splitlines())
        # Hosts and addresses together; a number past the end has no name and counts as `OTHERS`.
        number = self._numbers.get(name, len(self._numbers))
        if number < 2 * MAX_ROWS and name not in self._numbers:
            self._numbers[name] = number
            self._new.append(name)
        return number

    def _cut(self) -> None:
        self.truncated = True
        self._mark()

    def _mark(self) -> None:
        # A full disk does not refuse to overwrite existing bytes. A broken one may, but then the
        # reader fails, too.
        with contextlib.suppress(OSError):
            os.pwrite(self._events, _HEADER.pack(_MAGIC, self.truncated), 0)


def merged(directory: Path) -> Ledger:
    """Return the flushed events of all processes in `directory` as one ledger; may raise OSError.

    Events of the same time come in the order of the files' names.
    """
    ledger = Ledger()
    parts = []
    for path in sorted(directory.glob("events-*")):
        with path.open("rb") as file:
            head = file.read(_HEADER.size)
        if len(head) == _HEADER.size:
            ledger.truncated |= bool(_HEADER.unpack(head)[1])
            parts.append(_events(path))
    for now, until, host, address, kind in heapq.merge(*parts, key=itemgetter(0)):
        if kind == _END:
            ledger.end(host, address, now, until - now if until else None)
        else:
            ledger.begin(host, address, now, forbidden=kind == _FORBIDDEN)
    return ledger


def _events(path: Path) -> Iterator[Event]:
    """Yield the complete records that are in the file now, with their names."""
    with path.open("rb", buffering=0) as file:
        left = (os.fstat(file.fileno()).st_size - _HEADER.size) // _RECORD.size
        names = path.with_name(path.name.replace("events", "names")).read_bytes().decode()
        known = dict(enumerate(names.split("\n")[:-1]))
        file.seek(_HEADER.size)
        while left > 0:
            block = file.read(min(left, _READ_RECORDS) * _RECORD.size)
            whole = len(block) // _RECORD.size
            if not whole:  # it was reset in the meantime
                return
            left -= whole
            for now, until, host, address, kind in _RECORD.iter_unpack(
                block[: whole * _RECORD.size]
            ):
                yield now, until, known.get(host, OTHERS), known.get(address, OTHERS), kind


def _write(file: int, data: bytes | bytearray, offset: int | None) -> None:
    """Write all of `data`, at `offset` or at the end."""
    view = memoryview(data)
    while view:
        done = os.write(file, view) if offset is None else os.pwrite(file, view, offset)
        view = view[done:]
        offset = None if offset is None else offset + done
