"""The stopwatch: what it counts, its children included."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path
from time import perf_counter, process_time

import pytest

from crawler.compare import stopwatch
from crawler.compare.stopwatch import Reading, Stopwatch
from crawler.measure import processes
from crawler.measure.processes import cpu_of, machine_busy, peak_rss, pss, tree

BURN = "import time\nends = time.process_time() + 0.2\nwhile time.process_time() < ends: pass\n"


def _read(watch: Stopwatch) -> Reading:
    assert watch.reading is not None
    return watch.reading


@pytest.mark.slow
def test_it_counts_what_happens_inside() -> None:
    """Computing shows as CPU time of the process itself, and as wall time."""
    watch = Stopwatch()
    with watch:
        ends = process_time() + 0.05
        while process_time() < ends:
            pass
    reading = _read(watch)
    assert reading.wall == watch.wall >= 0.04
    assert reading.user + reading.system >= 0.04 and reading.children < 0.04


@pytest.mark.slow
def test_children_count_whether_they_live_or_have_ended() -> None:
    """A child that has been waited for, and one that still runs, have spent what they spent."""
    watch = Stopwatch()
    living = subprocess.Popen(
        [sys.executable, "-c", f"input()\n{BURN}print(flush=True)\ninput()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert living.stdin is not None and living.stdout is not None
    with watch:
        living.stdin.write(b"\n")
        living.stdin.flush()
        subprocess.run([sys.executable, "-c", BURN], check=True)
        living.stdout.readline()
    living.communicate(b"\n")
    reading = _read(watch)
    assert reading.children >= 0.35  # of 0.4, as a tick of the clock is 10 ms
    assert reading.user + reading.system >= reading.children
    assert reading.rss > peak_rss([os.getpid()])  # the living child's memory is in it


@pytest.mark.slow
def test_living_children_are_switched_too() -> None:
    """Those of a pool that still waits count like those of one that has ended."""
    again = "import sys, time\nprint(flush=True)\nsys.stdin.readline()\n"
    again += "for _ in range(300): time.sleep(1e-5)\nprint(flush=True)\nsys.stdin.readline()\n"
    living = subprocess.Popen(
        [sys.executable, "-c", again], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    )
    assert living.stdin is not None and living.stdout is not None
    living.stdout.readline()
    watch = Stopwatch()
    with watch:
        living.stdin.write(b"\n")
        living.stdout.readline()
    living.communicate(b"\n")
    assert _read(watch).voluntary >= 300


@pytest.mark.slow
def test_to_look_at_other_processes_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are: it is this process's time, but not the work's."""

    def slow(_pids: list[int]) -> processes.Busy:
        ends = process_time() + 0.2
        while process_time() < ends:
            pass
        return processes.Busy(0.0, 0.0)

    monkeypatch.setattr(stopwatch, "cpu_of", slow)
    watch = Stopwatch()
    with watch:
        pass
    assert watch.cpu < 0.15


@pytest.mark.slow
def test_a_collection_is_a_pause() -> None:
    """Each is counted, with its time; those outside are not."""
    watch = Stopwatch()
    gc.collect()
    with watch:
        gc.collect()
    gc.collect()
    reading = _read(watch)
    assert reading.collections >= 1
    assert 0 < reading.longest_collection <= reading.collecting < reading.wall


@pytest.mark.slow
def test_sabotage_takes_its_share() -> None:
    """50 % more than the work took, spent computing."""
    watch = Stopwatch(0.5)
    with watch:
        before = perf_counter()
        while perf_counter() < before + 0.05:
            pass
        took = perf_counter() - before
    assert _read(watch).wall >= took * 1.5


@pytest.mark.slow
def test_a_turn_is_measured_once() -> None:
    """A second block would overwrite the first: that is a mistake of the experiment's."""
    watch = Stopwatch()
    with watch:
        pass
    with pytest.raises(RuntimeError, match="once"), watch:
        pass


@pytest.mark.slow
def test_a_tree_has_children_of_children() -> None:
    """Descendants are found as long as they live."""
    innermost = "print(1, flush=True); input()"
    inner = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {innermost!r}])"
    process = subprocess.Popen(
        [sys.executable, "-c", inner], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    assert len(tree(process.pid)) == 2
    assert process.pid in tree(os.getpid())
    process.communicate(b"\n")
    assert tree(process.pid) == [process.pid]
    assert cpu_of([process.pid]).total == 0 == pss([process.pid])


def test_memory_is_told_in_bytes() -> None:
    """The proportional size is no more than the peak of the resident one."""
    assert 5_000_000 < pss([os.getpid()]) <= peak_rss([os.getpid()])


def test_the_machine_is_busier_than_its_processes() -> None:
    """Its CPU seconds hold those of this process."""
    busy = machine_busy()
    assert busy is not None and busy > process_time()


def test_without_proc_nothing_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Other systems have no /proc: zeros, and no failure."""
    monkeypatch.setattr(processes, "_PROC", tmp_path / "none")
    assert machine_busy() is None
    assert tree(7) == [7] and pss([7]) == 0 and cpu_of([7]).total == 0
