"""Where records go: encoded by whoever has them, written by one thread.

`put` never waits for the disk. It encodes, queues the line and wakes the writer only when the queue
was empty or has grown to a good write, so a crawl of thousands of pages a second costs the writer a
few wake-ups a second. The writer writes at once if its last write is `pace` ago, otherwise it waits
that long for more: nobody who follows a file waits above a quarter of a second, and the reader of a
pipe or terminal above a fiftieth.

What waits is bounded by manners, not by force: above `LIMIT` bytes `has_room` is false, an engine
starts nothing new, and `on_room` tells it when to go on. What is in flight then still fits.

After a failure nothing more is written, ever: no record follows half of another. The failure is
raised by every `put` and by `close`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic

from crawler.model.config import Existing
from crawler.model.errors import CrawlerError, EnvironmentFailure, ExitCode
from crawler.model.outcome import Final
from crawler.store.files import write_json
from crawler.store.outlet import Outlet
from crawler.store.record import encode

__all__ = ["LIMIT", "OutputClosed", "RecordSink", "write_json"]

LIMIT = 8_388_608
"""Bytes that may wait before engines are asked to hold: a few hundred large records."""

_GROUP = 262_144  # bytes that are worth a write of their own
_PACE = 0.25  # seconds between two smaller writes to a file
_LIVE_PACE = 0.02  # to a pipe or a terminal


class OutputClosed(CrawlerError):
    """Whoever read the records went away (`| head -1`): the crawl ends, and nothing is wrong."""

    exit_code = ExitCode.FINISHED


def _nobody() -> None:
    """The listener where nobody listens."""


class RecordSink:
    """Writes one JSON line an outcome to `path`, `-` for standard output.

    A file is written in place, so that it can be followed; what an old one holds is refused,
    replaced or added to, as `existing` says, with the first record and not before. `.gz` and `.zst`
    are packed. `encode` makes the line of a record. `on_room` is called from the writer's thread,
    when there is room again or when the writer failed; it must not raise.

    Raises what `crawler.store.claim.Claim` raises.
    """

    def __init__(
        self,
        path: str,
        *,
        existing: Existing = "refuse",
        encode: Callable[[Final], bytes] = encode,
        on_room: Callable[[], None] = _nobody,
    ) -> None:
        self._outlet = Outlet(path, existing)
        self._encode = encode
        self.on_room = on_room
        self._change = threading.Condition()
        self._queue: list[bytes] = []
        self._queued = 0  # bytes in the queue
        self._waiting = 0  # bytes in the queue or being written
        self._closing = False
        self._whole = False
        self._failure: Exception | None = None
        self._pace = _LIVE_PACE if self._outlet.live else _PACE
        self._thread = threading.Thread(target=self._run, name="record-sink", daemon=True)
        self._thread.start()

    def __repr__(self) -> str:
        return f"RecordSink({self._outlet.label!r}, written={self.written})"

    @property
    def has_room(self) -> bool:
        """Whether an engine may start new fetches; true as well once the writer has failed."""
        return self._waiting <= LIMIT

    @property
    def written(self) -> int:
        """Records that were really written."""
        return self._outlet.records

    @property
    def failure(self) -> Exception | None:
        """What the writer met, None while all is well; `put` and `close` raise it."""
        return self._failure

    def put(self, final: Final) -> None:
        """Queue one record; callable from any thread, never blocks.

        Raises `OutputClosed` if the reader of the output went away, `EnvironmentFailure` that names
        the output if it could not be written; in both cases this record is not written.
        """
        line = self._encode(final)
        with self._change:
            self._refuse()
            before = self._queued
            self._queue.append(line)
            self._queued += len(line)
            self._waiting += len(line)
            if not before or before < _GROUP <= self._queued:
                self._change.notify()

    def close(self, *, whole: bool = True) -> None:
        """Write all that is queued and end the writer; may be called again.

        `whole` tells that the crawl came to its end: then it replaces an old output even if it had
        no record. Raises what `put` raises.
        """
        with self._change:
            self._closing, self._whole = True, whole
            self._change.notify()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _refuse(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._closing:
            raise RuntimeError("put after close")

    def _run(self) -> None:
        try:
            self._write_all()
        except OSError as error:
            self._fail(self._translated(error))
        except Exception as error:  # a bug: whoever puts or closes next sees it
            self._fail(error)

    def _write_all(self) -> None:
        try:
            last = -self._pace
            while group := self._next_group(last + self._pace):
                self._outlet.write(group)
                last = monotonic()
                self._done(len(group))
            self._outlet.end(whole=self._whole)
        finally:
            self._outlet.close()

    def _next_group(self, due: float) -> bytes:
        """Wait for lines, and until `due` for more of them; b"" at the end."""
        with self._change:
            self._change.wait_for(lambda: self._queue or self._closing)
            pause = max(0.0, due - monotonic())
            self._change.wait_for(lambda: self._queued >= _GROUP or self._closing, pause)
            lines, self._queue, self._queued = self._queue, [], 0
        return b"".join(lines)

    def _done(self, size: int) -> None:
        with self._change:
            was_full = self._waiting > LIMIT
            self._waiting -= size
            room = was_full and self._waiting <= LIMIT
        if room:
            self.on_room()

    def _fail(self, failure: Exception) -> None:
        with self._change:
            self._failure = failure
            self._queue, self._queued, self._waiting = [], 0, 0
        self.on_room()

    def _translated(self, error: OSError) -> CrawlerError:
        label = self._outlet.label
        if isinstance(error, BrokenPipeError | ConnectionResetError):
            return OutputClosed(f"{label}: its reader has closed it")
        return EnvironmentFailure(
            f"{label}: cannot be written: {error.strerror}; "
            f"{self.written} records are whole, make room and start again"
        )
