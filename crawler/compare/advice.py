"""Advice on concurrency models: a table and a sentence, from decided comparisons alone.

A row names a model only where a comparison was decided. That two cannot be told apart is decided,
too: then the plainer model will do. What is undecided has no row, and says what it lacks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Annotated

from crawler.compare.choice import Choice, choose
from crawler.compare.design import Word
from crawler.compare.examined import Assessment, Examined, parts_of
from crawler.compare.experiments import answer, break_even, call, cpu, crawl, race, scale
from crawler.compare.judgement import Comparison, decided, missing, said
from crawler.measure.json_document import told

_CRAWLS = (crawl.EXPERIMENT.name, answer.NAME)
"""The experiments that a sentence of advice can rest on; the more thorough one first."""


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


def _rows(examined: Sequence[Examined]) -> list[Decision]:
    parts = {e.experiment.name: e.parts[0] for e in examined if e.parts}
    return [row for name, rows in _ROWS.items() if name in parts for row in rows(parts[name])]


def advice(examined: Sequence[Examined]) -> str:
    """Return one sentence for this machine; "" where no comparison of crawls was decided."""
    if called := parts_of(examined, call.NAME):
        return _called(called[0])
    parts = next((found for name in _CRAWLS if (found := parts_of(examined, name))), ())
    choice = _chosen(parts[0]) if parts else Choice()
    if not choice.best:
        return ""
    figures = "; ".join(_figures(parts[0], name) for name in choice.best)
    reasons = "; ".join(map(_reason, choice.because[:2]))
    text = f"On this machine, crawl with {choice.named}: {figures}. {reasons}."
    return f"{text} Which of them is open: {_lacks(choice)}." if choice.unsettled else text


def _chosen(part: Assessment) -> Choice:
    return choose(part.comparisons, crawl.RATE.name, crawl.CPU_PAGE.name)


def _figures(part: Assessment, name: str) -> str:
    return crawl.shown(part.observed, name)


def _reason(comparison: Comparison) -> str:
    contrast = comparison.contrast
    return f"{contrast.other} against {contrast.base}, {contrast.figure.title}: {said(comparison)}"


def _lacks(choice: Choice) -> str:
    """Return what the comparison that needs the most rounds still lacks."""
    return missing(max(choice.unsettled, key=lambda each: (bool(each.why), each.more)))


def _crawl(part: Assessment) -> Iterator[Decision]:
    choice, work = _chosen(part), "fetch pages and parse them"
    name = part.observed.experiment
    if choice.best:
        why = "; ".join(map(_reason, choice.because[:2]))
        yield Decision(work=work, model=choice.named, why=why, experiment=name)
    elif choice.unsettled:
        yield Decision(work=work, model="", why=_lacks(choice), experiment=name)


def sizes(part: Assessment) -> Iterator[tuple[int, Choice]]:
    """Yield the choice for each size of a batch of the user's calls."""
    for size in part.observed.setting.call.get("sizes", ()):
        yield size, choose(part.comparisons, call.figure(size).name)


def _calls(part: Assessment) -> Iterator[Decision]:
    """Yield a row for each stretch of sizes that the same model wins."""
    for choice, least, most in _stretches(part):
        work = f"{least:,} calls" if least == most else f"{least:,} to {most:,} calls"
        why = _reason(choice.because[0]) if choice.because else _lacks(choice)
        yield Decision(work=work, model=choice.named, why=why, experiment=call.NAME)


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
    function = part.observed.setting.call["function"]
    return f"On this machine, call {function} by {'; by '.join(told)}." if told else ""


def _row(work: str, comparison: Comparison, model: str, why: str, experiment: str) -> Decision:
    """Return a row that rests on one comparison: the model if it is decided."""
    if not decided(comparison):
        return Decision(work=work, model="", why=_open(comparison), experiment=experiment)
    return Decision(work=work, model=model, why=why, experiment=experiment)


def _open(comparison: Comparison) -> str:
    return comparison.why if comparison.word == "invalid" else missing(comparison)


def _io(part: Assessment) -> Iterator[Decision]:
    for comparison in part.comparisons:
        contrast = comparison.contrast
        if contrast.base.startswith("threads") and contrast.other.startswith("asyncio"):
            many = contrast.base.removeprefix("threads, ")
            model = _better(comparison, "asyncio", "threads", "threads or asyncio")
            why = f"asyncio against threads: {said(comparison)}"
            yield _row(f"wait for a server, {many}", comparison, model, why, "io")


