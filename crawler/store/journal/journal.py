"""Writes the journal: takes the core's changes, and commits them with the records they led to.

The core's calls come from one thread at a time, `commit` from the sink's writer. A commit is what
was published up to then. Its order makes it safe to be killed anywhere: the records are in the
output before `commit` is called; it writes the fingerprints, then the frame that counts both.

A journal that has grown to `_GROWTH` times its base gets a new one (`Compaction`) on the way. After
a failed write or sync nothing is written any more: what the disk has then is known only to the run
that reads it again.
"""

from __future__ import annotations

import os
import threading
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from crawler.core.changes import Changes
from crawler.core.crawl_tables import CrawlTables
from crawler.core.host_state import HostState
from crawler.core.waiting import LookAtCrawl
from crawler.model.errors import EnvironmentFailure
from crawler.model.payload import marked
from crawler.model.request import Arrivals, Listed, ListShare, Position, Purpose, Request
from crawler.model.url import InvalidUrl, Seed, Url, fingerprint
from crawler.store.entry import checksum
from crawler.store.input_copy import InputCopy
from crawler.store.journal import disk
from crawler.store.journal.compaction import Compaction
from crawler.store.journal.frame import Frame, Marks, packed
from crawler.store.journal.handover import Outbox, Passing, moves
from crawler.store.journal.host_line import host_line
from crawler.store.journal.lines import (
    request_key,
    sent_key,
    unusable_key,
    unusable_line,
    waiting_line,
)
from crawler.store.journal.sent_notes import SentNotes
from crawler.store.journal.state_folder import FORMAT, SENT, StateFolder
from crawler.store.journal.status_file import StatusFile
from crawler.store.journal.tables_file import write_tables
from crawler.store.receipt_file import digest_of, others_of
from crawler.store.volumes import volumes_of

_LASTING = (Purpose.PAGE, Purpose.SITEMAP)
"""What gets a record; a name's address and robots.txt are asked for again."""

_LEAST = 64 * 2**20
"""Bytes of a journal that gets a new base."""
_GROWTH = 4
"""Times its base that such a journal has grown to: compaction costs a part of what writing did."""

Sync = Callable[[int], None]


def has_grown(length: int, base: int) -> bool:
    """Tell whether a journal of so many bytes needs a new base, in place of one of `base` bytes."""
    return length > max(_LEAST, _GROWTH * base)


def unsynced(_number: int) -> None:
    """Leave it to the system when data reach the disk."""


def _ignored() -> None:
    """Do nothing."""


class Portion:
    """Changes that belong together."""

    __slots__ = (
        *("by_host", "cursor", "entries", "found", "hosts", "keys", "lines", "passing", "places"),
        *("read", "repeats", "seen", "size", "taken"),
    )

    def __init__(self, cursor: int, entries: int) -> None:
        self.cursor = cursor
        self.entries = entries
        self.read = self.repeats = self.found = self.taken = 0
        self.seen = array("Q")
        self.keys = array("Q")
        self.lines: list[bytes] = []
        self.hosts: list[bytes] = []
        self.places: list[str] = []
        self.by_host: Counter[str] = Counter()
        self.passing: Passing | None = None
        self.size = 0

    @property
    def empty(self) -> bool:
        """True if there is nothing to commit, but for a cursor that has moved on."""
        changed = self.read or self.lines or self.seen or self.places or self.hosts
        return not (changed or self.passing)

    def take(self, other: Portion) -> None:
        """Add what came after it."""
        self.cursor = other.cursor
        self.entries = other.entries
        self.read += other.read
        self.repeats += other.repeats
        self.found += other.found
        self.taken += other.taken
        self.seen += other.seen
        self.keys += other.keys
        self.lines += other.lines
        self.hosts += other.hosts
        self.places += other.places
        if other.by_host:
            self.by_host.update(other.by_host)
        if self.passing is not None:
            self._stay(other.keys)
        if other.passing is not None:
            self.passed().take(other.passing)
        self.size += other.size

    def passed(self) -> Passing:
        """Return what passed between partitions, to be added to."""
        if self.passing is None:
            self.passing = Passing()
        return self.passing

    def _stay(self, keys: Iterable[int]) -> None:
        """Take note that requests wait here that had gone before: redirects led them back."""
        gone = self.passed().gone
        for key in keys if gone else ():
            gone.pop(key, None)


