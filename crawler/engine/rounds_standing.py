"""The standing of a crawl on a cluster, as the place where its rounds meet tells it.

Whoever sees that place sees the standing: it is that of the last manifests, and of the heartbeats
of the rounds that run, with what these have committed. A round runs if its last beat is younger
than its lease, by the clocks of this machine and of the place.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from crawler.engine.lease import attempts
from crawler.engine.partition_plan import Manifest
from crawler.engine.round_attempt import LiveProgress
from crawler.engine.round_files import MANIFEST
from crawler.engine.round_handle import RoundHandle, with_work
from crawler.engine.round_state import RUN, RunPlan, last_manifest, round_folder, stored_at
from crawler.model.command_config import CommandConfig
from crawler.store.claim import writer_of
from crawler.store.journal.standing import Stage, Standing, completed, places, standing
from crawler.store.journal.state_folder import LOCK
from crawler.store.object_directory import STATE, last_receipt, receipt_name
from crawler.store.object_place import ObjectPlace
from crawler.store.object_store import ObjectFolder, check_library, is_object
from crawler.store.receipt_file import fitting
from crawler.store.round_place import RoundPlace, SharedFolder
from crawler.store.run_folder import PLACE, ROUNDS

_AT_ONCE = 16
"""Partitions that are looked at at once: each takes a few requests to a store."""


def standing_of(output: str) -> Standing:
    """Return how the crawl stands whose output, or whose directory of state, this is.

    On one machine or on a cluster. Raises `EnvironmentFailure` if its store cannot be asked.
    """
    if is_object(output):
        return _in_store(output)
    state, _ = places(output)
    place = rounds_in(state) if state is not None else None
    if state is None or place is None:
        return standing(output)
    return RoundsLook(place).standing(output, writer_of([str(state / LOCK)]))


def rounds_in(state: Path) -> RoundPlace | None:
    """Return where the rounds of the run in a directory meet; None for a run without any."""
    if (state / PLACE).exists():
        return ObjectPlace((state / PLACE).read_text())
    rounds = SharedFolder(str(state / ROUNDS))
    return rounds if rounds.changed(RUN) is not None else None


def rounds_below(output: str) -> RoundPlace | None:
    """Return where the rounds of the run meet that a store holds for an output; None without one.

    Raises `ConfigurationError` without the library for it, and `EnvironmentFailure`.
    """
    check_library(output)
    objects = ObjectFolder(_folder(output))
    run = orjson.loads(objects.read(f"{STATE}{RUN}") or b"{}").get("begun", {}).get("run")
    if not run or objects.size(receipt_name(run)) is not None:
        return None
    return ObjectPlace(f"{_folder(output)}{STATE}{run}")


def _folder(output: str) -> str:
    return f"{output.rstrip('/')}/"


def _in_store(output: str) -> Standing:
    if (place := rounds_below(output)) is not None:
        return RoundsLook(place).standing(output, None)
    receipt = orjson.loads(last_receipt(ObjectFolder(_folder(output))) or b"{}")
    return completed(output, fitting(receipt, _folder(output)))


class RoundsLook:
    """A look at all partitions of a run. now: the Unix time."""

    def __init__(self, place: RoundPlace, now: float | None = None) -> None:
        self._place = place
        self._now = time.time() if now is None else now
        run = stored_at(place, RUN, RunPlan)
        number = run.partitions if run is not None else 0
        look = partial(PartitionLook, place, self._now)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            self.partitions = list(pool.map(look, range(number)))

    def __repr__(self) -> str:
        return f"RoundsLook({self.partitions!r})"

    def standing(self, output: str, driver: int | None) -> Standing:
        """Return the standing; driver: its process, 0 if unknown, None if none is seen."""
        looks = self.partitions
        running = [each for each in looks if each.beating]
        stage: Stage = "running" if running or driver is not None else "stopped"
        outcomes: Counter[str] = Counter()
        for each in looks:
            outcomes.update(each.progress.outcomes)
        values = _sums(looks) | _pace(running)
        pace, left = values["records_per_second"], values["waiting"] + (values["unread"] or 0)
        known = pace and values["unread"] is not None
        return Standing(
            output=output,
            stage=stage,
            pid=driver or 0,
            at=max((each.at for each in looks if each.at is not None), default=None),
            started=self._place.changed(RUN),
            outcomes=dict(outcomes),
            seconds_left=left / pace if known else None,
            partitions=_partitions(looks),
            **values,
        )


class PartitionLook:
    """A look at a partition: what it has committed, and whether a round of it runs."""

    def __init__(self, place: RoundPlace, now: float, number: int) -> None:
        self.handle = RoundHandle(number, last_manifest(place, number))
        self.at: float | None = None
        self.beating = False
        for attempt in reversed(attempts(place, self.handle.folder)):
            self._look_at(place, attempt, now)
            if self.live is not None:
                break
        if self.at is None and (last := self.handle.last) is not None:
            self.at = place.changed(f"{round_folder(number, last.round)}/{MANIFEST}")
        if not (self.beating or place.shows_attempts):
            self.handle.live = None  # it was lost with the attempt's machine

    def __repr__(self) -> str:
        return f"PartitionLook({self.handle!r}, beating={self.beating})"

    @property
    def live(self) -> LiveProgress | None:
        """What the heartbeat of the round that runs, or ran last, says of it."""
        return self.handle.live

    @property
    def progress(self) -> Manifest:
        """What it has come to."""
        return self.live.progress if self.live is not None else self.handle.progress

    @property
    def begun(self) -> bool:
        """True if anything is known of it."""
        return self.live is not None or self.handle.last is not None

    def _look_at(self, place: RoundPlace, attempt: int, now: float) -> None:
        name = f"{self.handle.folder}/beat-{attempt}"
        if (beat := place.read(name)) is None or (at := place.changed(name)) is None:
            return
        self.handle.silent_for(beat, now)
        self.at = max(at, self.at or 0.0)
        lease = self.live.lease if self.live is not None else CommandConfig().lease
        over = place.read(f"{self.handle.folder}/over-{attempt}") is not None
        self.beating = self.beating or (not over and now - at <= lease)


_COUNTS = ("read", "found", "repeats", "records")


def _sums(looks: Sequence[PartitionLook]) -> dict[str, Any]:
    counts = {name: sum(getattr(each.progress, name) for each in looks) for name in _COUNTS}
    return counts | {
        "waiting": sum(each.progress.left for each in looks),
        "unread": _unread(looks),
        "rounds": sum(each.handle.round - 1 for each in looks),
    }


def _unread(looks: Sequence[PartitionLook]) -> int | None:
    """Return the entries that are not read yet; who has not begun counts as the others' mean."""
    begun = [each.progress for each in looks if each.begun]
    unread = [each.unread for each in begun]
    if None in unread or not begun:
        return None
    known = sum(filter(None, unread))
    mean = (known + sum(each.read for each in begun)) / len(begun)
    return known + round(mean * (len(looks) - len(begun)))


def _pace(running: Sequence[PartitionLook]) -> dict[str, Any]:
    """Return the rates of the rounds that run, over the time that each has run, and their load."""
    taken = [each.live.taken for each in running if each.live is not None]
    timed = [each for each in taken if each.elapsed > 0]
    return {
        "in_flight": sum(each.in_flight for each in taken),
        "hosts_away": sum(each.hosts_away for each in taken),
        "records_per_second": sum(each.records / each.elapsed for each in timed),
        "pages_per_second": sum(each.pages / each.elapsed for each in timed),
        "bytes_per_second": sum(each.wire_bytes / each.elapsed for each in timed),
    }


def _partitions(looks: Sequence[PartitionLook]) -> dict[str, int]:
    running = {each.handle.number for each in looks if each.beating}
    working = {each.number for each in with_work([each.handle for each in looks])}
    return {
        "running": len(running),
        "waiting": len(working - running),
        "done": len(looks) - len(working | running),
    }
