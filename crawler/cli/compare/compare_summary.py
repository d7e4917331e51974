"""A comparison as text of at most 80 columns."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from textwrap import wrap

from crawler.cli.compare import compare_answer
from crawler.cli.compare.compare_outputs import Folder
from crawler.cli.layout import columns
from crawler.cli.unit_formats import counted, duration
from crawler.compare.catalogue import DEMO
from crawler.compare.compare_config import CompareConfig
from crawler.compare.comparison_result import ComparisonResult
from crawler.compare.design import Figure, Finding, Interpreter
from crawler.compare.examined import Assessment, Examined, bands_of
from crawler.compare.experiment import Experiment
from crawler.compare.observation import Observed
from crawler.compare.statistics import LEAST_ROUNDS, spread
from crawler.measure.machine import BUSY, Machine
from crawler.model.output import printable

WIDTH = 80
_OUTCOME = 14
_NONE = "-"  # of an arm that has no such figure


def head(
    machine: Machine,
    pythons: Sequence[Interpreter],
    config: CompareConfig,
    experiments: Sequence[Experiment],
) -> str:
    """Return where it runs, what will run, and about how long."""
    lines = [
        f"{machine.python}, {counted(len(machine.cores), 'core')}, {machine.processor}",
        *(f"and {each.called}" for each in pythons[1:]),
        f"{_what(config, experiments)}, {_extent(config, experiments, len(pythons))}",
        *_notes(machine, config),
    ]
    return _text(lines)


def _what(config: CompareConfig, experiments: Sequence[Experiment]) -> str:
    if experiments[0].kept:
        wide = "" if config.call else f" {config.width:,} in flight"
        return f"{experiments[0].question}{wide}"
    return f"{counted(len(experiments), 'experiment')} ({config.mode})"


def _extent(config: CompareConfig, experiments: Sequence[Experiment], interpreters: int) -> str:
    """Return how long it will take; the least rounds may need their time with each interpreter."""
    if config.rounds:
        return counted(config.rounds, "round")
    if experiments[0].kept:
        return f"about {duration(config.answer_seconds)}"
    many = len(experiments)
    if experiments[0].name == DEMO:
        return "some seconds"
    return f"at most about {duration(config.seconds(many) * many * interpreters)}"


def examined(found: Examined) -> str:
    """Return the findings of an experiment: for each interpreter its figures and findings."""
    experiment = found.experiment
    if experiment.kept:
        return _text([*compare_answer.lines(found)])
    lines = ["", f"{experiment.name}: {experiment.question}", f"  {experiment.claim}"]
    for part in found.parts:
        if len(found.parts) > 1:
            lines.append(f"  {part.observed.interpreter.called}:")
        lines += _part(experiment, part)
    if bands := bands_of([found]):
        shown = ", ".join(f"{kind} {_percent(band)}" for kind, band in bands.items())
        lines.append(f"  no smaller difference has a word here: {shown}")
    if found.partial:
        lines.append("  PARTIAL: stopped before its end")
    return _text(lines)


def tail(result: ComparisonResult, folder: Folder) -> str:
    """Return advice and decisions, whether to believe them, and where the report is."""
    if result.examined and result.examined[0].experiment.kept:
        return _answered(result, folder)
    lines = [""]
    if result.decisions:
        lines.append("Which model for which work (the report says why):")
        lines += [f"  {each.work}: {each.model}" for each in result.decisions]
    if result.undecided:
        lines.append("Undecided:")
        lines += [f"  {each.work}: {each.why}" for each in result.undecided]
    lines += ["", result.advice, ""] if result.advice else [""]
    lines += _end(result)
    return _text(lines) + _report(folder)


def _answered(result: ComparisonResult, folder: Folder) -> str:
    """Return the advice first, then what it lacks."""
    (found,) = result.examined
    lines = [*compare_answer.doubts(result)]
    lines.append(result.advice or "No advice: nothing was decided that it could rest on.")
    lines += compare_answer.undecided(found, result.seconds)
    *notes, time = _end(result)
    lines += [*notes, f"{counted(found.rounds, 'round')}, {time}"]
    return _text(lines) + _report(folder)


def _end(result: ComparisonResult) -> Iterator[str]:
    if result.partial:
        yield "PARTIAL: stopped before its end; what there is until then is kept"
    if result.invalid:
        yield "NOT BELIEVABLE: some comparisons are invalid, see above"
    yield f"{duration(result.seconds)} in all"


def _report(folder: Folder) -> str:
    return f"report: {folder.report}\n" if folder.path else ""  # never folded: it is copied


def _notes(machine: Machine, config: CompareConfig) -> Iterator[str]:
    if machine.busy > BUSY:
        cores = f"{machine.busy:.1f} cores"
        yield f"NOTE: the machine is busy: {cores} were at work before this began"
    if len(machine.cores) == 1:
        yield "NOTE: one core: nothing can compute in parallel here"
    if 0 < config.rounds < LEAST_ROUNDS:
        few = counted(config.rounds, "round")
        yield f"NOTE: {few} cannot decide anything: it takes at least {LEAST_ROUNDS}"
    if config.sabotage:
        yield f"NOTE: sabotage: one side of each experiment is slowed down by {config.sabotage}"


def _part(experiment: Experiment, part: Assessment) -> Iterator[str]:
    yield from _figures(experiment, part.observed)
    for finding in part.findings:
        yield from _finding(finding)


def _figures(experiment: Experiment, observed: Observed) -> Iterator[str]:
    """Yield the medians of what the experiment is about, an arm a line."""
    if not experiment.shown:
        return
    titles = [figure.title for figure in experiment.shown]
    rows = [
        [arm.name, *(_median(observed, arm.name, figure) for figure in experiment.shown)]
        for arm in observed.arms
    ]
    rows = [row for row in rows if any(cell != _NONE for cell in row[1:])]
    for line in columns([["", *titles], *rows]).splitlines():
        yield f"  {line}"


def _median(observed: Observed, arm: str, figure: Figure) -> str:
    found = spread(observed.values(arm, figure.name))
    return shown(found.median, figure.unit) if found.count else _NONE


def shown(value: float, unit: str) -> str:
    """Return a value with three digits; bytes as megabytes, seconds in their fitting unit."""
    if unit == "B":
        return f"{value / 1e6:,.3g} MB" if value >= 1e6 else f"{value / 1e3:,.3g} KB"
    if unit == "s" and value >= 1:
        return f"{value:,.3g} s"
    if unit == "s":
        return f"{value * 1e3:,.3g} ms" if value >= 1e-3 else f"{value * 1e6:,.3g} us"
    return f"{value:,.0f}" if value >= 100 else f"{value:,.3g}"


def _finding(finding: Finding) -> Iterator[str]:
    indent = " " * (_OUTCOME + 2)
    first = f"  {finding.outcome:{_OUTCOME}}"
    for text in (finding.claim, finding.text):
        yield from wrap(
            printable(text),
            WIDTH,
            initial_indent=first,
            subsequent_indent=indent,
            break_on_hyphens=False,
        )
        first = indent
    if finding.folded:
        yield f"{indent}({finding.folded}: see the report)"
        return
    for line in finding.detail.splitlines():
        yield from _detailed(printable(line), indent)


def _percent(band: float) -> str:
    return f"{band:.1%}".replace("%", " %") if math.isfinite(band) else "unknown"


def _detailed(line: str, indent: str) -> Iterator[str]:
    """Yield a line of a program or a table, cut into pieces if too long, its spaces kept."""
    room = WIDTH - len(indent)
    for start in range(0, max(len(line), 1), room):
        yield f"{indent}{line[start : start + room]}".rstrip()


def _text(lines: Sequence[str]) -> str:
    return "".join(
        f"{part}\n" for line in lines for part in (_folded(line) if len(line) > WIDTH else [line])
    )


def _folded(line: str) -> list[str]:
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return wrap(
        line,
        WIDTH,
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,  # a path is to be copied
    )
