"""The Python API: outcomes as they come, from either engine.

    for outcome in run(urls, concurrency=64): ...

    async with Crawl(urls, concurrency=64) as crawl:
        async for outcome in crawl: ...

    outcomes = await Crawl(urls)

Outcomes pass through a short queue. When the caller is slower than the crawl, the crawl waits.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Mapping
from typing import Any, Protocol, Self, Unpack

from crawler import notebook
from crawler.core.collector import Snapshot
from crawler.engine.crawl_session import CrawlSession
from crawler.engine.plugins import Plugins
from crawler.fetch.credentials import RequestHeaders
from crawler.formats.robots import RobotsRules
from crawler.model.config import CrawlConfig
from crawler.model.errors import ConfigurationError, CrawlerError
from crawler.model.keywords import RunKeywords
from crawler.model.outcome import Final
from crawler.model.url import Url
from crawler.store.sources import IterableSource

_ROOM = 1_000  # outcomes; a page of 82 KB has a record of 50 KB
_ROOM_BYTES = 64 << 20  # of their bodies, where those are kept

Parser = str | Callable[..., Any]
"""`module:function`, or a function from `Response` to a dict."""
RequestedHeaders = Mapping[str, str] | RequestHeaders
"""Further request headers, or a function from a URL to them."""


class Fetcher(Protocol):
    """Makes HTTP exchanges.

    `fetch` takes a `Request` and returns a `Response`, or `Received`, `Redirect` or `Failed`. It
    may be a coroutine function with the asynchronous engine. An exception becomes the failure of
    that URL. robots.txt is fetched in the same way.
    """

    def fetch(self, request: Any) -> Any:
        """Make one exchange, without following redirects."""


class OutcomeSink(Protocol):
    """Takes outcomes."""

    def put(self, outcome: Any) -> object:
        """Take one outcome. An exception ends the crawl."""


class OutcomeQueue:
    """A sink that a caller takes outcomes from. `on_put` is called when there is something.

    takers: named functions that are given each outcome first; an exception of one ends the crawl.
    """

    def __init__(
        self,
        on_put: Callable[[], None],
        takers: Mapping[str, Callable[[Final], object]] | None = None,
    ) -> None:
        self.on_room: Callable[[], None] = lambda: None
        self.failure = None  # it is refused by `put`
        self.overdue = False  # a caller has any time
        self._on_put = on_put
        self._takers = takers or {}
        self._outcomes: deque[Final] = deque()
        self._held = 0

    @property
    def has_room(self) -> bool:
        """True while fewer than 1,000 outcomes wait, with less than 64 MB of bodies."""
        return len(self._outcomes) < _ROOM and self._held < _ROOM_BYTES

    def put(self, final: Final) -> None:
        """Take one outcome from the engine."""
        for name, take in self._takers.items():
            try:
                take(final)
            except Exception as error:
                raise CrawlerError(f"{name} failed: {type(error).__name__}: {error}") from error
        self._outcomes.append(final)
        self._held += _body_size(final)
        self._on_put()

    def end_within(self, seconds: float) -> None:
        """Do nothing: a caller may take the remaining outcomes at any time."""

    def take(self) -> Final | None:
        """Return the oldest outcome, or None if none waits."""
        if not self._outcomes:
            return None
        final = self._outcomes.popleft()
        before = self._held
        self._held -= _body_size(final)
        if len(self._outcomes) == _ROOM // 2 or self._held <= _ROOM_BYTES // 2 < before:
            self.on_room()
        return final


def _body_size(final: Final) -> int:
    return len(getattr(final, "body", None) or b"")


class Crawl:
    """A crawl to iterate over; yields one outcome per URL.

    `urls` is any iterable of strings, read as the crawl goes. `options` are those of `CrawlConfig`
    and override `config`. Leaving the block ends the crawl; awaiting the crawl instead returns all
    outcomes. Raises `ConfigurationError` for invalid options.

    fetcher: makes the exchanges instead of the crawler (`Fetcher`). parser: a function from
    `Response` to a dict, or its name; for processes it must be at the top level of a module. sink:
    its `put` takes each outcome before the caller does. headers: additional request headers, or a
    function from URL to them. on_outcome: called with each outcome. link_filter: called with the
    URL of each link in scope, returns whether to follow it. All are called where the engine runs:
    on the event loop, or in one of its threads. keep_body: pages, and failures with a response
    that was parsed, have its decoded `body`.
    """

    def __init__(  # noqa: PLR0913 - each but the first two is a part of its own, and named
        self,
        urls: Iterable[str],
        config: CrawlConfig | None = None,
        *,
        fetcher: Fetcher | None = None,
        parser: Parser | None = None,
        sink: OutcomeSink | None = None,
        headers: RequestedHeaders | None = None,
        on_outcome: Callable[[Any], object] | None = None,
        link_filter: Callable[[str], bool] | None = None,
        keep_body: bool = False,
        **options: Unpack[RunKeywords],
    ) -> None:
        if isinstance(urls, CrawlConfig):
            raise ConfigurationError("Crawl: the URLs come first: Crawl(urls, config)")
        named: Mapping[str, Any] = {"parser": parser} if isinstance(parser, str) else {}
        fixed = {} if headers is None or callable(headers) else _lines(headers, config)
        given = (config or CrawlConfig()).updated({**options, **named, **fixed})
        self._plugins = Plugins(
            fetcher=fetcher,
            parser=None if isinstance(parser, str) else parser,
            headers=headers if callable(headers) else None,
            link_filter=link_filter,
            keep_headers=True,
            keep_body=keep_body,
        )
        self._config = self._plugins.fitted(given)
        self._takers = _takers(sink, on_outcome)
        self._urls = urls

    def __repr__(self) -> str:
        return f"<Crawl {self._config.engine}, concurrency {self._config.concurrency}>"

    def _opened(self, on_put: Callable[[], None]) -> tuple[CrawlSession, OutcomeQueue]:
        queue = OutcomeQueue(on_put, self._takers)
        source = IterableSource(self._urls, self._config)
        return CrawlSession(self._config, source, queue, plugins=self._plugins), queue

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        threaded = self._config.engine == "threaded"
        on_put = self._changed_from_thread if threaded else self._changed.set
        self._session, self._queue = self._opened(on_put)
        work = asyncio.to_thread(self._session.run) if threaded else self._session.crawl()
        self._task: asyncio.Task[object] = asyncio.ensure_future(work)
        self._task.add_done_callback(lambda _task: self._changed.set())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._session.stop_now()
        if kind is None:
            await self._task
        else:
            await asyncio.wait([self._task])

    async def __aiter__(self) -> AsyncIterator[Final]:
        while True:
            self._changed.clear()
            while (final := self._queue.take()) is not None:
                yield final
            if self._task.done():
                break
            await self._changed.wait()
        while (final := self._queue.take()) is not None:
            yield final
        await self._task

    def __await__(self) -> Generator[Any, None, list[Final]]:
        return self._all().__await__()

    async def _all(self) -> list[Final]:
        async with self:
            return [final async for final in self]

    def outcomes(self, *, show: bool | None = None) -> Iterator[Final]:
        """Crawl in a thread and yield the outcomes; closing the iterator ends the crawl.

        show: a live table below a notebook's cell; by default wherever there is one.
        """
        available = threading.Semaphore(0)
        self._session, queue = self._opened(available.release)
        session = self._session
        failures: list[BaseException] = []

        def work() -> None:
            try:
                session.run()
            except BaseException as error:  # handed to the caller's thread, below
                failures.append(error)
            finally:
                available.release()

        thread = threading.Thread(target=work, name="crawler-run")
        thread.start()
        table = None
        try:
            if show is not False and (within := notebook.shell()) is not None:
                table = notebook.CellTable(within, session.statistics, session.stop_now)
            while _available(available, table) and (final := queue.take()) is not None:
                yield final
        finally:
            session.stop_now()
            thread.join()
            if table is not None:
                table.close()
        if failures:
            raise failures[0]

    def statistics(self) -> Snapshot:
        """Return the statistics so far."""
        return self._session.statistics()

    def robots(self, url: str) -> RobotsRules | None:
        """Return the rules of the robots.txt of a URL's host; None if the crawl did not read it."""
        return self._session.rules(Url(url).host_key)

    def stop(self) -> None:
        """Start nothing more; the iteration ends when the requests in flight have ended."""
        self._session.stop()

    def _changed_from_thread(self) -> None:
        self._loop.call_soon_threadsafe(self._changed.set)


