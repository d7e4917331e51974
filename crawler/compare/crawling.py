"""A crawl by the project's own engine, as experiments need it: warmed up, watched, and compared.

A crawl is made once and cannot be paused. So its list comes in portions (`Portions`): the first
ones warm it up, and its pool of parsers with it; when all of their outcomes are there and no worker
is still starting, the watch starts and the next portion is let in.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from queue import SimpleQueue
from time import perf_counter, sleep
from zlib import crc32

from crawler.compare.design import Watch
from crawler.engine.crawl_session import CrawlSession
from crawler.engine.ports import Source
from crawler.measure.processes import cpu_of, tree
from crawler.model.config import CrawlConfig
from crawler.model.errors import ConfigurationError
from crawler.model.outcome import Final, Page, Skipped
from crawler.model.url import Seed
from crawler.runtime.event_loop import chosen_loop, loop_factory
from crawler.store.sources import IterableSource

LAG_INTERVAL = 0.002
"""Seconds between two looks at how late what is due runs; timers of loops count milliseconds."""

_MODULUS = 2**128
_SETTLED = 0.06  # seconds in which the workers use no CPU
_TICK = 0.011  # seconds of CPU that may be counted late: one tick
_LONGEST_START = 10.0


class Portions:
    """A source that waits for its next portion; None ends it."""

    def __init__(self, config: CrawlConfig) -> None:
        self._config = config
        self._waiting: SimpleQueue[Sequence[str] | None] = SimpleQueue()
        self._now = IterableSource([], config)

    def put(self, urls: Sequence[str] | None) -> None:
        """Let a portion in."""
        self._waiting.put(urls)

    def read(self, most: int) -> list[Seed]:
        """Return the next seeds; wait before each portion; [] at the end."""
        while not (found := self._now.read(most)):
            urls = self._waiting.get()
            if urls is None:
                return []
            self._now = IterableSource(urls, self._config)
        return found

    def close(self) -> None:
        """End the source, also for a reader that waits."""
        self.put(None)


class CrawlTally:
    """A sink that keeps a checksum of all records, in whatever order they come.

    strict: the whole record counts, what was parsed with it; else only what became of each URL.
    query: whether the query counts as a part of the URL.
    """

    has_room = True
    overdue = False
    failure = None

    def __init__(self, *, strict: bool = True, query: bool = True) -> None:
        self.on_room: Callable[[], None] = lambda: None  # nobody is waiting for room
        self._strict, self._query = strict, query
        self._lock = threading.Lock()
        self._reached = threading.Event()
        self._wanted = 0
        self._ended = False
        self._sum = self.count = self.failed = 0

    @property
    def checksum(self) -> int:
        """The sum of the records' BLAKE2b, modulo 2^128: equal for equal sets of records."""
        return self._sum

    def end_within(self, seconds: float) -> None:
        """Do nothing: counting waits for nobody."""

    def put(self, final: Final) -> None:
        """Count one outcome; callable from any thread."""
        told = line(final, self._strict, query=self._query)
        record = int.from_bytes(blake2b(told, digest_size=16).digest())
        with self._lock:
            self._sum = (self._sum + record) % _MODULUS
            self.count += 1
            self.failed += not isinstance(final, Page)
            if self.count >= self._wanted:
                self._reached.set()

    def await_next(self, wanted: int) -> None:
        """Begin anew and let `wait` end after so many outcomes."""
        with self._lock:
            self._sum = self.count = self.failed = 0
            self._wanted = wanted
            if not self._ended:
                self._reached.clear()

    def wait(self) -> None:
        """Wait for those outcomes; RuntimeError if the crawl ends without them."""
        self._reached.wait()
        if self.count < self._wanted:
            raise RuntimeError(f"the crawl ended after {self.count} of {self._wanted} URLs")

    def end(self) -> None:
        """Let `wait` end: nothing comes any more."""
        with self._lock:
            self._ended = True
            self._reached.set()


