"""The steps of an exchange, written once for both fetchers.

    open -> head -> wanted body, piece by piece -> Received
                 -> nothing wanted, or an error page -> Redirect | Failed

The steps are coroutines over an `ExchangeLink`. In the asyncio fetcher its methods suspend; in the
threaded one they block, so that its coroutines run to their end in one go (`finished`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, Protocol, TypeVar

from crawler.fetch import fetch_fault
from crawler.fetch.address_guard import check_url
from crawler.fetch.budget import STALLED, Account, Budget
from crawler.fetch.credentials import Credentials, Headers, RequestHeaders
from crawler.fetch.exchange import ExchangeProgress, picked
from crawler.fetch.names import Names
from crawler.fetch.room import DROPPED_BODY, Values, worth_reading
from crawler.model.config import CrawlConfig
from crawler.model.fault import Fault
from crawler.model.former_page import FormerPage
from crawler.model.outcome import Fetched, Kind, Received
from crawler.model.proxies import Proxies, Proxy
from crawler.model.request import Purpose, Request
from crawler.model.transfer import ConnectionFacts
from crawler.runtime.pulse import Pulse

_T = TypeVar("_T")

Former = Callable[[str], FormerPage | None]
"""Returns what an earlier crawl has recorded of a URL."""


class ExchangeLink(Protocol):
    """The way of one exchange to its server."""

    proxy: Proxy | None

    @property
    def forwarded(self) -> bool:
        """True if an HTTP proxy passes the request on."""

    async def open(self) -> tuple[int, Values]:
        """Send the request, wait for the response's head, and return its status and values."""

    def fields(self) -> tuple[tuple[str, str], ...]:
        """Return all header fields of the response."""

    def connection(self) -> ConnectionFacts | None:
        """Return what the response came over; only where asked for (`keep_connection`)."""

    @property
    def read(self) -> Callable[[], Awaitable[bytes]]:
        """Return the function that waits for the next piece of the body, b"" at its end."""

    def left(self) -> bytes:
        """Return the bytes that came together with the end of a broken body."""

    async def wait(self, room: Any) -> None:
        """Stop reading, and the exchange's clock, until the event is set."""

    @property
    def end(self) -> Callable[[Fault], None]:
        """Return the function that ends the exchange from outside."""

    def close(self) -> None:
        """Give the connection back; close it unless the body was read to its end."""


class HttpFetcher:
    """The base of both fetchers. Raises `ConfigurationError` for an invalid proxy.

    `headers` returns further headers for a request; `keep_headers` keeps those of all responses.
    `former` returns the earlier records of pages, which are asked for on condition of a change.
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
        keep_headers: bool = False,
        former: Former | None = None,
    ) -> None:
        self._config = config
        self._former = former
        self._keep_headers = keep_headers or bool(config.parsing.custom)
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
        if self._former is not None and request.purpose is Purpose.PAGE:
            progress.former = self._former(request.seed)
        return progress

    def _conditions(self, progress: ExchangeProgress) -> Headers:
        """Return the headers of a conditional request; links are found in whole pages only."""
        return () if self._config.following.follow else progress.conditions

    def _sweep(self) -> None:
        self._budget.sweep(self._pulse(), self._pulse.quiet_since(STALLED))

    async def _exchange(self, progress: ExchangeProgress, link: ExchangeLink) -> Fetched:
        try:
            if link.proxy is not None and link.proxy.looks_up:
                check_url(self._policy, progress.request.url)
            status, values = await link.open()
            progress.answered(status, values)
            if progress.cookies:
                self._credentials.received(progress.request, progress.cookies)
            if self._keep_headers:
                progress.fields = link.fields()
            if self._config.keep_headers:
                progress.headers = picked(link.fields(), self._config.keep_headers)
            if self._config.keep_connection:
                progress.connection = link.connection()
            if 200 <= status < 300 and progress.wanted(self._config):
                return await self._read(progress, link, values)
            progress.refuse(values, proxied=link.forwarded)
            await self._rest(progress, link, values)
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
