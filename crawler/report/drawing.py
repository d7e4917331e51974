"""The common parts of a comparison's plots: colours, how series differ, axes, the legend.

Two series never differ by colour alone: each has its own marker and dash, too. The colours
are those of Okabe and Ito (Color Universal Design, 2008), darker on light paper and lighter on dark
(`report.css`), so that all of them stand out from it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate
from textwrap import shorten, wrap
from typing import TYPE_CHECKING, Any, Literal

from crawler.report.svg import COLOURS, drawn

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

_SERIES = tuple(f"s{number}" for number in range(1, 9))

Way = Literal["x", "y"]

WIDTH = 5.6
"""Inches, or 403 points: text of 11 points is readable on a phone of 390 pixels."""
MOST_SERIES = 12
"""More than this nobody can tell apart."""
WIDE = 20
"""A greater ratio of highest to lowest is shown on a logarithmic axis."""

MARKERS = "osD^vPX<>phd"
_DASHES = ("-", "--", "-.", ":")
_HATCHES = ("", "///", "...", "\\\\\\", "xxx", "+++")
_LETTERS = 69  # that a row of a legend has room for
_HANDLE = 6  # letters in whose place a line or marker stands
_ASIDE = 26  # letters next to a y axis
_LONGEST = 54  # letters of one of its entries
_DECADES = 1_000  # up to so large a ratio 2 and 5 are marked, too: else there may be one mark alone
_NARROW = 5  # up to so large a ratio marks are equal steps apart
_LYING_DECADES = 100  # the same of an x axis, where figures stand side by side
_TICKS = 20  # more than there are: the locator would leave out some
_APART = 0.07  # marks of an axis are at least this share of it apart
_STEPS = (1, 2, 2.5, 5, 10)
_PREFIXED = ("s", "B")
_PLAIN_UNITS = {"us": "µs"}


def colour(index: int) -> str:
    """Return the colour of a series; colours repeat."""
    return COLOURS[_SERIES[index % len(_SERIES)]]


def marker(index: int) -> str:
    """Return the marker of a series."""
    return MARKERS[index % len(MARKERS)]


def line_style(index: int) -> dict[str, Any]:
    """Return colour, marker and dash of a line."""
    return {
        "color": colour(index),
        "marker": marker(index),
        "markersize": 6,
        "linestyle": _DASHES[index % len(_DASHES)],
    }


def bar_style(index: int, position: int) -> dict[str, Any]:
    """Return the colour and hatch of a series of bars; the first have no hatch."""
    style = {"color": colour(index), "edgecolor": COLOURS["page"], "linewidth": 0.8}
    return {**style, "hatch": _HATCHES[position % len(_HATCHES)]}


def render(name: str, title: str, height: float, draw: Callable[[Figure], None]) -> str:
    """Return the SVG of what `draw` puts on a figure that is so many inches high."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    draw(figure)
    return drawn(figure, name, title)


