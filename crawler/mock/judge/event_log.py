"""The ledger of several processes: each writes its events down, and reading merges them by time.

Gap and width of a host cannot be had from each process's own figures, as its requests come to any
of them. So every process appends `begin` and `end` to a file of its own, and `merged` feeds all
events in the order of time into one `Ledger`, which is as exact as if one process had seen them
all. The clock is `time.monotonic`, which on Linux is one for all processes.

In the directory, for process P:

    events-P   a header and then records, both of 32 bytes; see `_HEADER` and `_RECORD`
    names-P    the hosts and addresses that records number from 0 on, one a line

A file grows to 256 MiB (four million requests). Then, or when the disk is full, the process stops
writing and marks the header; the ledger that is read from it is true up to there, and says so.
Reading streams: its memory is that of the ledger. It takes some microseconds an event.
"""

from __future__ import annotations

import contextlib
import heapq
import os
import struct
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path

from crawler.mock.judge.ledger import MAX_ROWS, OTHERS, Ledger, LedgerSnapshot

# time, until when to stay away (0: no word of it), host, address, kind
_RECORD = struct.Struct("<ddIIB7x")
# magic, whether it is cut off
_HEADER = struct.Struct("<8sB23x")
_MAGIC = b"mockweb1"
_END, _BEGIN, _FORBIDDEN = range(3)

MAX_BYTES = 256 * 1024 * 1024
_BUFFER_BYTES = 64 * 1024
_READ_RECORDS = 4096

Event = tuple[float, float, str, str, int]


class EventLog:
    """A `Recorder` that writes to `directory`; `process` tells it from the others there.

    Raises OSError if the files cannot be made; later on a disk that fails only cuts the log off.
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
        """As `Recorder` says."""
        self._add(host, address, now, 0.0, _FORBIDDEN if forbidden else _BEGIN)

    def end(self, host: str, address: str, now: float, retry_after: float | None) -> None:
        """As `Recorder` says."""
        until = 0.0 if retry_after is None else now + retry_after
        self._add(host, address, now, until, _END)

    def reset(self) -> None:
        """As `Recorder` says; what `Ledger` says of requests in flight holds here, too."""
        self._buffer.clear()
        self._new.clear()
        self._numbers.clear()
        self._size, self.truncated = _HEADER.size, False
        os.ftruncate(self._events, self._size)
        os.ftruncate(self._names, 0)
        self._mark()

    def flush(self) -> None:
        """Hand everything to the system, names first: a reader never sees a number without one."""
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
            # A server that serves is worth more than its ledger, which says that it is not whole.
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
        # An end may be told with the time of its beginning; a file's times must not fall.
        self._last = max(self._last, now)
        self._buffer += _RECORD.pack(self._last, until, first, second, kind)
        if len(self._buffer) >= _BUFFER_BYTES:
            self.flush()

    def _number(self, name: str) -> int:
        name = "".join(name.splitlines())
        # Hosts and addresses together; one past the end is what no reader has a name for.
        number = self._numbers.get(name, len(self._numbers))
        if number < 2 * MAX_ROWS and name not in self._numbers:
            self._numbers[name] = number
            self._new.append(name)
        return number

    def _cut(self) -> None:
        self.truncated = True
        self._mark()

    def _mark(self) -> None:
        # Over bytes that are there already, which a full disk does not refuse. A broken one may;
        # then the reader fails as well and nothing is claimed.
        with contextlib.suppress(OSError):
            os.pwrite(self._events, _HEADER.pack(_MAGIC, self.truncated), 0)


def merged(directory: Path) -> Ledger:
    """The events of all processes in `directory` as one ledger; OSError if they cannot be read.

    What processes have not flushed is not in it. Events of the same time come in the order of the
    files' names, those of one file always in their own.
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


def merged_ledger(directory: Path) -> LedgerSnapshot:
    """The event logs of all processes as one ledger; reads them all."""
    return merged(directory).snapshot()


def _events(path: Path) -> Iterator[Event]:
    """The whole records that are in the file now, and the names they need."""
    with path.open("rb", buffering=0) as file:
        left = (os.fstat(file.fileno()).st_size - _HEADER.size) // _RECORD.size
        names = path.with_name(path.name.replace("events", "names")).read_bytes().decode()
        known = dict(enumerate(names.split("\n")[:-1]))
        file.seek(_HEADER.size)
        while left > 0:
            block = file.read(min(left, _READ_RECORDS) * _RECORD.size)
            whole = len(block) // _RECORD.size
            if not whole:  # it was reset meanwhile
                return
            left -= whole
            for now, until, host, address, kind in _RECORD.iter_unpack(
                block[: whole * _RECORD.size]
            ):
                yield now, until, known.get(host, OTHERS), known.get(address, OTHERS), kind


def _write(file: int, data: bytes | bytearray, offset: int | None) -> None:
    """All of `data`, at `offset` or at the end."""
    view = memoryview(data)
    while view:
        done = os.write(file, view) if offset is None else os.pwrite(file, view, offset)
        view = view[done:]
        offset = None if offset is None else offset + done
