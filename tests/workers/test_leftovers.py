"""What a killed run, or one whose processes were killed, leaves: nothing, after the next start."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from crawler.mock import MockWeb, running
from crawler.runtime.leftovers import temporary_directory
from tests.patience import PATIENCE
from tests.unmannered import WORDS
from tests.workers.killing import PAGES, left_over, one

ROOT = Path(__file__).parents[2]
RUNS = 3


def crawl(folder: Path, *words: str) -> subprocess.Popen[str]:
    """A crawl with parser processes, whose temporary files are in `folder`."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)}
    command = [sys.executable, "-m", "crawler", "crawl", *WORDS, "--parse", "process", *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment)


@pytest.mark.slow
def test_a_killed_command_leaves_what_the_next_start_takes_away(tmp_path: Path) -> None:
    """T11: after `kill -9` nobody complains, and the folder is there until the next crawl."""
    with crawl(tmp_path, "--mock", "50000") as killed:
        assert killed.stdout is not None and killed.stdout.readline()
        killed.kill()
        # The tracker has this pipe, too, until its end.
        _, err = killed.communicate(timeout=PATIENCE)
    assert "resource_tracker" not in err
    (left,) = tmp_path.glob("pymp-*")
    with crawl(tmp_path, "--mock", "5") as second:
        second.communicate(timeout=PATIENCE)
    assert second.returncode == 0 and not left.exists()
    assert left_over(tmp_path) == []


@pytest.mark.slow
def test_the_folder_of_a_crawl_that_runs_is_left_alone(tmp_path: Path) -> None:
    """Another start takes away what is nobody's, and no more."""
    with crawl(tmp_path, "--mock", "50000") as first:
        assert first.stdout is not None and first.stdout.readline()
        (held,) = tmp_path.glob("pymp-*")
        with crawl(tmp_path, "--mock", "5") as second:
            second.communicate(timeout=PATIENCE)
        assert held.exists()
        first.terminate()
        first.communicate(timeout=PATIENCE)
    assert (first.returncode, second.returncode) == (143, 0)
    assert left_over(tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["async", "threaded"])
def test_processes_killed_at_random_cost_no_record_and_no_time(engine: str) -> None:
    """2.1: workers in mid-answer, fork servers and trackers; `tests.workers.killing` runs more."""
    with running(MockWeb(pages=PAGES)) as web:
        urls = list(web.urls())
        assert [wrong for seed in range(RUNS) for wrong in one(seed, urls, engine, PATIENCE)] == []


def test_a_temporary_directory_goes_with_its_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One whose owner was killed is removed by the next; that of a living one stays."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left = tmp_path / "crawler-run-killed"
    left.mkdir()
    (left / "crawler.lock").touch()
    with temporary_directory() as first:
        assert not left.exists()
        with temporary_directory() as second:
            assert sorted(tmp_path.iterdir()) == sorted((first, second))
    assert list(tmp_path.iterdir()) == []
