"""The core's steps and the writing of outcomes, for both engines."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from time import perf_counter
from typing import NamedTuple

from crawler.core.bottleneck import Limit
from crawler.core.crawl_core import CrawlCore
from crawler.core.rules import Ended
from crawler.core.step import BUSY, Fetch, Idle, Notice, Recall, Refill, Spill, Wait, WriteRecord
from crawler.engine.feed import Feeder
from crawler.engine.ports import Sink
from crawler.engine.spooler import Spooler
from crawler.model.errors import CrawlerError
from crawler.model.outcome import Final, Page, Redirect
from crawler.model.request import Purpose

MOST = 500
"""Outcomes that are written before anything else has a turn."""


class VisitEnd(NamedTuple):
    """A visit that has ended; times are seconds of the core's clock.

    `ended` is when its outcome was known; the records that it led to (`written`: their number) were
    handed to the sink from `handed` to `over`.
    """

    outcome: Ended
    ended: float
    handed: float
    over: float
    written: int


class Steps:
    """The steps of an engine, and the outcomes that they lead to.

    `keep_body`: outcomes have the bodies of their responses. `led_on` is told of the redirects of
    pages, and of pages that may be left by a refresh, before the core is; `before_fetch` is called
    before each request. `trace` is told of each visit that has ended.
    """

    _feeder: Feeder
    _spool: Spooler

    def __init__(self, core: CrawlCore, sink: Sink, announce: Callable[[str], None]) -> None:
        self._core = core
        self._sink = sink
        self._announce = announce
        self.keep_body = False
        self.led_on: Callable[[Redirect | Page], None] | None = None
        self.before_fetch: Callable[[], None] | None = None
        self.trace: Callable[[VisitEnd], None] | None = None
        self._cancelled = False  # visits end at once
        self._abandoned = False  # what waits gets no record any more
        self._failure: CrawlerError | None = None

    def cancel(self) -> None:
        """Start nothing more, end the requests in flight now, and leave what is spilled."""
        raise NotImplementedError

    def _step(self) -> Fetch | Wait | Idle:
        """Return what to start or wait for; nothing new while the sink has no room.

        A sink that has failed ends the crawl even if it has no more outcomes for now: a wait may be
        an hour's, or one for other partitions, which wait for this one.
        """
        if (failure := self._sink.failure) is not None:
            self._fail(failure)
        if self._cancelled and not self._abandoned and self._sink.overdue:
            self.cancel()
        if not self._sink.has_room and not self._abandoned:
            self._core.hold(Limit.SINK, perf_counter())
            return BUSY
        return next_step(self._core, self._feeder, self._spool, self._emit, self._announce)

    def _archive(self, outcome: Ended) -> Ended:
        """Write what may lead away from a page, where asked for, before the core goes on."""
        if self.led_on is None or not isinstance(outcome, Redirect | Page):
            return outcome
        if not leads_away(outcome):
            return outcome
        self.led_on(outcome)
        return replace(outcome, exchange=replace(outcome.exchange, archived=True))

    def _conclude(self, outcome: Ended, ended: float, finals: tuple[Final, ...]) -> None:
        """Write what a visit has led to, and tell of the visit if anybody wants to know."""
        if self.trace is None:
            self._emit(finals)
            return
        handed = perf_counter()
        self._emit(finals)
        self.trace(VisitEnd(outcome, ended, handed, perf_counter(), len(finals)))

    def _emit(self, finals: Iterable[Final]) -> None:
        """Write outcomes. If the sink fails the crawl ends, as records would be lost."""
        try:
            for final in finals:
                self._sink.put(final)
        except CrawlerError as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        if not self._abandoned:
            if not isinstance(error, CrawlerError):  # a bug in what writes
                error = CrawlerError(f"{type(error).__name__}: {error}")
            self._failure = error
            self.cancel()


def leads_away(outcome: Redirect | Page) -> bool:
    """Tell whether the crawl may go on from a response without a record of it."""
    if isinstance(outcome, Redirect):
        return outcome.request.purpose is Purpose.PAGE
    leads = outcome.document.leads
    return leads is not None and bool(leads.refresh)


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
