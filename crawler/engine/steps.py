"""The core's next step that starts or ends something, for both engines."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import perf_counter

from crawler.core.crawl_core import CrawlCore
from crawler.core.step import Fetch, Idle, Notice, Recall, Refill, Spill, Wait, WriteRecord
from crawler.engine.feed import Feeder
from crawler.engine.spooler import Spooler
from crawler.model.outcome import Final

MOST = 500
"""Outcomes that are written before anything else has a turn."""


def next_step(
    core: CrawlCore,
    feeder: Feeder,
    spool: Spooler,
    emit: Callable[[Iterable[Final]], None],
    announce: Callable[[str], None],
) -> Fetch | Wait | Idle:
    """Return the next step, carrying out those that only move URLs or messages on the way."""
    written = 0
    while True:
        match core.next(perf_counter()):
            case Refill(room):
                feeder.request(room)
            case Recall() | Spill() as order:
                spool.order(order)
            case WriteRecord(finals):
                emit(finals)
                written += len(finals)
                if written >= MOST:  # somebody else's turn: a loop is held meanwhile, or a lock
                    return Wait(0.0)
            case Notice(text):
                announce(text)
            case step:
                return step
