"""What a round leaves, and the next one begins with.

    run.json                        the run: options, lists, number of partitions
    pN/rR/plan.json                 created once: what the round begins with
    pN/rR/attempt-K, beat-K, over-K the attempts at it (`crawler.engine.lease`)
    pN/rR/aK/                       where attempt K works: the state of a run with this partition
    pN/rR/MANIFEST.json             created once: what has come of it; without it there is nothing

An attempt works in a directory that no other one ever changes. It finds there the state that the
manifest before it names, and links to what others have handed over; so `crawl_partition` sees what
it sees on one machine. The logs of a partition (records, hand-overs) go on over the rounds: of what
earlier rounds wrote, there is only the length.

An attempt that follows another one of the same round goes on with what that has committed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from crawler.core.audit import Totals
from crawler.core.collector import Snapshot
from crawler.engine.partition_plan import CrawlPlan, Manifest
from crawler.engine.round_files import MANIFEST
from crawler.model.command_config import CommandConfig
from crawler.model.errors import ConfigurationError
from crawler.store.forms import OutputTarget
from crawler.store.journal import disk
from crawler.store.journal.frame import Marks, last_marks
from crawler.store.journal.handover import receivers_of, segments
from crawler.store.journal.journal import positions_of
from crawler.store.journal.sent_notes import DOUBT, without_doubt
from crawler.store.journal.state_folder import SENT, StateFolder
from crawler.store.journal.tables_file import TABLES
from crawler.store.object_store import place_of
from crawler.store.receipt_file import read_object
from crawler.store.round_place import RoundPlace
from crawler.store.run_folder import part_name

RUN = "run.json"
PLAN = "plan.json"
NEWS = "news"
_WHOLE = ("seen", TABLES, SENT)
"""Files of a state, besides the journal, that the next round takes over."""
_BLOCK = 1 << 24

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """`size` bytes of a partition's log from `start` on: those from `at` on of a file of the place.

    receivers: the partitions that they have lines for, of what is handed over.
    """

    name: str
    start: int
    size: int
    at: int = 0
    receivers: tuple[int, ...] = ()

    @property
    def end(self) -> int:
        """The position behind it."""
        return self.start + self.size


Offer = tuple[int, tuple[Chunk, ...]]
"""The length of what a partition has handed over, and the chunks that may have to be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """A run, the same for all rounds. `options` are text, without secrets.

    version: of the package, which is the same everywhere. shared: a directory with copies of lists.
    """

    version: str
    options: Mapping[str, Any]
    seeds: tuple[str, ...]
    inputs: tuple[str, ...]
    output: str
    parts: tuple[OutputTarget, ...]
    partitions: int
    sites: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundManifest:
    """What a round has come to: `progress` is that of its partition over all rounds.

    work: the directory with its state. written: the length of its part; records: the chunks of it
    that this round has added, in order (one of an earlier version has those of former rounds, too);
    handed: those of what it hands over that are not read by all. positions: how far it has read
    what others have handed over. The rest is of this round alone.
    """

    version: str
    partition: int
    round: int
    attempt: int
    work: str
    progress: Manifest
    written: int = 0
    records: tuple[Chunk, ...] = ()
    handed: tuple[Chunk, ...] = ()
    handed_in_all: int = 0
    positions: Mapping[int, int] = field(default_factory=dict)
    taken: Snapshot = field(default_factory=Snapshot)
    totals: Totals = field(default_factory=Totals)
    parsing: str = ""
    parser_seconds: float = 0.0

    @property
    def length(self) -> int:
        """The length of the part; an earlier version did not write it down."""
        return max((each.end for each in self.records), default=self.written)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundPlan:
    """What a round begins with: the manifest of the last one, and what others have handed over.

    offers: those of the other partitions, by number.
    """

    version: str
    previous: RoundManifest | None = None
    offers: Mapping[int, Offer] = field(default_factory=dict)

    @property
    def length(self) -> int:
        """The length of the part that the round goes on with."""
        return self.previous.length if self.previous is not None else 0


def round_folder(partition: int, number: int) -> str:
    """Return the folder of a round."""
    return f"p{partition:05d}/r{number:06d}"


def encoded(value: object) -> bytes:
    """Return a plan or manifest as JSON."""
    return msgspec.json.encode(value)


def stored_at(place: RoundPlace, name: str, kind: type[_Value]) -> _Value | None:
    """Return a plan or manifest; None without one. Raises `ConfigurationError` for a bad one."""
    data = place.read(name)
    if data is None:
        return None
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{place.name}/{name}: is damaged: {error}") from None


