"""What a person sees while a crawl runs: two lines on a terminal, nothing elsewhere.

A thread of its own looks at the statistics a few times a second; the crawl never waits for the
terminal. Lines to say on the way go through the same thread, above the moving part, so that they
may come from anywhere, a signal handler's thread included.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from crawler.cli.units import count, duration, megabytes
from crawler.core.statistics import Snapshot
from crawler.model.output import printable

INTERVAL = 0.2
"""Seconds between two looks: 5 a second move smoothly and cost next to nothing."""

SPAN = 5.0
"""Seconds over which the rates are taken: what happens now, without jitter."""

Statistics = Callable[[], Snapshot]

Expected = Callable[[], int | None]
"""Tells how many entries the list will have had in the end; None if that is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Entries dealt with, pages and bytes on the wire, a second."""

    entries: float = 0.0
    pages: float = 0.0
    wire_bytes: float = 0.0


class Window:
    """The snapshots of the last `SPAN` seconds, for rates."""

    def __init__(self) -> None:
        self._seen: deque[Snapshot] = deque()

    def add(self, snapshot: Snapshot) -> Rates:
        """Take a snapshot; returns the rates up to it."""
        self._seen.append(snapshot)
        while len(self._seen) > 2 and snapshot.elapsed - self._seen[1].elapsed >= SPAN:
            self._seen.popleft()
        first = self._seen[0]
        seconds = snapshot.elapsed - first.elapsed
        if seconds <= 0:
            return Rates()
        return Rates(
            entries=(_dealt_with(snapshot) - _dealt_with(first)) / seconds,
            pages=(snapshot.pages - first.pages) / seconds,
            wire_bytes=(snapshot.wire_bytes - first.wire_bytes) / seconds,
        )


def share_done(snapshot: Snapshot, expected: int | None) -> float | None:
    """The part of the list (0 to 1) that is dealt with; None if its length is unknown."""
    if not expected:
        return None
    return min((_dealt_with(snapshot)) / expected, 1.0)


def time_left(snapshot: Snapshot, expected: int | None, rates: Rates) -> float | None:
    """Seconds until the end if all goes on as it goes now; None if unknown."""
    if not expected or rates.entries <= 0:
        return None
    return max(expected - _dealt_with(snapshot), 0) / rates.entries


def _dealt_with(snapshot: Snapshot) -> int:
    return snapshot.records + snapshot.repeats


def figures(snapshot: Snapshot, rates: Rates) -> str:
    """Done, failed, rates and in flight: one line of at most 80 columns in any likely crawl."""
    parts = (
        f"{count(snapshot.records)} done",
        f"{count(snapshot.failed)} failed",
        f"{rates.pages:,.0f} pages/s",
        f"{megabytes(rates.wire_bytes)}/s",
        f"{count(snapshot.in_flight)} in flight",
    )
    return "  ".join(parts)


def frame(snapshot: Snapshot, expected: int | None, window: Window) -> RenderableType:
    """What to draw now: the bar with the time left, where the length is known, and the figures."""
    rates = window.add(snapshot)
    text = Text(figures(snapshot, rates), no_wrap=True, overflow="ellipsis")
    done = share_done(snapshot, expected)
    if done is None:
        return text
    left = time_left(snapshot, expected, rates)
    bar = Table.grid(padding=(0, 2), expand=True)
    bar.add_column(ratio=1)
    bar.add_column(no_wrap=True, justify="right")
    label = f"{done:.0%}" + (f"  {duration(left)} left" if left is not None else "")
    bar.add_row(ProgressBar(total=1.0, completed=done), label)
    return Group(bar, text)


class Screen(Protocol):
    """Where lines for a person go, and what moves while a crawl runs."""

    def say(self, line: str) -> None:
        """Print a line; from any thread."""

    def watching(self, statistics: Statistics, expected: Expected) -> AbstractContextManager[None]:
        """Show progress while the block runs."""


def screen(*, quiet: bool) -> Screen:
    """The screen for this process's stderr: one that moves only on a terminal that can."""
    if quiet:
        return Silence()
    console = Console(stderr=True)
    moves = console.is_terminal and not console.is_dumb_terminal
    return Display(console) if moves else Lines()


class Silence:
    """Says nothing and shows nothing."""

    def say(self, line: str) -> None:
        """Drop the line."""

    def watching(
        self, _statistics: Statistics, _expected: Expected
    ) -> AbstractContextManager[None]:
        """Show nothing."""
        return nullcontext()


class Lines(Silence):
    """Says lines on stderr, and shows nothing else."""

    def say(self, line: str) -> None:
        """Print the line."""
        print(printable(line), file=sys.stderr, flush=True)


class Display:
    """Two lines that move at the bottom of a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lines: SimpleQueue[str | None] = SimpleQueue()

    def say(self, line: str) -> None:
        """Print a line above the moving part, soon."""
        self._lines.put(line)

    @contextmanager
    def watching(self, statistics: Statistics, expected: Expected) -> Iterator[None]:
        """Draw while the block runs; at its end every line said before is printed."""
        window = Window()
        thread = threading.Thread(
            target=self._run,
            args=(lambda: frame(statistics(), expected(), window),),
            name="crawler-progress",
            daemon=True,
        )
        thread.start()
        try:
            yield
        finally:
            self._lines.put(None)
            thread.join()

    def _run(self, picture: Callable[[], RenderableType]) -> None:
        with Live(picture(), console=self._console, auto_refresh=False, transient=True) as live:
            while (line := self._next_line()) is not None:
                if line:
                    live.console.print(printable(line), markup=False, highlight=False)
                live.update(picture(), refresh=True)

    def _next_line(self) -> str | None:
        """A line to print, "" when it is time to draw again, None at the end."""
        try:
            return self._lines.get(timeout=INTERVAL)
        except Empty:
            return ""
