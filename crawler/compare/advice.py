"""Advice on concurrency models: a table and a sentence, from decided comparisons alone.

A row names a model only where a comparison was decided. That two cannot be told apart is decided,
too: then the plainer model will do. What is undecided has no row, and says what it lacks.

Of several arms, those that cannot be told apart are taken for equals; one that is slower than
another is out. What is left is the best, if it is one; else how the rest compare is open. Medians
decide nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Annotated

from crawler.compare.design import Contrast
from crawler.compare.experiments import answer, break_even, call, cpu, crawl, race, scale
from crawler.compare.judgement import (
    Assessment,
    Comparison,
    Examined,
    decided,
    missing,
    parts_of,
    said,
)
from crawler.measure.json_document import told

_CRAWLS = (crawl.EXPERIMENT.name, answer.NAME)
"""The experiments that a sentence of advice can rest on; the more thorough one first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The arms that nothing beats, in their order; none where nothing was decided.

    because: the decided comparisons that they won, or in which they were equal. unsettled: those
    between the arms that are left which would tell them apart.
    """

    best: Sequence[str] = ()
    because: Sequence[Comparison] = ()
    unsettled: Sequence[Comparison] = ()

    @property
    def named(self) -> str:
        """The arms in words: `async uvloop`, `threaded or async asyncio`."""
        return " or ".join(self.best)


def choose(comparisons: Sequence[Comparison], first: str, then: str = "") -> Choice:
    """Choose by the figure `first`, and between those that are equal in it by the figure `then`."""
    # Those of a figure that are valid and have been run.
    valid = [each for each in comparisons if each.word != "invalid" and each.rounds]
    found = _best([each for each in valid if each.contrast.figure.name == first])
    if len(found.best) < 2 or found.unsettled:
        return found
    between = _among(valid, found.best)
    second = _best([each for each in between if each.contrast.figure.name == then])
    if not second.best:
        return found
    because = [*second.because, *found.because]
    return Choice(best=second.best, because=because, unsettled=second.unsettled)


def _among(comparisons: Sequence[Comparison], arms: Sequence[str]) -> list[Comparison]:
    return [each for each in comparisons if {*_arms(each)} <= {*arms}]


def _best(comparisons: Sequence[Comparison]) -> Choice:
    told = [each for each in comparisons if decided(each)]
    if not told:
        return Choice(unsettled=[*comparisons])
    # Each arm, with the first of those that it cannot be told apart from.
    equals = {arm: arm for each in comparisons for arm in _arms(each)}
    for each in comparisons:
        if each.word == "indistinguishable":
            one, other = (equals[arm] for arm in _arms(each))
            equals = {arm: one if of == other else of for arm, of in equals.items()}
    beaten = {equals[_sides(each)[1]] for each in told if each.word in ("faster", "slower")}
    best = [arm for arm, group in equals.items() if group not in beaten]
    because = [each for each in told if _sides(each)[0] in best]
    unsettled = [each for each in _among(comparisons, best) if not decided(each)]
    return Choice(best=best, because=because, unsettled=unsettled)


def _arms(comparison: Comparison) -> tuple[str, str]:
    return comparison.contrast.base, comparison.contrast.other


def _sides(comparison: Comparison) -> tuple[str, str]:
    """Return winner and loser; of equals, the one that is compared first."""
    base, other = _arms(comparison)
    return (base, other) if comparison.word == "slower" else (other, base)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A model for a kind of work; none where it is undecided."""

    work: Annotated[str, told("The kind of work.")]
    model: Annotated[str, told("The model for it; empty if undecided.")]
    why: Annotated[str, told("The measurement behind it, or what is missing.")]
    experiment: Annotated[str, told("The name of the experiment that says so.")]


def decisions(examined: Sequence[Examined]) -> Sequence[Decision]:
    """Return a row for each kind of work that was measured by the interpreter that ran it."""
    return [row for row in _rows(examined) if row.model]


def undecided(examined: Sequence[Examined]) -> Sequence[Decision]:
    """Return the rows that have no model yet, and what they lack."""
    return [row for row in _rows(examined) if not row.model]


_Row = tuple[str, str, str]
"""Work, model and why."""


def _rows(examined: Sequence[Examined]) -> Iterator[Decision]:
    parts = {e.experiment.name: e.parts[0] for e in examined if e.parts}
    for name, rows in _ROWS.items():
        for work, model, why in rows(parts[name]) if name in parts else ():
            yield Decision(work=work, model=model, why=why, experiment=name)


def advice(examined: Sequence[Examined]) -> str:
    """Return one sentence for this machine; "" where no comparison of crawls was decided."""
    if called := parts_of(examined, call.NAME):
        return _called(called[0])
    parts = next((found for name in _CRAWLS if (found := parts_of(examined, name))), ())
    choice = _chosen(parts[0]) if parts else Choice()
    if not choice.best:
        return ""
    figures = "; ".join(crawl.shown(parts[0], name) for name in choice.best)
    reasons = "; ".join(map(_reason, choice.because[:2]))
    text = f"On this machine, crawl with {choice.named}: {figures}. {reasons}."
    return f"{text} Which of them is open: {_lacks(choice)}." if choice.unsettled else text


def _chosen(part: Assessment) -> Choice:
    return choose(part.comparisons, crawl.RATE.name, crawl.CPU_PAGE.name)


def _reason(comparison: Comparison) -> str:
    contrast = comparison.contrast
    return f"{contrast.other} against {contrast.base}, {contrast.figure.title}: {said(comparison)}"


def _lacks(choice: Choice) -> str:
    """Return what the comparison that needs the most rounds still lacks."""
    return missing(max(choice.unsettled, key=lambda each: (bool(each.why), each.more)))


