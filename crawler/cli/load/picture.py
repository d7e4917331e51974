"""The latencies of a load that is under way: how they are spread, second for second.

     10 ms  ░░▒▓█▓▒░  ███████  41.2%      a column a second, the darker the more of its requests,
      5 ms  ▒▓█▒▒▓██  ████     22.0%      and the shares in the whole run

     GET /a                        812/s  0 errors          the busiest targets, so far
     GET /b                        206/s  12 errors

A row is a band of latencies; bands grow as 1, 2, 5, 10 do. A second is counted once, when it is
over and in coarse buckets, so that a redraw costs the same after an hour as at the start. It is
drawn by the generator itself, whose loop waits for it meanwhile. So it is plain text in one piece:
styles for each of its parts would take several times as long.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from heapq import nlargest
from itertools import pairwise

from rich.console import Console
from rich.live import Live
from rich.text import Text

from crawler.cli.load.load_summary import row, shortened
from crawler.cli.terminal import in_background
from crawler.cli.unit_formats import count, milliseconds
from crawler.load.load_config import LoadConfig
from crawler.load.measured import Measured
from crawler.load.part import seconds_of
from crawler.load.series import Row
from crawler.measure.histogram import COARSE_BITS, Histogram

Watch = Callable[[Measured], None]

WIDTH = 79
MOST_BANDS = 10
"""Rows: with the lines around them they fit a terminal of 24 lines."""

_BOUNDS = [digit * 10.0**power for power in range(-4, 2) for digit in (1, 2, 5)]
"""Seconds: the greatest latency of each band but the last."""
_SECONDS = 40
_BAR = 18
_TARGETS, _NAME = 4, 50  # rows, and letters of a name
_SHADES = " ░▒▓█"


@contextmanager
def watching(config: LoadConfig, *, quiet: bool) -> Iterator[Watch | None]:
    """Give the function to call each second; None without a viewer. Clear the picture last."""
    console = Console(stderr=True)
    if quiet or not sys.stderr.isatty() or console.is_dumb_terminal:
        yield None
        return
    picture = Picture(config)
    with Live(
        Text("starting"), console=console, auto_refresh=False, transient=True,
        redirect_stdout=False, redirect_stderr=False,
    ) as live:  # fmt: skip

        def watch(measured: Measured) -> None:
            if not in_background():
                live.update(_text(picture, measured), refresh=True)

        yield watch


def _text(picture: Picture, measured: Measured) -> Text:
    style = "red" if measured.errors else "green"
    lines = list(picture.lines(measured))
    text = Text("\n".join(lines), no_wrap=True, overflow="crop")
    text.stylize(style, 0, len(lines[0]))
    return text


class Picture:
    """Draws a run from what is told of it once a second."""

    def __init__(self, config: LoadConfig) -> None:
        self._config = config
        self._columns: list[list[int]] = []
        self._rates: list[float] = []
        self._whole = [0] * (len(_BOUNDS) + 1)
        self._response = Histogram(bits=COARSE_BITS)
        self._service = Histogram(bits=COARSE_BITS)
        self._next = 0

    def lines(self, measured: Measured) -> Iterator[str]:
        """Yield the picture, whose lines fit a terminal of 80 columns."""
        for each in measured.rows[:-1]:  # the last one has only begun
            if each.at >= self._next:
                self._add(each, measured.row_seconds)
        yield self._head(measured)
        statuses = [f"{status}: {count(n)}" for status, n in sorted(measured.statuses.items())]
        failures = [f"{kind.value}: {count(n)}" for kind, n in sorted(measured.failures.items())]
        yield from row("status", statuses + failures)
        if self._columns:
            yield ""
            yield self._rate()
            unit = "second" if measured.row_seconds == 1 else f"{measured.row_seconds} s"
            yield f"{'response':>10}  {f'a column a {unit}':{_SECONDS}}  in all"
            yield from self._bands()
        if len(measured.targets) > 1:
            yield ""
            for target in nlargest(_TARGETS, measured.targets, key=lambda each: each.attempts):
                figures = (
                    f"{target.rate(measured.elapsed):>10,.0f}/s  {count(target.failed)} errors"
                )
                yield f"{shortened(target.name, _NAME):{_NAME}}{figures}"

    def _add(self, each: Row, seconds: int) -> None:
        histogram = each.response.histogram
        below = [0, *histogram.counts_below(_BOUNDS), histogram.count]
        column = [after - before for before, after in pairwise(below)]
        self._whole = [old + new for old, new in zip(self._whole, column, strict=True)]
        self._columns = [*self._columns, column][-_SECONDS:]
        self._rates = [*self._rates, each.count / seconds][-_SECONDS:]
        self._response.merge(histogram)
        self._service.merge(each.service.histogram)
        self._next = each.at + seconds

    def _head(self, measured: Measured) -> str:
        """Time, rate, errors and latencies of both kinds so far.

        Of a closed loop, where they are the same, the latency is shown once.
        """
        p50, p99 = self._response.quantiles((0.5, 0.99))
        parts = [
            f"{measured.elapsed:.0f}/{seconds_of(self._config):g} s",
            f"{measured.rate:,.0f}/s",
            f"{count(measured.errors)} errors",
            f"p50 {milliseconds(p50)}",
            f"p99 {milliseconds(p99)}",
        ]
        if self._config.open_loop:
            parts.append(f"service p99 {milliseconds(self._service.quantile(0.99))}")
        return "  ".join(parts)[:WIDTH]

    def _rate(self) -> str:
        """Return the answers of each second, as a line of blocks."""
        most = max(self._rates)
        blocks = "".join(_level(" ▁▂▃▄▅▆▇█", rate, most) for rate in self._rates)
        return f"{'answers/s':>10}  {blocks:{_SECONDS}}  up to {most:,.0f}/s"

    def _bands(self) -> Iterator[str]:
        used = [band for band, number in enumerate(self._whole) if number]
        if not used:
            return
        last = used[-1]
        first = max(used[0], last - MOST_BANDS + 1)
        columns = [_shown(column, first, last) for column in self._columns]
        whole = _shown(self._whole, first, last)
        for band in range(last - first, -1, -1):
            cells = "".join(_level(_SHADES, column[band], max(column)) for column in columns)
            bar = "█" * round(_BAR * whole[band] / max(whole))
            share = f"{whole[band] / sum(whole):>6.1%}"
            yield f"{_label(first + band):>10}  {cells:{_SECONDS}}  {bar:{_BAR}} {share}"


def _shown(column: Sequence[int], first: int, last: int) -> list[int]:
    """Return the bands that are shown; the first one has those below it, too."""
    return [sum(column[: first + 1]), *column[first + 1 : last + 1]]


def _label(band: int) -> str:
    if band == len(_BOUNDS):
        return f"> {_BOUNDS[-1]:g} s"
    bound = _BOUNDS[band]
    return f"{bound:g} s" if bound >= 1 else f"{bound * 1e3:g} ms"


def _level(marks: str, value: float, most: float) -> str:
    """Return the mark for a share of the most: none for nothing, and one for anything."""
    if not value or not most:
        return marks[0]
    return marks[max(1, round(value / most * (len(marks) - 1)))]
