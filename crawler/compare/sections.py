"""The section that the report has for each experiment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from crawler.compare.charts import Places, charts, drawable, places_of
from crawler.compare.experiment import Chart, Finding
from crawler.compare.judgement import Comparison, Observed, Run, said
from crawler.compare.markup import anchor, badge, cards, sentences
from crawler.compare.plots import main_figure, over_time, ratios
from crawler.compare.result import Examined, Part
from crawler.compare.statistics import spread
from crawler.measure.quantity import plain, quantity
from crawler.report.page import figure, prose, table
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


def section(examined: Examined) -> str:
    """An experiment: what was asked, found, drawn; its conditions, its limits, its figures."""
    experiment = examined.experiment
    name = escape(experiment.name)
    heading = f"<h2>{name} {badge(examined.outcome)}</h2>"
    html = [
        f'<section class="experiment" id="{escape(anchor(experiment.name))}">{heading}',
        f'<p class="question">{prose(experiment.question)}</p>',
        f"<p><strong>Claim.</strong> {prose(experiment.claim)}</p>",
        f'<p class="dim">{escape(_extent(examined))}</p>',
        *_parts(examined),
        _over_interpreters(examined),
        '<div class="sides">',
        sentences("Conditions", experiment.conditions),
        sentences("What this does not show", experiment.not_shown),
        "</div>",
        *map(_details, examined.parts),
        "</section>",
    ]
    return "\n".join(html)


def _extent(examined: Examined) -> str:
    rounds = f"{examined.rounds} round{'' if examined.rounds == 1 else 's'}"
    numbers = {len(part.observed.arms) for part in examined.parts}
    arms = f"{'up to ' if len(numbers) > 1 else ''}{max(numbers, default=0)} arms"
    each = f" with each of {len(examined.parts)} interpreters" if len(examined.parts) > 1 else ""
    stopped = "; stopped before its end" if examined.partial else ""
    return f"{rounds} of {arms}{each} in {quantity(examined.seconds, 's')}{stopped}"


def _parts(examined: Examined) -> Iterator[str]:
    """A series has the same colour with each interpreter, whichever of them has more of them."""
    several = len(examined.parts) > 1
    own = [examined.experiment.charts(part.observed) for part in examined.parts]
    places = places_of([chart for each in own for chart in each])
    for number, (part, found) in enumerate(zip(examined.parts, own, strict=True)):
        if several:
            yield f"<h3>{escape(part.observed.interpreter.called)}</h3>"
        yield _findings(part.findings)
        yield '<div class="plots">'
        yield from _figures(part, found, places, f"{examined.experiment.name}-{number}")
        yield "</div>"


def _findings(findings: Sequence[Finding]) -> str:
    rows: list[Sequence[str]] = []
    for each in findings:
        rows.append((prose(each.claim), badge(each.outcome), prose(each.text)))
        if each.detail:
            listing = f'<div class="scroll listing"><pre>{escape(each.detail)}</pre></div>'
            rows.append((_folded(each, listing),))
    return cards(("prediction", "outcome", "found"), rows, "findings")


def _folded(finding: Finding, html: str) -> str:
    if not finding.folded:
        return html
    return f"<details><summary>{escape(finding.folded)}</summary>{html}</details>"


def _figures(part: Part, found: Sequence[Chart], places: Places, name: str) -> Iterator[str]:
    if drawn := ratios(part, f"{name}-ratios"):
        yield figure(drawn, level=4, below_html=_key(part.comparisons))
    elif part.comparisons:
        yield _undrawn("How many times better", said(part.comparisons[0]))
    for chart in found:
        if not drawable(chart):
            yield _undrawn(chart.title, "nothing was measured that could be drawn")
    own = charts([chart for chart in found if drawable(chart)], f"{name}-chart", places)
    last: list[Plot | None] = [*own, over_time(part, f"{name}-turns")]
    for plot in last:
        if plot is not None:
            yield figure(plot, level=4)


def _undrawn(title: str, why: str) -> str:
    return f'<p class="note">{escape(title)}: {prose(why)}.</p>'


def _key(comparisons: Sequence[Comparison]) -> str:
    items = "".join(f"<li>{prose(each.contrast.claim)}</li>" for each in comparisons)
    return f'<ol class="key">{items}</ol>'


def _over_interpreters(examined: Examined) -> str:
    """The medians of the arms that interpreters have in common, side by side."""
    if len(examined.parts) < 2:
        return ""
    shown = main_figure(examined.parts[0])
    names = dict.fromkeys(arm.name for part in examined.parts for arm in part.observed.arms)
    rows = [
        (name, *(quantity(p.observed.median(name, shown.name), shown.unit) for p in examined.parts))
        for name in names
    ]
    columns = ("arm", *(part.observed.interpreter.called for part in examined.parts))
    return table(f"Interpreters side by side: {shown.title}", columns, rows, "wide", level=3)


def _details(part: Part) -> str:
    who = escape(part.observed.interpreter.called)
    arms = table("Arms", _ARM_COLUMNS, _arms(part.observed), "wide", note=_ARM_NOTE, level=4)
    own = _own_figures(part.observed)
    return f"<details><summary>Figures of each arm, {who}</summary>{arms}{own}</details>"


def _arms(observed: Observed) -> Iterator[Sequence[str]]:
    for arm in observed.arms:
        runs = observed.of(arm.name)
        read = [run for run in runs if not run.failure]
        wall = spread(observed.values(arm.name, "wall"))
        yield (
            arm.name,
            *map(plain, (len(runs), len(runs) - len(read), sum(run.errors for run in runs))),
            *(quantity(value, "s") for value in (wall.median, wall.mad)),
            *(quantity(_middle(read, name), unit) for name, unit in _READINGS.values()),
            quantity(spread([run.elsewhere for run in read]).median, "s"),
        )


def _middle(runs: Sequence[Run], name: str) -> float:
    return spread([run.reading[name] for run in runs if name in run.reading]).median


def _own_figures(observed: Observed) -> str:
    """Medians of what the experiment measured beside the common readings."""
    figures = dict.fromkeys(name for run in observed.runs for name in run.figures)
    if not figures:
        return ""
    arms = [arm.name for arm in observed.arms]
    cells = {(a, f): plain(observed.median(a, f)) for a in arms for f in figures}
    if len(figures) > len(arms):
        rows = [(f, *(cells[a, f] for a in arms)) for f in figures]
        columns = ["figure", *arms]
    else:
        rows = [(a, *(cells[a, f] for f in figures)) for a in arms]
        columns = ["arm", *figures]
    note = "Medians; times are seconds, sizes bytes, unless a name says otherwise."
    return table("Figures of its own", columns, rows, "wide", note=note, level=4)
