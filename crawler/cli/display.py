"""The progress of a crawl on a terminal: two lines that are redrawn, other lines above them."""

from __future__ import annotations

from queue import Empty

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from crawler.cli.progress import RateWindow, Words, figures, no_words, share_done, time_left
from crawler.cli.screen import REPORT, Log, Screen
from crawler.cli.terminal import in_background
from crawler.cli.unit_formats import duration
from crawler.core.collector import Snapshot
from crawler.model.output import printable

INTERVAL = 0.2
"""Seconds between two redraws: 5 a second move smoothly and cost next to nothing."""


def drawable() -> Console | None:
    """Return the terminal at this process's stderr; None if lines cannot be redrawn there."""
    console = Console(stderr=True)
    return console if console.is_terminal and not console.is_dumb_terminal else None


class Display(Screen):
    """Two lines that are redrawn at the bottom of a terminal; others are printed above them."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def say(self, line: str) -> None:
        """Print a line, soon; at the end every one is printed."""
        self._tokens.put(line)

    def _run(self, log: Log) -> None:
        window = RateWindow()

        def picture() -> RenderableType:
            return frame(log.statistics(), log.expected(), window, log.words)

        with Live(picture(), console=self._console, auto_refresh=False, transient=True) as live:
            while (token := self._next_token()) is not None:
                if token:
                    said = log.text() if token == REPORT else printable(token)
                    live.console.print(said, markup=False, highlight=False)
                if not in_background():
                    live.update(picture(), refresh=True)

    def _next_token(self) -> str | None:
        """Return a line to print, "" when it is time to draw again, None at the end."""
        try:
            return self._tokens.get(timeout=INTERVAL)
        except Empty:
            return ""


def frame(
    snapshot: Snapshot, expected: int | None, window: RateWindow, words: Words = no_words
) -> RenderableType:
    """Draw the bar with the time left, if the length is known, and the figures.

    The last line names the bottleneck, in `words`.
    """
    rates = window.add(snapshot)
    lines = [figures(snapshot, rates)]
    if bound := words(window.bound()):
        lines.append(f"bound by {bound}")
    text = Text("\n".join(lines), no_wrap=True, overflow="ellipsis")
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
