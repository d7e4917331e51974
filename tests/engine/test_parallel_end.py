"""When the parent of partitions lets them finish, and for how long it waits for their end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crawler.core.collector import Snapshot
from crawler.engine import parallel_crawl
from crawler.engine.parallel_crawl import ENDING, ParallelCrawl
from crawler.engine.partition_messages import ProgressReport
from crawler.engine.partition_plan import CrawlPlan, Manifest, Wish
from crawler.model.command_config import CommandConfig

DONE = Manifest(partition=0, ended=True, exhausted=True)
DRAIN = 2.0


class Told:
    """The process of a partition: keeps what it is told, and whether it was killed."""

    def __init__(self) -> None:
        self.wishes: list[Any] = []
        self.killed = False

    def tell(self, message: object) -> None:
        self.wishes.append(message)

    def kill(self) -> None:
        self.killed = True


class Parent(ParallelCrawl):
    """Two partitions that have been started."""

    def __init__(self, folder: Path) -> None:
        plan = CrawlPlan(
            options=CommandConfig(drain_timeout=DRAIN).values(),
            output=str(folder / "out.jsonl"),
            state=str(folder),
            partitions=2,
            running=2,
        )
        super().__init__(plan, announce=print)
        self.told = [Told(), Told()]
        for handle, process in zip(self._handles, self.told, strict=True):
            handle.process = process  # type: ignore[assignment]

    def hear(self, at: float, manifests: Sequence[Manifest]) -> None:
        """Take a report of each, made within a second from `at` on."""
        for number, (handle, manifest) in enumerate(zip(self._handles, manifests, strict=True)):
            own = replace(manifest, partition=number)
            handle.manifest = own
            report = ProgressReport(manifest=own, taken=Snapshot(), since=at, sent=at + 1)
            handle.last = report
            self._look_at_all()

    def look_at_time(self) -> None:
        self._look_at_time()

    @property
    def finish(self) -> bool:
        """Whether they were told to finish."""
        return any(Wish.FINISH in each.wishes for each in self.told)


def test_one_look_at_all_is_not_enough(tmp_path: Path) -> None:
    """What was under way between two partitions in one look may make their sums equal in it."""
    parent = Parent(tmp_path)
    parent.hear(0, [replace(DONE, sent=1), replace(DONE, ended=False)])
    parent.hear(2, [replace(DONE, sent=1), replace(DONE, consumed=1)])
    assert not parent.finish
    parent.hear(4, [replace(DONE, sent=1), replace(DONE, consumed=1)])
    assert parent.finish


def test_the_second_look_begins_after_the_first_has_ended(tmp_path: Path) -> None:
    """Two that overlap are one: what is received in both need not have been sent in either."""
    parent = Parent(tmp_path)
    parent.hear(0, [DONE, DONE])
    parent.hear(0.5, [DONE, DONE])
    assert not parent.finish
    parent.hear(1.5, [DONE, DONE])
    assert parent.finish


def test_partitions_that_still_write_have_more_time_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the drain each URL that waits gets its record; only who stands still is killed."""
    now = 100.0
    monkeypatch.setattr(parallel_crawl, "perf_counter", lambda: now)
    parent = Parent(tmp_path)
    parent.hear(0, [DONE, DONE])
    parent.stop()
    for records in (5, 9):
        now += DRAIN + ENDING + 1
        parent.hear(now, [replace(DONE, records=records), DONE])
        parent.look_at_time()
        assert not any(each.killed for each in parent.told)
    now += ENDING + 1
    parent.look_at_time()
    assert all(each.killed for each in parent.told)
