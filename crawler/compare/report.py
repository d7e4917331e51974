"""A comparison as one HTML page: advice, decisions, each experiment, and how it was measured.

The page is a single file that asks the network for nothing, runs no script (its policy forbids
both) and follows the reader's choice of light or dark.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files
from typing import get_args

from crawler.compare.experiment import Outcome
from crawler.compare.experiments.noise import DOING
from crawler.compare.markup import badge, cards, link
from crawler.compare.method import method
from crawler.compare.result import Result
from crawler.compare.sections import section
from crawler.measure.machine import BUSY
from crawler.measure.quantity import size
from crawler.report.drawing import COLOURS
from crawler.report.page import page, prose
from crawler.report.svg import style

_TITLE = "Which concurrency model for this machine?"
_NOISY = 0.05
"""From so much noise on a machine is called noisy: a difference of 5 % has no word there."""
_FINEST = 0.001


def report(result: Result) -> str:
    """The page; raises `EnvironmentFailure` if matplotlib, which draws its plots, is missing."""
    with style(COLOURS):
        sections = [section(each) for each in result.examined]
    html = [
        f"<header><h1>{_TITLE}</h1>{_how(result)}</header><main>",
        _verdict(result),
        _decisions(result),
        _overview(result),
        *sections,
        *method(result),
        "</main>",
    ]
    return page(f"crawler compare, {result.started[:10]}", _css(), html)


def _css() -> str:
    sheets = (files(f"crawler.{name}").joinpath("report.css") for name in ("load", "compare"))
    return "".join(sheet.read_text(encoding="utf-8") for sheet in sheets)


def _how(result: Result) -> str:
    machine = result.machine
    cores = f"{len(machine.cores)} core{'' if len(machine.cores) == 1 else 's'}"
    memory = f", {size(machine.memory)}" if machine.memory else ""
    where = f"{machine.python} on {machine.processor or machine.system}, {cores}{memory}"
    started = f"{result.started[:16].replace('T', ' ')} UTC"
    when = f"{started}, in {_duration(result.seconds)}"
    line = f"crawler compare, {result.config.mode}; {when}; {where}"
    return f'<p class="dim">{escape(line)}</p>'


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _verdict(result: Result) -> str:
    told, counted = result.advice, _summary(result)
    words = told or counted
    doubts = [*_doubts(result)]
    items = "".join(f'<li class="bad">{escape(doubt)}</li>' for doubt in doubts)
    kind = "wrong" if result.partial or result.invalid else "doubtful" if doubts else ""
    notes = f"<p>{escape(counted)}</p>" if told else ""
    notes += f"<ul>{items}</ul>" if items else ""
    return f'<section class="verdict {kind}"><strong>{prose(words)}</strong>{notes}</section>'


def _summary(result: Result) -> str:
    counts = Counter(each.outcome for each in result.examined)
    order: tuple[Outcome, ...] = get_args(Outcome)
    told = [f"{counts[outcome]} {outcome}" for outcome in order if counts[outcome]]
    many = f"{len(result.examined)} experiment{'' if len(result.examined) == 1 else 's'}"
    return f"Of {many}: {', '.join(told) or 'none was run'}."


def _doubts(result: Result) -> Iterator[str]:
    """What a reader has to know before any figure."""
    if result.partial:
        yield "It was stopped before its end: the figures are a part."
    if result.machine.busy > BUSY:
        busy = f"{result.machine.busy:.2f} of {len(result.machine.cores)} cores"
        yield f"The machine was busy: something else used {busy} before it began."
    for kind, band in result.bands.items():
        if band > _NOISY:
            yield f"The machine was noisy: {_doing(kind)} twice differed by up to {_percent(band)}."
    if result.config.sabotage:
        yield f"One side was slowed down by {result.config.sabotage} on purpose (--sabotage)."
    for each in result.examined:
        if each.outcome == "invalid":
            yield f"{each.experiment.name}: not all of it can be believed; its section says why."


def _percent(band: float) -> str:
    return f"{band:.1%}" if math.isfinite(band) else "any amount (too few rounds)"


def _decisions(result: Result) -> str:
    """Nothing where there is nothing to rest a decision on."""
    rows: list[Sequence[str]] = [
        (prose(d.work), prose(d.model), prose(d.why), link(d.experiment, escape(d.experiment)))
        for d in result.decisions
    ]
    if not rows:
        return ""
    table = cards(("work", "model", "why", "experiment"), rows, "decisions")
    return f"<section><h2>Which model for your work</h2>{table}</section>"


def _overview(result: Result) -> str:
    rows: list[Sequence[str]] = [
        (
            link(each.experiment.name, escape(each.experiment.name)),
            prose(each.experiment.claim),
            link(each.experiment.name, badge(each.outcome)),
        )
        for each in result.examined
    ]
    table = cards(("experiment", "claim", "outcome"), rows, "overview")
    return f"<section><h2>What came out</h2>{table}{_noise(result)}</section>"


def _noise(result: Result) -> str:
    if not result.bands:
        return '<p class="note">The noise of the machine was not measured.</p>'
    tiles = "".join(
        f"<div><dt>{_doing(kind)}</dt><dd>{_bound(band)}</dd></div>"
        for kind, band in result.bands.items()
    )
    note = "by doing the same twice. A smaller difference has no word in this report."
    return f"<p>The noise of this machine, {note}</p><dl>{tiles}</dl>"


def _doing(kind: str) -> str:
    """`fetching`, `fetching, CPU time`."""
    name, _, cpu = kind.partition(" ")
    return f"{DOING[name]}, CPU time" if cpu else DOING[name]


def _bound(band: float) -> str:
    if not math.isfinite(band):
        return "unknown"
    return f"± {band:.1%}" if band >= _FINEST else f"&lt; {_FINEST:.1%}"
