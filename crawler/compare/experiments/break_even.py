"""`break-even`: how long a task must be until it pays to hand it to a pool."""

from __future__ import annotations

import math
from collections.abc import Sequence

from crawler.compare.design import (
    Arm,
    Bars,
    Chart,
    Contrast,
    Figure,
    Finding,
    Lines,
    Map,
    Outcome,
    Series,
    Setting,
)
from crawler.compare.executors import absent, kinds
from crawler.compare.experiment import Experiment
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
    return [Arm(name=kind, parameters={"kind": kind, **common}) for kind in _kinds(setting)]


def _kinds(setting: Setting) -> list[str]:
    return ["inline", *kinds(setting)]


def _figure(cell: Cell) -> Figure:
    return Figure(name=cell.figure, title=f"time a task, {cell.figure}")


_SHORTEST = Cell(_STEPS[0], 0, 1)
_LONGEST = Cell(_STEPS[-1], 0, 1)


def _contrasts(setting: Setting) -> Sequence[Contrast]:
    shortest, longest = _figure(_SHORTEST), _figure(_LONGEST)
    short = Contrast(
        claim="the shortest task is done inline at least twice as fast as by a pool of processes",
        base="process",
        other="inline",
        figure=shortest,
        expect="faster",
        least=2.0,
    )
    return [short, *(_against_inline(setting, kind, longest) for kind in kinds(setting))]


def _against_inline(setting: Setting, kind: str, longest: Figure) -> Contrast:
    """Return the contrast of the longest task: a second core pays, if the pool can use it."""
    locked = kind == "thread" and setting.interpreter.gil
    if locked or _workers(setting) == 1:
        why = "under the lock" if _workers(setting) > 1 else "with one core"
        return Contrast(
            claim=f"{why} the longest task is done no faster by {_PLURAL[kind]} than inline",
            base="inline",
            other=kind,
            figure=longest,
            expect="not faster",
            otherwise=_WHY_THREADS,
        )
    return Contrast(
        claim=f"the longest task is done at least {_PAYS} times as fast by {_PLURAL[kind]}",
        base="inline",
        other=kind,
        figure=longest,
        expect="faster",
        least=_PAYS,
    )


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


def _checks(observed: Observed) -> Sequence[Finding]:
    setting = observed.setting
    pools = [k for k in kinds(setting) if not (k == "thread" and observed.gil)]
    if _workers(setting) == 1:
        pools = []
    return [
        *(_break_even(observed, kind) for kind in pools),
        _batching(observed),
        *absent(setting),
    ]


def _break_even(observed: Observed, kind: str) -> Finding:
    """Find where a pool begins to pay, by payload; one for no payload is claimed.

    With a megabyte to send it may be nowhere in the grid: that is told, and was not predicted.
    """
    found = [(p, b, _crosses(observed, kind, p, b)) for p in _PAYLOADS for b in (1, 8)]
    plain = next(at for payload, batch, at in found if not payload and batch == 1)
    outcome: Outcome = "as predicted" if 0 < plain < math.inf else _beyond(observed, kind, plain)
    return Finding(
        claim=f"tasks have a length from which on {_PLURAL[kind]} pay, and shorter ones do not",
        outcome="invalid" if observed.trouble(kind) or math.isnan(plain) else outcome,
        text=observed.trouble(kind) or f"without payload, one by one, it pays {_from(plain)}",
        detail="\n".join(
            f"{_NAMES[payload]}, {_batch(batch)}: pays {_from(at)}" for payload, batch, at in found
        ),
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
    outcome = faster(found)
    shown = f"{number(found.ratio.value)} times as fast a task" if found else "too few rounds"
    alone, batched = (_shown(observed, name) for name in names)
    return Finding(
        claim="in batches of eight the shortest task costs less by a pool of processes",
        outcome="invalid" if trouble else outcome,
        text=trouble or f"{shown}: {alone} one by one, {batched}",
    )


def _beyond(observed: Observed, kind: str, at: float) -> Outcome:
    """Judge that it pays at no length, or at every one: sure, or chance of the medians."""
    end = _SHORTEST if at == 0 else _LONGEST
    inline, pool = (observed.values(arm, end.figure) for arm in ("inline", kind))
    found = estimate([*map(quotient, inline, pool)], seed=0)
    if found is None or found.ratio.low <= 1 <= found.ratio.high:
        return "undecided"
    return "otherwise"


def _shown(observed: Observed, figure: str) -> str:
    return quantity(observed.median("process", figure), "s")


def _from(at: float) -> str:
    if math.isnan(at):
        return "unknown, for want of figures"
    if at == math.inf:
        return "at no length that was measured"
    return f"from {latency(at)} on" if at else "at every length that was measured"


def _batch(batch: int) -> str:
    return "one by one" if batch == 1 else f"{batch} a batch"


def _charts(observed: Observed) -> Sequence[Chart]:
    pools = [kind for kind in kinds(observed.setting) if not observed.trouble(kind)]
    if not pools or observed.trouble("inline"):
        return []
    stdlib = [kind for kind in pools if kind != "loky"]
    maps = [_map(observed, stdlib, batched=False), _map(observed, stdlib, batched=True)]
    return [*maps, *_curves(observed, pools), _overhead(observed, pools)]


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


def _curves(observed: Observed, pools: Sequence[str]) -> list[Chart]:
    cells = [c for c in _cells(observed.setting) if (c.payload, c.batch) == (0, 1)]
    lengths = [observed.median("inline", cell.figure) * 1e6 for cell in cells]
    series = [
        Series(
            name=kind,
            points=[
                (at, observed.median(kind, c.figure) * 1e6)
                for at, c in zip(lengths, cells, strict=True)
            ],
        )
        for kind in pools
    ]
    return [
        Lines(
            title="What a task costs, by its length",
            note="No payload, one task in a submission. Below the dashed line a pool pays.",
            x="length of a task (us, inline)",
            y="us a task",
            series=series,
            ideal=Series(name="inline", points=[(at, at) for at in lengths]),
            log_x=True,
            log_y=True,
            unit="us",
        )
    ]


def _overhead(observed: Observed, pools: Sequence[str]) -> Bars:
    """Return the chart of the shortest tasks, whose cost is nearly all hand-over."""
    cells = [c for c in _cells(observed.setting) if c.steps == _STEPS[0]]
    return Bars(
        title="What handing a task over costs",
        note=f"Tasks of {latency(observed.median('inline', _SHORTEST.figure))}: nearly all of "
        "the time is the hand-over.",
        x="payload and batch",
        groups=[f"{_NAMES[c.payload]}, {_batch(c.batch)}" for c in cells],
        values={kind: [observed.median(kind, c.figure) * 1e6 for c in cells] for kind in pools},
        unit="us",
        log=True,
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
