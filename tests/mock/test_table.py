"""The bounded table of counts and buckets, alone and shared."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import crawler
from crawler.mock.server import table as module
from crawler.mock.server.table import Table

HAMMER = """
import sys
from pathlib import Path
from crawler.mock.server.table import Table
table = Table(Path(sys.argv[1]))
sys.stdin.readline()
for _ in range(2000):
    table.count(b"one key")
"""


@pytest.fixture(params=["own", "shared"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Table]:
    made = Table(tmp_path / "table" if request.param == "shared" else None)
    yield made
    made.close()


@pytest.mark.slow
def test_counts_are_by_key(table: Table) -> None:
    """Each key has a count of its own that starts at 0."""
    keys = [str(number).encode() for number in range(5000)]
    for expected in range(3):
        assert {table.count(key) for key in keys} == {expected}


def test_clear_forgets_everything(table: Table) -> None:
    """After a clear each key starts anew."""
    table.count(b"a")
    table.clear()
    assert table.count(b"a") == 0


def test_a_bucket_gives_its_burst_and_then_its_rate(table: Table) -> None:
    """The burst passes at once, then one each 1/rate seconds; another key has its own tokens."""
    assert [table.take(b"host", 100.0, 2, 3) for _ in range(3)] == [0, 0, 0]
    assert table.take(b"host", 100.0, 2, 3) == pytest.approx(0.5)
    assert table.take(b"other", 100.0, 2, 3) == 0
    assert table.take(b"host", 100.5, 2, 3) == 0
    assert table.take(b"host", 100.5, 2, 3) == pytest.approx(0.5)


def test_the_longest_untouched_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full set drops the entry that was not touched for longest, and only that."""
    monkeypatch.setattr(module, "_SETS", 1)
    table = Table()
    keys = [bytes([number]) for number in range(8)]
    for key in keys:
        table.count(key)
    table.count(keys[0])
    table.count(b"ninth")
    assert [table.count(key) for key in (keys[0], *keys[2:])] == [2, 1, 1, 1, 1, 1, 1]
    assert table.count(keys[1]) == 0
    table.close()


def test_those_who_share_a_file_share_the_counts(tmp_path: Path) -> None:
    """The second to come finds what the first has counted; a clear is for both."""
    one, two = Table(tmp_path / "table"), Table(tmp_path / "table")
    assert (one.count(b"k"), two.count(b"k"), one.count(b"k")) == (0, 1, 2)
    two.clear()
    assert one.count(b"k") == 0
    one.close()
    two.close()


@pytest.mark.slow
def test_no_count_is_lost_between_processes(tmp_path: Path) -> None:
    """Four processes that count one key at the same time count every time."""
    source = str(Path(crawler.__file__).parent.parent)
    command = [sys.executable, "-c", HAMMER, str(tmp_path / "table")]
    environment = {**os.environ, "PYTHONPATH": source}
    crew = [subprocess.Popen(command, stdin=subprocess.PIPE, env=environment) for _ in range(4)]
    for each in crew:
        each.communicate(b"go\n")
    assert [each.returncode for each in crew] == [0] * 4
    table = Table(tmp_path / "table")
    assert table.count(b"one key") == 8000
    table.close()


def test_a_table_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    """A directory that is not there is an OSError."""
    with pytest.raises(FileNotFoundError):
        Table(tmp_path / "nowhere" / "table")
