"""The plots of a run; `crawler.report.svg` makes them a part of a page."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

from crawler.load.measured import Measured
from crawler.load.series import Row
from crawler.measure.hgrm import spectrum
from crawler.measure.histogram import Histogram
from crawler.report import drawing
from crawler.report.svg import COLOURS, Plot, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_HEIGHT = 3.5  # inches
_LEAST = 1e-6  # the resolution; a logarithmic axis has no 0
_BRIEF = 0.1  # a stretch of less than so much of a whole one is left out
_SHARES = {"max": 1.0, "p99": 0.99, "p90": 0.9, "p50": 0.5}
_MARKED = 60  # up to so many points are marked one by one


def plots(measured: Measured) -> list[Plot]:
    """Return all plots of a run; raise `EnvironmentFailure` without matplotlib.

    A closed loop sends as it intends: it has no lag to draw.
    """
    with style():
        return [
            Plot(name, title, note, drawing.render(name, title, _HEIGHT, partial(draw, measured)))
            for name, title, note, draw in _ALL
            if measured.lag.largest or draw is not _lag
        ]


def _percentiles(run: Measured, figure: Figure) -> None:
    axes = figure.add_subplot()
    highest = max(run.response.count, run.service.count, 10)
    for name in ("response", "service"):
        histogram: Histogram = getattr(run, name)
        points = [(1 / (1 - share), s) for s, share, _ in spectrum(histogram) if share < 1]
        # Beyond 1 - 1/n there is the greatest of the n values, and nothing else.
        points = [(x, s) for x, s in points if x < histogram.count]
        points += [(histogram.count, histogram.largest)] if points else []
        at, seconds = [x for x, _ in points], [y for _, y in points]
        axes.plot(at, seconds, color=COLOURS[name], label=name, gid=name)
    axes.set_xscale("log")
    axes.set_xlim(1, highest)
    ticks = [1, 2, *(10**n for n in range(1, math.floor(math.log10(highest)) + 1))]
    axes.set_xticks(ticks, [f"{100 - 100 / tick:.10g}%" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("share of the hits that were no slower")
    _latency_axis(axes)


def _latency(run: Measured, figure: Figure) -> None:
    axes = figure.add_subplot()
    for label, colour in (("max", "max"), ("p99", "response"), ("p90", "p90"), ("p50", "p50")):
        _over_time(axes, run, "response", label, color=COLOURS[colour])
    style: dict[str, Any] = {"color": COLOURS["service"], "linestyle": "--"}
    _over_time(axes, run, "service", "p99 of service", **style)
    _time_axis(axes, run)
    _latency_axis(axes)


def _lag(run: Measured, figure: Figure) -> None:
    axes = figure.add_subplot()
    for label, colour in (("max", "max"), ("p99", "lag"), ("p50", "p50")):
        _over_time(axes, run, "lag", label, color=COLOURS[colour])
    _time_axis(axes, run)
    _latency_axis(axes)


def _throughput(run: Measured, figure: Figure) -> None:
    from matplotlib.ticker import MaxNLocator

    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    rows = _telling(run)
    lengths = [run.row_length(row) for row in rows]
    ats = [row.at for row in rows]
    edges = [*ats, max([run.elapsed, *ats])]
    for axes, name, colour in ((upper, "count", "service"), (lower, "errors", "error")):
        counts = [getattr(row, name) for row in rows]
        rates = [n / s if s > 0 else 0.0 for n, s in zip(counts, lengths, strict=True)]
        if rates:
            style: dict[str, Any] = {"color": COLOURS[colour], "fill": True, "alpha": 0.8}
            axes.stairs(rates, edges, gid=f"rate-{name}", **style)
        axes.set_ylim(0, max([*rates, 0]) * 1.1 or 1)
        axes.yaxis.set_major_formatter("{x:,.4g}")
        axes.yaxis.set_major_locator(MaxNLocator(4 if axes is upper else 2, min_n_ticks=2))
    upper.set_ylabel("answers/s")
    lower.set_ylabel("errors/s")
    _time_axis(lower, run)


def _over_time(axes: Axes, run: Measured, name: str, label: str, **style: Any) -> None:
    """Draw one quantile of each row that has any values, at the middle of the row."""
    share = _SHARES[label.partition(" ")[0]]
    at, seconds = [], []
    for row in _telling(run):
        histogram = getattr(row, name).histogram
        empty = not histogram.counts
        at.append(row.at + run.row_length(row) / 2)
        seconds.append(math.nan if empty else histogram.quantile(share))
    marker = "." if len(at) <= _MARKED else ""
    axes.plot(at, seconds, marker=marker, gid=f"{name}-{share:g}", label=label, **style)


def _telling(run: Measured) -> list[Row]:
    """Return the rows long enough to have figures: a last one of some ms has hardly a hit."""
    least = _BRIEF * min(run.row_seconds, run.elapsed)
    return [row for row in run.rows if run.row_length(row) >= least]


def _time_axis(axes: Axes, run: Measured) -> None:
    axes.set_xlim(0, max(run.elapsed, 1e-3))
    axes.set_xlabel("seconds since the start of the measurement")


def _latency_axis(axes: Axes) -> None:
    """Show seconds with their prefix, logarithmic if they spread widely; legend above."""
    drawn: list[Any] = [line.get_ydata() for line in axes.lines]
    seconds = [max(float(y), _LEAST) for line in drawn for y in line if not math.isnan(y)]
    wide = max(seconds, default=1.0) > min(seconds, default=_LEAST) * drawing.WIDE
    drawing.value_axis(axes, "y", seconds, "s", log=wide)
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(-0.02, 1),
        ncols=5,
        handlelength=1.2,
        handletextpad=0.5,
        columnspacing=0.8,
        borderaxespad=0.2,
    )


_ALL = (
    (
        "percentiles",
        "Latency by percentile",
        "Response counts from the intended time, service from sending: between them is waiting.",
        _percentiles,
    ),
    (
        "latency",
        "Response latency over time",
        "Quantiles of what ended in each stretch of the run.",
        _latency,
    ),
    (
        "throughput",
        "Throughput and errors over time",
        "Errors are failures, dropped hits, and answers with an unexpected status.",
        _throughput,
    ),
    (
        "lag",
        "Lag over time",
        "How much later than intended hits were sent.",
        _lag,
    ),
)
