"""`crawler load --against`: two targets by turns, so that the machine's moods favour neither."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import reduce
from math import ceil

from crawler.cli.load.load_compare import show
from crawler.cli.load.load_session import Load, flagged
from crawler.load.load_config import LoadConfig
from crawler.load.load_result import LoadResult
from crawler.load.measured import Measured
from crawler.load.planner import Target, plan_of
from crawler.load.significance import compare_blocks
from crawler.model.errors import ConfigurationError, ExitCode

BLOCKS = 10
"""Turns of each target: fewer give wide intervals, more leave little time to each."""


def compare_with(
    load: Load, config: LoadConfig, urls: Sequence[Target], others: Sequence[Target], *, json: bool
) -> int:
    """Load both targets for `config.duration` each in all, A B B A A B ..., and compare them.

    Returns 4 if a target failed, 5 if blocks could not be believed, 130 if a signal ended it before
    its end; then the turns until there are compared.
    """
    if config.stages or config.requests:
        flag = "--stages" if config.stages else "--requests"
        raise ConfigurationError(f"--against takes turns by time; leave out {flag}")
    with flagged():  # before the first turn of the other
        plan_of(config, others)
    a, b = _taken(load, config, (urls, others))
    doubted = [each for each in (*a, *b) if not each.verdict.valid]
    failures = list(_failures(config, a, b))
    doubts = [*failures, *_doubts(doubted, len(a) + len(b))]
    if len(b) < BLOCKS:
        doubts.insert(0, f"partial: stopped after {len(b)} of {BLOCKS} turns of each")
    show(compare_blocks(*_measured(a, b)), doubts, json=json)
    if len(b) < BLOCKS:
        return ExitCode.INTERRUPTED
    if failures:
        return ExitCode.THRESHOLD
    return ExitCode.INVALID if doubted else ExitCode.FINISHED


def _taken(
    load: Load, config: LoadConfig, sides: Sequence[Sequence[Target]]
) -> tuple[list[LoadResult], list[LoadResult]]:
    """Return the results of all turns, as many of each side; under `BLOCKS` after a signal.

    Templates count on from turn to turn, so that no number and no row comes twice.
    """
    least = config.options()["duration"].least or 0.0
    block = replace(config, duration=max(config.duration / BLOCKS, least))
    taken: tuple[list[LoadResult], list[LoadResult]] = [], []
    begun = 0
    for turn in range(BLOCKS):
        pair: dict[int, LoadResult] = {}
        for side in (0, 1) if turn % 2 == 0 else (1, 0):
            pair[side] = load(block, sides[side], (), begun=begun)
            begun += _hits(pair[side])
            if pair[side].partial:
                return taken
        for side, result in pair.items():
            taken[side].append(result)
    return taken


def _hits(result: LoadResult) -> int:
    """Return at least as many as there were; of a warm-up, which may be faster, an estimate."""
    measured, config = result.measured, result.config
    warm = 2 * config.warmup / measured.elapsed if measured.elapsed else 0.0
    return ceil(measured.attempts * (1 + warm)) + config.connections


def _measured(*sides: Sequence[LoadResult]) -> Iterator[list[Measured]]:
    return ([result.measured for result in side] for side in sides)


def _failures(config: LoadConfig, *sides: Sequence[LoadResult]) -> Iterator[str]:
    """Yield the targets that failed, over all of their turns."""
    for name, measured in zip("AB", _measured(*sides), strict=True):
        if measured and (why := reduce(Measured.merge, measured).failure(config.max_errors)):
            yield f"{name} failed: {why}"


def _doubts(doubted: Sequence[LoadResult], blocks: int) -> list[str]:
    """Count the blocks that failed each check."""
    failed = [check.name for result in doubted for check in result.verdict.failed]
    return [
        f"{failed.count(name)} of {blocks} blocks cannot be believed for their {name}"
        for name in dict.fromkeys(failed)
    ]
