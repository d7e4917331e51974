"""From the engines to the parser: at once, or in batches to whoever parses.

An engine asks `parse_nowait` first. Where the answer is None it awaits `parse`, and the page joins
a batch. A batch leaves when it is full, or when its first page has waited for `parse_linger`; but
while batches still queue for a worker nothing is gained by sending another small one, so it goes on
filling. A batch costs the loop one hand-over and one wake-up, however many pages it has.

`auto` weighs parsing here against handing over (`crawler.parse.auto`). What a hand-over costs is
measured all the time: the loop's own part, and the CPU time of the executor's threads, which pickle
and unpickle under the same interpreter lock.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from time import perf_counter
from types import TracebackType
from typing import NoReturn, Self

from crawler.model.config import CrawlConfig, Parse
from crawler.model.document import Document, Response
from crawler.model.errors import CrawlerError, EnvironmentFailure
from crawler.model.outcome import Parsed
from crawler.parse.auto import Chooser, Place
from crawler.parse.lanes import InterpreterLane, Lane, ProcessLane, ThreadLane
from crawler.parse.pool import Pool
from crawler.parse.work import Alarm, Packed, Parser, Work, alarm, one_line, pack, unpack

_LANES: dict[str, Callable[[Work], Lane]] = {
    "process": ProcessLane,
    "thread": ThreadLane,
    "interpreter": InterpreterLane,
}
_BATCH_BYTES = 1 << 20  # a batch leaves early when it has as much: pickling holds the loop up
_ROUND = 256  # pages between two measurements of the hand-over
_EXECUTOR_THREADS = ("_ExecutorManagerThread", "QueueFeederThread", "crawler-pool")


def _silent(_line: str) -> None:
    """Announce nothing."""


class Parsing:
    """What both faces share: the parser, the pools, and the choice between them.

    Raises ConfigurationError for a parser that cannot be imported and for an executor that this
    Python does not have.
    """

    def __init__(self, config: CrawlConfig, *, announce: Callable[[str], None] = _silent) -> None:
        page = "unparsed" if config.parse == "none" else "page"
        self._work = Work(
            page=f"crawler.parse.page:{page}", parser=config.parser, timeout=config.parse_timeout
        )
        self._here = Parser(self._work, inline=True)
        self._config = config
        self._announce = announce
        self._auto = config.parse == "auto"
        self._pooled = config.parse in _LANES
        self._chooser = Chooser(isolate=bool(config.parser))
        self._pool: Pool | None = None
        self._threads: Pool | None = None
        self._handed = 0
        self._own_seconds = 0.0
        self._measured_cpu = 0.0
        self._measured_at = 0
        self._parsed = 0
        self._parsed_seconds = 0.0
        if config.parse == "interpreter" and sys.version_info < (3, 14):
            InterpreterLane(self._work)  # raises what is to be said

    @property
    def kind(self) -> Parse:
        """Where pages go that are not parsed here."""
        if self._pooled or not self._auto:
            return self._config.parse
        return "process" if _cores() > 1 or self._config.parser else "thread"

    def describe(self) -> str:
        """Where pages are parsed, in one line for a person."""
        where = self._where()
        if not self._parsed:
            return where
        cost = f"{self._parsed_seconds / self._parsed * 1e3:.2f} ms to parse"
        if self._handed and self._measured_at:
            cost += f", {self._chooser.hand_over * 1e3:.2f} ms to hand over"
        return f"{where}: a page took {cost}"

    def _where(self) -> str:
        pooled = f"{self.kind} ({self._lanes()} workers)"
        if not self._auto:
            return pooled if self._pooled else self._config.parse
        if self._pool is None:
            return "auto: inline"
        if self._config.parser:
            return f"auto: {pooled}, for a parser of your own"
        return (
            f"auto: {pooled} for pages above {self._chooser.threshold() // 1000} KB, inline below"
        )

    def _lanes(self) -> int:
        return self._config.parse_workers or _cores()

    def _open(self) -> Future[None] | None:
        """Start the pool, if all pages go there; ends when its first worker is ready."""
        if not self._pooled and not (self._auto and self._config.parser):
            return None
        self._pool = self._started_pool()
        return self._pool.started

    def _started_pool(self) -> Pool:
        lane = _LANES[self.kind]
        pool = Pool(
            lambda: lane(self._work), lanes=self._lanes(), timeout=self._config.parse_timeout
        )
        pool.start()
        pool.started.add_done_callback(self._pool_started)
        return pool

    def _pool_started(self, started: Future[None]) -> None:
        """The pool's first worker is there, or none can be; called in any thread."""
        if started.cancelled():
            return
        if (error := started.exception()) is not None:
            if self._auto:
                self._announce(
                    f"parse: auto stays inline, {self.kind} workers do not start: {error}"
                )
            return
        self._chooser.pool_ready = True
        if self._auto:
            self._announce(f"parse: {self.describe()}")

    def _aside(self) -> Pool:
        """One thread for pages that are too long for the loop while there is no pool."""
        if self._threads is None:
            self._threads = Pool(
                lambda: ThreadLane(self._work), lanes=1, timeout=self._config.parse_timeout
            )
            self._threads.start()
        return self._threads

    def _place(self, response: Response) -> Place:
        if not self._auto:
            return Place.POOL if self._pooled else Place.HERE
        place = self._chooser.place(len(response.body))
        if self._pool is None and self._chooser.pool_wanted:
            self._pool = self._started_pool()
        return place

    def _parse_here(self, response: Response) -> Parsed:
        parsed = unpack(self._here.answer(pack(response)))
        self._observe(len(response.body), parsed)
        return parsed

    def _observe(self, size: int, parsed: Parsed) -> None:
        if isinstance(parsed, Document):
            self._parsed += 1
            self._parsed_seconds += parsed.seconds
            self._chooser.observe(size, parsed.seconds)

    def _count_hand_over(self, pages: int, seconds: float) -> None:
        """Learn what a hand-over costs, from the caller's seconds and the executor's CPU time."""
        self._handed += pages
        self._own_seconds += seconds
        if self._handed - self._measured_at < _ROUND:
            return
        cpu = self._own_seconds + _cpu_seconds(_EXECUTOR_THREADS)
        if self._measured_at:
            spent = (cpu - self._measured_cpu) / (self._handed - self._measured_at)
            if spent > 0:  # else a lane was replaced, and its threads' time went with them
                self._chooser.hand_over = spent
        self._measured_cpu, self._measured_at = cpu, self._handed

    def _close(self) -> None:
        for pool in (self._pool, self._threads):
            if pool is not None:
                pool.close()


