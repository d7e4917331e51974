"""A short run of `make crash`."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.slow
def test_crawls_that_are_killed_in_their_writes_lose_and_repeat_nothing() -> None:
    """Both engines, lists and links, alone and in partitions, plain and packed outputs."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash", "--kills", "30"],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "nothing lost, nothing repeated" in done.stdout


@pytest.mark.slow
def test_retries_that_are_killed_in_their_writes_lose_and_repeat_nothing() -> None:
    """`crawler retry` of plain and packed files and of parts: until its end the output is whole."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash.retried", "--kills", "12"],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "nothing lost, nothing repeated" in done.stdout
