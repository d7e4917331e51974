"""Rounds: numbered calls, each of which leaves whole files that exist by its manifest alone."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from crawler.engine.partition import partition_folder
from crawler.engine.partition_plan import CrawlPlan, Manifest, all_done
from crawler.engine.round_files import MANIFEST, RoundFiles, held, manifests
from crawler.model.errors import ConfigurationError, EnvironmentFailure
from crawler.store.forms import OutputForm, OutputTarget
from crawler.store.journal import disk
from tests.engine.partition_web import HOSTS, page
from tests.engine.test_partitions import FOLLOWING, LONG_AGO, called, listed, planned, records

Map = Callable[..., Iterator[Manifest]]
BOTH = (
    OutputTarget("", "", OutputForm("csv")),
    OutputTarget("", "", OutputForm("jsonl"), headed=False),
)
"""Two outputs, the first of which begins with names."""


class KilledHere(BaseException):
    """Stands for the end of the process at a change of the disk."""


def numbered(
    plan: CrawlPlan, mapped: Map = map, call: Callable[..., Manifest] = called
) -> list[Manifest]:
    """Call all partitions in rounds until all is done; return the manifests of all rounds."""
    before: list[Manifest] = []
    for number in range(1, 100):
        plans = [replace(plan, round=number)] * plan.partitions
        now = list(mapped(call, plans, range(plan.partitions)))
        if all_done(before, now):
            return every_manifest(plan)
        before = now
    raise AssertionError(f"never done: {before}")


def every_manifest(plan: CrawlPlan) -> list[Manifest]:
    """Return the manifests of all rounds of all partitions."""
    return [each for n in range(plan.partitions) for each in manifests(partition_folder(plan, n))]


def files_of(found: Sequence[Manifest]) -> dict[str, int]:
    """Return what the manifests name, with the length that each file has."""
    named = [path for each in found for path, length in each.parts if length]
    assert len(named) == len(set(named))
    return {path: Path(path).stat().st_size for path in named}


def _processes() -> Executor:
    return ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, FOLLOWING], ids=["list", "follow"])
def test_rounds_by_threads_processes_and_a_loop_give_the_same_records(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    """Whatever executor calls the partitions, in rounds, the union of their records is the same.

    Each file that a manifest names is as long as it says, and has the records of one round.
    """
    lines = [page(n) for n in range(HOSTS)] if options else listed()
    found = []
    executors: list[Callable[[], Any]] = [nullcontext, lambda: ThreadPoolExecutor(3), _processes]
    for number, executor in enumerate(executors):
        plan = planned(tmp_path / str(number), lines, **options)
        with executor() as opened:
            rounds = numbered(plan, opened.map if opened is not None else map)
        found.append(records(rounds))
        assert files_of(rounds) == dict(part for each in rounds for part in each.parts if part[1])
        assert len(rounds) > plan.partitions  # of more than one round
    assert found[0] == found[1] == found[2]


@pytest.mark.slow
def test_a_round_that_runs_again_returns_its_manifest_and_changes_nothing(tmp_path: Path) -> None:
    """Those before the last, too: arguments and result are the same, and so are all files."""
    plan = planned(tmp_path, listed(), 2)
    numbered(plan)
    files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    before = every_manifest(plan)
    for each in before:
        assert called(replace(plan, round=each.round), each.partition, LONG_AGO) == each
    assert every_manifest(plan) == before
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == files


@pytest.mark.slow
def test_rounds_that_are_killed_anywhere_at_their_ends_lose_and_repeat_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before each change in turn, of two outputs; then the same round runs again."""
    plan = replace(planned(tmp_path, listed(), 2), parts=BOTH)
    kills: Counter[int] = Counter()

    def killed(now: CrawlPlan, partition: int) -> Manifest:
        for at in count(1):
            with monkeypatch.context() as patch:
                _killed_at_the_end(patch, at)
                try:
                    return called(now, partition)
                except KilledHere:
                    kills[at] += 1
        raise AssertionError

    found = numbered(plan, map, killed)
    assert max(kills) > 2 * len(BOTH)
    for each in found:
        csv, lines = (Path(path).read_bytes() if length else b"" for path, length in each.parts)
        assert csv.count(b"url,input,") == bool(csv) == bool(lines)
        assert csv.count(b"\n") == lines.count(b"\n") + bool(csv)
    only_lines = [replace(each, parts=each.parts[1:]) for each in found]
    assert len(records(only_lines)) == len(set(listed()))


def _killed_at_the_end(patch: pytest.MonkeyPatch, number: int) -> None:
    """Kill a round at the change of this number, counted from the end of its crawl."""
    keep, left = RoundFiles.keep, count(number, -1)

    def wrapped(change: Callable[..., Any]) -> Callable[..., Any]:
        def changed(*arguments: Any) -> Any:
            if next(left) <= 1:
                raise KilledHere
            return change(*arguments)

        return changed

    def armed(self: RoundFiles, manifest: Manifest) -> Manifest:
        for name in ("make_folder", "truncate", "rename", "settle", "create"):
            patch.setattr(disk, name, wrapped(getattr(disk, name)))
        return keep(self, manifest)

    patch.setattr(RoundFiles, "keep", armed)


@pytest.mark.slow
def test_a_round_that_was_given_up_is_part_of_the_next(tmp_path: Path) -> None:
    """Its files, moved and without a manifest, are taken back; numbers may be left out."""
    plan = planned(tmp_path, listed(), 1)
    given_up = called(replace(plan, round=3), 0)
    Path(given_up.parts[0][0]).with_name(MANIFEST).unlink()
    ended = called(replace(plan, round=5), 0)
    assert len(records([ended])) == len(set(listed()))
    assert not Path(given_up.parts[0][0]).exists()


@pytest.mark.slow
@pytest.mark.parametrize(("number", "said"), [(0, "a call without a round"), (3, "round 3")])
def test_a_number_that_cannot_follow_is_refused(tmp_path: Path, number: int, said: str) -> None:
    """One that is less than the last that ended, and none at all; nothing is changed."""
    plan = replace(planned(tmp_path, listed(), 1), round=5)
    ended = called(plan, 0)
    with pytest.raises(ConfigurationError, match=f"{said} cannot follow round 5$"):
        called(replace(plan, round=number), 0)
    assert called(plan, 0) == ended == manifests(partition_folder(plan, 0))[0]


def test_two_calls_for_one_partition_are_kept_apart(tmp_path: Path) -> None:
    """The second is told, whether a round has ended or not."""
    plan = replace(planned(tmp_path, [], 1), round=1)
    ended = called(plan, 0)
    for number in (1, 2):
        with (
            held(partition_folder(plan, 0)),
            pytest.raises(EnvironmentFailure, match="p0: is being written by this very process"),
        ):
            called(replace(plan, round=number), 0)
    assert called(plan, 0) == ended


@pytest.mark.slow
def test_a_round_whose_manifest_has_gone_is_explained(tmp_path: Path) -> None:
    """The journal counts on files that nothing names any more: refused."""
    plan = planned(tmp_path, listed()[:3], 1)
    paths = [Path(called(replace(plan, round=n), 0).parts[0][0]) for n in (1, 2, 3)]
    for path in paths[1:]:
        path.with_name(MANIFEST).unlink()
    with pytest.raises(ConfigurationError, match="round 2 has no manifest"):
        called(replace(plan, round=2), 0)