def _available(semaphore: threading.Semaphore, table: notebook.CellTable | None) -> bool:
    """Wait for the semaphore, and draw the table meanwhile."""
    if table is None:
        return semaphore.acquire()
    table.update()
    while not semaphore.acquire(timeout=notebook.EVERY):
        table.update()
    return True


class CrawlParts(RunKeywords, total=False):
    """The arguments of `Crawl` after `config`."""

    fetcher: Fetcher | None
    parser: Parser | None
    sink: OutcomeSink | None
    headers: RequestedHeaders | None
    on_outcome: Callable[[Any], object] | None
    link_filter: Callable[[str], bool] | None
    keep_body: bool


def run(
    urls: Iterable[str],
    config: CrawlConfig | None = None,
    *,
    show: bool | None = None,
    **options: Unpack[CrawlParts],
) -> Iterator[Final]:
    """Crawl `urls` and yield one outcome for each; the other arguments are those of `Crawl`.

    show: a live table below a notebook's cell; by default wherever there is one.

    The crawl runs in a thread, so it also works inside a running event loop. It starts when the
    first outcome is requested; closing the iterator ends it. Raises ConfigurationError at once for
    invalid options.
    """
    return Crawl(urls, config, **options).outcomes(show=show)


def fetch_one(url: str, config: CrawlConfig | None = None, **options: Unpack[CrawlParts]) -> Final:
    """Fetch one URL, as a crawl would, and return its outcome; the arguments are those of `run`."""
    (outcome,) = run([url], config, show=False, **options)
    return outcome


def _lines(headers: Any, config: CrawlConfig | None) -> dict[str, object]:
    """Return the headers as the option holds them, after those of `config`."""
    if not isinstance(headers, Mapping):
        kind = type(headers).__name__
        raise ConfigurationError(f"headers: expected a mapping or a function, got {kind}")
    before = config.network.header if config is not None else ()
    return {"header": (*before, *(f"{name}: {value}" for name, value in headers.items()))}


def _takers(
    sink: OutcomeSink | None, on_outcome: Callable[[Any], object] | None
) -> dict[str, Callable[[Final], object]]:
    found: dict[str, Callable[[Final], object]] = {}
    if sink is not None:
        if not callable(getattr(sink, "put", None)):
            raise ConfigurationError(
                f"sink: expected an object with a method put, got {type(sink).__name__}"
            )
        found["sink"] = sink.put
    if on_outcome is not None:
        found["on_outcome"] = on_outcome
    for name, take in found.items():
        if not callable(take) or asyncio.iscoroutinefunction(take):
            raise ConfigurationError(f"{name}: expected a plain function, got {take!r:.80}")
    return found