def exchanges(place: RoundPlace, options: Mapping[str, Any]) -> bool:
    """Return whether rounds that run take what others find meanwhile: where there is much of it."""
    return place.shows_attempts and bool(options.get("follow") or options.get("sitemaps"))


def news_at(place: RoundPlace) -> Mapping[int, Offer]:
    """Return what the driver told last (`crawler.engine.round_news`); nothing of half of it."""
    try:
        return msgspec.json.decode(place.read(NEWS) or b"{}", type=dict[int, Offer])
    except msgspec.DecodeError:
        return {}


def last_manifest(place: RoundPlace, partition: int) -> RoundManifest | None:
    """Return the manifest of the last round of a partition; None before the first."""
    rounds = place.names(f"p{partition:05d}")
    for name in sorted(rounds, reverse=True):
        found = stored_at(place, f"p{partition:05d}/{name}/{MANIFEST}", RoundManifest)
        if found is not None:
            return found
    return None


class RoundWork:
    """The directory in which attempt `number` at a round works."""

    def __init__(
        self, place: RoundPlace, run: RunPlan, partition: int, number: int, attempt: int
    ) -> None:
        self._place = place
        self._run = run
        self._partition = partition
        self._round = number
        self._attempt = attempt
        self.folder = round_folder(partition, number)
        self._name = f"{self.folder}/a{attempt}"
        self._root = _root(place)
        self.path = self._root / self._name
        self._own = self.path / f"p{partition}"
        self._offered: dict[int, int] = {}
        self._parts = [
            f"{part_name(index)}{each.form.suffix}" for index, each in enumerate(run.parts)
        ]

    def __repr__(self) -> str:
        return f"RoundWork({str(self.path)!r})"

    def crawl_plan(self, options: Mapping[str, Any], running: int) -> CrawlPlan:
        """Return the plan for `crawl_partition`."""
        run = self._run
        return CrawlPlan(
            options=options,
            seeds=run.seeds,
            inputs=run.inputs,
            output=run.output,
            parts=run.parts,
            state=str(self.path),
            partitions=run.partitions,
            running=running,
            sites=run.sites,
            elsewhere=True,
        )

    def prepare(self, plan: RoundPlan, options: Mapping[str, Any]) -> None:
        """Lay out the state that the round begins with. Raises `OSError`."""
        self._own.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._link_shared()
        self.take(plan.offers)
        former = self._former()
        if former is not None:
            self._go_on_with(former, plan)
        elif plan.previous is not None and self._committed(plan.previous):
            self._begin_after(plan.previous)
        elif plan.previous is not None or self._attempt > 1:
            self._begin_late(options)
        if not self._place.shows_attempts:
            self._doubt()

    def take(self, offers: Mapping[int, Offer]) -> None:
        """Lay out what others have handed over, and is new; the partition may be running."""
        for sender, (length, chunks) in offers.items():
            if sender != self._partition and length > self._offered.get(sender, -1):
                self._lay_out(sender, length, chunks)
                self._offered[sender] = length

    def _link_shared(self) -> None:
        """Link to what all partitions share: copies of lists, and the quota of `max_pages`."""
        for path in self._place.shared():
            _link(path, self.path / path.name)

    def _lay_out(self, sender: int, length: int, chunks: Sequence[Chunk]) -> None:
        folder = self.path / f"p{sender}"
        folder.mkdir(mode=0o700, exist_ok=True)
        for chunk in chunks:
            if not self._place.fetch(chunk.name):
                raise OSError(f"{chunk.name} is not there")
            _link(self._root / chunk.name, folder / f"handed.{chunk.start}")
        draft = folder / "offer.new"
        draft.write_bytes(msgspec.json.encode({"handed": length, "received": {}}))
        disk.rename(draft, folder / "offer")

    def _former(self) -> Path | None:
        """Return the state of the latest attempt before this one that had begun."""
        for attempt in range(self._attempt - 1, 0, -1):
            state = self._root / self.folder / f"a{attempt}" / self._own.name
            if (state / "journal").exists():
                return state
        return None

    def _go_on_with(self, former: Path, plan: RoundPlan) -> None:
        """Copy what an attempt has committed, which makes no request any more."""
        journal = (former / "journal").read_bytes()  # first: it counts on the other files
        for name in _WHOLE:
            _copy(former / name, self._own / name)
        for start in segments(former):
            _copy(former / f"handed.{start}", self._own / f"handed.{start}")
        for name in self._parts:
            _copy(former / name, self._own / name, plan.length)
        self._describe(former)
        disk.replace(self._own / "journal", journal)

    def _committed(self, previous: RoundManifest) -> bool:
        """Return whether a round has left a state: one without time for a commit has none."""
        return self._place.fetch(f"{previous.work}/journal")

    def _begin_after(self, previous: RoundManifest) -> None:
        state = self._root / previous.work
        for name in (RUN, *_WHOLE):
            self._place.fetch(f"{previous.work}/{name}")
        for name in _WHOLE:
            _copy(state / name, self._own / name)
        for name in self._parts:
            with (self._own / name).open("wb") as file:
                file.truncate(previous.length)
        self._describe(state)
        disk.replace(self._own / "journal", (state / "journal").read_bytes())

    def _doubt(self) -> None:
        """Note what attempts that nobody can see may have sent: anything. Others have notes."""
        path = self._own / SENT
        notes = path.read_bytes() if path.exists() else b""
        own = without_doubt(notes)
        if self._attempt > 1:
            own += DOUBT
        if own != notes:
            disk.replace(path, own)

    def _describe(self, state: Path) -> None:
        """Take the description of a state over, which names the place of its part."""
        run = read_object(state / RUN)
        run["output"] = place_of(str(self._own / self._parts[0]))
        disk.replace(self._own / RUN, msgspec.json.encode(run))

    def _begin_late(self, options: Mapping[str, Any]) -> None:
        """Begin with an empty state: an attempt before this one may have asked any host."""
        folder = StateFolder(str(self._own / self._parts[0]), str(self._own))
        folder.begin(CommandConfig.of(options).lasting(), Marks()).close()

    def manifest(self, plan: RoundPlan, progress: Manifest) -> RoundManifest:
        """Keep what the round has left; return its manifest. Raises what a place does."""
        marks = self._marks()
        previous = plan.previous
        records = tuple(self._records(plan.length, marks))
        handed = tuple(self._handed(marks))
        for name in (RUN, *_WHOLE, "journal"):
            if (path := self._own / name).exists():
                self._place.keep(f"{self._work}/{name}", 0, path.stat().st_size)
        return RoundManifest(
            version=plan.version,
            partition=self._partition,
            round=self._round,
            attempt=self._attempt,
            work=self._work,
            progress=replace(progress, parts=()),
            written=max((each.end for each in records), default=plan.length),
            records=records,
            handed=(*(previous.handed if previous is not None else ()), *handed),
            handed_in_all=marks.handed,
            positions={sender: at.block for sender, at in positions_of(marks).items()},
        )

    @property
    def _work(self) -> str:
        return f"{self._name}/{self._own.name}"

    def _marks(self) -> Marks:
        try:
            with (self._own / "journal").open("rb") as file:
                return last_marks(file) or Marks()
        except FileNotFoundError:  # nothing was there to be committed
            return Marks()

    def _records(self, start: int, marks: Marks) -> Iterator[Chunk]:
        for name, length in zip(self._parts, marks.lengths, strict=False):
            if length > start:
                place = f"{self._work}/{name}"
                at = self._place.keep(place, start, length - start)
                yield Chunk(name=place, start=start, size=length - start, at=at)

    def _handed(self, marks: Marks) -> Iterator[Chunk]:
        starts = [start for start in segments(self._own) if start < marks.handed]
        for start, end in zip(starts, [*starts[1:], marks.handed], strict=False):
            path = self._own / f"handed.{start}"
            place = f"{self._work}/{path.name}"
            yield Chunk(
                name=place,
                start=start,
                size=end - start,
                at=self._place.keep(place, 0, end - start),
                receivers=tuple(sorted(receivers_of(path, end - start))),
            )


def _root(place: RoundPlace) -> Path:
    if place.folder is None:
        raise ConfigurationError(f"{place.name}: was opened without a directory to work in")
    return place.folder


def _link(target: Path, link: Path) -> None:
    draft = link.with_name(f"{link.name}.link")
    disk.remove(draft)
    draft.symlink_to(target)
    disk.rename(draft, link)


def _copy(source: Path, target: Path, start: int = 0) -> None:
    """Copy a file, if it is there, from `start` on; what is before that stays a hole."""
    if not source.exists():
        return
    with source.open("rb", buffering=0) as file, target.open("wb", buffering=0) as copy:
        copy.truncate(start)
        copy.seek(start)
        _append(file.fileno(), copy.fileno(), start, max(source.stat().st_size - start, 0))


def _append(source: int, target: int, at: int, size: int) -> None:
    while size:
        data = os.pread(source, min(size, _BLOCK), at)
        if not data:
            raise OSError("a file is shorter than what was written to it")
        disk.write(target, data)
        at += len(data)
        size -= len(data)