class Journal(Changes):
    """Keeps the changes in a folder. `options` are those a later run has to share.

    inputs: what the list is, for people. file: the journal of an earlier run, to be continued;
    base: the bytes that its base has, or would have. `on_rest` is called
    when nothing will be added for now; it must not block.
    """

    def __init__(
        self,
        folder: StateFolder,
        options: Mapping[str, Any],
        marks: Marks | None = None,
        *,
        inputs: Sequence[Mapping[str, Any]] = (),
        file: BinaryIO | None = None,
        base: int = 0,
        outbox: Outbox | None = None,
        sync: Sync = os.fdatasync,
    ) -> None:
        self.folder = folder
        self.marks = marks or Marks()
        self._options = options
        self._inputs = inputs
        self._files = (folder.seen(), file) if file is not None else None
        self._base, self._length = base, _size(file) if file is not None else 0
        self._compaction: Compaction | None = None
        self._learned: Callable[[], CrawlTables] | None = None
        self._tables: CrawlTables | None = None
        self._tables_wanted = False
        self._failed = False
        self._copy: InputCopy | None = None
        self._outbox = outbox
        self._positions = positions_of(self.marks)
        self._sync = sync
        self.on_rest: Callable[[], None] = _ignored
        self.status = StatusFile(folder.path)
        self._sent = SentNotes(folder.path / SENT, resumed=file is not None)
        self._lock = threading.Lock()
        self._preparing = threading.Lock()
        self._call = Portion(self.marks.cursor, self.marks.entries)
        self._published = Portion(self.marks.cursor, self.marks.entries)
        self._portion: Portion | None = None  # of the next commit

    def __repr__(self) -> str:
        return f"Journal({self.folder!r}, {self.marks!r})"

    def copy_input(self, copy: InputCopy) -> None:
        """Commit the copy of standard input, too."""
        self._copy = copy

    @property
    def size(self) -> int:
        """Approximate number of bytes published and not committed."""
        return self._published.size

    @property
    def behind(self) -> bool:
        """True if there is something to commit; from any thread."""
        published = self._published
        return not published.empty or published.cursor != self.marks.cursor

    # -- what the core tells

    def read(self, seeds: Sequence[Seed], repeats: int) -> None:
        """Add entries of the list."""
        call = self._call
        if isinstance(seeds, ListShare):
            call.cursor, call.entries = seeds.cursor, seeds.entries
        else:
            call.cursor += len(seeds)
            call.entries = checksum((seed.input for seed in seeds), call.entries)
        call.read += len(seeds)
        call.repeats += repeats

    def found(self, number: int) -> None:
        """Add to the number of URLs found."""
        self._call.found += number

    def taken(self, host: str) -> None:
        """Add a page that was taken up."""
        self._call.taken += 1
        if host:
            self._call.by_host[host] += 1

    def waits(self, request: Request | Listed, wait: float = 0.0) -> None:
        """Add a waiting request."""
        if isinstance(request, Listed):
            text = marked(request.url.href, request.seed.payload)
            self._waits(fingerprint(text), waiting_line(request))
        elif request.purpose in _LASTING:
            self._waits(request_key(request), waiting_line(request, wait))

    def host(self, state: HostState) -> None:
        """Add the state of a host."""
        line = host_line(state, time.time())
        self._call.hosts.append(line)
        self._call.size += len(line)

    def unusable(self, seed: Seed) -> None:
        """Add an entry that is not a URL."""
        if isinstance(seed.url, InvalidUrl):
            self._waits(unusable_key(seed), unusable_line(seed, seed.url))

    def _waits(self, key: int, line: bytes) -> None:
        self._call.keys.append(key)
        self._call.lines.append(line)
        self._call.size += len(line) + 8

    def seen(self, key: int) -> None:
        """Add a fingerprint."""
        self._call.seen.append(key)

    def widened(self, url: Url) -> None:
        """Add a URL of the scope."""
        self._call.places.append(url.href)

    def watch(self, look: LookAtCrawl) -> None:
        """Write what `look` returns to the live status, after commits."""
        self.status.look = look

    def handed_over(self, what: Request | Url, owner: int) -> None:
        """Add what is for another partition."""
        self._call.size += self._call.passed().hand_over(what, owner)

    def received(self, arrivals: Arrivals) -> None:
        """Add what came from another partition; a request that moved waits here now."""
        self._call.passed().receive(arrivals)
        for each in filter(moves, arrivals):
            self._waits(request_key(each), waiting_line(each))

    def sends(self, request: Request) -> bool:
        """Note that a request leaves; return False if an earlier run has noted it.

        Raises `EnvironmentFailure`.
        """
        self.prepare()
        with self.folder.explained():
            return self._sent.add(sent_key(request), self._sync)

    def rests(self) -> None:
        """Call `on_rest`."""
        self.on_rest()

    def learns(self, tables: Callable[[], CrawlTables]) -> None:
        """Write what `tables` returns with each new base, and at the end of the run."""
        self._learned = tables

    def publish(self) -> None:
        """Hand the changes over to the next commit."""
        if self._tables_wanted and self._learned is not None:
            self._tables_wanted, self._tables = False, self._learned()
        call = self._call
        if call.empty and call.cursor == self._published.cursor:
            return
        self._call = Portion(call.cursor, call.entries)
        with self._lock:
            self._published.take(call)

    # -- what the writer does

    def cut(self) -> None:
        """Let the next commit hold what was published until now, and no more."""
        if self._portion is None:
            with self._lock:
                self._portion = portion = self._published
                self._published = Portion(portion.cursor, portion.entries)

    def commit(
        self,
        ended: Sequence[int],
        output: int,
        words: Sequence[str] = (),
        failed: int = 0,
        others: Sequence[int] = (),
    ) -> None:
        """Commit what was published before the `cut`, with the keys whose records are there.

        `output` is the output's length, `words` are the outcomes of the records, `failed` of which
        are failures, `others` the lengths of further outputs.

        Raises `EnvironmentFailure`.
        """
        self.cut()
        portion, self._portion = self._portion, None
        if portion is None or (not ended and portion.empty and portion.cursor == self.marks.cursor):
            return
        seen, journal = self.prepare()
        passing = portion.passing or Passing()
        self.marks = replace(
            self.marks,
            output=output,
            others=tuple(others),
            seen=self.marks.seen + 8 * len(portion.seen),
            cursor=portion.cursor,
            entries=portion.entries,
            read=self.marks.read + portion.read,
            repeats=self.marks.repeats + portion.repeats,
            found=self.marks.found + portion.found,
            records=self.marks.records + len(ended),
            failed=self.marks.failed + failed,
            outcomes=dict(Counter(self.marks.outcomes) + Counter(words)),
            taken=self.marks.taken + portion.taken,
            sent=self.marks.sent + passing.sent,
            received=self.marks.received + passing.received,
            went=self.marks.went + passing.went,
            come=self.marks.come + passing.come,
        )
        with self._explained():
            if self._copy is not None:
                self.marks = replace(self.marks, copied=self._copy.settle(self._sync))
            self._pass_on(passing)
            frame = packed(
                Frame(
                    marks=self.marks,
                    ended=[*ended, *passing.gone] if passing.gone else ended,
                    keys=portion.keys,
                    text=b"".join(portion.lines),
                    hosts=b"".join(portion.hosts),
                    places=portion.places,
                    by_host=portion.by_host,
                )
            )
            if portion.seen:
                _put(seen, portion.seen.tobytes(), self._sync)
            _put(journal, frame, self._sync)
            if self._outbox is not None and portion.passing is not None:
                self._outbox.publish(self._positions)
            self._length += len(frame)
            self._compact(seen, journal)

    def _pass_on(self, passing: Passing) -> None:
        """Write what other partitions are to get, before the frame that counts it."""
        if self._outbox is None:
            return
        if passing.lines:
            self._outbox.write(passing.lines, self._sync)
        self._positions |= passing.positions
        positions = tuple((sender, *at) for sender, at in self._positions.items())
        self.marks = replace(self.marks, handed=self._outbox.length, positions=positions)

    def _compact(self, seen: BinaryIO, journal: BinaryIO) -> None:
        """Give the journal a new base if it has grown, in a thread; raises `OSError`."""
        compaction = self._compaction
        if compaction is None:
            if has_grown(self._length, self._base):
                self._compaction = Compaction(self.folder, self._length)
                self._tables_wanted = True
        elif compaction.done:
            self._compaction = None
            if compaction.failure is None:
                file, self._base = compaction.finish()
                journal.close()
                self._files, self._length = (seen, file), _size(file)
                self._write_tables()
            elif isinstance(compaction.failure, OSError):  # no room, perhaps: the old one counts
                self._base = self._length
            else:
                with self.folder.intact():
                    raise compaction.failure

    def pulse(self, *, now: bool = False) -> None:
        """Renew the live status, if it is old or has to be now, and there is a state at all."""
        if self._files is not None:
            self.status.pulse(self.marks, now=now)

    def prepare(self) -> tuple[BinaryIO, BinaryIO]:
        """Create the state, before the output is changed; return its files.

        Raises `EnvironmentFailure`.
        """
        with self._preparing, self._explained():
            if self._files is None:
                journal = self.folder.begin(self._options, self.marks, self._inputs)
                with ExitStack() as failing:
                    failing.callback(journal.close)
                    if self._copy is not None:
                        self._copy.adopt()
                    self._files = self.folder.seen(), journal
                    failing.pop_all()
                self._base = self._length = _size(journal)
        return self._files

    def finish(self, others: Sequence[str] = ()) -> None:
        """Replace the state by the receipt if every URL has its record.

        others: the names of further outputs. Raises `EnvironmentFailure`.
        """
        marks = self.marks
        self.close()
        if self._files is None or marks.left:  # nothing was read; or a bug: what is left is kept
            return
        with self._explained():
            self.folder.finish(
                {
                    "format": FORMAT,
                    "options": dict(self._options),
                    "given": dict(self.folder.given),
                    "outcomes": dict(marks.outcomes),
                    "cursor": marks.cursor,
                    "entries": marks.entries,
                    "read": marks.read,
                    "found": marks.found,
                    "records": marks.records,
                    "repeats": marks.repeats,
                    "ended": round(time.time(), 3),
                    **digest_of(map(Path, volumes_of(self.folder.output))),
                    **others_of({name: digest_of(map(Path, volumes_of(name))) for name in others}),
                }
            )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Raise `EnvironmentFailure` for an `OSError`, and for every write after it."""
        if self._failed:
            raise EnvironmentFailure(f"{self.folder.path}: could not be written before")
        try:
            with self.folder.explained():
                yield
        except BaseException:
            self._failed = True
            raise

    def remember(self) -> None:
        """Write what was learned of pages, for the run that continues this one, which has ended.

        Raises `EnvironmentFailure`.
        """
        if self._files is not None and self._learned is not None:
            self._tables = self._learned()
            with self._explained():
                self._write_tables()

    def _write_tables(self) -> None:
        tables, self._tables = self._tables, None
        if tables is not None:
            write_tables(self.folder.path, tables)

    def settled(self) -> None:
        """Wait for the new base that is being written, if one is; a commit adopts it."""
        if self._compaction is not None:
            self._compaction.wait()

    def close(self) -> None:
        """Close the files; what was committed lasts."""
        if self._copy is not None:
            self._copy.close()
            if self._files is None:
                self._copy.drop()
        if self._compaction is not None:
            self._compaction.close()
            self._compaction = None
        self._close_files()

    def _close_files(self) -> None:
        for file in self._files or ():
            file.close()
        self._sent.close()
        if self._outbox is not None:
            self._outbox.close()


def positions_of(marks: Marks) -> dict[int, Position]:
    """Return how far was received what each other partition has sent."""
    return {sender: Position(block, lines) for sender, block, lines in marks.positions}


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size


def _put(file: BinaryIO, data: bytes, sync: Sync) -> None:
    disk.write(file.fileno(), data)
    sync(file.fileno())
