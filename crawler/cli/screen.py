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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Final

from rich.console import Console, RenderableType
from rich.live import Live

from crawler.cli.progress import Expected, RateWindow, Statistics, Words, frame, line, no_words
from crawler.cli.terminal import in_background
from crawler.model.choices import Progress as Mode
from crawler.model.output import printable

INTERVAL = 0.2
"""Seconds between two redraws: 5 a second move smoothly and cost next to nothing."""

FIRST, EVERY = 10.0, 60.0
"""Seconds to the first plain line, soon enough to see that it works, and between the others."""

_REPORT: Final = "\0report"  # no line that is said holds a NUL


class Screen(ABC):
    """Prints lines for a person and shows progress while a crawl runs."""

    def __init__(self) -> None:
        self._tokens: SimpleQueue[str | None] = SimpleQueue()

    @abstractmethod
    def say(self, line: str) -> None:
        """Print a line; from any thread."""

    def report(self) -> None:
        """Print a line about the progress, soon; from any thread or signal handler."""
        self._tokens.put(_REPORT)

    @contextmanager
    def watching(
        self, statistics: Statistics, expected: Expected, words: Words = no_words
    ) -> Iterator[None]:
        """Show progress while the block runs; `words` describe the bottleneck."""
        window, log = RateWindow(), Log(statistics, expected, words)

        def picture() -> RenderableType:
            return frame(statistics(), expected(), window, words)

        arguments = picture, log.text
        thread = threading.Thread(
            target=self._run, args=arguments, name="crawler-progress", daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            self._tokens.put(None)
            thread.join()

    @abstractmethod
    def _run(self, picture: Callable[[], RenderableType], text: Callable[[], str]) -> None:
        """Show progress until a token is None."""


def screen(mode: Mode, *, quiet: bool = False, alone: bool = True) -> Screen:
    """Choose the screen for this process's stderr; `alone` if nothing else writes to it."""
    if quiet:
        return Silence()
    console = Console(stderr=True)
    able = console.is_terminal and not console.is_dumb_terminal
    if able and (mode == "bar" or (mode == "auto" and alone)):
        return Display(console)
    return ScreenLines(never=mode == "none")


class Silence(Screen):
    """Prints nothing and shows nothing."""

    def say(self, line: str) -> None:
        """Drop the line."""

    def _run(self, picture: Callable[[], RenderableType], text: Callable[[], str]) -> None:
        return


class ScreenLines(Screen):
    """Plain lines on stderr, at `first` and then `every` so many seconds; `never`: only reports."""

    def __init__(self, *, first: float = FIRST, every: float = EVERY, never: bool = False) -> None:
        super().__init__()
        self._first, self._every = (inf, inf) if never else (first, every)

    def say(self, line: str) -> None:
        """Print the line."""
        print(printable(line), file=sys.stderr, flush=True)

    def _run(self, picture: Callable[[], RenderableType], text: Callable[[], str]) -> None:
        due = monotonic() + self._first
        while True:
            try:
                wait = None if due == inf else max(due - monotonic(), 0.0)
                if self._tokens.get(timeout=wait) is None:
                    return
            except Empty:
                due += self._every
            for each in text().splitlines():
                self.say(each)


class Display(Screen):
    """Two lines that are redrawn at the bottom of a terminal; others are printed above them."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def say(self, line: str) -> None:
        """Print a line, soon; at the end every one is printed."""
        self._tokens.put(line)

    def _run(self, picture: Callable[[], RenderableType], text: Callable[[], str]) -> None:
        with Live(picture(), console=self._console, auto_refresh=False, transient=True) as live:
            while (token := self._next_token()) is not None:
                if token:
                    said = text() if token == _REPORT else printable(token)
                    live.console.print(said, markup=False, highlight=False)
                if not in_background():
                    live.update(picture(), refresh=True)

    def _next_token(self) -> str | None:
        """Return a line to print, "" when it is time to draw again, None at the end."""
        try:
            return self._tokens.get(timeout=INTERVAL)
        except Empty:
            return ""


class Log:
    """Plain lines about a crawl: the figures, and the bottleneck when it changes."""

    def __init__(self, statistics: Statistics, expected: Expected, words: Words) -> None:
        self._statistics, self._expected, self._words = statistics, expected, words
        self._window = RateWindow()
        self._window.add(statistics())
        self._told = ""

    def text(self) -> str:
        """Return the line to print now, with a second one for a new bottleneck."""
        snapshot = self._statistics()
        told = line(snapshot, self._expected(), self._window.add(snapshot))
        bound = self._words(self._window.bound())
        if bound and bound != self._told:
            self._told = bound
            return f"{told}\n  bound by {bound}"
        return told