def slug(text: str) -> str:
    """Return a text as a part of an id."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "it"


def legend_rows(labels: Sequence[str]) -> int:
    """Return the number of rows of a legend."""
    return math.ceil(len(labels) / _columns(labels)) if labels else 0


def legend(figure: Figure, handles: Sequence[Any], labels: Sequence[str]) -> None:
    """Draw it below everything else, in as many columns as fit; none for one series."""
    if not labels:
        return
    figure.legend(
        list(handles),
        [clipped(label) for label in labels],
        loc="outside lower left",
        ncols=_columns(labels),
        fontsize=10,
        handlelength=1.8,
        handletextpad=0.5,
        columnspacing=1.0,
        borderaxespad=0.1,
    )


def clipped(label: str, width: int = _LONGEST) -> str:
    """Return a label in one line, cut to this length."""
    if len(label) <= width:
        return label
    return shorten(label, width, placeholder=" …") if " " in label else f"{label[: width - 1]}…"


def _columns(labels: Sequence[str]) -> int:
    """Return the fewest columns of the fewest rows that there is room for."""
    widths = [len(clipped(label)) + _HANDLE for label in labels]
    for rows in range(1, len(widths)):
        count = math.ceil(len(widths) / rows)
        if sum(map(max, _split(widths, count))) <= _LETTERS:
            return count
    return 1


def _split(widths: Sequence[int], count: int) -> list[Sequence[int]]:
    """Split into columns as matplotlib does: the first have one more, if they are not equal."""
    short, longer = divmod(len(widths), count)
    sizes = [short + 1] * longer + [short] * (count - longer)
    ends = list(accumulate(sizes))
    return [widths[end - size : end] for size, end in zip(sizes, ends, strict=True)]


def value_axis(axes: Axes, which: Way, values: Iterable[float], unit: str, *, log: bool) -> None:
    """Scale, marks and unit of an axis that shows these values."""
    from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullLocator

    axis: Axis = getattr(axes, f"{which}axis")
    positive = [value for value in values if value > 0]
    low, high = min(positive, default=1.0), max(positive, default=1.0)
    limits = getattr(axes, f"set_{which}lim")
    if log and positive:
        getattr(axes, f"set_{which}scale")("log", nonpositive="clip")
        limits(low / 1.4, high * 1.4)
        most = _LYING_DECADES if which == "x" else _DECADES
        steps = (1, 2, 5) if high < low * most else (1,)
        axis.set_major_locator(LogLocator(subs=steps, numticks=_TICKS))
        axis.set_minor_locator(NullLocator())
    else:
        limits(0, high * 1.1)
        axis.set_major_locator(MaxNLocator(5, steps=_STEPS, min_n_ticks=2))
    prefixed = EngFormatter(unit=unit) if unit in _PREFIXED else None
    axis.set_major_formatter(prefixed or (lambda value, _: brief(value)))


def unit_label(title: str, unit: str) -> str:
    """Return the label of an axis: its title, and the unit where the marks do not have it."""
    unit = "" if unit in _PREFIXED else _PLAIN_UNITS.get(unit, unit)
    if not unit or unit in title or not title:
        return title or unit
    return f"{title} ({unit})"


def beside(title: str) -> str:
    """Return the label of a y axis, in two lines if it is long."""
    return "\n".join(wrap(clipped(title, 2 * _ASIDE - 2), _ASIDE))


def marks_at(axes: Axes, positions: Iterable[float], *, log: bool) -> None:
    """Put marks of the x axis exactly where points are, as far as they are apart."""
    wanted = sorted({p for p in positions if not log or p > 0})
    if not wanted:
        return
    scale = math.log if log else float
    whole = scale(wanted[-1]) - scale(wanted[0])
    kept: list[float] = []
    for position in wanted:
        if not kept or scale(position) - scale(kept[-1]) >= _APART * whole:
            kept.append(position)
    axes.set_xticks(kept, [brief(position) for position in kept])
    axes.set_xticks([], minor=True)


def brief(value: float) -> str:
    """Return a number in few letters: `0.25`, `64`, `20k`."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= 10 * size or (value >= size and value % (size / 10) == 0):
            return f"{value / size:.3g}{letter}"
    return f"{value:.0f}" if value == int(value) else f"{value:.3g}"


def ratio_marks(low: float, high: float) -> list[float]:
    """Return marks of a logarithmic axis of ratios between these."""
    from matplotlib.ticker import MaxNLocator

    if high < low * _NARROW:
        found = MaxNLocator(6, steps=_STEPS).tick_values(low, high)
        return [float(f"{mark:.6g}") for mark in found if low <= mark <= high and mark > 0]
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1, 2, 5), (1,)):
        marks = [s * 10.0**p for p in powers for s in steps if low <= s * 10.0**p <= high]
        if len(marks) <= 7:
            return marks
    return marks[:: math.ceil(len(marks) / 7)]


def grouped(names: Sequence[str]) -> Mapping[str, str]:
    """Return each name's group: itself if all can be told apart, else its common part.

    Names are cut from their end, a word more each time.
    """
    for cut in range(max((len(name.split()) for name in names), default=1)):
        found = {name: _cut(name, cut) for name in names}
        if len(set(found.values())) <= MOST_SERIES:
            return found
    return dict.fromkeys(names, "all")


def _cut(name: str, words: int) -> str:
    kept = name.split()
    return " ".join(kept[: max(len(kept) - words, 1)]).rstrip(",;:")
