"""The threaded engine: the same core, one thread per slot.

The core is called under one lock; fetching, parsing and writing happen outside it. A thread with
nothing to start waits on the lock's condition, at most until the time given by the core.

A thread that looks up a name does not count as a slot meanwhile: another takes its place, so that
unresolvable names do not hold the slots.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from time import perf_counter
from typing import Protocol

from crawler.core.by_hand import CrawlControl
from crawler.core.crawl_core import CrawlCore
from crawler.core.rules import Ended
from crawler.core.step import Fetch, Idle, Wait
from crawler.engine.feed import Feeder, Portion
from crawler.engine.ports import Sink, Source, silent
from crawler.engine.spooler import Recalled, Spooler, SpoolFailure
from crawler.engine.steps import Steps
from crawler.engine.visit import cancelled, parsed_as, read, unforeseen
from crawler.model.document import RawResponse
from crawler.model.errors import CrawlerError
from crawler.model.outcome import Fetched, Final, Parsed, Received
from crawler.model.request import Arrivals, LeftEntries, Purpose, Request

_POLL = 0.2  # seconds between two looks of the main thread at signals and the drain deadline


class BlockingFetcher(Protocol):
    """Makes HTTP exchanges, from many threads at once."""

    def fetch(self, request: Request) -> Fetched:
        """Return the result of the exchange. Raises nothing."""

    def forget(self, request: Request) -> None:
        """Release what is held for a request whose visit has ended."""

    def abort(self) -> None:
        """Make every exchange in flight end promptly."""


class ThreadedParser(Protocol):
    """Parses pages for many threads at once."""

    def parse(self, response: RawResponse) -> Parsed:
        """Parse the page and return the result."""


class ThreadedEngine(Steps):
    """Runs one crawl. Every method may be called from any thread."""

    def __init__(
        self,
        core: CrawlCore,
        fetcher: BlockingFetcher,
        parser: ThreadedParser,
        sink: Sink,
        *,
        slots: int,
        drain_timeout: float,
        agent: str = "",
        announce: Callable[[str], None] = silent,
    ) -> None:
        super().__init__(core, sink, announce)
        self._fetcher = fetcher
        self._parser = parser
        self._slots = slots
        self._looking_up = 0
        self._threads: list[threading.Thread] = []
        self._drain_timeout = drain_timeout
        self._agent = agent
        self._changed = threading.Condition()
        self._deadline: float | None = None

    def run(self, source: Source) -> None:
        """Crawl until nothing is left. Raises CrawlerError if the list or the sink failed."""
        self._feeder = Feeder(source, self._fed)
        self._spool = Spooler(self._recalled)
        try:
            for _ in range(self._slots):
                self._start()
            for thread in self._threads:  # further ones are started by those that are joined first
                self._join(thread)
        except BaseException:
            self.cancel()
            raise
        finally:
            self._feeder.close()
            self._spool.close()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Start nothing more; requests in flight have `drain_timeout` seconds to end."""
        with self._changed:  # kept while writing: `run` must not end before these are written
            self._emit(self._core.stop())
            self._deadline = self._deadline or perf_counter() + self._drain_timeout
            self._changed.notify_all()

    def cancel(self) -> None:
        """Start nothing more, end the requests in flight now, and leave what is spilled."""
        self._abandoned = True
        self.stop()
        with self._changed:
            self._core.abandon()
        self._cut_off()

    def _cut_off(self) -> None:
        """End the requests in flight; what is spilled still gets its records."""
        self._cancelled = True
        self.wake()
        self._fetcher.abort()

    def look(self, late: float) -> None:
        """Report by how much a regular check was late."""
        with self._changed:
            self._core.capacity.look(late, perf_counter())

    def control(self, control: CrawlControl) -> None:
        """Do what a person asks."""
        with self._changed:  # kept while writing, as in `stop`
            self._emit(self._core.control(control, perf_counter()))
            self._changed.notify_all()

    def wake(self) -> None:
        """Check again what may start."""
        with self._changed:
            self._changed.notify_all()

    def _start(self) -> None:
        name = f"crawler-slot-{len(self._threads)}"
        thread = threading.Thread(target=self._slot, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _join(self, thread: threading.Thread) -> None:
        while thread.is_alive():
            thread.join(_POLL)
            overdue = self._deadline is not None and perf_counter() >= self._deadline
            if overdue and not self._cancelled:
                self._cut_off()
            elif self._cancelled:  # the sink may be overdue
                self.wake()

    # -- steps

    def _slot(self) -> None:
        while (request := self._take()) is not None:
            if request.purpose is Purpose.ADDRESS:
                self._look_up(request)
            else:
                self._visit(request)

    def _look_up(self, request: Request) -> None:
        """Visit, with another thread in place of this one."""
        with self._changed:
            self._looking_up += 1
            if len(self._threads) - self._looking_up < self._slots:
                with suppress(RuntimeError):  # the system has no more threads: one slot less
                    self._start()
        try:
            self._visit(request)
        finally:
            with self._changed:
                self._looking_up -= 1

    def _take(self) -> Request | None:
        """Wait for the next request to fetch; return None at the end of the crawl."""
        with self._changed:
            while True:
                match self._step():
                    case Fetch(request):
                        self._changed.notify()  # another may start as well, and so on
                        return request
                    case Wait(seconds):
                        self._changed.wait(seconds)
                    case Idle.DONE:
                        self._changed.notify_all()
                        return None
                    case _:
                        self._changed.wait()

    def _fed(self, portion: Portion) -> None:
        finals: tuple[Final, ...] = ()
        with self._changed:
            match portion:
                case CrawlerError():
                    self._failure = self._failure or portion
                    self._core.exhausted()
                case Arrivals():
                    finals = self._core.arrived(portion, perf_counter())
                case LeftEntries():
                    finals = self._core.resumed(portion, perf_counter())
                case [] if type(portion) is list:
                    self._core.exhausted()
                case seeds:
                    finals = self._core.admit(seeds, perf_counter())
            self._changed.notify_all()
        self._emit(finals)

    def _recalled(self, portion: Recalled) -> None:
        finals: tuple[Final, ...] = ()
        with self._changed:
            match portion:
                case SpoolFailure(error):
                    self._failure = self._failure or error
                case requests:
                    finals = self._core.recalled(requests, perf_counter())
            self._changed.notify_all()
        self._emit(finals)
        if isinstance(portion, SpoolFailure):
            self.cancel() if portion.lost else self.stop()

    # -- visits

    def _visit(self, request: Request) -> None:
        """Fetch, parse and finish one request."""
        outcome: Ended | None = None
        try:
            if not self._cancelled:
                outcome = self._archive(self._outcome(request))
        except Exception as error:  # a bug costs this URL, is said in its record, and no more
            outcome = unforeseen(request, error)
        finally:
            ended = outcome or cancelled(request)
            with self._changed:
                now = perf_counter()
                finals = self._core.finish(request, ended, now)
            self._conclude(ended, now, finals)
            self._fetcher.forget(request)

    def _outcome(self, request: Request) -> Ended:
        if self.before_fetch is not None:
            self.before_fetch()
        fetched = self._fetcher.fetch(request)
        received = self._core.usable(fetched)
        if not isinstance(received, Received):
            return received
        if request.purpose is not Purpose.PAGE:
            return read(received, self._agent)
        parsed = self._parser.parse(received.response)
        return parsed_as(fetched, received, parsed, keep_body=self.keep_body)
