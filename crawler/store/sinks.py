"""The sink of records: encoded by the caller's thread, written by a dedicated one.

What goes into archives is encoded by the writer as well: hashing and packing bodies leaves the
caller's thread, an event loop, to the fetches, and takes another core.

`put` never waits for the disk. It encodes, queues the line and wakes the writer only if the queue
was empty or has grown to a good write, so that a crawl of thousands of pages a second costs the
writer a few wake-ups a second. The writer writes at once if its last write is `pace` ago, otherwise
it waits that long for more: the reader of a file waits at most a quarter of a second, and the
reader of a pipe or terminal a fiftieth.

The queue is bounded by backpressure: above `LIMIT` bytes `has_room` is false, an engine starts
nothing new, and `on_room` tells it when to continue. The outcomes of requests in flight still fit.

After a failure nothing more is written, so that no record follows half of another. Every `put` and
`close` raise the failure.

Once a crawl was stopped, the reader of a pipe or a terminal has until `end_within` to take the
records; the rest is not written, and its number is reported. A file has no such limit, as a disk
does not stall.
"""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from math import inf
from time import monotonic

from crawler.model.choices import Existing
from crawler.model.errors import CrawlerError, EnvironmentFailure, ExitCode
from crawler.model.outcome import Failed, Final, Page, Redirect
from crawler.store.descriptor import ReaderGone
from crawler.store.journal.kept import Kept, RecordGroup
from crawler.store.journal.lines import key_of, word_of
from crawler.store.journal.resumption import Beginning
from crawler.store.outlet import Outlet, write_groups
from crawler.store.output_files import write_json
from crawler.store.record import encode
from crawler.store.rendering import Encoder
from crawler.store.saved_bodies import SavedBodies, name_of
from crawler.store.warc_output import WarcRecords, weight

__all__ = ["LIMIT", "OutputClosed", "RecordSink", "write_json"]

LIMIT = 8_388_608
"""Bytes that may wait before engines are asked to hold: a few hundred large records."""

_GROUP = 262_144  # bytes that are worth a write of their own
_PACE = 0.25  # seconds between two smaller writes to a file
_LIVE_PACE = 0.02  # to a pipe or a terminal
_LEAVING = 20  # ticks for the writer to see that it was left; it looks as often
_COMMIT = 4_194_304  # bytes that are worth a commit of their own
_COMMIT_PACE = 0.5  # seconds between two smaller ones
_TICK = 0.05  # seconds between two looks of `close` at the clock

_Made = bytes | Callable[[], bytes]
"""Encoded records, or what makes them."""


class OutputClosed(CrawlerError):
    """The reader of the records went away (`| head -1`): the crawl ends, without an error."""

    exit_code = ExitCode.FINISHED


class OutputStalled(CrawlerError):
    """The reader of the records did not take them, and the crawl was to end."""

    exit_code = ExitCode.INTERRUPTED


def _nobody() -> None:
    """Do nothing."""


