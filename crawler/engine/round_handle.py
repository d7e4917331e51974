"""One partition as the driver of rounds sees it, and what partitions have for each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace

import msgspec

from crawler.core.collector import Snapshot
from crawler.core.merged import followed
from crawler.engine.partition_plan import Manifest
from crawler.engine.round_attempt import LiveProgress, RoundCall, RoundEnd
from crawler.engine.round_state import Chunk, Offer, RoundManifest, RoundPlan, round_folder
from crawler.model.version import VERSION


class RoundHandle:
    """One partition, as the driver sees it. `tasks` are the attempts that were handed out.

    live, offer: what the attempt that runs says, and has handed over, after the last manifest.

    size: the entries that its list was seen to have, before its first round.
    """

    def __init__(self, number: int, last: RoundManifest | None, size: int = 0) -> None:
        self.number = number
        self.size = size
        self.last = last
        self.tasks: dict[Future[RoundEnd], RoundCall] = {}
        self.deaths = 0
        self.live: LiveProgress | None = None
        self.offer: Offer | None = None
        self.ran: list[RoundManifest] = []
        self._beat: tuple[bytes, float] | None = None
        progress = self.progress
        self._taken = Snapshot(
            read=progress.read,
            found=progress.found,
            repeats=progress.repeats,
            earlier=progress.records,
        )

    def __repr__(self) -> str:
        return f"RoundHandle({self.number}, round={self.round}, tasks={len(self.tasks)})"

    @property
    def progress(self) -> Manifest:
        """What it has come to, by its last manifest."""
        return self.last.progress if self.last is not None else Manifest(partition=self.number)

    @property
    def round(self) -> int:
        """The number of the round that is next, or runs."""
        return self.last.round + 1 if self.last is not None else 1

    @property
    def turn(self) -> tuple[int, int, int]:
        """The order of partitions: fewest turns first, and of those the one with most to do."""
        return len(self.ran), -(self.progress.left if self.last else self.size), self.number

    @property
    def folder(self) -> str:
        """The folder of that round."""
        return round_folder(self.number, self.round)

    @property
    def attempts(self) -> int:
        """Attempts at that round that were handed out; others belong to rounds that have ended."""
        if not self.tasks:  # as for most partitions, most of the time
            return 0
        return sum(call.round == self.round for call in self.tasks.values())

    @property
    def taken(self) -> Snapshot:
        """The statistics of this driver's time."""
        if self.live is None:
            return self._taken
        return followed(self._taken, self.live.taken)

    def ended(self, manifest: RoundManifest) -> None:
        """Take the manifest of a round."""
        if manifest.progress != self.progress:
            self.deaths = 0
        self.last, self.live, self.offer = manifest, None, None
        self._taken = followed(self._taken, replace(manifest.taken, in_flight=0))
        self.ran.append(manifest)
        self._beat = None

    def silent_for(self, beat: bytes, now: float) -> float:
        """Take a look at the heartbeat; return for how many seconds it has stood still."""
        if self._beat is None or beat != self._beat[0]:
            self._beat = (beat, now)
            _, _, text = beat.partition(b"\n")
            with suppress(msgspec.DecodeError):  # half of it, or nothing yet
                self.live = msgspec.json.decode(text, type=LiveProgress)
        return now - self._beat[1]


def with_work(handles: Sequence[RoundHandle]) -> list[RoundHandle]:
    """Return the partitions that have something left, or something to read from another."""
    addressed = _addressed(handles)
    return [each for each in handles if not each.progress.ended or each.number in addressed]


def plan_of(handle: RoundHandle, handles: Sequence[RoundHandle]) -> RoundPlan:
    """Return the plan of a partition's next round; who has never handed over is left out."""
    previous, read = handle.last, _positions(handle)
    if previous is not None:
        previous = replace(previous, handed=_unread(handle, handles), taken=Snapshot())
    offers: dict[int, Offer] = {}
    for sender, manifest in _senders(handles):
        if sender is not handle:
            chunks = (c for c in manifest.handed if c.end > read.get(sender.number, 0))
            offers[sender.number] = (manifest.handed_in_all, tuple(chunks))
    return RoundPlan(version=VERSION, previous=previous, offers=offers)


def offers_of(handles: Sequence[RoundHandle]) -> Iterator[tuple[RoundHandle, Offer]]:
    """Return what partitions have handed over that not all have read, those that run included."""
    for each in handles:
        length, chunks = each.last.handed_in_all if each.last else 0, _unread(each, handles)
        if each.offer is not None:
            length, chunks = each.offer[0], (*chunks, *each.offer[1])
        if length:
            yield each, (length, chunks)


def _senders(handles: Sequence[RoundHandle]) -> Iterator[tuple[RoundHandle, RoundManifest]]:
    for each in handles:
        if each.last is not None and each.last.handed_in_all:
            yield each, each.last


def _positions(handle: RoundHandle) -> Mapping[int, int]:
    return handle.last.positions if handle.last is not None else {}


def _addressed(handles: Sequence[RoundHandle]) -> set[int]:
    """Return the partitions that have lines to read, in one pass over what is handed over."""
    ends: dict[tuple[int, int], int] = {}
    for sender, manifest in _senders(handles):
        for chunk in manifest.handed:
            for receiver in chunk.receivers:
                key = receiver, sender.number
                ends[key] = max(ends.get(key, 0), chunk.end)
    read = {number: _positions(handles[number]) for number in {each for each, _ in ends}}
    return {to for (to, sender), end in ends.items() if end > read[to].get(sender, 0)}


def _unread(handle: RoundHandle, handles: Sequence[RoundHandle]) -> tuple[Chunk, ...]:
    """Return what a partition has handed over that not all the others have read."""
    if handle.last is None or not handle.last.handed:
        return ()
    others = (each for each in handles if each is not handle)
    read = min((_positions(each).get(handle.number, 0) for each in others), default=0)
    return tuple(c for c in handle.last.handed if c.end > read)