class Lags:
    """The lateness of timers in seconds: on an event loop, or in a separate thread."""

    def __init__(self) -> None:
        self._samples: list[tuple[float, float]] = []
        self._stop = threading.Event()

    def between(self, start: float, end: float) -> list[float]:
        """Return the lags due in this time, in their order; the least is 0."""
        return [late for due, late in self._samples if start <= due <= end]

    async def on_loop(self) -> None:
        """Look until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = perf_counter() + LAG_INTERVAL
            ran = loop.create_future()
            handle = loop.call_later(LAG_INTERVAL, _resolve, ran)
            try:
                self._add(due, await ran)
            finally:
                handle.cancel()

    def in_thread(self) -> None:
        """Look until stopped: what a thread of a program waits for its turn."""
        while not self._stop.is_set():
            due = perf_counter() + LAG_INTERVAL
            sleep(LAG_INTERVAL)
            self._add(due, perf_counter())

    def stop(self) -> None:
        """End `in_thread`."""
        self._stop.set()

    def _add(self, due: float, ran: float) -> None:
        self._samples.append((due, max(ran - due, 0.0)))


def line(final: Final, strict: bool = True, *, query: bool = True) -> bytes:
    """Return the compared part of a record: URL and outcome; if strict, all that was parsed."""
    kind = getattr(final, "kind", "")
    url = final.url if query else final.url.partition("?")[0]
    told = f"{url} {type(final).__name__} {kind}"
    if not strict or isinstance(final, Skipped):
        return told.encode("utf-8", "surrogatepass")
    status = final.exchange.status if final.exchange else None
    parsed = crc32(final.document.json) if isinstance(final, Page) else 0
    return f"{told} {status} {parsed:08x}".encode("utf-8", "surrogatepass")


def crawl(config: CrawlConfig, source: Source, sink: CrawlTally, lags: Lags | None = None) -> None:
    """Crawl to the end, in this thread, and look at the lag meanwhile, if there are `lags`.

    Raises `ConfigurationError` where another loop would run than the one that is asked for.
    """
    if config.engine == "async" and chosen_loop(config.loop) != config.loop:
        raise ConfigurationError(f"{config.loop} is not installed")
    session = CrawlSession(config, source, sink)
    if config.engine == "async":
        with asyncio.Runner(loop_factory=loop_factory(config.loop)) as runner:
            runner.run(_looked_at(session, lags) if lags else session.crawl())
    elif lags is None:
        session.run()
    else:
        thread = threading.Thread(target=lags.in_thread, name="lag")
        thread.start()
        try:
            session.run()
        finally:
            lags.stop()
            thread.join()


async def _looked_at(session: CrawlSession, lags: Lags) -> None:
    looking = asyncio.create_task(lags.on_loop())
    try:
        await session.crawl()
    finally:
        looking.cancel()
        await asyncio.wait([looking])


@contextmanager
def going_on(
    config: CrawlConfig, lags: Lags | None = None, *, query: bool = True
) -> Iterator[Callable[[Sequence[str]], CrawlTally]]:
    """Run a crawl that goes on from portion to portion, with its threads and connections.

    Yields what crawls a portion and returns its tally; it raises what has ended the crawl.
    """
    source, sink = Portions(config), CrawlTally(query=query)
    failures: list[BaseException] = []

    def crawled(urls: Sequence[str]) -> CrawlTally:
        sink.await_next(len(urls))
        source.put(urls)
        try:
            sink.wait()
        except RuntimeError as error:
            raise next(iter(failures), error) from None
        return sink

    def conduct() -> None:
        try:
            crawl(config, source, sink, lags)
        except BaseException as error:  # handed to the caller's thread, above
            failures.append(error)
        finally:
            sink.end()

    thread = threading.Thread(target=conduct, name="crawl")
    thread.start()
    try:
        yield crawled
    finally:
        source.close()
        thread.join()


def crawl_warm(
    config: CrawlConfig, warm_ups: Sequence[Sequence[str]], urls: Sequence[str], watch: Watch
) -> tuple[CrawlTally, list[float]]:
    """Crawl each of `warm_ups` and then, measured, `urls`; return their tally and the lags."""
    lags = Lags()
    with going_on(config, lags) as crawled:
        for number, warm_up in enumerate(warm_ups):
            if number and config.parsing.parse != "inline":
                _settle()
            crawled(warm_up)
        with watch:
            began = perf_counter()
            sink = crawled(urls)
            ended = perf_counter()
    return sink, lags.between(began, ended)


def _settle() -> None:
    """Wait until neither this process nor its workers compute: none is still starting."""
    gives_up = perf_counter() + _LONGEST_START
    before, now = -1.0, cpu_of(tree(os.getpid())).total
    while now - before > _TICK and perf_counter() < gives_up:
        sleep(_SETTLED)
        before, now = now, cpu_of(tree(os.getpid())).total


def _resolve(ran: asyncio.Future[float]) -> None:
    if not ran.done():
        ran.set_result(perf_counter())
