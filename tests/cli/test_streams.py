"""Standard streams that were closed before the start (libuv#4558, #2962)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import PATIENCE
from tests.unmannered import WORDS

CLOSED = ("2>&-", "<&- 2>&-", "<&- >&- 2>&-")


def crawler(closed: str, *words: str) -> subprocess.CompletedProcess[str]:
    """`crawler WORDS` with some of its standard streams closed."""
    command = ["sh", "-c", f'exec "$0" "$@" {closed}', sys.executable, "-m", "crawler", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("closed", "engine"),
    [
        *((closed, "--loop uvloop") for closed in CLOSED),
        (CLOSED[-1], "--engine threaded"),
    ],
)
def test_a_crawl_needs_no_standard_streams(tmp_path: Path, closed: str, engine: str) -> None:
    """A service's or cron's crawl ends as any other, with every record (L9)."""
    output = tmp_path / "out.jsonl"
    done = crawler(closed, "crawl", *WORDS, "--mock", "30", "-o", str(output), *engine.split())
    assert done.returncode == 0, done
    assert len(output.read_text().splitlines()) == 30
    assert done.stdout == "" and ("accounted for" in done.stderr) != ("2>&-" in closed)


@pytest.mark.slow
@pytest.mark.parametrize("words", ["-h", "mock faults", "load --print-config", "compare --list"])
def test_every_command_survives_them(words: str) -> None:
    """All commands start alike."""
    assert crawler("<&- >&- 2>&-", *words.split()).returncode == 0
    assert crawler("<&- 2>&-", *words.split()).stdout


@pytest.mark.slow
@pytest.mark.parametrize(("closed", "option"), [("<&-", "-i -"), (">&-", "-o -")])
def test_what_is_asked_of_a_closed_stream_is_refused(closed: str, option: str) -> None:
    """Records do not vanish into the null device, and no list is read from it."""
    done = crawler(closed, "crawl", "http://127.0.0.1:1/", *option.split())
    assert done.returncode == 3 and done.stderr.count("\n") == 1
    assert "standard" in done.stderr and "is closed; name a file with" in done.stderr


@pytest.mark.slow
def test_an_error_goes_nowhere_else(tmp_path: Path) -> None:
    """With standard error closed its one line is not written among the records."""
    done = crawler("2>&-", "crawl", "-i", str(tmp_path / "missing"))
    assert (done.returncode, done.stdout, done.stderr) == (3, "", "")
