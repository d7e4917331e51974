"""`break-even`: how long a task must be until it pays to hand it to a pool."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from crawler.compare.design import (
    Arm,
    Bars,
    Chart,
    Contrast,
    Expected,
    Figure,
    Finding,
    Lines,
    Map,
    Outcome,
    Series,
    Setting,
)
from crawler.compare.executors import absent, kinds
from crawler.compare.experiment import Experiment, listed
from crawler.compare.experiments.break_even_work import Cell, grid
from crawler.compare.observation import Observed
from crawler.compare.statistics import MARGIN, estimate, faster, quotient, spread
from crawler.measure.quantity import latency, number, quantity

_STEPS = (100, 1_000, 10_000, 100_000)  # at some 80 ns each about 10 us to 10 ms
_FINER = (100, 300, 1_000, 3_000, 10_000, 30_000, 100_000)
_PAYLOADS = (0, 10_000, 1_000_000)
_MOST_WORKERS = 8  # of more a single process that hands out keeps few busy
_PAYS = 1.5
_NAMES = {0: "no payload", 10_000: "10 KB in", 1_000_000: "1 MB in"}


def _workers(setting: Setting) -> int:
    return min(len(setting.cores), _MOST_WORKERS)


def _cells(setting: Setting) -> list[Cell]:
    steps = setting.pick(_STEPS, _FINER)
    return grid(steps, _PAYLOADS, setting.pick((1, 8), (1, 8, 64)))


def _arms(setting: Setting) -> Sequence[Arm]:
    cells = [list(cell) for cell in _cells(setting)]
    common = {"workers": _workers(setting), "cells": cells}
    return [
        Arm(name=kind, parameters={"kind": kind, **common}) for kind in ("inline", *kinds(setting))
    ]


def _figure(cell: Cell) -> Figure:
    return Figure(cell.figure, f"time a task, {cell.figure}")


_SHORTEST = Cell(_STEPS[0], 0, 1)
_LONGEST = Cell(_STEPS[-1], 0, 1)
_WHY_THREADS = (
    "Inline is the main thread, and where a thread's memory lies makes some percent either way; "
    "computing in parallel would make it nearly as many times as there are cores"
)
_PLURAL = {
    "thread": "threads",
    "process": "processes",
    "interpreter": "interpreters",
    "loky": "loky's processes",
}


@listed
def _contrasts(setting: Setting) -> Iterator[Contrast]:
    """Yield the contrasts; with the longest task a second core pays, if the pool can use it."""
    shortest, longest = _figure(_SHORTEST), _figure(_LONGEST)
    claim = "the shortest task is done inline at least twice as fast as by a pool of processes"
    yield Contrast(claim, "process", "inline", shortest, "faster", 2.0)
    alone = _workers(setting) == 1
    for kind in kinds(setting):
        if alone or (kind == "thread" and setting.interpreter.gil):
            why = "with one core" if alone else "under the lock"
            claim = f"{why} the longest task is done no faster by {_PLURAL[kind]} than inline"
            expect: Expected = "not faster"
            yield Contrast(claim, "inline", kind, longest, expect, otherwise=_WHY_THREADS)
        else:
            claim = f"the longest task is done at least {_PAYS} times as fast by {_PLURAL[kind]}"
            yield Contrast(claim, "inline", kind, longest, "faster", _PAYS)


def crossing(lengths: Sequence[float], ratios: Sequence[float]) -> float:
    """Return the task length where a pool begins to pay; `ratios` is its time against inline's.

    Between two lengths it is interpolated on logarithmic scales. 0 if it pays at every length, inf
    if it does not at the longest, nan where one of them was not measured, or is below the clock.
    """
    if not ratios or not all(0 < each < math.inf for each in (*lengths, *ratios)):
        return math.nan
    losing = [place for place, ratio in enumerate(ratios) if ratio > 1]
    if not losing:
        return 0.0
    place = losing[-1]
    if place == len(ratios) - 1:
        return math.inf
    x = [math.log(length) for length in lengths[place : place + 2]]
    above, below = (math.log(ratio) for ratio in ratios[place : place + 2])
    return math.exp(x[0] + (x[1] - x[0]) * above / (above - below))


@listed
def _checks(observed: Observed) -> Iterator[Finding]:
    setting = observed.setting
    for kind in kinds(setting) if _workers(setting) > 1 else ():
        if kind != "thread" or not observed.gil:
            yield _break_even(observed, kind)
    yield _batching(observed)
    yield from absent(setting)


def _break_even(observed: Observed, kind: str) -> Finding:
    """Find where a pool begins to pay, by payload; one for no payload is claimed.

    With a megabyte to send it may be nowhere in the grid: that is told, and was not predicted.
    """
    found = {(p, b): _crosses(observed, kind, p, b) for p in _PAYLOADS for b in (1, 8)}
    plain, trouble = found[0, 1], observed.trouble(kind)
    outcome: Outcome = "as predicted" if 0 < plain < math.inf else _beyond(observed, kind, plain)
    lines = [f"{_NAMES[p]}, {_batch(b)}: pays {_from(at)}" for (p, b), at in found.items()]
    return Finding(
        f"tasks have a length from which on {_PLURAL[kind]} pay, and shorter ones do not",
        "invalid" if trouble or math.isnan(plain) else outcome,
        trouble or f"without payload, one by one, it pays {_from(plain)}",
        "\n".join(lines),
    )


def pays_from(observed: Observed, kind: str) -> float:
    """Return the seconds of a task without payload from which a pool pays, one at a time.

    0 if it pays at every length, inf if at none, nan where that was not measured.
    """
    return math.nan if observed.trouble(kind) else _crosses(observed, kind, 0, 1)


def _crosses(observed: Observed, kind: str, payload: int, batch: int) -> float:
    cells = [c for c in _cells(observed.setting) if (c.payload, c.batch) == (payload, 1)]
    lengths = [observed.median("inline", c.figure) for c in cells]
    ratios = [
        quotient(_seconds(observed, kind, c, batch), at)
        for c, at in zip(cells, lengths, strict=True)
    ]
    return crossing(lengths, ratios)


def _seconds(observed: Observed, kind: str, cell: Cell, batch: int) -> float:
    """Return the seconds of a task in batches; one by one if a batch of so much was not tried."""
    batched = observed.median(kind, cell._replace(batch=batch).figure)
    return observed.median(kind, cell.figure) if math.isnan(batched) else batched


def _batching(observed: Observed) -> Finding:
    """Compare the shortest tasks one by one with eight at a time, in the same turns."""
    trouble = observed.trouble("process")
    names = [c.figure for c in (_SHORTEST, _SHORTEST._replace(batch=8))]
    found = estimate(observed.quotients("process", *names), seed=observed.setting.seed)
    shown = f"{number(found.ratio.value)} times as fast a task" if found else "too few rounds"
    alone, batched = (quantity(observed.median("process", name), "s") for name in names)
    claim = "in batches of eight the shortest task costs less by a pool of processes"
    text = trouble or f"{shown}: {alone} one by one, {batched}"
    return Finding(claim, "invalid" if trouble else faster(found), text)


def _beyond(observed: Observed, kind: str, at: float) -> Outcome:
    """Judge that it pays at no length, or at every one: sure, or chance of the medians."""
    end = _SHORTEST if at == 0 else _LONGEST
    inline, pool = (observed.values(arm, end.figure) for arm in ("inline", kind))
    found = estimate([*map(quotient, inline, pool)], seed=0)
    open_yet = found is None or found.ratio.low <= 1 <= found.ratio.high
    return "undecided" if open_yet else "otherwise"


def _from(at: float) -> str:
    if math.isnan(at):
        return "unknown, for want of figures"
    if at == math.inf:
        return "at no length that was measured"
    return f"from {latency(at)} on" if at else "at every length that was measured"


def _batch(batch: int) -> str:
    return "one by one" if batch == 1 else f"{batch} a batch"


@listed
def _charts(observed: Observed) -> Iterator[Chart]:
    pools = [kind for kind in kinds(observed.setting) if not observed.trouble(kind)]
    if not pools or observed.trouble("inline"):
        return
    stdlib = [kind for kind in pools if kind != "loky"]
    yield _map(observed, stdlib, batched=False)
    yield _map(observed, stdlib, batched=True)
    yield _curves(observed, pools)
    # The shortest tasks, whose cost is nearly all hand-over.
    cells = [c for c in _cells(observed.setting) if c.steps == _STEPS[0]]
    yield Bars(
        title="What handing a task over costs",
        note=f"Tasks of {latency(observed.median('inline', _SHORTEST.figure))}: nearly all of "
        "the time is the hand-over.",
        x="payload and batch",
        groups=[f"{_NAMES[c.payload]}, {_batch(c.batch)}" for c in cells],
        values={kind: [observed.median(kind, c.figure) * 1e6 for c in cells] for kind in pools},
        unit="us",
        log=True,
    )


def _map(observed: Observed, pools: Sequence[str], *, batched: bool) -> Map:
    steps = sorted({cell.steps for cell in _cells(observed.setting)})
    how = "each at its best batch" if batched else "one task in a submission"
    return Map(
        title=f"Where a pool pays: {how}",
        note="The fastest, by the median of the rounds. A pool is held against inline, inline "
        "against the best pool; a draw: medians with twice their deviation overlap.",
        x="payload of a task",
        y="length of a task",
        columns=[_NAMES[payload] for payload in _PAYLOADS],
        rows=[quantity(observed.median("inline", Cell(s, 0, 1).figure), "s") for s in steps],
        kinds=["inline", *pools],
        cells=[
            [winner(observed, pools, Cell(s, p, 1), batched=batched) for p in _PAYLOADS]
            for s in steps
        ],
    )


def winner(
    observed: Observed, pools: Sequence[str], cell: Cell, *, batched: bool
) -> tuple[str | None, float]:
    """Return the fastest, and by how many times; None for inline and the best pool alike."""
    batches = [c.batch for c in _cells(observed.setting) if c[:2] == cell[:2]]
    tried = [cell._replace(batch=batch) for batch in (batches if batched else (1,))]
    options = [(kind, spread(observed.values(kind, c.figure))) for kind in pools for c in tried]
    measured = [option for option in options if option[1].count]
    inline = spread(observed.values("inline", cell.figure))
    if not measured or not inline.count:
        return None, math.nan
    kind, pool = min(measured, key=lambda option: option[1].median)
    times = quotient(inline.median, pool.median)
    if not 0 < times < math.inf:
        return None, math.nan
    gap = abs(inline.median - pool.median) - 2 * (inline.mad + pool.mad)
    if gap <= 0 or abs(math.log(times)) <= math.log1p(observed.band or MARGIN):
        return None, max(times, 1 / times)
    return (kind, times) if times > 1 else ("inline", 1 / times)


def _curves(observed: Observed, pools: Sequence[str]) -> Lines:
    figures = [c.figure for c in _cells(observed.setting) if (c.payload, c.batch) == (0, 1)]

    def costs(kind: str) -> list[float]:
        return [observed.median(kind, figure) * 1e6 for figure in figures]

    lengths = costs("inline")
    return Lines(
        title="What a task costs, by its length",
        note="No payload, one task in a submission. Below the dashed line a pool pays.",
        x="length of a task (us, inline)",
        y="us a task",
        series=[Series(kind, list(zip(lengths, costs(kind), strict=True))) for kind in pools],
        ideal=Series("inline", [(at, at) for at in lengths]),
        log_x=True,
        log_y=True,
        unit="us",
    )


EXPERIMENT = Experiment(
    name="break-even",
    question="When does a pool pay?",
    claim="Handing a task over has a price: below some length of the task it is more than a pool "
    "of processes saves, above it is less, and batches lower it.",
    module="crawler.compare.experiments.break_even_work",
    arms=_arms,
    contrasts=_contrasts,
    checks=_checks,
    charts=_charts,
    conditions=(
        (
            "A task is pure Python, so many steps of an integer generator; its length is what "
            "inline took in the same rounds. It takes its payload as bytes and returns one integer."
        ),
        f"A worker a core, {_MOST_WORKERS} at most; pools are started and warm before the grid.",
        (
            "Every cell is repeated for 40 ms at least, with two submissions a worker outstanding "
            "or more; batches of more than 200,000 steps or 16 MB are left out."
        ),
    ),
    not_shown=(
        "Tasks that wait, or that release the lock: they suit threads (`io`, `gil-release`).",
        "Results that are large: they cross back at a price like the payload's.",
        "What a caller could do in the meantime: here it only hands over and waits.",
        "The map's draws are of single cells; its cells are not corrected for their number.",
    ),
)
