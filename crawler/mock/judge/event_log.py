"""The ledger of several processes: each logs its events, and `merged` reads them in time order.

A host's requests go to any process, so gap and width cannot be derived from each process's figures.
Every process appends its requests' beginnings and ends to a file, and `merged` feeds all events in
order into one `Ledger`, as exact as that of a single process. The clock is `time.monotonic`, which
all processes share on Linux.

Process P writes `events-P`, each line a JSON list of events: time, kind, host, address, and the
seconds of an end's Retry-After. The file grows to 512 MiB (four million requests). Then, or when
the disk is full, the process stops writing and the log is truncated: the ledger is complete up to
there. Reading streams, so it needs no more memory than the ledger.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

import orjson

from crawler.mock.judge.ledger import Ledger, LedgerSnapshot

_END, _BEGIN, _FORBIDDEN = range(3)
MAX_BYTES = 512 * 1024 * 1024
_BUFFERED = 1024

Event = tuple[float, int, str, str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """The state that the processes of one web share.

    start: of the web, by `time.monotonic`. directory: of the event logs and `table`; None if a
    single process keeps both in memory. process: number of this one, from 0.
    """

    start: float
    directory: Path | None = None
    process: int = 0

    @property
    def table(self) -> Path | None:
        """The file of attempts and token buckets."""
        return None if self.directory is None else self.directory / "table"

    def ledger(self, results: list[Any]) -> LedgerSnapshot:
        """Return the ledger of all processes by their results of the order "ledger"."""
        if self.directory is None:
            own: LedgerSnapshot = results[0]
            return own
        return merged(self.directory, truncated=any(results)).snapshot()


class EventLog:
    """A `Ledger` that writes to `directory`; `process` distinguishes its file.

    Raises OSError if the file cannot be created; later errors of the disk truncate the log.
    """

    def __init__(self, directory: Path, process: int) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
        self._file = os.open(directory / f"events-{process}", flags, 0o600)
        self._events: list[Event] = []
        self._size = 0
        self._last = 0.0
        self.truncated = False

    def __repr__(self) -> str:
        return f"EventLog(bytes={self._size}, truncated={self.truncated})"

    def begin(self, host: str, address: str, now: float, *, forbidden: bool) -> None:
        """See `Ledger`."""
        self._add(now, _FORBIDDEN if forbidden else _BEGIN, host, address, None)

    def end(self, host: str, address: str, now: float, retry_after: float | None) -> None:
        """See `Ledger`."""
        self._add(now, _END, host, address, retry_after)

    def reset(self) -> None:
        """See `Ledger`."""
        self._events.clear()
        self._size, self.truncated = 0, False
        os.ftruncate(self._file, 0)

    def flush(self) -> None:
        """Write everything."""
        if not self._events or self.truncated:
            return
        data = memoryview(orjson.dumps(self._events) + b"\n")
        self._events.clear()
        try:
            while data:
                written = os.write(self._file, data)
                self._size += written
                data = data[written:]
        except OSError:  # the server goes on without its ledger
            self.truncated = True
        self.truncated |= self._size >= MAX_BYTES

    def close(self) -> None:
        """Flush and close; a second call is an error."""
        self.flush()
        os.close(self._file)

    def _add(self, now: float, *event: object) -> None:
        if not self.truncated:
            # An end may have the time of its beginning, but a file's times must not decrease.
            self._last = max(self._last, now)
            self._events.append((self._last, *event))  # type: ignore[arg-type]
            if len(self._events) >= _BUFFERED:
                self.flush()


def merged(directory: Path, *, truncated: bool = False) -> Ledger:
    """Return the flushed events of all processes in `directory` as one ledger; may raise OSError.

    Events of the same time come in the order of the files' names.
    """
    ledger = Ledger()
    ledger.truncated = truncated
    parts = map(_events, sorted(directory.glob("events-*")))
    for now, kind, host, address, retry_after in heapq.merge(*parts, key=itemgetter(0)):
        if kind == _END:
            ledger.end(host, address, now, retry_after)
        else:
            ledger.begin(host, address, now, forbidden=kind == _FORBIDDEN)
    return ledger


def _events(path: Path) -> Iterator[Event]:
    with path.open("rb") as lines:
        for line in lines:
            if line.endswith(b"\n"):  # a line may be cut by a full disk, or still be written
                yield from orjson.loads(line)
