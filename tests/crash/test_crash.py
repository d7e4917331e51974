"""A short run of `make crash`."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.parametrize("part", ["kills", "retries", "cuts", "processes"])
def test_crawls_that_are_killed_in_their_writes_lose_and_repeat_nothing(part: str) -> None:
    """Crawls with either engine, alone and in partitions; retries; and crawls without power."""
    numbers = {"kills": 0, "retries": 0, "cuts": 0, "processes": 0, part: 20}
    words = [word for name, number in numbers.items() for word in (f"--{name}", str(number))]
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash", *words],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "nothing lost, nothing repeated" in done.stdout
