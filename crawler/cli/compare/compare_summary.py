"""A comparison as text of at most 80 columns."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import median
from textwrap import wrap

from crawler.cli.layout import columns
from crawler.cli.unit_formats import counted, duration
from crawler.compare.advice import sizes
from crawler.compare.catalogue import CALL, DEMO
from crawler.compare.compare_config import CompareConfig
from crawler.compare.comparison_result import ComparisonResult
from crawler.compare.design import RSS, Figure, Finding, Interpreter
from crawler.compare.experiment import Experiment
from crawler.compare.experiments.answer import said
from crawler.compare.experiments.call import figure
from crawler.compare.experiments.crawl import CPU_PAGE, RATE
from crawler.compare.judgement import Comparison, Examined, bands_of, decided
from crawler.compare.observation import Observed
from crawler.compare.statistics import LEAST_ROUNDS, MOST_MORE, interval, spread
from crawler.measure.machine import BUSY, Machine
from crawler.measure.quantity import quantity
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
    what = f"{counted(len(experiments), 'experiment')} ({config.mode})"
    if experiments[0].kept:
        wide = "" if config.call else f" {config.width:,} in flight"
        what = f"{experiments[0].question}{wide}"
    lines = [
        f"{machine.python}, {counted(len(machine.cores), 'core')}, {machine.processor}",
        *(f"and {each.called}" for each in pythons[1:]),
        f"{what}, {_extent(config, experiments, len(pythons))}",
        *_notes(machine, config),
    ]
    return _text(lines)


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
        return _text([*_answer(found)])
    lines = ["", f"{experiment.name}: {experiment.question}", f"  {experiment.claim}"]
    for part in found.parts:
        if len(found.parts) > 1:
            lines.append(f"  {part.interpreter.called}:")
        lines += _figures(experiment, part)
        lines += [line for finding in part.findings for line in _finding(finding)]
    if bands := bands_of([found]):
        known = {k: f"{b:.1%}".replace("%", " %") for k, b in bands.items() if math.isfinite(b)}
        shown = ", ".join(f"{kind} {known.get(kind, 'unknown')}" for kind in bands)
        lines.append(f"  no smaller difference has a word here: {shown}")
    if found.partial:
        lines.append("  PARTIAL: stopped before its end")
    return _text(lines)


def tail(result: ComparisonResult, report: str) -> str:
    """Return advice and decisions, whether to believe them, and where the report is, if any."""
    where = f"report: {report}\n" if report else ""  # never folded: it is copied
    if result.examined and result.examined[0].experiment.kept:
        return _answered(result) + where
    lines = [""]
    if result.decisions:
        lines.append("Which model for which work (the report says why):")
        lines += [f"  {each.work}: {each.model}" for each in result.decisions]
    if result.undecided:
        lines.append("Undecided:")
        lines += [f"  {each.work}: {each.why}" for each in result.undecided]
    lines += ["", result.advice, ""] if result.advice else [""]
    lines += _end(result)
    return _text(lines) + where


def _answered(result: ComparisonResult) -> str:
    """Return the advice first, then what it lacks."""
    (found,) = result.examined
    lines = [*_doubts(result)]
    lines.append(result.advice or "No advice: nothing was decided that it could rest on.")
    lines += undecided(found, result.seconds)
    *notes, time = _end(result)
    lines += [*notes, f"{counted(found.rounds, 'round')}, {time}"]
    return _text(lines)


def _end(result: ComparisonResult) -> Iterator[str]:
    if result.partial:
        yield "PARTIAL: stopped before its end; what there is until then is kept"
    if result.invalid:
        yield "NOT BELIEVABLE: some comparisons are invalid, see above"
    yield f"{duration(result.seconds)} in all"


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


def _figures(experiment: Experiment, observed: Observed) -> Iterator[str]:
    """Yield the medians of what the experiment is about, an arm a line."""
    if not experiment.shown:
        return
    titles = [figure.title for figure in experiment.shown]
    rows = []
    for arm in observed.arms:
        found = [(spread(observed.values(arm.name, f.name)), f.unit) for f in experiment.shown]
        if any(each.count for each, _ in found):
            told = [shown(each.median, unit) if each.count else _NONE for each, unit in found]
            rows.append([arm.name, *told])
    for line in columns([["", *titles], *rows]).splitlines():
        yield f"  {line}"


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
    room = WIDTH - len(indent)
    for line in map(printable, finding.detail.splitlines()):
        # Of a program or a table: cut into pieces if too long, its spaces kept.
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


_HEAD = ("", "pages/s", "95 % interval", "CPU a page", "memory")
_BUSY = 0.25  # of the cores: from so much on, others decide how fast an arm is
_SERVER = 1.0  # cores that the mock web may use
_NONE = "-"


def _answer(found: Examined) -> Iterator[str]:
    """Yield a table for each interpreter, and what of it cannot be believed."""
    for observed in found.parts:
        called = f"{observed.interpreter.called}: " if len(found.parts) > 1 else ""
        own = found.experiment.name == CALL
        what = observed.setting.call["function"] if own else said(observed)
        yield from ("", f"{called}{what}", "")
        rows = _batches(observed) if own else _crawls(observed)
        yield from columns([*rows]).splitlines()
        yield ""
        troubles = (observed.trouble(arm.name) for arm in observed.arms)
        yield from (f"NOT BELIEVABLE: {why}" for why in troubles if why)


def _batches(observed: Observed) -> Iterator[Sequence[str]]:
    """Yield the median time of each batch of calls."""
    figures = [figure(size) for size in observed.setting.call["sizes"]]
    yield "", *(each.title for each in figures)
    for arm in observed.arms:
        void = observed.trouble(arm.name)
        yield arm.name, *(_NONE if void else _median(observed, arm.name, f) for f in figures)


def _crawls(observed: Observed) -> Iterator[Sequence[str]]:
    yield _HEAD
    for arm in (each.name for each in observed.arms):
        if observed.trouble(arm) or not observed.of(arm):
            yield arm, *[_NONE] * 4
            continue
        rates = observed.values(arm, RATE.name)
        found = interval(rates)
        rate = _number(found.value if found else median(rates))
        between = f"{_number(found.low)} to {_number(found.high)}" if found else _NONE
        yield arm, rate, between, *(_median(observed, arm, f) for f in (CPU_PAGE, RSS))


def _median(observed: Observed, arm: str, figure: Figure) -> str:
    return quantity(observed.median(arm, figure.name), figure.unit)


def _number(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


def _doubts(result: ComparisonResult) -> Iterator[str]:
    """Yield what other programs did to the figures."""
    cores, busy = len(result.machine.cores), result.machine.busy
    for part in (part for each in result.examined for part in each.parts):
        # The cores that others than the arms and the mock web used meanwhile.
        shares = [r.elsewhere / r.seconds for r in part.runs if r.round and r.seconds]
        busy = max(busy, median(shares) - _SERVER if shares else 0.0)
    if busy > _BUSY * cores:
        yield (
            "CANNOT BE BELIEVED: the figures as such, and whether threads, processes or event "
            f"loops are faster here: other programs used {min(busy, cores):.1f} of "
            f"{counted(cores, 'core')}. What follows is true of a machine as busy as this one."
        )


def undecided(found: Examined, seconds: float) -> Iterator[str]:
    """Yield what was not decided, and the time to decide it. seconds: of all of it."""
    for part in found.parts:
        left = [each for each in part.comparisons if not decided(each) and each.word != "invalid"]
        if found.experiment.name == CALL:
            open_sizes = {
                size: choice.unsettled for size, choice in sizes(part) if choice.unsettled
            }
            left = [each for unsettled in open_sizes.values() for each in unsettled]
            claims = f"which is best for {', '.join(map(str, open_sizes))} calls"
        elif len(left) == len(part.comparisons):
            claims = f"all {len(left)} comparisons"
        else:
            claims = "; ".join(each.contrast.claim for each in left)
        if left:
            yield f"Undecided: {claims}."
            yield _missing(found, left, seconds)


def _missing(found: Examined, left: Sequence[Comparison], seconds: float) -> str:
    never = next((each.why for each in left if each.why), "")
    if never:
        return f"More rounds would not help: {never}."
    more = max(each.more for each in left)
    if more >= MOST_MORE:
        return f"Not even {MOST_MORE:,} more rounds would tell: it does not matter, or is noise."
    spent = sum(run.seconds for part in found.parts for run in part.runs)
    a_round = spent / (found.rounds + 1)  # with the warm-up
    longer = math.ceil((seconds + (more + 1) * a_round) / 5) * 5
    few = f"{found.rounds} of at least {LEAST_ROUNDS}; " if found.rounds < LEAST_ROUNDS else ""
    return f"{few}about {counted(more, 'more round')} would tell: --in {longer}s"