def _crawl(part: Assessment) -> Iterator[_Row]:
    choice, work = _chosen(part), "fetch pages and parse them"
    if choice.best:
        yield work, choice.named, "; ".join(map(_reason, choice.because[:2]))
    elif choice.unsettled:
        yield work, "", _lacks(choice)


def sizes(part: Assessment) -> Iterator[tuple[int, Choice]]:
    """Yield the choice for each size of a batch of the user's calls."""
    for size in part.setting.call.get("sizes", ()):
        yield size, choose(part.comparisons, call.figure(size).name)


def _calls(part: Assessment) -> Iterator[_Row]:
    """Yield a row for each stretch of sizes that the same model wins."""
    for choice, least, most in _stretches(part):
        work = f"{least:,} calls" if least == most else f"{least:,} to {most:,} calls"
        yield work, choice.named, _reason(choice.because[0]) if choice.because else _lacks(choice)


def _stretches(part: Assessment) -> Iterator[tuple[Choice, int, int]]:
    found = [each for each in sizes(part) if each[1].best or each[1].unsettled]
    for _, group in groupby(found, key=lambda each: each[1].named):
        same = [*group]
        yield same[-1][1], same[0][0], same[-1][0]


def _called(part: Assessment) -> str:
    """Return `sequential for 1 call; 2 processes from 30 calls on` for a function."""
    told = [
        f"{choice.named}{' (open which)' if choice.unsettled else ''} from "
        f"{least:,} call{'' if least == 1 else 's'} on"
        for choice, least, _ in _stretches(part)
        if choice.best
    ]
    function = part.setting.call["function"]
    return f"On this machine, call {function} by {'; by '.join(told)}." if told else ""


_Models = tuple[str, str, str]
"""For faster, for slower, and for what cannot be told apart."""


def _against(work: str, comparison: Comparison, models: _Models, what: str) -> _Row:
    """Return a row that rests on one comparison: the model if it is decided."""
    if not decided(comparison):
        return work, "", missing(comparison)
    faster, slower, neither = models
    model = {"faster": faster, "slower": slower}.get(comparison.word, neither)
    return work, model, f"{what}: {said(comparison)}"


def _by_one(
    about: Callable[[Contrast], bool], work: str, models: _Models, what: str
) -> Callable[[Assessment], Iterator[_Row]]:
    """Have a row rest on the last comparison that is about this."""

    def rows(part: Assessment) -> Iterator[_Row]:
        if found := [each for each in part.comparisons if about(each.contrast)]:
            yield _against(work, found[-1], models, what)

    return rows


def _io(part: Assessment) -> Iterator[_Row]:
    models = ("asyncio", "threads", "threads or asyncio")
    for comparison in part.comparisons:
        contrast = comparison.contrast
        if contrast.base.startswith("threads") and contrast.other.startswith("asyncio"):
            work = f"wait for a server, {contrast.base.removeprefix('threads, ')}"
            yield _against(work, comparison, models, "asyncio against threads")


def _cpu(part: Assessment) -> Iterator[_Row]:
    n, work = len(part.setting.cores), "compute in Python"
    arms = {cpu.named("threads", max(n, 2)): "threads", cpu.named("processes", n): "processes"}
    planned = {(each.contrast.base, each.contrast.other): each for each in part.comparisons}
    found = {arm: planned[cpu.BASE, arm] for arm in arms if (cpu.BASE, arm) in planned}
    won = [arm for arm, each in found.items() if each.word == "faster"]
    # Where neither won one thread will do, unless a comparison is still open.
    left_open = [each for each in found.values() if not decided(each)]
    if won:
        yield work, arms[won[0]], f"against one thread: {said(found[won[0]])}"
    elif left_open:
        yield work, "", missing(left_open[0])
    elif found:
        yield work, "one thread", "neither threads nor processes are faster"


def _parsers(part: Assessment) -> Iterator[_Row]:
    faster = [each.contrast.claim for each in part.comparisons if each.word == "faster"]
    if frees := ", ".join(claim.partition(":")[0] for claim in faster):
        why = "two threads were faster than one"
        yield f"call C that frees the lock ({frees})", "threads", why


_POOLED = {"inline", "process"}


def _tasks(part: Assessment) -> Iterator[_Row]:
    at = break_even.pays_from(part, "process")
    if not 0 < at < math.inf:
        return
    ends = [c for c in part.comparisons if {c.contrast.base, c.contrast.other} == _POOLED]
    for each in ends:  # that it loses with the shortest and wins with the longest tasks
        if each.word != "faster":  # without both ends a crossing means nothing
            if not decided(each):
                yield "short tasks", "", missing(each)
            return
    length = f"{at * 1e6:,.3g} us"
    why = "interpolated where a pool of processes begins to pay, one task in a submission"
    yield f"tasks of up to {length}", "inline", why
    yield f"tasks from {length} on", "processes", why


_ROWS: dict[str, Callable[[Assessment], Iterator[_Row]]] = {
    "answer": _crawl,
    "call": _calls,
    "crawl": _crawl,
    "io": _io,
    "scale": _by_one(
        lambda contrast: contrast.figure.name == scale.MEMORY.name,
        "thousands of connections that wait",
        ("asyncio", "threads", "either"),
        "a task against a thread",
    ),
    "cpu": _cpu,
    "gil-release": _parsers,
    "break-even": _tasks,
    "convoy": _by_one(
        lambda contrast: (contrast.base, contrast.other) == ("1 thread", "1 process"),
        "compute next to something that must answer at once",
        ("a process for the computing", "a thread", "either"),
        "a process against a thread",
    ),
    "race": _by_one(
        lambda contrast: contrast.other == race.SUM,
        "count something in several threads",
        ("a sum per thread", "a Lock", "a Lock or a sum per thread"),
        "a sum per thread against a Lock",
    ),
}
