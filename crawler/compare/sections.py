"""The section of the report on each experiment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from crawler.compare.charts import Places, charts, drawable, places_of
from crawler.compare.design import Chart
from crawler.compare.examined import Assessment, Examined
from crawler.compare.judgement import said
from crawler.compare.observation import Observed, Run
from crawler.compare.ratio_plots import main_figure, over_time, ratios
from crawler.compare.statistics import spread
from crawler.measure.quantity import plain, quantity
from crawler.report.html_page import PageTable
from crawler.report.svg import Plot

_READINGS = {
    "user": ("user", "s"),
    "system": ("system", "s"),
    "peak RSS": ("rss", "B"),
    "PSS": ("pss", "B"),
    "waits": ("voluntary", ""),
    "switched out": ("involuntary", ""),
    "GC": ("collections", ""),
    "GC time": ("collecting", "s"),
}
"""Title of a column -> the reading that it shows, and its unit."""
_ARM_COLUMNS = ("arm", "turns", "failed", "errors", "wall", "MAD", *_READINGS, "elsewhere")
_ARM_NOTE = (
    "Medians of the turns that count; MAD is the median distance of the wall time from its median."
    " User and system are CPU time, child processes included. Waits and switched out are context"
    " switches, by itself and by others. Elsewhere is the CPU time of all else on the machine, a"
    " server among it."
)


def section(examined: Examined) -> dict[str, Any]:
    """Return what the template shows of an experiment."""
    return {
        "about": examined.experiment,
        "outcome": examined.outcome,
        "extent": _extent(examined),
        "parts": list(_parts(examined)),
        "over": _over_interpreters(examined),
    }


def _extent(examined: Examined) -> str:
    rounds = f"{examined.rounds} round{'' if examined.rounds == 1 else 's'}"
    numbers = {len(part.observed.arms) for part in examined.parts}
    arms = f"{'up to ' if len(numbers) > 1 else ''}{max(numbers, default=0)} arms"
    each = f" with each of {len(examined.parts)} interpreters" if len(examined.parts) > 1 else ""
    stopped = "; stopped before its end" if examined.partial else ""
    return f"{rounds} of {arms}{each} in {quantity(examined.seconds, 's')}{stopped}"


def _parts(examined: Examined) -> Iterator[dict[str, Any]]:
    """Yield the part of each interpreter; a series has the same colour in all of them."""
    own = [examined.experiment.charts(part.observed) for part in examined.parts]
    places = places_of([chart for each in own for chart in each])
    for count, (part, found) in enumerate(zip(examined.parts, own, strict=True)):
        yield {
            "interpreter": part.observed.interpreter.called,
            "findings": part.findings,
            "drawings": _drawings(part, found, places, f"{examined.experiment.name}-{count}"),
            "tables": [_arms(part.observed), *_own_figures(part.observed)],
        }


class Drawing(NamedTuple):
    """A plot, or the sentence that stands where nothing can be drawn."""

    plot: Plot | None
    key: Sequence[str] = ()
    title: str = ""
    why: str = ""


def _drawings(part: Assessment, found: Sequence[Chart], places: Places, name: str) -> list[Drawing]:
    drawings = []
    if drawn := ratios(part, f"{name}-ratios"):
        drawings.append(Drawing(drawn, [each.contrast.claim for each in part.comparisons]))
    elif part.comparisons:
        why = said(part.comparisons[0])
        drawings.append(Drawing(None, title="How many times better", why=why))
    why = "nothing was measured that could be drawn"
    drawings += [Drawing(None, title=c.title, why=why) for c in found if not drawable(c)]
    own = charts([chart for chart in found if drawable(chart)], f"{name}-chart", places)
    turns = over_time(part, f"{name}-turns")
    return [*drawings, *map(Drawing, own), *([Drawing(turns)] if turns else [])]


def _over_interpreters(examined: Examined) -> PageTable | None:
    """Return a table of the medians of each interpreter, side by side."""
    if len(examined.parts) < 2:
        return None
    shown = main_figure(examined.parts[0])
    names = dict.fromkeys(arm.name for part in examined.parts for arm in part.observed.arms)
    rows = [
        (name, *(quantity(p.observed.median(name, shown.name), shown.unit) for p in examined.parts))
        for name in names
    ]
    columns = ("arm", *(part.observed.interpreter.called for part in examined.parts))
    return PageTable(f"Interpreters side by side: {shown.title}", columns, rows, "wide", level=3)


def _arms(observed: Observed) -> PageTable:
    rows = [_arm(observed, arm.name) for arm in observed.arms]
    return PageTable("Arms", _ARM_COLUMNS, rows, "wide", _ARM_NOTE, 4)


def _arm(observed: Observed, arm: str) -> Sequence[str]:
    runs = observed.of(arm)
    read = [run for run in runs if not run.failure]
    wall = spread(observed.values(arm, "wall"))
    return (
        arm,
        *map(plain, (len(runs), len(runs) - len(read), sum(run.errors for run in runs))),
        *(quantity(value, "s") for value in (wall.median, wall.mad)),
        *(quantity(_middle(read, name), unit) for name, unit in _READINGS.values()),
        quantity(spread([run.elsewhere for run in read]).median, "s"),
    )


def _middle(runs: Sequence[Run], name: str) -> float:
    return spread([run.reading[name] for run in runs if name in run.reading]).median


def _own_figures(observed: Observed) -> list[PageTable]:
    """Return tables of what the experiment measured besides the common readings."""
    figures = dict.fromkeys(name for run in observed.runs for name in run.figures)
    if not figures:
        return []
    arms = [arm.name for arm in observed.arms]
    cells = {(a, f): plain(observed.median(a, f)) for a in arms for f in figures}
    if len(figures) > len(arms):
        rows = [(f, *(cells[a, f] for a in arms)) for f in figures]
        columns = ["figure", *arms]
    else:
        rows = [(a, *(cells[a, f] for f in figures)) for a in arms]
        columns = ["arm", *figures]
    note = "Medians; times are seconds, sizes bytes, unless a name says otherwise."
    return [PageTable("Its own figures", columns, rows, "wide", note, 4)]
