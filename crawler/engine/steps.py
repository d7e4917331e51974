"""The core's next step that starts or ends something, for both engines."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import perf_counter

from crawler.core.crawl import Crawl
from crawler.core.step import Fetch, Idle, Notice, Recall, Record, Refill, Spill, Wait
from crawler.engine.feed import Feeder
from crawler.engine.spool import Spooler
from crawler.model.outcome import Final


def next_step(
    core: Crawl,
    feeder: Feeder,
    spool: Spooler,
    emit: Callable[[Iterable[Final]], None],
    announce: Callable[[str], None],
) -> Fetch | Wait | Idle:
    """The next step; those that only move URLs or words about are carried out on the way."""
    while True:
        match core.next(perf_counter()):
            case Refill(room):
                feeder.request(room)
            case Recall(room):
                spool.recall(room)
            case Spill(requests):
                spool.keep(requests)
            case Record(finals):
                emit(finals)
            case Notice(text):
                announce(text)
            case step:
                return step
