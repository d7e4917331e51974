"""The plots that every experiment has: ratios with their intervals, and values in time order."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from crawler.compare.design import WALL, Figure, Word
from crawler.compare.judgement import Assessment, Comparison
from crawler.compare.observation import Observed
from crawler.measure.quantity import number
from crawler.report import drawing
from crawler.report.drawing import colour
from crawler.report.svg import COLOURS, Plot

if TYPE_CHECKING:
    from matplotlib import figure as mpl
    from matplotlib.axes import Axes

_WORDS: dict[Word, dict[str, Any]] = {
    "faster": {"color": colour(0), "marker": ">"},
    "slower": {"color": colour(1), "marker": "<"},
    "indistinguishable": {"color": COLOURS["dim"], "marker": "o"},
    "inconclusive": {"color": COLOURS["dim"], "marker": "o", "markerfacecolor": COLOURS["page"]},
}
_ROW = 0.32  # inches of a comparison
_LEAST_REACH = 1.04  # an axis shows at least 4 % either way


def ratios(part: Assessment, name: str) -> Plot | None:
    """Plot all comparisons of a part as a forest; None where not one has a ratio.

    Their claims are told by their numbers.
    """
    shown = part.comparisons
    if not any(each.ratio for each in shown):
        return None
    band = part.band
    title = "How many times better"
    note = (
        "95 % interval (thick), the one that the word rests on (thin)"
        f"{', the noise of the machine (shaded)' if band else ''}."
    )
    height = 1.25 + _ROW * len(shown)
    svg = drawing.render(name, title, height, lambda figure: _forest(figure, shown, band))
    return Plot(name, title, note, svg)


def _forest(figure: mpl.Figure, shown: Sequence[Comparison], band: float | None) -> None:
    axes = figure.add_subplot()
    low, high = _reach(shown, band)
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    if band and math.isfinite(band):
        axes.axvspan(1 / (1 + band), 1 + band, color=COLOURS["band"], lw=0, gid="noise")
    axes.axvline(1, color=COLOURS["text"], linewidth=1, gid="one")
    for row, comparison in enumerate(shown):
        _row(axes, row, comparison)
    marks = drawing.ratio_marks(low, high)
    axes.set_xticks(marks, [f"{mark:,.5g}" for mark in marks])
    axes.set_xticks([], minor=True)
    axes.set_yticks(range(len(shown)), [str(row + 1) for row in range(len(shown))])
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(_called(shown))
    _word_legend(figure, shown)


def _reach(shown: Sequence[Comparison], band: float | None) -> tuple[float, float]:
    """Return the ends of the axis: everything that is drawn, 1, and a little room."""
    ends = [1 / _LEAST_REACH, _LEAST_REACH]
    for each in shown:
        ends += [each.contrast.least] if each.contrast.least else []
        for ratio in (each.ratio, each.judged):
            ends += [ratio.low, ratio.high] if ratio else []
    if band and math.isfinite(band):
        ends += [1 / (1 + band), 1 + band]
    room = (max(ends) / min(ends)) ** 0.05
    return min(ends) / room, max(ends) * room


def _row(axes: Axes, row: int, comparison: Comparison) -> None:
    ratio, judged = comparison.ratio, comparison.judged
    told = "no ratio"
    if ratio is not None:
        style = _WORDS[comparison.word]
        thin = judged or ratio
        axes.plot([thin.low, thin.high], [row, row], color=style["color"], linewidth=1)
        wide: dict[str, Any] = {"linewidth": 4, "solid_capstyle": "butt", "gid": f"row-{row + 1}"}
        axes.plot([ratio.low, ratio.high], [row, row], color=style["color"], **wide)
        axes.plot([ratio.value], [row], linestyle="", markersize=8, **style)
        told = number(ratio.value)
    if least := comparison.contrast.least:
        axes.plot([least], [row], color=COLOURS["text"], marker="|", markersize=15, ls="")
    axes.text(1.02, row, told, transform=axes.get_yaxis_transform(), va="center", fontsize=10)


def _called(shown: Sequence[Comparison]) -> str:
    """Return what the ratios are called, if all are called the same; else `times better`."""
    names = {each.contrast.figure.ratio for each in shown}
    return names.pop() if len(names) == 1 else "times better"


def _word_legend(figure: mpl.Figure, shown: Sequence[Comparison]) -> None:
    from matplotlib.lines import Line2D

    found = {each.word for each in shown if each.ratio is not None}
    words = [word for word in _WORDS if word in found]
    handles = [Line2D([], [], linestyle="", markersize=8, **_WORDS[word]) for word in words]
    labels: list[str] = [*words]
    if any(each.contrast.least for each in shown):
        ink = COLOURS["text"]
        handles.append(Line2D([], [], linestyle="", marker="|", markersize=13, color=ink))
        labels.append("predicted: at least")
    drawing.legend(figure, handles, labels)


def over_time(part: Assessment, name: str) -> Plot | None:
    """Plot the time of each turn in the order in which they ran: drifts and outliers show."""
    figure = main_figure(part)
    points = _points(part, figure)
    if not points:
        return None
    groups = drawing.grouped([arm.name for arm in part.arms if arm.name in points])
    labels = list(dict.fromkeys(groups.values()))
    title = f"Each turn in time order: {figure.title}"
    note = "Interleaved by chance: what troubled the machine shows in all arms at once."
    if len(labels) < len(groups):
        note += f" {len(groups)} arms, in groups."
    height = 2.9 + 0.2 * drawing.legend_rows(labels)
    svg = drawing.render(name, title, height, lambda f: _turns(f, figure, points, groups))
    return Plot(name, title, note, svg)


def main_figure(part: Assessment) -> Figure:
    """Return the figure of most comparisons of a part; the wall time where there are none."""
    figures = [each.contrast.figure for each in part.comparisons]
    return Counter(figures).most_common(1)[0][0] if figures else WALL


_Points = dict[str, list[tuple[float, float]]]


def _points(observed: Observed, figure: Figure) -> _Points:
    found: _Points = {}
    for run in observed.runs:
        value = run.value(figure.name)
        if run.round and not run.failure and math.isfinite(value):
            found.setdefault(run.arm, []).append((run.at, value))
    return found


def _turns(figure: mpl.Figure, shown: Figure, points: _Points, groups: Any) -> None:
    axes = figure.add_subplot()
    labels = list(dict.fromkeys(groups.values()))
    handles: dict[str, Any] = {}
    for arm, group in groups.items():
        style = drawing.line_style(labels.index(group)) | {"linestyle": "-", "markersize": 5}
        xs, ys = zip(*points[arm], strict=True)
        (line,) = axes.plot(xs, ys, linewidth=0.7, gid=f"arm-{drawing.slug(arm)}", **style)
        handles.setdefault(group, line)
    values = [y for each in points.values() for _, y in each]
    wide = min(values) > 0 and max(values) > min(values) * drawing.WIDE
    drawing.value_axis(axes, "y", values, shown.unit, log=wide)
    axes.set_ylabel(drawing.beside(drawing.unit_label(shown.title, shown.unit)))
    axes.set_xlabel("seconds since the experiment began")
    drawing.legend(figure, list(handles.values()), labels)
