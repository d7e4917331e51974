"""Which model for which work: a table and a sentence of advice, from the data alone.

A row names a model only where a comparison has a word for it. Where none has, it says that no
difference was shown, which is an answer, too: then the plainer model will do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crawler.compare.experiment import Word
from crawler.compare.experiments import break_even, cpu, crawl, race, scale
from crawler.compare.judgement import Comparison, Observed, said

if TYPE_CHECKING:
    from crawler.compare.result import Part, Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A row of the table: the kind of work, the model for it, why, and which experiment says so."""

    work: str
    model: str
    why: str
    experiment: str


def decisions(result: Result) -> Sequence[Decision]:
    """The table: a row for each kind of work that was measured by the interpreter that ran it."""
    parts = {e.experiment.name: e.parts[0] for e in result.examined if e.parts}
    return [row for name, rows in _ROWS.items() if name in parts for row in rows(parts[name])]


def advice(result: Result) -> str:
    """One sentence for this machine; "" if the crawl was not measured."""
    parts = result.parts("crawl")
    best = crawl.best(parts[0].observed) if parts else None
    if best is None:
        return ""
    observed, threads = parts[0].observed, _best_threads(parts[0].observed, best)
    text = f"On this machine, crawl with {best}: {crawl.shown(observed, best)}"
    return f"{text}; by threads it was {threads}." if threads else f"{text}."


def _best_threads(observed: Observed, best: str) -> str:
    """The fastest of the arms of threads; "" if it is the one that is advised."""
    arms = [a.name for a in observed.arms if a.name.startswith("threaded")]
    rates = {name: observed.median(name, "rate") for name in arms if not observed.trouble(name)}
    rates = {name: rate for name, rate in rates.items() if not math.isnan(rate)}
    if not rates or best in rates:
        return ""
    name = max(rates, key=lambda each: rates[each])
    return f"{crawl.shown(observed, name)} at the most ({name})"


def _crawl(part: Part) -> Iterator[Decision]:
    best = crawl.best(part.observed)
    if best is not None:
        why = crawl.shown(part.observed, best)
        yield Decision(work="fetch pages and parse them", model=best, why=why, experiment="crawl")


def _io(part: Part) -> Iterator[Decision]:
    for comparison in part.comparisons:
        contrast = comparison.contrast
        if contrast.base.startswith("threads") and contrast.other.startswith("asyncio"):
            many = contrast.base.removeprefix("threads, ")
            model = _better(comparison, "asyncio", "threads", "threads or asyncio")
            yield Decision(
                work=f"wait for a server, {many}",
                model=model,
                why=f"asyncio against threads: {said(comparison)}",
                experiment="io",
            )


def _cpu(part: Part) -> Iterator[Decision]:
    n = len(part.observed.setting.cores)
    threads, processes = cpu.named("threads", max(n, 2)), cpu.named("processes", n)
    found = _between(part, cpu.BASE, threads), _between(part, cpu.BASE, processes)
    for comparison, model in zip(found, ("threads", "processes"), strict=True):
        if comparison is not None and comparison.word == "faster":
            why = f"against one thread: {said(comparison)}"
            yield Decision(work="compute in Python", model=model, why=why, experiment="cpu")
            return
    if any(found):
        why = "neither threads nor processes were shown to be faster"
        yield Decision(work="compute in Python", model="one thread", why=why, experiment="cpu")


def _parsers(part: Part) -> Iterator[Decision]:
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


def _tasks(part: Part) -> Iterator[Decision]:
    at = break_even.pays_from(part.observed, "process")
    if not 0 < at < math.inf:
        return
    length = f"{at * 1e6:,.3g} us"
    why = "interpolated where a pool of processes begins to pay, one task in a submission"
    rows = {f"tasks of up to {length}": "inline", f"tasks from {length} on": "processes"}
    for work, model in rows.items():
        yield Decision(work=work, model=model, why=why, experiment="break-even")


def _connections(part: Part) -> Iterator[Decision]:
    found = [c for c in part.comparisons if c.contrast.figure.name == scale.MEMORY.name]
    if found:
        most = found[-1]
        yield Decision(
            work="thousands of connections that wait",
            model=_better(most, "asyncio", "threads", "either"),
            why=f"a task against a thread: {said(most)}",
            experiment="scale",
        )


def _beside(part: Part) -> Iterator[Decision]:
    comparison = _between(part, "1 thread", "1 process")
    if comparison is not None:
        yield Decision(
            work="compute beside something that must answer at once",
            model=_better(comparison, "a process for the computing", "a thread", "either"),
            why=f"a process against a thread: {said(comparison)}",
            experiment="convoy",
        )


def _counter(part: Part) -> Iterator[Decision]:
    comparison = next((c for c in part.comparisons if c.contrast.other == race.SUM), None)
    if comparison is not None:
        yield Decision(
            work="count something in several threads",
            model=_better(comparison, "a sum per thread", "a Lock", "a Lock or a sum per thread"),
            why=f"a sum per thread against a Lock: {said(comparison)}",
            experiment="race",
        )


def _between(part: Part, base: str, other: str) -> Comparison | None:
    planned = ((c.contrast, c) for c in part.comparisons)
    return next((c for plan, c in planned if (plan.base, plan.other) == (base, other)), None)


def _better(comparison: Comparison, other: str, base: str, neither: str) -> str:
    return {"faster": other, "slower": base}.get(comparison.word, neither)


_ROWS: dict[str, Callable[[Part], Iterator[Decision]]] = {
    "crawl": _crawl,
    "io": _io,
    "scale": _connections,
    "cpu": _cpu,
    "gil-release": _parsers,
    "break-even": _tasks,
    "convoy": _beside,
    "race": _counter,
}
