"""The answer of `crawler compare` alone, as text: one table, the advice, and what is undecided."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import median

from crawler.cli.layout import columns
from crawler.cli.unit_formats import counted
from crawler.compare.advice import sizes
from crawler.compare.catalogue import CALL
from crawler.compare.comparison_result import ComparisonResult
from crawler.compare.design import RSS, Figure
from crawler.compare.examined import Examined
from crawler.compare.experiments.answer import said
from crawler.compare.experiments.call import figure
from crawler.compare.experiments.crawl import CPU_PAGE, RATE
from crawler.compare.judgement import Comparison, decided
from crawler.compare.observation import Observed
from crawler.compare.statistics import LEAST_ROUNDS, MOST_MORE, interval
from crawler.measure.quantity import quantity

_HEAD = ("", "pages/s", "95 % interval", "CPU a page", "memory")
_BUSY = 0.25  # of the cores: from so much on, others decide how fast an arm is
_SERVER = 1.0  # cores that the mock web may use
_NONE = "-"


def lines(found: Examined) -> Iterator[str]:
    """Yield a table for each interpreter, and what of it cannot be believed."""
    for part in found.parts:
        called = f"{part.observed.interpreter.called}: " if len(found.parts) > 1 else ""
        own = found.experiment.name == CALL
        what = part.observed.setting.call["function"] if own else said(part.observed)
        yield from ("", f"{called}{what}", "")
        rows = _batches(part.observed) if own else _crawls(part.observed)
        yield from columns([*rows]).splitlines()
        yield ""
        yield from _troubles(part.observed)


def _batches(observed: Observed) -> Iterator[Sequence[str]]:
    """Yield the median time of each batch of calls."""
    figures = [figure(size) for size in observed.setting.call["sizes"]]
    yield "", *(each.title for each in figures)
    for arm in observed.arms:
        void = observed.trouble(arm.name)
        yield arm.name, *(_NONE if void else _median(observed, arm.name, f) for f in figures)


def _crawls(observed: Observed) -> Iterator[Sequence[str]]:
    yield _HEAD
    for arm in observed.arms:
        yield _row(observed, arm.name)


def _row(observed: Observed, arm: str) -> Sequence[str]:
    if observed.trouble(arm) or not observed.of(arm):
        return arm, *[_NONE] * 4
    rates = observed.values(arm, RATE.name)
    found = interval(rates)
    rate = found.value if found else median(rates)
    between = f"{_number(found.low)} to {_number(found.high)}" if found else _NONE
    return arm, _number(rate), between, *(_median(observed, arm, f) for f in (CPU_PAGE, RSS))


def _median(observed: Observed, arm: str, figure: Figure) -> str:
    return quantity(observed.median(arm, figure.name), figure.unit)


def _number(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


def _troubles(observed: Observed) -> Iterator[str]:
    for arm in observed.arms:
        if why := observed.trouble(arm.name):
            yield f"NOT BELIEVABLE: {why}"


def doubts(result: ComparisonResult) -> Iterator[str]:
    """Yield what other programs did to the figures."""
    cores = len(result.machine.cores)
    busy = max([result.machine.busy, *_elsewhere(result)])
    if busy > _BUSY * cores:
        yield (
            "CANNOT BE BELIEVED: the figures as such, and whether threads, processes or event "
            f"loops are faster here: other programs used {min(busy, cores):.1f} of "
            f"{counted(cores, 'core')}. What follows is true of a machine as busy as this one."
        )


def _elsewhere(result: ComparisonResult) -> Iterator[float]:
    """Yield the cores that others than the arms and the mock web used meanwhile."""
    for part in (part for each in result.examined for part in each.parts):
        shares = [r.elsewhere / r.seconds for r in part.observed.runs if r.round and r.seconds]
        if shares:
            yield median(shares) - _SERVER


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
    spent = sum(run.seconds for part in found.parts for run in part.observed.runs)
    a_round = spent / (found.rounds + 1)  # with the warm-up
    longer = math.ceil((seconds + (more + 1) * a_round) / 5) * 5
    few = f"{found.rounds} of at least {LEAST_ROUNDS}; " if found.rounds < LEAST_ROUNDS else ""
    return f"{few}about {counted(more, 'more round')} would tell: --in {longer}s"
