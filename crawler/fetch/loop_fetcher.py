"""What the fetchers on an event loop share: deadlines, look-ups, and the wait for memory.

The total deadline is `crawler.fetch.deadline`, which costs less than a timer for each exchange.
"""

from __future__ import annotations

import asyncio
from asyncio import CancelledError
from collections.abc import Callable
from typing import Any, Self

from crawler.fetch import fetch_fault
from crawler.fetch.deadline import Deadline, Deadlines
from crawler.fetch.exchange import ExchangeProgress
from crawler.fetch.exchange_link import ExchangeLink, T
from crawler.fetch.http_fetcher import HttpFetcher
from crawler.fetch.loop_names import LoopNames
from crawler.model.fault import Fault
from crawler.model.outcome import Failed, Fetched, Resolved
from crawler.model.request import Purpose, Request
from crawler.runtime.pulse import INTERVAL, TOLERANCE, Pulse


class LoopFetcher(HttpFetcher):
    """Makes one HTTP exchange at a time per task: `async with AioFetcher(config) as fetcher`.

    `fetch` returns failures. Only `asyncio.CancelledError` propagates (unexpected errors too, with
    `config.debug`).
    """

    event = asyncio.Event

    async def __aenter__(self) -> Self:
        network = self._config.network
        self._loop = asyncio.get_running_loop()
        self._pulse = Pulse()
        self._beats = self._loop.call_later(INTERVAL, self._beat)
        self._waited = False
        self._deadlines = Deadlines(network.timeout, self._pulse)
        seconds = min(network.connect_timeout, network.timeout)
        self._look_ups = Deadlines(seconds, self._pulse)
        self._connects = Deadlines(network.connect_timeout, self._pulse)
        self._resolver = self._opened()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._beats.cancel()
        await self._closed()
        self._names.close()

    def _opened(self) -> LoopNames:
        """Begin on the running loop; return what resolves names for direct connections."""
        raise NotImplementedError

    async def _closed(self) -> None:
        """Close all connections."""
        raise NotImplementedError

    def _link(self, progress: ExchangeProgress, deadline: Deadline) -> ExchangeLink:
        """Return the way of an exchange."""
        raise NotImplementedError

    async def fetch(self, request: Request) -> Fetched:
        """Make one exchange within `config.network.timeout` seconds; do not follow redirects."""
        progress = self._begun(request)
        if request.purpose is Purpose.ADDRESS:
            return await self._look_up(progress)
        deadline = self._deadlines.enter()
        try:
            return await self._exchange(progress, self._link(progress, deadline))
        except CancelledError:
            if deadline.expired():
                late = deadline.verdict or fetch_fault.overdue(self._config.network.timeout)
                return progress.overdue(late)
            raise
        finally:
            self._budget.received(request)
            self._deadlines.leave(deadline)

    async def _look_up(self, progress: ExchangeProgress) -> Resolved | Failed:
        """Return the address that a connection would try first."""
        url, resolver = progress.request.url, self._resolver
        limit = resolver.limit(self._look_ups)
        try:
            found = await resolver.judged(url.hostname, url.port)
        except CancelledError:
            if not limit.expired():
                raise
            return progress.failed(fetch_fault.unanswered(self._look_ups.seconds))
        except OSError as error:
            return progress.failed(fetch_fault.connecting(error))
        finally:
            resolver.lift(limit)
        return Resolved(request=progress.request, address=found[0].ip)

    def _beat(self) -> None:
        late = self._pulse.beat()
        self._sweep()
        # After a late beat nothing is ended at first: data that came meanwhile is read before the
        # next. Only once, so that a loop that is always late ends exchanges, too.
        self._waited = late > TOLERANCE and not self._waited
        if not self._waited:
            for deadlines in (self._deadlines, self._look_ups, self._connects):
                deadlines.look()
        self._beats = self._loop.call_later(INTERVAL, self._beat)


class LoopLink:
    """The part of an `ExchangeLink` that is the same for all fetchers on a loop."""

    __slots__ = ("_deadline", "_deadlines", "_progress")

    def __init__(
        self, progress: ExchangeProgress, deadlines: Deadlines, deadline: Deadline
    ) -> None:
        self._progress = progress
        self._deadlines = deadlines
        self._deadline = deadline

    @property
    def end(self) -> Callable[[Fault], None]:
        """Return the function that ends the exchange from outside."""
        return self._deadline.end

    async def wait(self, room: asyncio.Event) -> None:
        """Stop reading, and the exchange's clock, until the event is set."""
        resume = self._paused()
        self._deadlines.pause(self._deadline)
        try:
            await room.wait()
        finally:
            self._deadlines.resume(self._deadline)
        resume()

    def _paused(self) -> Callable[[], None]:
        """Stop reading; return the function that resumes it."""
        raise NotImplementedError

    async def aside(self, call: Callable[..., T], *args: Any) -> T:
        """Return the result of a call that waits for the disk."""
        return await asyncio.to_thread(call, *args)
