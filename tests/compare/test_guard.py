"""What is guarded ends: with the block, and with the process that started it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from crawler.compare.web import mock_web
from crawler.measure.processes import tree
from crawler.runtime.process_group import guarded
from tests.compare.ending import ends
from tests.compare.made import SETTING

ROOT = Path(__file__).parents[2]
_SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
_LEAVES = f"""
import subprocess, time
print(subprocess.Popen({_SLEEP!r}).pid, flush=True)
time.sleep(60)
"""


def _killed(script: str) -> list[int]:
    """The process ids that a script says, after which it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    told = process.stdout.readline()
    process.kill()
    process.communicate()
    return [int(word) for word in told.split()]


def test_the_block_ends_a_process_and_what_it_started() -> None:
    """Also where neither has an end of its own."""
    with guarded([sys.executable, "-c", _LEAVES], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        assert process.poll() is None
    assert process.returncode and ends(child)


@pytest.mark.slow
def test_a_killed_parent_takes_all_of_it_along() -> None:
    """`kill -9` of who started it ends the process and what it started."""
    pids = _killed(f"""
        import subprocess, sys
        from crawler.runtime.process_group import guarded
        with guarded([sys.executable, "-c", {_LEAVES!r}], stdout=subprocess.PIPE) as process:
            print(process.pid, int(process.stdout.readline()), flush=True)
            process.wait()
    """)
    assert len(pids) == 2 and all(map(ends, pids))


@pytest.mark.slow
def test_a_killed_parent_takes_its_mock_web_along() -> None:
    """No server is left that nobody knows of."""
    pids = _killed("""
        import os, time
        from crawler.measure.processes import tree
        from crawler.compare.web import mock_web
        from tests.compare.made import SETTING
        with mock_web(SETTING, "--pages", "10"):
            print(*tree(os.getpid())[1:], flush=True)
            time.sleep(60)
    """)
    assert pids and all(map(ends, pids))


@pytest.mark.slow
def test_a_mock_web_has_no_options_but_the_experiments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables of `crawler mock` would change what is measured, or keep it from starting."""
    monkeypatch.setenv("CRAWLER_MOCK_PAGES", "none")
    with mock_web(SETTING, "--seed", "1") as url:
        assert url.startswith("http://127.0.0.1:")


def test_nothing_stays_open() -> None:
    """Neither a descriptor nor a process that nobody waited for."""
    before = sorted(os.listdir("/proc/self/fd")), tree(os.getpid())
    for _ in range(3):
        with guarded(_SLEEP, stdin=subprocess.PIPE, stdout=subprocess.PIPE):
            pass
    assert (sorted(os.listdir("/proc/self/fd")), tree(os.getpid())) == before
