"""The charts of an experiment: lines, bars, and maps of the winners."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from crawler.compare.design import Bars, Chart, Lines, Map, Series
from crawler.measure.quantity import number, quantity
from crawler.report import drawing
from crawler.report.drawing import bar_style, colour, line_style, marker
from crawler.report.svg import COLOURS, Plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FEW_MARKS = 12  # up to so many places on the x axis, each is marked
_UPRIGHT = 48  # letters of all labels below upright bars
_MOST_UPRIGHT = 16  # bars
_NAME_WIDTH = 20  # letters of a label next to lying bars
_FLAT = 0.16  # inches of a lying bar
_FILL = 0.3  # of a field in its winner's colour: text stays readable on it

Places = Mapping[str, int]
"""Name of a series -> its number: a series looks the same in all charts of an experiment."""


def charts(found: Sequence[Chart], name: str, places: Places | None = None) -> list[Plot]:
    """Return the drawings of these charts; `name` begins their ids.

    places: those of all charts of the experiment, if it has more than these.
    """
    places = places_of(found) if places is None else places
    plots = []
    for count, chart in enumerate(found, 1):
        height, draw = _drawing(chart, places)
        own = f"{name}-{count}"
        svg = drawing.render(own, chart.title, height, draw)
        plots.append(Plot(own, chart.title, chart.note, svg))
    return plots


def drawable(chart: Chart) -> bool:
    """Tell whether there is anything to draw: an empty chart says less than a sentence."""
    match chart:
        case Lines():
            points = [point for series in chart.series for point in _finite(series.points)]
            return any((x > 0 or not chart.log_x) and (y > 0 or not chart.log_y) for x, y in points)
        case Bars():
            return bool(chart.groups and _present(chart))
        case Map():
            cells = [times for row in chart.cells for _, times in row]
            return any(map(math.isfinite, cells))


def places_of(found: Sequence[Chart]) -> Places:
    """Number the series in the order in which they are met."""
    names = dict.fromkeys(name for chart in found for name in chart.names)
    return {name: index for index, name in enumerate(names)}


def _drawing(chart: Chart, places: Places) -> tuple[float, Callable[[Figure], None]]:
    """Return the height of a chart in inches, and the function that draws it."""
    legend = 0.2 * drawing.legend_rows(chart.names)
    match chart:
        case Lines():
            return 3.0 + legend, lambda figure: _lines(figure, chart, places)
        case Bars():
            rows = len(chart.groups) * max(len(_present(chart)), 1)
            height = 3.2 if _upright(chart) else 1.1 + _FLAT * rows + 0.14 * len(chart.groups)
            return height + legend, lambda figure: _bars(figure, chart, places)
        case Map():
            height = 1.3 + 0.46 * len(chart.rows) + legend
            return height, lambda figure: _map(figure, chart, places)


def _lines(figure: Figure, chart: Lines, places: Places) -> None:
    axes = figure.add_subplot()
    drawn = {each.name: _line(axes, each, places[each.name]) for each in chart.series}
    handles = {name: line for name, line in drawn.items() if line is not None}
    if chart.ideal and (points := _finite(chart.ideal.points)):
        xs, ys = zip(*points, strict=True)
        style: dict[str, Any] = {"color": COLOURS["text"], "linestyle": (0, (6, 3))}
        (line,) = axes.plot(xs, ys, linewidth=1, zorder=1, gid="ideal", **style)
        handles[chart.ideal.name] = line
    all_series = [*chart.series, *([chart.ideal] if chart.ideal else [])]
    points = [point for each in all_series for point in _finite(each.points)]
    if chart.log_x and any(x > 0 for x, _ in points):
        axes.set_xscale("log", nonpositive="clip")
    marks = [x for x, _ in points]
    if len(set(marks)) <= _FEW_MARKS:
        drawing.marks_at(axes, marks, log=chart.log_x)
    elif chart.log_x:
        drawing.value_axis(axes, "x", marks, "", log=True)
    ends = [y for each in chart.series for pair in each.spread for y in pair if math.isfinite(y)]
    values = [y for _, y in points] + ends
    drawing.value_axis(axes, "y", values, chart.unit, log=chart.log_y)
    axes.set_xlabel(drawing.clipped(chart.x))
    axes.set_ylabel(drawing.beside(drawing.unit_label(chart.y, chart.unit)))
    drawing.legend(figure, list(handles.values()), list(handles))


def _line(axes: Axes, series: Series, place: int) -> Any:
    """Draw the line of a series with its error bars; None if it has no point."""
    points = _finite(series.points)
    if not points:
        return None
    xs, ys = zip(*points, strict=True)
    style = line_style(place)
    (line,) = axes.plot(xs, ys, gid=f"line-{drawing.slug(series.name)}", **style)
    if len(series.spread) == len(series.points):
        for (x, y), (low, high) in zip(series.points, series.spread, strict=True):
            if all(map(math.isfinite, (x, y, low, high))):
                axes.plot([x, x], [low, high], color=style["color"], linewidth=1, marker="_")
    return line


def _finite(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]


def _present(chart: Bars) -> dict[str, Sequence[float]]:
    """Return the series that have any bar."""
    return {n: v for n, v in chart.values.items() if any(map(math.isfinite, v))}


def _upright(chart: Bars) -> bool:
    letters = sum(max(len(group), 4) for group in chart.groups)
    return letters <= _UPRIGHT and len(chart.groups) * len(_present(chart)) <= _MOST_UPRIGHT


def _bars(figure: Figure, chart: Bars, places: Places) -> None:
    axes = figure.add_subplot()
    upright, present = _upright(chart), _present(chart)
    width = 0.8 / max(len(present), 1)
    handles = {}
    for position, (name, values) in enumerate(present.items()):
        middle = position - (len(present) - 1) / 2
        at = [group + middle * width for group in range(len(chart.groups))]
        style = bar_style(places[name], position)
        draw = axes.bar if upright else axes.barh
        bars = draw(at, [v if math.isfinite(v) else 0 for v in values], width, **style)
        handles[name] = bars
        for patch in bars:
            patch.set_gid(f"bar-{drawing.slug(name)}-{bars.index(patch)}")
    _bar_axes(axes, chart, upright=upright)
    _bar_labels(axes, chart, list(handles.values()), upright=upright)
    if len(handles) > 1:
        drawing.legend(figure, list(handles.values()), list(handles))


def _bar_axes(axes: Axes, chart: Bars, *, upright: bool) -> None:
    groups = range(len(chart.groups))
    values = [v for each in chart.values.values() for v in each if math.isfinite(v)]
    along: drawing.Way = "y" if upright else "x"
    across: drawing.Way = "x" if upright else "y"
    drawing.value_axis(axes, along, values, chart.unit, log=chart.log)
    if chart.log and (positive := [value for value in values if value > 0]):
        axes.set(**{f"{along}lim": (min(positive) / 3, max(positive) * 2)})  # the least has a bar
    labels = list(chart.groups) if upright else [_wrapped(group) for group in chart.groups]
    title = drawing.clipped(chart.x) if upright else drawing.beside(chart.x)
    axes.set(**{f"{across}ticks": groups, f"{across}ticklabels": labels, f"{across}label": title})
    axes.set(**{f"{along}label": drawing.unit_label("", chart.unit)})
    axes.tick_params(axis=across, length=0)
    axes.grid(visible=False, axis=across)
    if not upright:
        axes.set_ylim(max(len(chart.groups), 1) - 0.5, -0.5)  # the first on top


def _wrapped(label: str) -> str:
    return "\n".join(wrap(drawing.clipped(label, 2 * _NAME_WIDTH), _NAME_WIDTH)[:2])


def _bar_labels(axes: Axes, chart: Bars, drawn: Sequence[Any], *, upright: bool) -> None:
    """Write each bar's value at its end, where there is room for it."""
    if upright and sum(map(len, drawn)) > _MOST_UPRIGHT // 2:
        return
    for bars in drawn:
        values = [patch.get_height() if upright else patch.get_width() for patch in bars]
        texts = [quantity(value, chart.unit) if value else "" for value in values]
        axes.bar_label(bars, texts, padding=3, fontsize=9)


