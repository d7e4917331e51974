"""`crawler load` and `crawler mock` as a shell runs them, for the tests of the former."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from tests.patience import PATIENCE

from .test_command import started

# A run of 20 connections to a server that takes 0.1 s has 200 answers a second.
QUICK = ("--connections", "20", "--duration", "0.6")


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
    done = subprocess.run(
        [sys.executable, "-m", "crawler", "load", *words],
        input=input,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def believed(*words: str, input: str = "") -> tuple[int, str, str]:
    """As `load`, once more if the machine was too busy for the run to be believed."""
    for _ in range(4):
        found = load(*words, input=input)
        if found[0] != 5:
            break
    return found
