"""A comparison as one HTML page: advice, decisions, each experiment, and how it was measured.

The page is a single file that asks the network for nothing, runs no script (its policy forbids
both) and follows the reader's choice of light or dark.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import get_args

from crawler.compare.comparison_result import ComparisonResult
from crawler.compare.design import Outcome
from crawler.compare.experiments.noise import DOING
from crawler.compare.method import method
from crawler.compare.sections import section
from crawler.measure.machine import BUSY
from crawler.measure.quantity import size
from crawler.report.html_page import render
from crawler.report.svg import style

_NOISY = 0.05
"""From so much noise on a machine is called noisy: a difference of 5 % has no word there."""
_FINEST = 0.001


def report(result: ComparisonResult) -> str:
    """Return the page; raises `EnvironmentFailure` without the extra `report`."""
    with style():
        sections = [section(each) for each in result.examined]
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
        tables=method(result),
    )


def _how(result: ComparisonResult) -> str:
    machine = result.machine
    cores = f"{len(machine.cores)} core{'' if len(machine.cores) == 1 else 's'}"
    memory = f", {size(machine.memory)}" if machine.memory else ""
    where = f"{machine.python} on {machine.processor or machine.system}, {cores}{memory}"
    started = f"{result.started[:16].replace('T', ' ')} UTC"
    when = f"{started}, in {_duration(result.seconds)}"
    return f"crawler compare, {result.config.mode}; {when}; {where}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _summary(result: ComparisonResult) -> str:
    counts = Counter(each.outcome for each in result.examined)
    order: tuple[Outcome, ...] = get_args(Outcome)
    told = [f"{counts[outcome]} {outcome}" for outcome in order if counts[outcome]]
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
            yield f"The machine was noisy: {_doing(kind)} twice differed by up to {_percent(band)}."
    if result.config.sabotage:
        yield f"One side was slowed down by {result.config.sabotage} on purpose (--sabotage)."
    for each in result.examined:
        if each.outcome == "invalid":
            yield f"{each.experiment.name}: not all of it can be believed; its section says why."


def _percent(band: float) -> str:
    return f"{band:.1%}" if math.isfinite(band) else "any amount (too few rounds)"


def _doing(kind: str) -> str:
    """Return `fetching` or `fetching, CPU time`."""
    name, _, cpu = kind.partition(" ")
    return f"{DOING[name]}, CPU time" if cpu else DOING[name]


def _bound(band: float) -> str:
    if not math.isfinite(band):
        return "unknown"
    return f"± {band:.1%}" if band >= _FINEST else f"< {_FINEST:.1%}"
