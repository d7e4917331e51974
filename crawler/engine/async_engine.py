"""The asynchronous engine: one event loop, one task per request in flight.

A slot is a task that makes one visit after another: when a visit ends it asks the core for the next
request, and starts slots for whatever else may start by then, so that in the steady state no other
task wakes up. Only when the core has no request for it does the slot end. The dispatcher then takes
over: it starts slots, or sleeps until the time given by the core, a slot ends, entries arrive, or
the sink has room again.

Every request taken is finished exactly once, in a `finally`. Cancelling a slot finishes its request
as CANCELLED; requests whose slot never ran are finished when the engine ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf
from time import perf_counter
from typing import Protocol, TypeVar, cast

from crawler.core.by_hand import CrawlControl
from crawler.core.crawl_core import CrawlCore
from crawler.core.rules import Ended
from crawler.core.step import Fetch, Idle, Wait
from crawler.engine.feed import Feeder, Portion
from crawler.engine.ports import LAST_WRITES, Sink, Source, silent
from crawler.engine.spooler import Recalled, Spooler, SpoolFailure
from crawler.engine.steps import Steps
from crawler.engine.visit import AT_ONCE, cancelled, parsed_as, read, unforeseen
from crawler.model.document import RawResponse
from crawler.model.errors import CrawlerError
from crawler.model.outcome import Fetched, Parsed, Received
from crawler.model.request import Arrivals, LeftEntries, Purpose, Request

_Portion = TypeVar("_Portion")

_LAG_INTERVAL = 0.01  # seconds; 100 samples a second cost the loop about 0.1 %


class AsyncFetcher(Protocol):
    """Makes one HTTP exchange."""

    async def fetch(self, request: Request) -> Fetched:
        """Return the result of the exchange. Only CancelledError propagates."""

    def forget(self, request: Request) -> None:
        """Release what is held for a request whose visit has ended."""


class AsyncParser(Protocol):
    """Parses cheap pages at once, and the others wherever its executor runs."""

    def parse_nowait(self, response: RawResponse) -> Parsed | None:
        """Return the result, or None if the page must be handed over."""

    async def parse(self, response: RawResponse) -> Parsed:
        """Hand the page over and wait for the result."""


class AsyncEngine(Steps):
    """Runs one crawl. Call `stop`, `cancel` and `wake` on the engine's own loop."""

    def __init__(
        self,
        core: CrawlCore,
        fetcher: AsyncFetcher,
        parser: AsyncParser,
        sink: Sink,
        *,
        drain_timeout: float,
        agent: str = "",
        announce: Callable[[str], None] = silent,
    ) -> None:
        super().__init__(core, sink, announce)
        self._fetcher = fetcher
        self._parser = parser
        self._drain_timeout = drain_timeout
        self._agent = agent
        self._wake = asyncio.Event()
        self._slots: set[asyncio.Task[None]] = set()
        self._deadline: asyncio.TimerHandle | None = None
        self._awake_at = inf  # when the dispatcher looks again, if nothing wakes it before

    async def run(self, source: Source) -> None:
        """Crawl until nothing is left. Raises CrawlerError if the list or the sink failed."""
        loop = asyncio.get_running_loop()
        self._feeder = Feeder(source, _on_loop(loop, self._fed))
        self._spool = Spooler(_on_loop(loop, self._recalled))
        lag = LagMonitor(loop, self._core)
        try:
            async with asyncio.TaskGroup() as self._group:
                await self._dispatch()
        finally:
            self._feeder.close()
            self._spool.close()
            lag.close()
            if self._deadline is not None:
                self._deadline.cancel()
            for request in self._core.outstanding():
                self._finish(request, cancelled(request))
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Start nothing more; requests in flight have `drain_timeout` seconds to end."""
        self._emit(self._core.stop())
        if self._deadline is None:
            loop = asyncio.get_running_loop()
            self._deadline = loop.call_later(self._drain_timeout, self._expire)
        self._wake.set()

    def _expire(self) -> None:
        """End the requests in flight; what is spilled still gets its records."""
        self._cut_off()
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(2 * LAST_WRITES, self.wake)  # the sink may be overdue then

    def cancel(self) -> None:
        """Start nothing more, end the requests in flight now, and leave what is spilled."""
        self._abandoned = True
        self._emit(self._core.stop())
        self._core.abandon()
        self._cut_off()

    def _cut_off(self) -> None:
        self._cancelled = True
        for slot in self._slots:
            slot.cancel()
        self._wake.set()

    def control(self, control: CrawlControl) -> None:
        """Do what a person asks."""
        self._emit(self._core.control(control, perf_counter()))
        self._wake.set()

    def wake(self) -> None:
        """Check again what may start."""
        self._wake.set()

    # -- steps

    async def _dispatch(self) -> None:
        while True:
            self._wake.clear()
            match self._started():
                case Wait(seconds):
                    await self._sleep(seconds)
                case Idle.DONE:
                    return
                case _:
                    await self._sleep(None)

    def _started(self) -> Wait | Idle:
        """Start all that may start now, and return the step after that."""
        while isinstance(step := self._step(), Fetch):
            self._group.create_task(self._slot(step.request))
        return step

    async def _sleep(self, seconds: float | None) -> None:
        self._awake_at = inf if seconds is None else perf_counter() + seconds
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return

    def _fed(self, portion: Portion) -> None:
        match portion:
            case CrawlerError():
                self._failure = self._failure or portion
                self._core.exhausted()
            case Arrivals():
                self._emit(self._core.arrived(portion, perf_counter()))
            case LeftEntries():
                self._emit(self._core.resumed(portion, perf_counter()))
            case [] if type(portion) is list:
                self._core.exhausted()
            case seeds:
                self._emit(self._core.admit(seeds, perf_counter()))
        self._wake.set()

    def _recalled(self, portion: Recalled) -> None:
        match portion:
            case SpoolFailure(error, lost):
                self._failure = self._failure or error
                self.cancel() if lost else self.stop()
            case requests:
                self._emit(self._core.recalled(requests, perf_counter()))
        self._wake.set()

    # -- visits

    async def _slot(self, request: Request) -> None:
        slot = cast(asyncio.Task[None], asyncio.current_task())
        self._slots.add(slot)
        try:
            while True:
                await self._visit(request)
                step = self._step()
                if not isinstance(step, Fetch):
                    return
                request = step.request
                self._spread()
        finally:
            self._slots.discard(slot)
            self._wake.set()

    def _spread(self) -> None:
        """Start what the visit made possible: a host's pages, links, a wider host."""
        step = self._started()
        if isinstance(step, Wait) and perf_counter() + step.seconds < self._awake_at:
            self._wake.set()

    async def _visit(self, request: Request) -> None:
        """Fetch, parse and finish one request."""
        outcome: Ended | None = None
        try:
            if not self._cancelled:
                outcome = self._archive(await self._outcome(request))
        except Exception as error:  # a bug costs this URL, is said in its record, and no more
            outcome = unforeseen(request, error)
        finally:
            self._finish(request, outcome or cancelled(request))
            self._fetcher.forget(request)

    async def _outcome(self, request: Request) -> Ended:
        if self.before_fetch is not None:
            self.before_fetch()
        fetched = await self._fetcher.fetch(request)
        received = self._core.usable(fetched)
        if not isinstance(received, Received):
            return received
        if request.purpose is not Purpose.PAGE:
            if len(received.response.body) <= AT_ONCE:
                return read(received, self._agent)
            return await asyncio.to_thread(read, received, self._agent)
        parsed = self._parser.parse_nowait(received.response)
        if parsed is None:
            parsed = await self._parser.parse(received.response)
        return parsed_as(fetched, received, parsed, keep_body=self.keep_body)

    def _finish(self, request: Request, outcome: Ended) -> None:
        now = perf_counter()
        self._conclude(outcome, now, self._core.finish(request, outcome, now))


class LagMonitor:
    """Measures every 10 ms by how much the loop is late."""

    def __init__(self, loop: asyncio.AbstractEventLoop, core: CrawlCore) -> None:
        self._loop = loop
        self._core = core
        self._schedule(perf_counter())

    def close(self) -> None:
        """Stop measuring."""
        self._handle.cancel()

    def _schedule(self, now: float) -> None:
        self._due = now + _LAG_INTERVAL  # a stop right here is late, too
        self._handle = self._loop.call_later(_LAG_INTERVAL, self._tick)

    def _tick(self) -> None:
        now = perf_counter()
        self._core.collector.add_loop_lag(now - self._due)
        self._core.capacity.look(now - self._due, now)
        self._schedule(now)


def _on_loop(
    loop: asyncio.AbstractEventLoop, deliver: Callable[[_Portion], None]
) -> Callable[[_Portion], None]:
    """Make `deliver` callable from another thread; drop what arrives after the loop has closed."""

    def from_thread(portion: _Portion) -> None:
        try:
            loop.call_soon_threadsafe(deliver, portion)
        except RuntimeError:
            if not loop.is_closed():
                raise

    return from_thread
