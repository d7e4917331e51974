"""Hand pages from the engines to the parser: inline, or in batches to the workers.

An engine calls `parse_nowait` first. If that returns None it awaits `parse`, and the page joins a
batch. A batch is sent when it is full, or when its first page has waited for `parse_linger`; while
other batches still queue for a worker, sending a small one gains nothing, so it goes on filling. A
batch costs the loop one hand-over and one wake-up, however many pages it has.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from time import perf_counter
from typing import NoReturn, Self

from crawler.model.document import RawResponse
from crawler.model.errors import CrawlerError, EnvironmentFailure
from crawler.model.outcome import Parsed
from crawler.workers.auto import ParsePlace
from crawler.workers.failure_reason import one_line
from crawler.workers.parsing import Parsing
from crawler.workers.work import Packed, Parser, alarm, pack

_CURE = "processes need room in /dev/shm; make it writable, or use --parse thread"
_BATCH_BYTES = 1 << 20  # a batch of this size is sent early: pickling holds up the loop


class AsyncParsing(Parsing):
    """Parsing for an event loop: `async with AsyncParsing(config) as parsing`."""

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._batch: list[tuple[Packed, asyncio.Future[Parsed]]] = []
        self._bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._alarm = alarm(self._config.parsing.parse_timeout)
        self._here = Parser(self._work_here, self._alarm, inline=True)
        if (started := self._open()) is not None:
            try:
                await asyncio.wrap_future(started)
            except BaseException as error:
                await self._end()
                _raise_start_failure(error)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._end()

    async def _end(self) -> None:
        """Close in a thread; wait for it even when cancelled, a few seconds at most."""
        if self._alarm is not None:
            self._alarm.close()
        if self._timer is not None:
            self._timer.cancel()
        for _, answer in self._batch:
            answer.cancel()
        closing = self._loop.run_in_executor(None, self._close)
        cancelled: asyncio.CancelledError | None = None
        while not closing.done():
            try:
                await asyncio.shield(closing)
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled

    def parse_nowait(self, response: RawResponse) -> Parsed | None:
        """Return the page if it is best parsed inline, None if it should be handed over."""
        if response.url in self._suspects:
            return None
        return self._parse_here(response) if self._place(response) is ParsePlace.HERE else None

    async def parse(self, response: RawResponse) -> Parsed:
        """Hand the page over and wait for the result."""
        pool, parsed = self._pool_for(response), None
        if response.url in self._suspects:
            (parsed,) = await asyncio.wrap_future(self._judged(response))
        elif pool is not None:
            with self._named(response, pool):
                parsed = await self._join_batch(pack(response))
        if parsed is None or self._failed():
            with self._named(response):
                (parsed,) = await asyncio.wrap_future(self._aside().submit([pack(response)]))
        self._count(parsed)
        return parsed

    def _join_batch(self, page: Packed) -> asyncio.Future[Parsed]:
        answer: asyncio.Future[Parsed] = self._loop.create_future()
        self._batch.append((page, answer))
        self._bytes += len(page[3])
        if len(self._batch) >= self._config.parsing.parse_batch or self._bytes >= _BATCH_BYTES:
            self._flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(self._config.parsing.parse_linger, self._lingered)
        return answer

    def _lingered(self) -> None:
        self._timer = None
        if self._pool is not None and self._pool.statistics().waiting:  # let the batch grow
            self._timer = self._loop.call_later(self._config.parsing.parse_linger, self._lingered)
        else:
            self._flush()

    def _flush(self) -> None:
        began = perf_counter()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch, self._batch, self._bytes = self._batch, [], 0
        if not batch or self._pool is None:
            return
        answers = [answer for _, answer in batch]
        future = self._pool.submit([page for page, _ in batch])
        future.add_done_callback(lambda done: self._arrived(answers, done))
        self._count_hand_over(len(batch), perf_counter() - began)

    def _arrived(
        self, answers: Sequence[asyncio.Future[Parsed]], done: Future[list[Parsed]]
    ) -> None:
        """Pass a batch's results to the loop; called in an executor's thread."""
        try:
            self._loop.call_soon_threadsafe(_resolve, answers, done)
        except RuntimeError:
            if not self._loop.is_closed():
                raise


class ThreadedParsing(Parsing):
    """Parsing for many threads: `with ThreadedParsing(config) as parsing`."""

    def __enter__(self) -> Self:
        self._lock = threading.Lock()
        if (started := self._open()) is not None:
            try:
                started.result()
            except BaseException as error:
                self._close()
                _raise_start_failure(error)
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def parse(self, response: RawResponse) -> Parsed:
        """Parse the page here, or hand it over and wait for the result."""
        if response.url in self._suspects:
            (parsed,) = self._judged(response).result()
            return parsed
        with self._lock:
            place = self._place(response)
        pool = self._pool_for(response)
        if place is ParsePlace.HERE or pool is None:
            return self._parse_in_turn(response)
        with self._named(response, pool):
            began = perf_counter()
            future = pool.submit([pack(response)])
            spent = perf_counter() - began
            (parsed,) = future.result()
        if self._failed():
            return self._parse_in_turn(response)
        with self._lock:
            self._count_hand_over(1, spent)
            self._count(parsed)
        return parsed

    def _parse_in_turn(self, response: RawResponse) -> Parsed:
        parsed = self._run_here(response)
        with self._lock:
            self._learn(len(response.body), parsed)
        return parsed


def _resolve(answers: Sequence[asyncio.Future[Parsed]], done: Future[list[Parsed]]) -> None:
    """Give each page of a batch its result, except those that nobody waits for any more."""
    if done.cancelled():
        for answer in answers:
            answer.cancel()
        return
    for answer, parsed in zip(answers, done.result(), strict=True):
        if not answer.done():
            answer.set_result(parsed)


def _raise_start_failure(error: BaseException) -> NoReturn:
    """Raise `EnvironmentFailure` with the reason why no worker starts; other errors as they are."""
    if isinstance(error, Exception) and not isinstance(error, CrawlerError):
        cure = f"; {_CURE}" if isinstance(error, OSError) else ""
        raise EnvironmentFailure(f"parse: no worker starts: {one_line(error)}{cure}") from error
    raise error
