"""The worker processes of a load run, as the process that started them sees them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from functools import reduce
from time import perf_counter
from typing import Any, Self, TypeVar

from msgspec.structs import replace

from crawler.load.hit import Measured
from crawler.load.load_config import LoadConfig
from crawler.load.part import OnSecond, seconds_of, unless
from crawler.load.validity import Probes
from crawler.load.worker import WorkerOrder
from crawler.model.errors import CrawlerError, EnvironmentFailure
from crawler.runtime.companion import Companion, companions

# From "ready" of the last worker to the first hit of all.
_HEAD_START = 0.1
# From the end of its time, or from its halt, to the result of a worker that still runs.
_RESULT_SECONDS = 30.0
_Result = TypeVar("_Result")


async def _heard(worker: Companion) -> Any:
    """Return what a worker tells next; raise its error, or `EnvironmentFailure` if it has died."""
    told = await worker.heard()
    if told is None:
        raise EnvironmentFailure(f"{worker.obituary()}; the load stops")
    if isinstance(told, CrawlerError):
        raise told
    return told


async def _ready(worker: Companion, order: WorkerOrder) -> None:
    """Give a worker its order, and wait until its connections are open."""
    await asyncio.to_thread(worker.tell, order)  # a long list has to wait for who reads it
    await _heard(worker)


class Crew:
    """All workers of a run."""

    def __init__(self, config: LoadConfig, workers: Sequence[Companion]) -> None:
        self._config = config
        self._workers = workers
        self._so_far: dict[Companion, Measured] = {}

    @classmethod
    @contextlib.asynccontextmanager
    async def started(cls, order: WorkerOrder, halt: asyncio.Event) -> AsyncIterator[Self]:
        """Start the workers and open their connections; end them when the block is left.

        Raises `Halted` if `halt` is set before all of them are ready.
        """
        with companions("crawler.load.worker", order.config.processes, "the load") as workers:
            orders = (replace(order, number=number) for number in range(len(workers)))
            await unless(halt, _all(map(_ready, workers, orders)))
            yield cls(order.config, workers)

    async def run(
        self, halt: asyncio.Event, on_second: OnSecond | None
    ) -> list[tuple[Measured, Probes]]:
        """Begin at the same moment, and return what each has measured.

        Raises `EnvironmentFailure` if a worker has died, or does not tell its result in time.
        """
        start = perf_counter() + _HEAD_START + self._config.warmup
        self._say(start)
        end = asyncio.get_running_loop().time() + start - perf_counter() + seconds_of(self._config)
        bound = asyncio.timeout_at(end + _RESULT_SECONDS)
        stop = asyncio.create_task(self._relay(halt, bound))
        try:
            async with bound:
                return await _all(self._result(worker, on_second) for worker in self._workers)
        except TimeoutError:
            raise EnvironmentFailure(
                f"a process of the load has told no result {_RESULT_SECONDS:g} s after its end"
            ) from None
        finally:
            stop.cancel()
            await asyncio.gather(stop, return_exceptions=True)

    def _say(self, message: object) -> None:
        for worker in self._workers:
            worker.tell(message)

    async def _relay(self, halt: asyncio.Event, bound: asyncio.Timeout) -> None:
        await halt.wait()
        self._say("halt")
        with contextlib.suppress(RuntimeError):  # its time has come in the same moment
            bound.reschedule(asyncio.get_running_loop().time() + _RESULT_SECONDS)

    async def _result(
        self, worker: Companion, on_second: OnSecond | None
    ) -> tuple[Measured, Probes]:
        while True:
            measured, probes = await _heard(worker)
            if probes is not None:
                return measured, probes
            self._so_far[worker] = measured
            if on_second is not None and len(self._so_far) == len(self._workers):
                on_second(reduce(Measured.merge, self._so_far.values()))
                self._so_far.clear()


async def _all(waits: Iterable[Coroutine[Any, Any, _Result]]) -> list[_Result]:
    """Return all results in order; the first error cancels the rest and is raised as it is."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
