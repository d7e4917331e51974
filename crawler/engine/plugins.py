"""The caller's parts of a crawl, adapted to the places of the package's own.

A caller's function may raise anything. An exception of `fetcher` or `headers` becomes that URL's
failure; one of `link_filter` ends the crawl, which then raises `CrawlerError` with the reason.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from crawler.fetch.credentials import RequestHeaders
from crawler.fetch.departures import Departures, Sends
from crawler.fetch.exchange import ExchangeProgress
from crawler.fetch.fetch_fault import overdue
from crawler.model.command_config import CommandConfig
from crawler.model.config import CrawlConfig
from crawler.model.document import RawResponse
from crawler.model.errors import ConfigurationError
from crawler.model.fault import Fault
from crawler.model.headers import Headers
from crawler.model.outcome import Failed, Fetched, Kind, Page, Received, Redirect
from crawler.model.request import Request
from crawler.model.transfer import Keep
from crawler.model.value import value
from crawler.store.forms import OutputTarget
from crawler.workers import own

_CODED = frozenset(("content-encoding", "content-length", "content-type", "transfer-encoding"))


@value(frozen=True, slots=True, kw_only=True)
class Plugins:
    """The caller's parts; None stands for the package's own.

    fetcher: an object with the method `fetch(request)`. parser: a function from response to dict.
    headers: a function from URL to additional headers. link_filter: a function that returns whether
    to follow the URL of a link. keep_headers, keep_body: keep response headers and bodies in
    outcomes; keep_sent: bodies as they were sent, too. led_on: takes the redirects on the way to
    them, and pages that may be left by a refresh. before_fetch: called before each request,
    look-ups of addresses included.
    """

    fetcher: Any = None
    parser: Callable[..., Any] | None = None
    headers: RequestHeaders | None = None
    link_filter: Callable[[str], bool] | None = None
    keep_headers: bool = False
    keep_body: bool = False
    keep_sent: bool = False
    led_on: Callable[[Redirect | Page], None] | None = None
    before_fetch: Callable[[], None] | None = None

    def __post_init__(self) -> None:
        if self.fetcher is not None and not callable(getattr(self.fetcher, "fetch", None)):
            kind = type(self.fetcher).__name__
            raise ConfigurationError(f"fetcher: expected an object with a method fetch, got {kind}")

    @property
    def keep(self) -> Keep:
        """What the package's own fetchers keep of responses."""
        return Keep(headers=self.keep_headers, sent=self.keep_sent)

    def fitted(self, config: CrawlConfig) -> CrawlConfig:
        """Return `config` for a crawl with these parts.

        Raises `ConfigurationError` for a part that its engine or executor cannot use.
        """
        if self.parser is not None:
            config = own.accepting(config, self.parser)
        if self.fetcher is None:
            return config
        coroutine = inspect.iscoroutinefunction(getattr(self.fetcher, "fetch", None))
        if coroutine and config.engine == "threaded":
            raise ConfigurationError(
                "fetcher: fetch is a coroutine function; the threaded engine needs a plain one"
            )
        return config.updated({"per_ip": 0})  # it alone knows whom it connects to


def keeping(
    plugins: Plugins | None,
    targets: Sequence[OutputTarget],
    config: CommandConfig,
    led_on: Callable[[Redirect | Page], None],
) -> Plugins | None:
    """Return the caller's parts, with headers, bodies and redirects if the outputs want them."""
    archive = any(each.archive for each in targets)
    if not archive and not config.save:
        return plugins
    given = replace(plugins or Plugins(), keep_body=True, led_on=led_on)
    return replace(given, keep_headers=True, keep_sent=True) if archive else given


class GivenAsyncFetcher:
    """Runs the caller's fetcher on the event loop; a plain `fetch` runs in a thread."""

    def __init__(self, fetcher: Any, config: CrawlConfig, sends: Sends | None = None) -> None:
        self._fetch: Callable[[Request], Any] = fetcher.fetch
        self._config = config
        self._departures = Departures(sends, config)

    async def fetch(self, request: Request) -> Fetched:
        """Fetch within the timeout of an exchange; an exception becomes a failure."""
        progress = ExchangeProgress(request)
        seconds = self._config.network.timeout
        try:
            async with asyncio.timeout(seconds) as limit:
                return _fetched(await self._called(request), progress, self._config)
        except Exception as error:
            late = isinstance(error, TimeoutError) and limit.expired()
            return progress.failed(overdue(seconds) if late else _fault(error))

    async def _called(self, request: Request) -> Any:
        if self._departures.needs(request):
            await asyncio.to_thread(self._departures.note, request)
        if inspect.iscoroutinefunction(self._fetch):
            return await self._fetch(request)
        result = await asyncio.to_thread(self._fetch, request)
        return await result if inspect.isawaitable(result) else result

    def forget(self, request: Request) -> None:
        """Do nothing: nothing is held."""


class GivenThreadedFetcher:
    """Runs the caller's fetcher in the threads of the threaded engine."""

    def __init__(self, fetcher: Any, config: CrawlConfig, sends: Sends | None = None) -> None:
        self.on_beat: Callable[[float], None] = lambda _late: None
        self._fetch: Callable[[Request], Any] = fetcher.fetch
        self._config = config
        self._departures = Departures(sends, config)

    def fetch(self, request: Request) -> Fetched:
        """Fetch; an exception becomes a failure."""
        progress = ExchangeProgress(request)
        try:
            if self._departures.needs(request):
                self._departures.note(request)
            return _fetched(self._fetch(request), progress, self._config)
        except Exception as error:
            return progress.failed(_fault(error))

    def forget(self, request: Request) -> None:
        """Do nothing: nothing is held."""

    def abort(self) -> None:
        """Do nothing: the caller's exchanges end by themselves."""


def _fetched(result: object, progress: ExchangeProgress, config: CrawlConfig) -> Fetched:
    """Return the fetcher's result; a mere response is judged by its status."""
    if isinstance(result, Received | Redirect | Failed):
        return result
    if not isinstance(result, RawResponse):
        kind = type(result).__name__
        raise TypeError(f"fetch returned {kind}, not Response, Received, Redirect or Failed")
    pairs = tuple(pair for pair in result.fields if pair[0].lower() not in _CODED)
    values = Headers((*pairs, ("Content-Type", result.content_type))).getall
    progress.answered(result.status, values)
    progress.fields = result.fields
    if not 200 <= result.status < 300:
        return _refused(progress, values)
    progress.expect(values, config)
    progress.take(result.body)
    return progress.received()


def _refused(progress: ExchangeProgress, values: Callable[[str], Sequence[str]]) -> Fetched:
    progress.refuse(values, proxied=False)
    return progress.settled()


def _fault(error: Exception) -> Fault:
    """Return the failure for an exception of the caller's fetcher."""
    if isinstance(error, Fault):
        return error
    reason = f"{type(error).__name__}: {error}".replace("\n", " ")[:200]
    if isinstance(error, TimeoutError):
        return Fault(Kind.TIMEOUT, reason)
    return Fault(Kind.CONNECT if isinstance(error, OSError) else Kind.INTERNAL, reason)
