"""The steps of an exchange, written once for both fetchers.

    open -> head -> wanted body, piece by piece -> Received
                 -> nothing wanted, or an error page -> Redirect | Failed

The steps are coroutines over an `ExchangeLink`. In the asyncio fetcher its methods suspend; in the
threaded one they block, so that its coroutines run to their end in one go (`finished`).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar

from crawler.fetch import fetch_fault
from crawler.fetch.address_guard import check_url
from crawler.fetch.budget import STALLED, Account, Budget
from crawler.fetch.credentials import Credentials, Headers, RequestHeaders
from crawler.fetch.departures import Departures, Sends
from crawler.fetch.exchange import ExchangeProgress, FetchTarget, picked, target
from crawler.fetch.exchange_link import ExchangeLink, RecordingLink, ReplayLink
from crawler.fetch.names import Names
from crawler.fetch.response_cache import ResponseCache
from crawler.fetch.room import DROPPED_BODY, Values, worth_reading
from crawler.model.config import CrawlConfig
from crawler.model.fault import Fault
from crawler.model.former_page import FormerPage
from crawler.model.outcome import Fetched, Kind, Received
from crawler.model.proxies import Proxies
from crawler.model.request import Purpose, Request
from crawler.model.transfer import Keep
from crawler.runtime.pulse import Pulse

_T = TypeVar("_T")

Former = Callable[[str], FormerPage | None]
"""Returns what an earlier crawl has recorded of a URL."""


_NOTHING = Keep()


class HttpFetcher:
    """The base of both fetchers. Raises `ConfigurationError` for an invalid proxy.

    `headers` returns further headers for a request; `keep` tells what to keep of responses.
    `former` returns the earlier records of pages, which are asked for on condition of a change.
    `sends` is called before a request leaves that must not be repeated.
    """

    errors: tuple[type[Exception], ...]
    """The library's exceptions for a broken exchange."""
    event: Callable[[], Any]
    """Makes an event that a link can wait for."""

    def __init__(
        self,
        config: CrawlConfig,
        *,
        names: Names | None = None,
        proxies: Proxies | None = None,
        budget: Budget | None = None,
        headers: RequestHeaders | None = None,
        keep: Keep = _NOTHING,
        former: Former | None = None,
        sends: Sends | None = None,
    ) -> None:
        self._config = config
        self._former = former
        self._departures = Departures(sends, config)
        self._cache = ResponseCache(config.network.cache) if config.network.cache else None
        self._keep_headers = keep.headers or bool(config.parsing.custom)
        self._keep_sent = keep.sent
        self._budget = budget or Budget()
        self._proxies = proxies or Proxies(config.network.proxy)
        self._policy = config.network.addresses
        self._credentials = Credentials(config, headers)
        self._names = names or Names(config.network.dns_ttl)
        self._pulse = Pulse()

    def forget(self, request: Request) -> None:
        """Release the memory of a request's body, after its visit."""
        self._budget.release(request)

    def _begun(self, request: Request) -> ExchangeProgress:
        """Return the progress of a new exchange; of a page, with what an earlier crawl has."""
        progress = ExchangeProgress(request)
        progress.keep_sent = self._keep_sent and request.purpose is Purpose.PAGE
        plain = request.purpose is Purpose.PAGE and request.payload is None
        if self._former is not None and plain:
            progress.former = self._former(request.seed)
        return progress

    def _own_headers(self, progress: ExchangeProgress, goal: FetchTarget) -> Headers:
        """Return the headers of a request beyond those of every request."""
        request = progress.request
        own = self._credentials.headers(request, goal)
        if conditions := self._conditions(progress):
            own = [*own, *conditions]
        sending = request.sending
        return own if sending is None else sending.over(list(own))

    def _conditions(self, progress: ExchangeProgress) -> Headers:
        """Return the headers of a conditional request; links are found in whole pages only."""
        if progress.cached is not None:
            return progress.cached.conditions
        return () if self._config.following.follow else progress.conditions

    def _sweep(self) -> None:
        self._budget.sweep(self._pulse(), self._pulse.quiet_since(STALLED))

    async def _exchange(self, progress: ExchangeProgress, link: ExchangeLink) -> Fetched:
        try:
            if link.proxy is not None and link.proxy.looks_up:
                check_url(self._policy, progress.request.url)
            link = await self._by_cache(progress, link)
            if progress.request.payload is not None and self._departures.needs(progress.request):
                await link.aside(self._departures.note, progress.request)
            status, values = await link.open()
            if status == HTTPStatus.NOT_MODIFIED and progress.cached is not None:
                link = ReplayLink(link, progress.cached)
                status, values = await link.open()
            self._answered(progress, link, status, values)
            if 200 <= status < 300 and progress.wanted(self._config):
                received = await self._read(progress, link, values)
                await self._keep(progress, link)
                return received
            progress.refuse(values, proxied=link.forwarded)
            await self._rest(progress, link, values)
            await self._keep(progress, link)
            return progress.settled()
        except Fault as found:
            return progress.failed(found)
        except Exception as error:
            known = self._translated(error, link)
            if known is None and self._config.debug:
                raise
            return progress.failed(known or Fault(Kind.INTERNAL, repr(error)))
        finally:
            link.close()

    def _answered(
        self, progress: ExchangeProgress, link: ExchangeLink, status: int, values: Values
    ) -> None:
        progress.answered(status, values)
        if progress.cookies:
            self._credentials.received(progress.request, progress.cookies)
        if self._keep_headers:
            progress.fields = link.fields()
            progress.heads = link.heads()
        if self._config.keep_headers:
            progress.headers = picked(link.fields(), self._config.keep_headers)
        if self._config.keep_connection:
            progress.connection = link.connection()

    async def _by_cache(self, progress: ExchangeProgress, link: ExchangeLink) -> ExchangeLink:
        """Return the way to a response: from the cache, or to the server and into the cache."""
        if self._cache is None:
            return link
        offline, plain = self._config.network.offline, progress.request.payload is None
        if not (plain or offline):
            return link
        href = target(progress.request.url).href
        found = await link.aside(self._cache.get, href) if plain else None
        if found is not None and (offline or found.fresh(progress.fetched_at)):
            return ReplayLink(link, found)
        if offline:
            raise Fault(Kind.NOT_CACHED, "not in the cache, and --offline asks no server")
        progress.cached = found if found is not None and found.conditions else None
        return RecordingLink(link)

    async def _keep(self, progress: ExchangeProgress, link: ExchangeLink) -> None:
        if self._cache is None or not isinstance(link, RecordingLink):
            return
        if (response := link.taken()) is not None:
            await link.aside(self._cache.put, target(progress.request.url).href, response)

    def _translated(self, error: Exception, link: Any) -> Fault | None:
        """Return the fault for an exception of the library's; None for an unexpected one."""
        raise NotImplementedError

    async def _read(
        self, progress: ExchangeProgress, link: ExchangeLink, values: Values
    ) -> Received:
        progress.expect(values, self._config)
        progress.allowed = self._budget.step
        if progress.packed and self._budget.full:
            await self._ask(progress, link, self._budget.step)
        read = link.read
        try:
            while (data := await read()) and progress.take(data):
                if progress.held <= progress.allowed:
                    continue
                if not await self._ask(progress, link, progress.need):
                    break
        except self.errors:
            if left := link.left():
                progress.take(left)
            raise
        return progress.received()

    async def _ask(self, progress: ExchangeProgress, link: ExchangeLink, need: int) -> bool:
        """Ask for memory and wait for it; return False if this body gets no more."""

        def opened() -> Account:
            return Account(progress.heard, self.event(), partial(link.end, fetch_fault.stalled()))

        request, held, now = progress.request, progress.held, self._pulse()
        account = self._budget.grow(request, held, need, now, opened)
        if account.waits:
            await link.wait(account.room)
            progress.listens()
        progress.allowed = account.granted
        if account.cut:
            progress.cut()
        return not account.cut

    async def _rest(self, progress: ExchangeProgress, link: ExchangeLink, values: Values) -> None:
        """Read an error page, or a small unwanted body, so that its connection can be reused.

        Failures are ignored, as the status is all that counts; the connection is closed then.
        """
        with suppress(*self.errors, Fault):
            if progress.wanted(self._config):
                await self._read(progress, link, values)
            elif worth_reading(values):
                while progress.wire_bytes <= DROPPED_BODY and (data := await link.read()):
                    progress.wire_bytes += len(data)


def finished(steps: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine that never suspends, as it awaits only what blocks, and return its result."""
    try:
        steps.send(None)
    except StopIteration as end:
        result: _T = end.value
        return result
    raise RuntimeError("a coroutine that should block has suspended")
