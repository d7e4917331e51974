"""Runs either engine on made-up parts, so that every order of events can be arranged."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from time import perf_counter

from crawler.core.crawl_core import CrawlCore
from crawler.engine.async_engine import AsyncEngine
from crawler.engine.threaded_engine import ThreadedEngine
from crawler.model.config import CrawlConfig
from crawler.model.document import Document, RawResponse
from crawler.model.errors import CrawlerError
from crawler.model.outcome import (
    Exchange,
    Failed,
    Fetched,
    Final,
    Kind,
    Parsed,
    Received,
    Redirect,
    Resolved,
)
from crawler.model.request import Purpose, Request
from crawler.model.url import Seed
from crawler.runtime.event_loop import loop_factory
from tests.patience import PATIENCE
from tests.top_level import TopLevelDomains
from tests.unmannered import MANNERS_OFF

ENGINES = ("asyncio", "uvloop", "threaded")


class ListSource:
    """Entries from memory, in portions of at most `portion`; then `error`, if there is one."""

    def __init__(
        self, urls: Iterable[str], *, portion: int = 7, error: CrawlerError | None = None
    ) -> None:
        self._left = [Seed.read(url) for url in urls]
        self._portion = portion
        self._error = error

    def read(self, most: int) -> list[Seed]:
        taken = self._left[: min(most, self._portion)]
        self._left = self._left[len(taken) :]
        if not taken and self._error is not None:
            raise self._error
        return taken

    def close(self) -> None:
        self._left = []


class ListSink:
    """Keeps what it is given; refuses from the `broken_after`-th outcome on."""

    def __init__(self, *, broken_after: int | None = None) -> None:
        self.on_room: Callable[[], None] = lambda: None
        self.finals: list[Final] = []
        self.has_room = True
        self.overdue = False
        self.failure: CrawlerError | None = None
        self._broken_after = broken_after
        self._came = threading.Condition()

    def end_within(self, seconds: float) -> None:
        """Nothing: it takes what comes."""

    def put(self, final: Final) -> None:
        with self._came:
            if self._broken_after is not None and len(self.finals) >= self._broken_after:
                raise CrawlerError("the disk is full")
            self.finals.append(final)
            self._came.notify_all()

    def wait_for(self, number: int) -> None:
        """Wait until so many outcomes have come."""
        with self._came:
            assert self._came.wait_for(lambda: len(self.finals) >= number, PATIENCE)


class Web:
    """A web in memory. What a URL answers follows from it; `/held` waits for `release`.

    So does `/gate`, for `release("/gate")`; a host may be named like this, with its robots.txt.

    Used by one engine: `fetch` for threads, `fetch_async` for a loop.
    """

    def __init__(self) -> None:
        self.peak = 0
        self.fetched: list[str] = []
        self.held = threading.Semaphore(0)  # one permit for each fetch that is being held
        self._holding: list[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]] = []
        self._now = 0
        self._lock = threading.Lock()
        self._released = {"/held": threading.Event(), "/gate": threading.Event()}
        self._aborted = threading.Event()

    def release(self, word: str = "/held") -> None:
        """Let every fetch that is held for this word go on."""
        self._released[word].set()
        for held, loop, event in self._holding:
            if held == word:
                loop.call_soon_threadsafe(event.set)

    def abort(self) -> None:
        """End every held fetch as cancelled."""
        self._aborted.set()
        for released in self._released.values():
            released.set()

    def fetch(self, request: Request) -> Fetched:
        self._enter(request)
        try:
            if word := self._word(request):
                self.held.release()
                self._released[word].wait(PATIENCE)
            if self._aborted.is_set():
                return Failed(request=request, kind=Kind.CANCELLED, reason="aborted")
            return self._answer(request)
        finally:
            self._leave()

    def forget(self, request: Request) -> None:
        """Nothing is held."""

    async def fetch_async(self, request: Request) -> Fetched:
        self._enter(request)
        try:
            await asyncio.sleep(0)
            if word := self._word(request):
                await self._hold(word)
            return self._answer(request)
        finally:
            self._leave()

    def _word(self, request: Request) -> str | None:
        return next((word for word in self._released if word in request.url.href), None)

    async def _hold(self, word: str) -> None:
        event = asyncio.Event()
        self._holding.append((word, asyncio.get_running_loop(), event))
        self.held.release()
        if not self._released[word].is_set():
            await event.wait()

    def _enter(self, request: Request) -> None:
        with self._lock:
            self._now += 1
            self.peak = max(self.peak, self._now)
            self.fetched.append(request.url.href)

    def _leave(self) -> None:
        with self._lock:
            self._now -= 1

    def _answer(self, request: Request) -> Fetched:
        href = request.url.href
        if request.purpose is Purpose.ADDRESS:
            return Resolved(request=request, address="192.0.2.1")
        exchange = Exchange(status=200, body_bytes=4, wire_bytes=4, total=0.01)
        if "/redirect" in href:
            return Redirect(request=request, exchange=Exchange(status=301), location="/page")
        if "/refused" in href:
            return Failed(request=request, kind=Kind.CONNECT, reason="refused")
        if "/bug" in href:
            raise RuntimeError("nobody foresaw this")
        response = RawResponse(url=href, status=200, content_type="text/html", body=b"body")
        return Received(request=request, exchange=exchange, response=response)


class Parser:
    """Parses at once, or as if elsewhere where the URL says `/elsewhere`."""

    def __init__(self) -> None:
        self.handed_over = 0

    def parse_nowait(self, response: RawResponse) -> Parsed | None:
        return None if "/elsewhere" in response.url else Document(json=b'{"title":"t"}')

    async def parse_async(self, response: RawResponse) -> Parsed:
        self.handed_over += 1
        await asyncio.sleep(0)
        return Document(json=b'{"title":"t"}')

    def parse(self, response: RawResponse) -> Parsed:
        self.handed_over += 1
        return Document(json=b'{"title":"t"}')


class Run:
    """One crawl by the engine `kind`, in a thread of its own."""

    def __init__(
        self,
        kind: str,
        source: ListSource,
        *,
        sink: ListSink | None = None,
        **options: object,
    ) -> None:
        self.web = Web()
        self.parser = Parser()
        self.sink = sink or ListSink()
        self.error: BaseException | None = None
        usual = {"concurrency": 8, "per_host": 8, "retries": 0, "drain_timeout": 5.0}
        options = MANNERS_OFF | usual | options
        self.config = CrawlConfig(**options)  # type: ignore[arg-type]
        self.core = CrawlCore(self.config, random=lambda: 0.0, suffixes=TopLevelDomains())
        self._ready = threading.Event()
        self._source = source
        work = self._threaded if kind == "threaded" else self._asynchronous
        self._kind = kind
        self._thread = threading.Thread(target=self._guard, args=(work,), daemon=True)
        self._thread.start()
        assert self._ready.wait(PATIENCE)

    def tell(self, verb: str) -> None:
        """`stop`, `cancel` or `wake` the engine, from this thread."""
        call = getattr(self._engine, verb)
        if self._kind == "threaded":
            call()
        else:
            self._loop.call_soon_threadsafe(call)

    def end(self) -> list[Final]:
        """Wait for the end; raises what the engine raised."""
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), f"the crawl does not end: {self.core!r}"
        if self.error is not None:
            raise self.error
        return self.sink.finals

    def _guard(self, work: Callable[[], None]) -> None:
        try:
            self.core.begin(perf_counter())
            work()
        except BaseException as error:
            self.error = error
        finally:
            self._ready.set()

    def _threaded(self) -> None:
        self._engine: ThreadedEngine | AsyncEngine = ThreadedEngine(
            self.core,
            self.web,
            self.parser,
            self.sink,
            slots=self.config.concurrency,
            drain_timeout=self.config.drain_timeout,
        )
        self.sink.on_room = self._engine.wake
        self._ready.set()
        self._engine.run(self._source)

    def _asynchronous(self) -> None:
        factory = loop_factory("uvloop" if self._kind == "uvloop" else "asyncio")
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(self._on_loop())

    async def _on_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        engine = AsyncEngine(
            self.core,
            _AsyncWeb(self.web),
            _AsyncParser(self.parser),
            self.sink,
            drain_timeout=self.config.drain_timeout,
        )
        self._engine = engine
        self.sink.on_room = lambda: self.tell("wake")
        self._ready.set()
        await engine.run(self._source)


class _AsyncWeb:
    def __init__(self, web: Web) -> None:
        self.fetch = web.fetch_async
        self.forget = web.forget


class _AsyncParser:
    def __init__(self, parser: Parser) -> None:
        self.parse_nowait = parser.parse_nowait
        self.parse = parser.parse_async
