"""The Python API: outcomes as they come, from either engine.

    async with Crawl(config, urls) as crawl:
        async for outcome in crawl: ...

    for outcome in run(urls, concurrency=64): ...

Outcomes pass through a short queue. When the caller is slower than the crawl, the crawl waits.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Self

from crawler.core.statistics import Snapshot
from crawler.engine.session import CrawlSession
from crawler.model.config import CrawlConfig
from crawler.model.outcome import Final
from crawler.store.sources import IterableSource

_ROOM = 1_000  # outcomes; a page of 82 KB has a record of 50 KB


class OutcomeQueue:
    """A sink that a caller takes outcomes from. `on_put` is called when there is something."""

    def __init__(self, on_put: Callable[[], None]) -> None:
        self.on_room: Callable[[], None] = _nothing
        self._on_put = on_put
        self._outcomes: deque[Final] = deque()

    def __repr__(self) -> str:
        return f"OutcomeQueue({len(self._outcomes)} waiting)"

    @property
    def has_room(self) -> bool:
        """Whether fewer than 1,000 outcomes wait."""
        return len(self._outcomes) < _ROOM

    def put(self, final: Final) -> None:
        """Take one outcome from the engine."""
        self._outcomes.append(final)
        self._on_put()

    def end_within(self, seconds: float) -> None:
        """Nothing: a caller may take what it has got whenever it likes."""

    def take(self) -> Final | None:
        """The oldest outcome; None if none waits."""
        if not self._outcomes:
            return None
        final = self._outcomes.popleft()
        if len(self._outcomes) == _ROOM // 2:
            self.on_room()
        return final


class Crawl:
    """A crawl whose outcomes are iterated over: `Page`, `Failed` or `Skipped`, one for each URL.

    `urls` is any iterable of strings, read as the crawl goes. Leaving the block ends the crawl.
    Raises ConfigurationError for options that cannot work.
    """

    def __init__(self, config: CrawlConfig | None, urls: Iterable[str]) -> None:
        self._config = config if config is not None else CrawlConfig()
        self._urls = urls

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        threaded = self._config.engine == "threaded"
        self._queue = OutcomeQueue(self._changed_from_thread if threaded else self._changed.set)
        source = IterableSource(self._urls, self._config)
        self._session = CrawlSession(self._config, source, self._queue)
        work = asyncio.to_thread(self._session.run) if threaded else self._session.crawl()
        self._task: asyncio.Task[object] = asyncio.ensure_future(work)
        self._task.add_done_callback(lambda _task: self._changed.set())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
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

    def statistics(self) -> Snapshot:
        """What was done so far."""
        return self._session.statistics()

    def stop(self) -> None:
        """Start nothing more; the iteration ends when what is in flight has ended."""
        self._session.stop()

    def _changed_from_thread(self) -> None:
        self._loop.call_soon_threadsafe(self._changed.set)


def run(urls: Iterable[str], **options: Any) -> Iterator[Final]:
    """Crawl `urls` and yield one outcome for each; `options` are those of `CrawlConfig`.

    The crawl runs in a thread and begins with the first outcome asked for. Closing the iterator
    ends it. Raises ConfigurationError at once for options that cannot work.
    """
    return _outcomes(CrawlConfig.of(options), urls)


def _outcomes(config: CrawlConfig, urls: Iterable[str]) -> Iterator[Final]:
    available = threading.Semaphore(0)
    queue = OutcomeQueue(available.release)
    session = CrawlSession(config, IterableSource(urls, config), queue)
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
    try:
        while available.acquire() and (final := queue.take()) is not None:
            yield final
    finally:
        session.stop_now()
        thread.join()
    if failures:
        raise failures[0]


def _nothing() -> None:
    """Nobody is waiting for room."""
