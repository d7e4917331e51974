"""A short run of `make crash`: about a minute."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "number"),
    [
        *(("kills", 14), ("retries", 8), ("cuts", 6), ("processes", 5)),
        *(("stops", 4), ("networks", 1), ("signals", 3)),
    ],
)
def test_crawls_that_are_killed_in_their_writes_lose_and_repeat_nothing(
    part: str, number: int
) -> None:
    """Crawls with either engine, alone and in partitions; retries; and crawls without power."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash", "--only", part, f"--{part}", str(number)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "nothing lost, nothing repeated" in done.stdout