def _cpu(part: Assessment) -> Iterator[Decision]:
    n = len(part.observed.setting.cores)
    threads, processes = cpu.named("threads", max(n, 2)), cpu.named("processes", n)
    found = _between(part, cpu.BASE, threads), _between(part, cpu.BASE, processes)
    for comparison, model in zip(found, ("threads", "processes"), strict=True):
        if comparison is not None and comparison.word == "faster":
            why = f"against one thread: {said(comparison)}"
            yield Decision(work="compute in Python", model=model, why=why, experiment="cpu")
            return
    # Neither won: one thread will do, unless a comparison is still open.
    known = [each for each in found if each is not None]
    for each in known:
        if not decided(each):
            yield _row("compute in Python", each, "", "", "cpu")
            return
    if known:
        why = "neither threads nor processes are faster"
        yield Decision(work="compute in Python", model="one thread", why=why, experiment="cpu")


def _parsers(part: Assessment) -> Iterator[Decision]:
    words: dict[Word, list[str]] = {}
    for comparison in part.comparisons:
        name = comparison.contrast.claim.partition(":")[0]
        words.setdefault(comparison.word, []).append(name)
    if frees := words.get("faster"):
        yield Decision(
            work=f"call C that frees the lock ({', '.join(frees)})",
            model="threads",
            why="two threads were faster than one",
            experiment="gil-release",
        )


_POOLED = {"inline", "process"}


def _tasks(part: Assessment) -> Iterator[Decision]:
    at = break_even.pays_from(part.observed, "process")
    if not 0 < at < math.inf:
        return
    ends = [c for c in part.comparisons if {c.contrast.base, c.contrast.other} == _POOLED]
    for each in ends:  # that it loses with the shortest and wins with the longest tasks
        if each.word != "faster":  # without both ends a crossing means nothing
            if not decided(each):
                yield _row("short tasks", each, "", "", "break-even")
            return
    length = f"{at * 1e6:,.3g} us"
    why = "interpolated where a pool of processes begins to pay, one task in a submission"
    rows = {f"tasks of up to {length}": "inline", f"tasks from {length} on": "processes"}
    for work, model in rows.items():
        yield Decision(work=work, model=model, why=why, experiment="break-even")


def _connections(part: Assessment) -> Iterator[Decision]:
    found = [c for c in part.comparisons if c.contrast.figure.name == scale.MEMORY.name]
    if found:
        most = found[-1]
        model = _better(most, "asyncio", "threads", "either")
        why = f"a task against a thread: {said(most)}"
        yield _row("thousands of connections that wait", most, model, why, "scale")


def _beside(part: Assessment) -> Iterator[Decision]:
    comparison = _between(part, "1 thread", "1 process")
    if comparison is not None:
        work = "compute next to something that must answer at once"
        model = _better(comparison, "a process for the computing", "a thread", "either")
        why = f"a process against a thread: {said(comparison)}"
        yield _row(work, comparison, model, why, "convoy")


def _counter(part: Assessment) -> Iterator[Decision]:
    comparison = next((c for c in part.comparisons if c.contrast.other == race.SUM), None)
    if comparison is not None:
        work = "count something in several threads"
        model = _better(comparison, "a sum per thread", "a Lock", "a Lock or a sum per thread")
        why = f"a sum per thread against a Lock: {said(comparison)}"
        yield _row(work, comparison, model, why, "race")


def _between(part: Assessment, base: str, other: str) -> Comparison | None:
    planned = ((c.contrast, c) for c in part.comparisons)
    return next((c for plan, c in planned if (plan.base, plan.other) == (base, other)), None)


def _better(comparison: Comparison, other: str, base: str, neither: str) -> str:
    return {"faster": other, "slower": base}.get(comparison.word, neither)


_ROWS: dict[str, Callable[[Assessment], Iterator[Decision]]] = {
    "answer": _crawl,
    "call": _calls,
    "crawl": _crawl,
    "io": _io,
    "scale": _connections,
    "cpu": _cpu,
    "gil-release": _parsers,
    "break-even": _tasks,
    "convoy": _beside,
    "race": _counter,
}
