"""A short run of `make crash`: about a minute."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "number"),
    [("kills", 14), ("retries", 8), ("cuts", 6), ("processes", 5), ("signals", 3)],
)
def test_crawls_that_are_killed_in_their_writes_lose_and_repeat_nothing(
    part: str, number: int
) -> None:
    """Crawls with either engine, alone and in partitions; retries; and crawls without power."""
    numbers = {"kills": 0, "retries": 0, "cuts": 0, "processes": 0, "signals": 0, part: number}
    words = [word for name, most in numbers.items() for word in (f"--{name}", str(most))]
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash", *words],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "nothing lost, nothing repeated" in done.stdout
