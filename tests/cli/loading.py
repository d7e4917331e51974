"""`crawler load` and `crawler mock` as a shell runs them, for the tests of the former."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import NamedTuple
from unittest.mock import patch

from crawler.load import validity

from .test_command import crawler, started

QUICK = ("--connections", "20", "--requests", "120")
"""A run whose length no machine decides."""

_TRUSTING = {
    "MOST_LOOP_LAG": 60.0,
    "MOST_LATENESS": 60.0,
    "MOST_RESIDUAL": 1.0,
    "LEAST_ACHIEVED": 0.0,
}
"""Bounds of the verdict that a busy machine keeps to, too."""


class Mock(NamedTuple):
    """A mock web in a process of its own."""

    address: str
    process: subprocess.Popen[str]

    @property
    def page(self) -> str:
        """The URL of one of its pages."""
        return f"{self.address}/page/0"


@contextmanager
def mock(*words: str) -> Iterator[Mock]:
    """A `crawler mock WORDS` for as long as the block lasts."""
    with started("mock", "--port", "0", *words) as process:
        assert process.stdout is not None
        yield Mock(process.stdout.readline().strip(), process)


def load(*words: str, input: str = "") -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `crawler load WORDS` in this process with this input."""
    kept = os.dup(0)
    try:
        with TemporaryFile("w+") as given:
            given.write(input)
            given.seek(0)
            os.dup2(given.fileno(), 0)
            return crawler("load", *words)
    finally:
        os.dup2(kept, 0)
        os.close(kept)


def believed(*words: str, input: str = "") -> tuple[int, str, str]:
    """As `load`, but no machine is too busy for the run to be believed."""
    with patch.multiple(validity, **_TRUSTING):
        return load(*words, input=input)
