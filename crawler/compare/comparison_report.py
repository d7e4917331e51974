"""A comparison as one HTML page: advice, decisions, each experiment, and how it was measured.

The page is a single file that asks the network for nothing, runs no script (its policy forbids
both) and follows the reader's choice of light or dark.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, get_args

from crawler.compare.charts import Places, charts, drawable, places_of
from crawler.compare.compare_config import CompareConfig
from crawler.compare.comparison_result import ComparisonResult
from crawler.compare.design import Chart, Interpreter, Outcome
from crawler.compare.experiments.noise import DOING
from crawler.compare.judgement import Assessment, Examined, said
from crawler.compare.observation import Observed
from crawler.compare.ratio_plots import main_figure, over_time, ratios
from crawler.compare.statistics import spread
from crawler.measure.machine import BUSY
from crawler.measure.quantity import plain, quantity, size
from crawler.report.html_page import PageTable, render
from crawler.report.svg import Plot, style

_NOISY = 0.05
"""From so much noise on a machine is called noisy: a difference of 5 % has no word there."""
_FINEST = 0.001
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


def report(result: ComparisonResult) -> str:
    """Return the page; raises `EnvironmentFailure` without the extra `report`."""
    with style():
        sections = [_section(each) for each in result.examined]
    counted = _summary(result)
    doubts = [("bad", doubt) for doubt in _doubts(result)]
    return render(
        "compare.html.j2",
        title=f"crawler compare, {result.started[:10]}",
        heading="Which concurrency model for this machine?",
        how=_how(result),
        kind="wrong" if result.partial or result.invalid else "doubtful" if doubts else "",
        words=result.advice or counted,
        notes=counted if result.advice else "",
        doubts=doubts,
        result=result,
        noise={_doing(kind): _bound(band) for kind, band in result.bands.items()},
        sections=sections,
        tables=_method(result),
    )


def _how(result: ComparisonResult) -> str:
    machine = result.machine
    cores = f"{len(machine.cores)} core{'' if len(machine.cores) == 1 else 's'}"
    memory = f", {size(machine.memory)}" if machine.memory else ""
    where = f"{machine.python} on {machine.processor or machine.system}, {cores}{memory}"
    started = f"{result.started[:16].replace('T', ' ')} UTC"
    minutes, rest = divmod(round(result.seconds), 60)
    lasted = f"{minutes} min {rest} s" if minutes else f"{rest} s"
    return f"crawler compare, {result.config.mode}; {started}, in {lasted}; {where}"


def _summary(result: ComparisonResult) -> str:
    counts = Counter(each.outcome for each in result.examined)
    told = [f"{counts[each]} {each}" for each in get_args(Outcome) if counts[each]]
    many = f"{len(result.examined)} experiment{'' if len(result.examined) == 1 else 's'}"
    return f"Of {many}: {', '.join(told) or 'none was run'}."


def _doubts(result: ComparisonResult) -> Iterator[str]:
    """Yield what a reader has to know before any figure."""
    if result.partial:
        yield "It was stopped before its end: the figures are a part."
    if result.machine.busy > BUSY:
        busy = f"{result.machine.busy:.2f} of {len(result.machine.cores)} cores"
        yield f"The machine was busy: something else used {busy} before it began."
    for kind, band in result.bands.items():
        if band > _NOISY:
            most = f"{band:.1%}" if math.isfinite(band) else "any amount (too few rounds)"
            yield f"The machine was noisy: {_doing(kind)} twice differed by up to {most}."
    if result.config.sabotage:
        yield f"One side was slowed down by {result.config.sabotage} on purpose (--sabotage)."
    for each in result.examined:
        if each.outcome == "invalid":
            yield f"{each.experiment.name}: not all of it can be believed; its section says why."


def _doing(kind: str) -> str:
    """Return `fetching` or `fetching, CPU time`."""
    name, _, cpu = kind.partition(" ")
    return f"{DOING[name]}, CPU time" if cpu else DOING[name]


def _bound(band: float) -> str:
    if not math.isfinite(band):
        return "unknown"
    return f"± {band:.1%}" if band >= _FINEST else f"< {_FINEST:.1%}"


def _method(result: ComparisonResult) -> Iterator[PageTable]:
    """Yield tables of where and with what it was measured."""
    yield PageTable("Machine and interpreter", ("", ""), _machine(result), "words")
    # All interpreters that took part, each once.
    parts = [part.interpreter for each in result.examined for part in each.parts]
    everyone = {each.called: each for each in parts}
    if len(everyone) > 1:
        columns = ("interpreter", "version", "lock", "where")
        yield PageTable("Interpreters", columns, map(_interpreter, everyone.values()), "words")
    yield PageTable("Asked for", ("option", "value"), _options(result), "words")
    names = sorted({name for each in everyone.values() for name in each.packages})
    versions = [
        (name, *(each.packages.get(name, "none") for each in everyone.values())) for name in names
    ]
    yield PageTable("Packages", ("package", *everyone), versions, "words")


def _machine(result: ComparisonResult) -> Iterator[tuple[str, str]]:
    machine = result.machine
    yield "system", machine.system
    yield "processor", machine.processor
    yield "cores", ", ".join(map(str, machine.cores))
    yield "memory", size(machine.memory) if machine.memory else "not told"
    yield "governor", machine.governor or "not told"
    yield "load before", ", ".join(f"{load:.2f}" for load in machine.load_before)
    yield "load after", ", ".join(f"{load:.2f}" for load in result.load_after)
    yield "busy before", f"{machine.busy:.2f} cores"
    yield "Python", machine.python
    yield "its lock (GIL)", "on" if machine.gil else "off"
    yield "switch interval", f"{machine.switch_interval * 1e3:g} ms"
    yield "GC thresholds", ", ".join(map(str, machine.gc_threshold))
    yield from machine.flags.items()
    yield "built with", machine.build or "not told"
    yield "crawler", machine.crawler


def _interpreter(interpreter: Interpreter) -> Sequence[str]:
    given = [f"{name}={value}" for name, value in interpreter.environment.items()]
    lock = "on" if interpreter.gil else "off"
    return interpreter.called, interpreter.version, lock, " ".join([*given, interpreter.path])


def _options(result: ComparisonResult) -> Iterator[tuple[str, str]]:
    """Yield the experiments, and the options that differ from the defaults."""
    yield "experiments", ", ".join(result.asked)
    yield "mode", result.config.mode
    for name, spec in CompareConfig.options().items():
        value = getattr(result.config, name)
        if value != spec.default and not isinstance(value, bool):
            yield name, ", ".join(value) if isinstance(value, tuple) else str(value)
    yield "seed", str(result.config.seed)


def _section(examined: Examined) -> dict[str, Any]:
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
    numbers = {len(part.arms) for part in examined.parts}
    arms = f"{'up to ' if len(numbers) > 1 else ''}{max(numbers, default=0)} arms"
    each = f" with each of {len(examined.parts)} interpreters" if len(examined.parts) > 1 else ""
    stopped = "; stopped before its end" if examined.partial else ""
    return f"{rounds} of {arms}{each} in {quantity(examined.seconds, 's')}{stopped}"


def _parts(examined: Examined) -> Iterator[dict[str, Any]]:
    """Yield the part of each interpreter; a series has the same colour in all of them."""
    own = [examined.experiment.charts(part) for part in examined.parts]
    places = places_of([chart for each in own for chart in each])
    for count, (part, found) in enumerate(zip(examined.parts, own, strict=True)):
        yield {
            "interpreter": part.interpreter.called,
            "findings": part.findings,
            "drawings": _drawings(part, found, places, f"{examined.experiment.name}-{count}"),
            "tables": [_arms(part), *_own_figures(part)],
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
    names = dict.fromkeys(arm.name for part in examined.parts for arm in part.arms)
    rows = [
        (name, *(quantity(p.median(name, shown.name), shown.unit) for p in examined.parts))
        for name in names
    ]
    columns = ("arm", *(part.interpreter.called for part in examined.parts))
    return PageTable(f"Interpreters side by side: {shown.title}", columns, rows, "wide", level=3)


def _arms(observed: Observed) -> PageTable:
    rows = [_arm(observed, arm.name) for arm in observed.arms]
    return PageTable("Arms", _ARM_COLUMNS, rows, "wide", _ARM_NOTE, 4)


def _arm(observed: Observed, arm: str) -> Sequence[str]:
    runs, read = observed.of(arm), observed.good(arm)
    wall = spread(observed.values(arm, "wall"))
    readings = [
        (spread([run.reading[name] for run in read if name in run.reading]).median, unit)
        for name, unit in _READINGS.values()
    ]
    elsewhere = spread([run.elsewhere for run in read]).median
    return (
        arm,
        *map(plain, (len(runs), len(runs) - len(read), sum(run.errors for run in runs))),
        *(quantity(value, "s") for value in (wall.median, wall.mad)),
        *(quantity(value, unit) for value, unit in readings),
        quantity(elsewhere, "s"),
    )


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
