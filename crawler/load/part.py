"""One process's part of a load run, from the first connection to the counts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from time import perf_counter
from typing import Any, TypeVar

from crawler.load.closed import ClosedLoop, ThinkingLoop
from crawler.load.guard import Target, resolve
from crawler.load.hit import Measured, Recorder
from crawler.load.load_config import LoadConfig, statuses
from crawler.load.loop import Engine, Job
from crawler.load.monitor import Monitor
from crawler.load.open import OpenLoop
from crawler.load.pace import Pace
from crawler.load.plan import Plan
from crawler.load.raw import RawClient
from crawler.load.validity import Probes
from crawler.runtime import late_trust
from crawler.runtime.files import allow_connections

CLOSING_SECONDS = 2.0
"""What an engine has for closing its connections. The figures are there by then."""

_Result = TypeVar("_Result")
OnSecond = Callable[[Measured], None]


class Halted(Exception):
    """The run was ended before its first hit."""


async def unless(halt: asyncio.Event, work: Coroutine[Any, Any, _Result]) -> _Result:
    """Return what `work` returns; if `halt` is set first, cancel it and raise `Halted`."""
    doing, ending = asyncio.ensure_future(work), asyncio.ensure_future(halt.wait())
    try:
        await asyncio.wait((doing, ending), return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise Halted
        return doing.result()
    finally:
        doing.cancel()
        ending.cancel()
        await asyncio.gather(doing, ending, return_exceptions=True)


async def targets_of(config: LoadConfig, plan: Plan) -> Sequence[Target]:
    """Return an address for each origin; raise as `resolve` does."""
    return [await resolve(origin, mine=config.target_is_mine) for origin in plan.origins]


def seconds_of(config: LoadConfig) -> float:
    """Return the maximum seconds that a run measures: its stages, or else its duration."""
    return Pace.read(config).seconds - config.warmup if config.stages else config.duration


class Part:
    """The work of one process: the whole run, or its share of it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def run(
        self, start: float, halt: asyncio.Event, on_second: OnSecond | None = None
    ) -> tuple[Measured, Probes]:
        """Make load; hits count from `start` on, a time of `perf_counter`, as the warm-up allows.

        Ends when the time is up, all hits have ended, or `halt` is set, and hears of each whole
        second by `on_second`. An error in a callback ends it, too, and is raised here.
        """
        engine, config, plan = self._engine, self._engine.job.config, self._engine.job.plan
        seconds = seconds_of(config)
        # uvloop may wake a millisecond early, and hits from before the start would not count.
        while (left := start - config.warmup - perf_counter()) > 0:  # noqa: ASYNC110 - a time, no event
            await asyncio.sleep(left)
        expected = statuses(config.expect_status) if plan.mixed else plan.aims[0].expected
        recorder = Recorder(start, seconds, expected=expected, plan=plan)
        watch = Monitor(engine, start, config.timeout)
        engine.begin(recorder, start)
        end, tick = start + seconds, start + 1
        async with _first_of(halt, engine.finished) as ending:
            while not ending.done() and (now := perf_counter()) < end:
                if now >= tick:
                    if on_second is not None:
                        on_second(recorder.so_far(now))
                    tick = start + int(now - start) + 1
                await asyncio.wait((ending,), timeout=min(tick, end) - now)
        now = perf_counter()
        probes = watch.stop(now)
        engine.stop(now)
        if ending.done():
            ending.result()
        return recorder.end(now), probes


@contextlib.asynccontextmanager
async def _first_of(*events: asyncio.Event) -> AsyncIterator[asyncio.Future[None]]:
    """Give a future that is done when an event is set, or a callback of the loop has failed."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[None] = loop.create_future()

    async def relay(event: asyncio.Event) -> None:
        await event.wait()
        if not found.done():
            found.set_result(None)

    def failed(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        # A connection's end is an OSError, which its line counts.
        if error is not None and not isinstance(error, OSError) and not found.done():
            found.set_exception(error)

    before = loop.get_exception_handler()
    loop.set_exception_handler(failed)
    waits = [loop.create_task(relay(event)) for event in events]
    try:
        yield found
    finally:
        loop.set_exception_handler(before)
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


@contextlib.asynccontextmanager
async def opened(job: Job, halt: asyncio.Event) -> AsyncIterator[Part]:
    """Open the connections of a part; close them, in a bounded time, when the block is left.

    Raises `EnvironmentFailure` if a target cannot be reached, `Halted` if `halt` is set before.
    """
    allow_connections(job.connections, option="connections")
    engine = _engine(job)
    try:
        await unless(halt, engine.client.open())
        yield Part(engine)
    finally:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSING_SECONDS):
                await engine.close()


def _engine(job: Job) -> Engine:
    config = job.config
    kind = OpenLoop if config.open_loop else ThinkingLoop if config.think_time else ClosedLoop
    if config.engine == "raw":
        return kind(job, RawClient(job))
    with late_trust.importing("aiohttp"):
        from crawler.load.aio import AioClient

    return kind(job, AioClient(job))
