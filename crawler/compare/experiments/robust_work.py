"""A turn of `robust`: every case on one kind of pool."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from crawler.compare.design import Done, Parameters, Watch
from crawler.compare.executors import left_behind
from crawler.compare.experiments.robust_apart import apart
from crawler.compare.experiments.robust_bench import (
    Bench,
    CrawlerBench,
    ExecutorBench,
    TaskTrial,
    trial,
)

THREADS = ("thread", "interpreter")
"""Their workers end with the process, and it with them."""


def work(parameters: Parameters, watch: Watch) -> Done:
    """Run the trials; note their losses, the time until the pool answered, and processes left."""
    kind, cases = parameters["kind"], parameters["cases"]
    with watch:
        found = _apart(kind, cases) if kind in THREADS else _trials(kind, cases)
    figures: dict[str, float] = {"left behind": left_behind()}
    notes: dict[str, Any] = {}
    for case, each in found.items():
        figures |= {f"lost, {case}": each.lost, f"recovery, {case}": each.recovery}
        notes[case] = asdict(each)
    return Done(figures=figures, notes=notes)


def _apart(kind: str, cases: list[str]) -> dict[str, TaskTrial]:
    return {case: apart(kind, case) for case in cases}


def _trials(kind: str, cases: list[str]) -> dict[str, TaskTrial]:
    bench: Bench = CrawlerBench() if kind == "crawler" else ExecutorBench(kind)
    try:
        return {case: trial(bench, case) for case in cases}
    finally:
        bench.close()