class RecordSink:
    """Writes one record per outcome to `path`, `-` for standard output, or to several outputs.

    A file is written in place, so that it can be followed; old content is refused, replaced or
    appended to, as `existing` says, with the first record and not before. `.gz` and `.zst` are
    compressed. kept: the output and the journal of a crawl that can be continued after it was
    killed, with the same outputs. `encode` makes a record, by default a JSON line, for the first
    output, `others` for the further ones. `bodies`: where to save those of pages that have one,
    before their records are written. `on_room` is called from the writer's thread when there is
    room again or the writer has failed; it must not raise.

    Raises what `crawler.store.claim.Claim` raises.
    """

    def __init__(
        self,
        path: str | Sequence[Outlet],
        *,
        existing: Existing = "refuse",
        encode: Encoder = encode,
        on_room: Callable[[], None] = _nobody,
        kept: Kept | None = None,
        others: Sequence[Encoder] = (),
    ) -> None:
        self._outlets: Sequence[Outlet]
        if kept is not None:
            self._outlets = kept.outlets
        else:
            self._outlets = [Outlet(path, existing)] if isinstance(path, str) else path
        self._encoders = (encode, *others)
        self._kept = kept
        self.on_room = on_room
        self._change = threading.Condition()
        self.bodies: SavedBodies | None = None
        self._files: list[tuple[str, bytes]] = []
        self._queue: list[tuple[_Made, ...]] = []
        self._queued = 0  # bytes in the queue
        self._waiting = 0  # bytes in the queue or being written
        self._closing = self._hasty = self._held = False
        self._whole = False
        self._failure: Exception | None = None
        self._given = 0
        self._redirects: list[tuple[_Made, ...]] = []  # for archives
        self._left: list[tuple[str, bytes]] = []  # files of pages left by a refresh
        self._leading = 0  # bytes of the redirects
        self._taken = 0  # bytes taken for a commit
        self._deadline = inf
        self._live = [outlet for outlet in self._outlets if outlet.live]
        self._pace = _LIVE_PACE if self._live else _PACE
        self._group, self._ended = _GROUP, array("Q")
        self._words: list[str] = []
        self._failed = 0
        if kept is not None:
            kept.redirects = self._take_redirects
            self._pace, self._group = _COMMIT_PACE, _COMMIT
        self._thread = threading.Thread(target=self._run, name="record-sink", daemon=True)
        self._thread.start()

    @classmethod
    def lasting(cls, beginning: Beginning) -> RecordSink:
        """Return the sink of a crawl that can be continued."""
        kept, (first, *others) = beginning.kept, beginning.encoders
        return cls(kept.outlets, encode=first, others=others, kept=kept)

    def __repr__(self) -> str:
        names = ", ".join(outlet.label for outlet in self._outlets)
        return f"RecordSink({names!r}, written={self.written})"

    @property
    def has_room(self) -> bool:
        """True if an engine may start new fetches, or if the writer has failed."""
        if self._held:
            return False
        journalled = self._kept.journal.size if self._kept is not None else 0
        return self._waiting + journalled <= LIMIT

    @property
    def overdue(self) -> bool:
        """True if the reader's time is up and it has not taken what there is; a file has none."""
        return bool(self._live) and monotonic() >= self._deadline and not self.has_room

    @property
    def written(self) -> int:
        """Number of records written."""
        return self._outlets[0].records

    @property
    def failure(self) -> Exception | None:
        """The writer's failure, None without one; `put` and `close` raise it."""
        return self._failure

    def put(self, final: Final) -> None:
        """Queue one record; callable from any thread, never blocks.

        Raises `OutputClosed` if the reader of the output went away, `EnvironmentFailure` that names
        the output if it could not be written; in both cases this record is not written.
        """
        file = self._file_of(final)
        if isinstance(final, Page) and file is not None:
            final = replace(final, saved=file[0])
        records = tuple([_made(encode, final) for encode in self._encoders])
        size = _weight(records, final) + (len(file[1]) if file is not None else 0)
        with self._change:
            self._refuse()
            self._given += 1
            before = self._queued
            if self._kept is not None:
                self._ended.append(key_of(final))
                self._words.append(word_of(final))
                self._failed += isinstance(final, Failed)
            if file is not None:
                self._files.append(file)
            self._queue.append(records)
            self._queued += size
            self._waiting += size
            if not before or before < self._group <= self._queued:
                self._change.notify()

    def _file_of(self, outcome: Final | Redirect) -> tuple[str, bytes] | None:
        """Return name and content of the file that a page is saved as, if it is to be."""
        if self.bodies is None or not isinstance(outcome, Page) or not outcome.body:
            return None
        return name_of(outcome), outcome.body

    def led_on(self, left: Redirect | Page) -> None:
        """Queue the response of a redirect for archives, before the core is told of it.

        Or that of a page that a refresh may lead away from, whose body is saved, too. A crawl that
        is killed may have fetched and archived either twice, and lacks none.
        Callable from any thread, never blocks; it fails with the next `put`.
        """
        records = tuple(
            partial(encode.led_on, left) if isinstance(encode, WarcRecords) else b""
            for encode in self._encoders
        )
        file = self._file_of(left)
        if file is None and not any(records):
            return
        size = _weight(records, left) + (len(file[1]) if file is not None else 0)
        with self._change:
            if self._failure is not None or self._closing:
                return
            self._redirects.append(records)
            if file is not None:
                self._left.append(file)
            self._leading += size
            self._waiting += size
            self._change.notify()

    def _take_redirects(self) -> list[bytes]:
        """Return the redirects that came until now, for each output; save the pages left."""
        with self._change:
            taken, self._redirects = self._redirects, []
            files, self._left = self._left, []
            self._taken += self._leading
            self._leading = 0
        self._save(files)
        return _columns(taken)

    def hasten(self) -> None:
        """Write and commit what there is now, without waiting for more; from any thread."""
        with self._change:
            if self._queue or (self._kept is not None and self._kept.journal.behind):
                self._hasty = True
                self._change.notify()

    def hold(self, held: bool) -> None:
        """Have no room from now on, whatever is queued, or have it again; from any thread."""
        before, self._held = self._held, held
        if before and not held:
            self.on_room()

    def end_within(self, seconds: float) -> None:
        """Let `close` wait at most `seconds`, from now, for the reader of a pipe or terminal."""
        self._deadline = min(self._deadline, monotonic() + seconds)

    def close(self, *, whole: bool = True) -> None:
        """Write all that is queued and end the writer; may be called again.

        `whole`: the crawl came to its end, and replaces an old output even without a record. Raises
        what `put` raises, and `OutputStalled` for a reader that has stalled.
        """
        with self._change:
            self._closing, self._whole = True, whole
            self._change.notify()
        while self._thread.is_alive() and not self._stalled():
            self._thread.join(_TICK)
        if self._failure is not None:
            raise self._failure

    def _stalled(self) -> bool:
        """Give up on the reader if its time is up; return whether the writer may be abandoned."""
        if not self._live or monotonic() < self._deadline:
            return False
        for outlet in self._live:
            outlet.leave()
        for _ in range(_LEAVING):  # so that a stop of the process counts for one of them
            self._thread.join(_TICK)
        if self._thread.is_alive():  # blocked in write(2): what it has got by now is not known
            self._failure = self._failure or self._translated(ReaderGone())
        return True

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
            while not self._closing or self._queue or self._redirects:
                group = self._next_group(last + self._pace)
                self._write(group)
                last = monotonic()
                self._done()
            for outlet in self._outlets:
                outlet.end(whole=self._whole)
            if self._kept is not None:
                self._kept.end(whole=self._whole)
        finally:
            with ExitStack() as stack:
                if self._kept is not None:
                    stack.callback(self._kept.journal.close)
                for outlet in self._outlets:
                    stack.callback(outlet.close)

    def _write(self, group: RecordGroup) -> None:
        self._save(group.files)
        if self._kept is not None:
            self._kept.write(group)
        else:
            write_groups(self._outlets, group.parts, group.number)
            write_groups(self._outlets, self._take_redirects())

    def _save(self, files: Sequence[tuple[str, bytes]]) -> None:
        if self.bodies is not None:
            for file in files:
                self.bodies.write(*file)

    def _next_group(self, due: float) -> RecordGroup:
        """Wait for records, and until `due` for more of them; return none at the end.

        With a journal there may be something to commit without any records.
        """
        with self._change:
            patience = self._pace if self._kept is not None else None
            self._change.wait_for(lambda: self._queue or self._redirects or self._hurries, patience)
            pause = max(0.0, due - monotonic())
            self._change.wait_for(lambda: self._queued >= self._group or self._hurries, pause)
            self._hasty = False
            queued, self._queue = self._queue, []
            self._taken, self._queued = self._queued, 0
            ended, self._ended = self._ended, array("Q")
            words, self._words = self._words, []
            failed, self._failed = self._failed, 0
            files, self._files = self._files, []
        return RecordGroup(_columns(queued), len(queued), ended, words, failed, files)

    @property
    def _hurries(self) -> bool:
        return self._hasty or self._closing

    def _done(self) -> None:
        with self._change:
            # What the journal holds may have filled the sink at any moment since the last commit.
            was_full = self._kept is not None or self._waiting > LIMIT
            self._waiting -= self._taken
        if was_full and self.has_room:
            self.on_room()

    def _fail(self, failure: Exception) -> None:
        with self._change:
            self._failure = failure
            self._queue, self._queued, self._waiting = [], 0, 0
            self._redirects, self._leading = [], 0
        self.on_room()

    def _translated(self, error: OSError) -> CrawlerError:
        label = str(error.filename or self._outlets[0].label)
        if isinstance(error, ReaderGone):
            lost = self._given - self.written
            return OutputStalled(f"{label}: its reader stands still; {lost:,} records not written")
        if isinstance(error, BrokenPipeError | ConnectionResetError):
            return OutputClosed(f"{label}: its reader has closed it")
        return EnvironmentFailure(
            f"{label}: cannot be written: {error.strerror}; {self.written:,} records are whole: "
            f"{self._way_on()}"
        )

    def _way_on(self) -> str:
        """Return how to go on without losing what was written."""
        if self._kept is not None:
            return "make room, and run the same command again"
        addable = not any(outlet.live or outlet.packed for outlet in self._outlets)
        onto = "to the same file with --append" if addable else "to another file"
        return f"make room, and crawl what has none (each names its `input`) {onto}"


def _made(encode: Encoder, final: Final) -> _Made:
    return partial(encode, final) if isinstance(encode, WarcRecords) else encode(final)


def _weight(records: Sequence[_Made], outcome: Final | Redirect) -> int:
    """Return the bytes of records, about where they are to be made."""
    return sum(len(each) if isinstance(each, bytes) else weight(outcome) for each in records)


def _columns(taken: Sequence[Sequence[_Made]]) -> list[bytes]:
    """Return the records of each output, made as they come."""
    columns = zip(*taken, strict=True)
    return [b"".join([r if isinstance(r, bytes) else r() for r in each]) for each in columns]
