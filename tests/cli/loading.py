"""`crawler load` and `crawler mock` as a shell runs them, for the tests of the former."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from tests.patience import PATIENCE

from .test_command import started

QUICK = ("--connections", "20", "--requests", "120")
"""A run whose length no machine decides."""

_TRUSTING = """
import sys
from crawler.cli import main
from crawler.load import validity

validity.MOST_LOOP_LAG = validity.MOST_LATENESS = 60.0
validity.MOST_RESIDUAL = 1.0
validity.LEAST_ACHIEVED = 0.0
sys.exit(main())
"""
"""The command, with bounds of its verdict that a busy machine keeps to, too."""


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
    """Exit code, stdout and stderr of `crawler load WORDS` with this standard input."""
    return _ended([sys.executable, "-m", "crawler", "load", *words], input)


def believed(*words: str, input: str = "") -> tuple[int, str, str]:
    """As `load`, but no machine is too busy for the run to be believed."""
    return _ended([sys.executable, "-c", _TRUSTING, "load", *words], input)


def _ended(command: list[str], input: str) -> tuple[int, str, str]:
    done = subprocess.run(
        command, input=input, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    return done.returncode, done.stdout, done.stderr