class AsyncParsing(Parsing):
    """The face for an event loop: `async with AsyncParsing(config) as parsing`."""

    def __init__(self, config: CrawlConfig, *, announce: Callable[[str], None] = _silent) -> None:
        super().__init__(config, announce=announce)
        self._batch: list[tuple[Packed, asyncio.Future[Parsed]]] = []
        self._bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._alarm: Alarm | None = None

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._alarm = alarm(self._config.parse_timeout)
        self._here = Parser(self._work, self._alarm, inline=True)
        if (started := self._open()) is not None:
            try:
                await asyncio.wrap_future(started)
            except BaseException as error:
                await self._end()
                _raise_start_failure(error)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._end()

    async def _end(self) -> None:
        """Close in a thread; waits for it even when cancelled, a few seconds at most."""
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

    def parse_nowait(self, response: Response) -> Parsed | None:
        """The page, if it is best parsed here and now; None if it is to be handed over."""
        return self._parse_here(response) if self._place(response) is Place.HERE else None

    async def parse(self, response: Response) -> Parsed:
        """Hand the page over, and wait for the result."""
        if self._pool is None or (self._auto and not self._chooser.pool_ready):
            (parsed,) = await asyncio.wrap_future(self._aside().submit([pack(response)]))
        else:
            parsed = await self._join_batch(pack(response))
        self._observe(len(response.body), parsed)
        return parsed

    def _join_batch(self, page: Packed) -> asyncio.Future[Parsed]:
        answer: asyncio.Future[Parsed] = self._loop.create_future()
        self._batch.append((page, answer))
        self._bytes += len(page[3])
        if len(self._batch) >= self._config.parse_batch or self._bytes >= _BATCH_BYTES:
            self._flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(self._config.parse_linger, self._lingered)
        return answer

    def _lingered(self) -> None:
        self._timer = None
        if self._pool is not None and self._pool.statistics().waiting:
            self._timer = self._loop.call_later(self._config.parse_linger, self._lingered)
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
        """Called in an executor's thread."""
        try:
            self._loop.call_soon_threadsafe(_resolve, answers, done)
        except RuntimeError:
            if not self._loop.is_closed():
                raise


class ThreadedParsing(Parsing):
    """The face for many threads: `with ThreadedParsing(config) as parsing`."""

    def __init__(self, config: CrawlConfig, *, announce: Callable[[str], None] = _silent) -> None:
        super().__init__(config, announce=announce)
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        if (started := self._open()) is not None:
            try:
                started.result()
            except BaseException as error:
                self._close()
                _raise_start_failure(error)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def parse(self, response: Response) -> Parsed:
        """Parse the page here, or hand it over and wait for the result."""
        with self._lock:
            place = self._place(response)
        if (
            place is Place.HERE
            or self._pool is None
            or (self._auto and not self._chooser.pool_ready)
        ):
            parsed = unpack(self._here.answer(pack(response)))
        else:
            began = perf_counter()
            future = self._pool.submit([pack(response)])
            spent = perf_counter() - began
            (parsed,) = future.result()
            with self._lock:
                self._count_hand_over(1, spent)
        with self._lock:
            self._observe(len(response.body), parsed)
        return parsed


def _resolve(answers: Sequence[asyncio.Future[Parsed]], done: Future[list[Parsed]]) -> None:
    """Give each page of a batch its result; who waits no longer is passed over."""
    if done.cancelled():
        for answer in answers:
            answer.cancel()
        return
    for answer, parsed in zip(answers, done.result(), strict=True):
        if not answer.done():
            answer.set_result(parsed)


def _raise_start_failure(error: BaseException) -> NoReturn:
    """Say in one line why no worker starts; other errors stay as they are."""
    if isinstance(error, Exception) and not isinstance(error, CrawlerError):
        raise EnvironmentFailure(f"parse: no worker starts: {one_line(error)}") from error
    raise error


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpu_seconds(names: Sequence[str]) -> float:
    """CPU time of the live threads of these names or classes; 0 where it cannot be read."""
    if not hasattr(time, "pthread_getcpuclockid"):
        return 0.0
    total = 0.0
    for thread in threading.enumerate():
        if thread.ident and (thread.name in names or type(thread).__name__ in names):
            with suppress(OSError):  # it has ended in the meantime
                total += time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
    return total
