"""`crawler load --against`: two targets by turns, so that the machine's moods favour neither."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from crawler.cli.load.compare import show
from crawler.cli.load.session import run
from crawler.load.options import LoadConfig
from crawler.load.result import Result
from crawler.load.statistics import compare_blocks
from crawler.model.errors import ConfigurationError, ExitCode

BLOCKS = 10
"""Turns of each target: fewer give wide intervals, more leave little time to each."""


def compare_with(
    config: LoadConfig, urls: Sequence[str], others: Sequence[str], *, json: bool, quiet: bool
) -> int:
    """Load both targets for `config.duration` each in all, A B B A A B ..., and compare them.

    Returns 5 if blocks could not be believed, 130 if a signal ended it before its end.
    """
    if config.stages or config.requests:
        flag = "--stages" if config.stages else "--requests"
        raise ConfigurationError(f"--against takes turns by time; leave out {flag}")
    least = config.options()["duration"].least or 0.0
    block = replace(config, duration=max(config.duration / BLOCKS, least))
    blocks: tuple[list[Result], list[Result]] = [], []
    for turn in range(BLOCKS):
        for side in (0, 1) if turn % 2 == 0 else (1, 0):
            result = run(block, (urls, others)[side], (), quiet=quiet or json)
            if result.partial:
                return ExitCode.INTERRUPTED
            blocks[side].append(result)
    a, b = ([result.measured for result in taken] for taken in blocks)
    doubted = [result for taken in blocks for result in taken if not result.verdict.valid]
    show(compare_blocks(a, b), _doubts(doubted), json=json)
    return ExitCode.INVALID if doubted else ExitCode.FINISHED


def _doubts(doubted: Sequence[Result]) -> list[str]:
    """How many blocks failed each check."""
    failed = [check.name for result in doubted for check in result.verdict.checks if not check.ok]
    return [
        f"{failed.count(name)} of {2 * BLOCKS} blocks cannot be believed for their {name}"
        for name in dict.fromkeys(failed)
    ]
