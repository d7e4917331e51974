"""The progress display: redrawn lines on a terminal, plain lines elsewhere.

A thread reads the statistics; the crawl never waits for the terminal. Lines to print (`say`) and
requests for a report (`report`) reach it through a `SimpleQueue`, so that they may come from
anywhere, including a signal handler.

    bar    a bar and the figures, redrawn five times a second
    line   a plain line after 10 seconds and then every minute
    none   no line, unless SIGUSR1 asks for one
    auto   bar if nothing else writes to the terminal (`crawler.cli.terminal`), else line
"""

from __future__ import annotations

import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Final

from crawler.cli.progress import Expected, RateWindow, Statistics, Words, line, no_words
from crawler.model.output import printable

FIRST, EVERY = 10.0, 60.0
"""Seconds to the first plain line, soon enough to see that it works, and between the others."""

REPORT: Final = "\0report"  # no line that is said holds a NUL


class Screen(ABC):
    """Prints lines for a person and shows progress while a crawl runs."""

    def __init__(self) -> None:
        self._tokens: SimpleQueue[str | None] = SimpleQueue()

    @abstractmethod
    def say(self, line: str) -> None:
        """Print a line; from any thread."""

    def report(self) -> None:
        """Print a line about the progress, soon; from any thread or signal handler."""
        self._tokens.put(REPORT)

    @contextmanager
    def watching(
        self, statistics: Statistics, expected: Expected, words: Words = no_words
    ) -> Iterator[None]:
        """Show progress while the block runs; `words` describe the bottleneck."""
        log = Log(statistics, expected, words)
        thread = threading.Thread(
            target=self._run, args=(log,), name="crawler-progress", daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            self._tokens.put(None)
            thread.join()

    @abstractmethod
    def _run(self, log: Log) -> None:
        """Show progress until a token is None."""


class Silence(Screen):
    """Prints nothing and shows nothing."""

    def say(self, line: str) -> None:
        """Drop the line."""

    def _run(self, log: Log) -> None:
        return


class ScreenLines(Screen):
    """Plain lines on stderr, at `first` and then `every` so many seconds; `never`: only reports."""

    def __init__(self, *, first: float = FIRST, every: float = EVERY, never: bool = False) -> None:
        super().__init__()
        self._first, self._every = (inf, inf) if never else (first, every)

    def say(self, line: str) -> None:
        """Print the line."""
        print(printable(line), file=sys.stderr, flush=True)

    def _run(self, log: Log) -> None:
        due = monotonic() + self._first
        while True:
            try:
                wait = None if due == inf else max(due - monotonic(), 0.0)
                if self._tokens.get(timeout=wait) is None:
                    return
            except Empty:
                due += self._every
            for each in log.text().splitlines():
                self.say(each)


class Log:
    """Plain lines about a crawl: the figures, and the bottleneck when it changes."""

    def __init__(self, statistics: Statistics, expected: Expected, words: Words) -> None:
        self.statistics, self.expected, self.words = statistics, expected, words
        self._window = RateWindow()
        self._window.add(statistics())
        self._told = ""

    def text(self) -> str:
        """Return the line to print now, with a second one for a new bottleneck."""
        snapshot = self.statistics()
        told = line(snapshot, self.expected(), self._window.add(snapshot))
        bound = self.words(self._window.bound())
        if bound and bound != self._told:
            self._told = bound
            return f"{told}\n  bound by {bound}"
        return told
