"""How many partitions a run has, and what is refused before any process is started."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Any

import orjson
import pytest

from crawler.engine.parallel_order import ParallelOrder, partitions_of
from crawler.engine.parallel_run import open_parallel
from crawler.engine.partition_handle import PartitionHandle
from crawler.engine.partition_plan import Manifest
from crawler.model.command_config import CommandConfig
from crawler.model.errors import ConfigurationError, EnvironmentFailure
from crawler.runtime import limits
from crawler.store.journal.frame import Marks
from crawler.store.journal.state_folder import LOCK, StateFolder
from crawler.store.rendering import targets_of
from crawler.store.run_folder import RunFolder


def order(folder: Path, *, hosts: int = 8, urls: int = 3_000, **options: Any) -> ParallelOrder:
    """An order for a list of so many URLs and hosts."""
    output = options.pop("output", "out.jsonl")
    listed = folder / "list.txt"
    listed.write_text("".join(f"http://h{n % hosts}.test/{n}\n" for n in range(urls)))
    inputs = options.pop("inputs", (str(listed),))
    config = CommandConfig(**{"workers": "auto"} | options)
    targets = targets_of([f"{folder}/{output}"], config)
    return ParallelOrder(config=config, seeds=(), inputs=inputs, targets=targets, lasting=True)


@pytest.mark.parametrize(
    ("hosts", "urls", "options", "partitions"),
    [
        (8, 4_000, {}, 4),
        (100, 3_000, {}, 3),
        (6, 9_000, {}, 3),
        (100, 900, {}, 0),
        (100, 900, {"follow": True}, 4),
        (1, 9_000, {}, 0),
        (1, 10, {"workers": "7"}, 7),
        (100, 9_000, {"workers": "1"}, 0),
        (1, 10, {"output": "out/"}, 1),
    ],
)
def test_auto_is_one_a_core_for_a_list_with_hosts_enough(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    hosts: int,
    urls: int,
    options: dict[str, Any],
    partitions: int,
) -> None:
    """Two hosts and 1,000 URLs each; an ordinary crawl (0) but for a directory; a number stands."""
    monkeypatch.setattr(limits, "cores", lambda: 4)
    said: list[str] = []
    given = order(tmp_path, hosts=hosts, urls=urls, **options)
    assert partitions_of(given, said.append) == partitions
    assert [line.startswith(f"workers: auto is {partitions or 1}, ") for line in said] == [True] * (
        "workers" not in options
    )


def test_the_number_of_partitions_lasts_as_long_as_the_state(tmp_path: Path) -> None:
    """One that was begun alone goes on alone, one of five with five, unless it is replaced."""
    said: list[str] = []
    given = order(tmp_path, workers="3")
    StateFolder(given.output).begin({}, Marks()).close()
    assert partitions_of(given, said.append) == 0
    assert said == [f"workers: {given.output} was begun with one, and goes on so"]
    assert partitions_of(order(tmp_path, workers="3", overwrite=True), said.append) == 3
    path = RunFolder(given.output).path
    for name in ("journal", "seen"):
        (path / name).unlink()
    (path / "run.json").write_bytes(orjson.dumps({"format": 1, "partitions": 5, "options": {}}))
    assert partitions_of(given, said.append) == 5
    assert partitions_of(order(tmp_path, workers="3", overwrite=True), said.append) == 3
    assert not path.exists()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"memory": "300MB"}, "memory: 2 workers need 400MB or more"),
        ({"inputs": ("PIPE",)}, "is a pipe, which only one process can read; use -i - or a file"),
    ],
)
def test_what_several_processes_cannot_do_is_refused_and_leaves_nothing(
    tmp_path: Path, options: dict[str, Any], problem: str
) -> None:
    """The error names the option or the list; neither a state nor an output is made."""
    os.mkfifo(tmp_path / "PIPE")
    options |= {"inputs": (str(tmp_path / "PIPE"),)} if "inputs" in options else {}
    given = order(tmp_path, workers="2", **options)
    with pytest.raises(ConfigurationError, match=problem):
        open_parallel(given, 2, print)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["PIPE", "list.txt"]


@pytest.mark.slow
def test_the_sites_of_a_list_are_dealt_out_once(tmp_path: Path) -> None:
    """Both partitions get as many; another parent, which knows another list, changes nothing."""
    given = order(tmp_path, hosts=8, workers="2")
    for _ in range(2):
        run = open_parallel(given, 2, print)
        run.source.close()
        folder = RunFolder(given.output)
        sites = orjson.loads((folder.path / "run.json").read_bytes())["sites"]
        assert sorted(sites) == [f"h{n}.test" for n in range(8)]
        assert sorted(sites.values()) == [0] * 4 + [1] * 4
        StateFolder(given.output, str(folder.path / "p0")).begin({}, Marks()).close()
        run.sink.close(whole=False)
        given = order(tmp_path, hosts=1, workers="2")


@pytest.mark.slow
def test_processes_that_were_prepared_end_with_a_run_that_does_not_start(tmp_path: Path) -> None:
    """They start while the run is made ready, and are gone with its output."""
    before = set(children())
    run = open_parallel(order(tmp_path, workers="2"), 2, print)
    prepared = set(children()) - before
    assert len(prepared) == 2
    run.sink.close(whole=False)
    assert not prepared & set(children())


def children() -> list[int]:
    """The processes that this one has started and not buried."""
    tasks = Path("/proc/self/task").glob("*/children")
    return [int(pid) for task in tasks for pid in task.read_text().split()]


def test_deaths_are_counted_anew_after_progress() -> None:
    """After three restarts without a new record it is given up, and one more death ends it."""
    handle = PartitionHandle(2)
    for _ in range(3):
        assert handle.died(-9) == "partition 2 is started again: its process was killed by SIGKILL"
    handle.manifest = Manifest(partition=2, records=1)
    for _ in range(3):
        assert "is started again" in handle.died(1)
    assert "partition 2 is given up after 4 deaths" in handle.died(1)
    assert not handle.failed
    handle.died(1)
    assert handle.failed == "partition 2 is given up: its process has ended with exit code 1"


def test_a_state_has_one_parent(tmp_path: Path) -> None:
    """The second is told who has it."""
    first, second = (RunFolder(str(tmp_path / "out.jsonl")) for _ in range(2))
    first.lock()
    with pytest.raises(EnvironmentFailure, match="is being written by this very process"):
        second.lock()
    second.close()
    assert (first.path / LOCK).exists()  # though nothing was begun yet
    first.close()
    second.lock()
    second.close()
    assert not first.path.exists()


@pytest.mark.parametrize("whole", [True, False])
def test_parents_do_not_meet_where_a_state_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    """One opens the lock, and has it when another has ended: it is not the file at that path."""
    first, second, third = (RunFolder(str(tmp_path / "out.jsonl")) for _ in range(3))
    first.lock()
    ends = [first.discard, first.close] if whole else [first.close]

    def late(number: int, how: int) -> None:
        while ends:
            ends.pop(0)()
        flock(number, how)

    flock = fcntl.flock
    monkeypatch.setattr(fcntl, "flock", late)
    second.lock()
    with pytest.raises(EnvironmentFailure, match="is being written"):
        third.lock()
    second.close()


def test_who_has_removed_a_state_leaves_the_next_one_alone(tmp_path: Path) -> None:
    """Another parent may come between the removal and the end; it keeps its lock."""
    first, second, third = (RunFolder(str(tmp_path / "out.jsonl")) for _ in range(3))
    first.lock()
    first.discard()
    second.lock()
    first.close()
    with pytest.raises(EnvironmentFailure, match="is being written"):
        third.lock()
    second.close()