def _map(figure: Figure, chart: Map, places: Places) -> None:
    axes = figure.add_subplot()
    for row, cells in enumerate(chart.cells):
        for column, (kind, times) in enumerate(cells):
            _cell(axes, (column, row), None if kind is None else places.get(kind), times)
    axes.set_xlim(-0.5, max(len(chart.columns), 1) - 0.5)
    axes.set_ylim(max(len(chart.rows), 1) - 0.5, -0.5)
    axes.set_xticks(range(len(chart.columns)), [_wrapped(each) for each in chart.columns])
    axes.set_yticks(range(len(chart.rows)), [_wrapped(each) for each in chart.rows])
    axes.set_xlabel(drawing.clipped(chart.x))
    axes.set_ylabel(drawing.beside(chart.y))
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    _kinds(figure, chart, places)


def _cell(axes: Axes, at: tuple[int, int], place: int | None, times: float) -> None:
    """Draw a coloured field with its winner's marker and factor; grey for a draw, none for nan."""
    from matplotlib.patches import Rectangle

    x, y = at
    if place is None and not math.isfinite(times):
        axes.text(x, y, "-", ha="center", va="center", color=COLOURS["dim"])
        return
    fill = COLOURS["band"] if place is None else colour(place)
    solid = 1.0 if place is None else _FILL
    box: dict[str, Any] = {"facecolor": fill, "alpha": solid, "linewidth": 0}
    axes.add_patch(Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, gid=f"cell-{y}-{x}", **box))
    if place is not None:
        style: dict[str, Any] = {"color": colour(place), "marker": marker(place)}
        axes.plot([x - 0.32], [y], linestyle="", markersize=6, **style)
    axes.text(x + (0.08 if place is not None else 0), y, number(times), ha="center", va="center")


def _kinds(figure: Figure, chart: Map, places: Places) -> None:
    from matplotlib.lines import Line2D

    won = {kind for cells in chart.cells for kind, _ in cells}
    handles = [
        Line2D([], [], linestyle="", color=colour(places[k]), marker=marker(places[k]), ms=7)
        for k in chart.kinds
    ]
    labels = list(chart.kinds)
    if None in won:
        handles.append(Line2D([], [], linestyle="", color=COLOURS["band"], marker="s", ms=9))
        labels.append("a draw")
    drawing.legend(figure, handles, labels)
