"""The worker processes of a load run, as the process that started them sees them."""

from __future__ import annotations

import asyncio
import contextlib
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from time import perf_counter
from typing import Any, Self, TypeVar

from msgspec.structs import replace

from crawler.load.hit import Measured
from crawler.load.load_config import LoadConfig
from crawler.load.part import OnSecond, seconds_of, unless
from crawler.load.validity import Probes
from crawler.load.worker import WorkerOrder, WorkerReport
from crawler.measure.json_document import parsed, text
from crawler.model.errors import ConfigurationError, EnvironmentFailure, ExitCode
from crawler.runtime.children import environment, python
from crawler.runtime.companion import obituary

# From "ready" of the last worker to the first hit of all.
_HEAD_START = 0.1
# From the end of its time, or from its halt, to the result of a worker that still runs.
_RESULT_SECONDS = 30.0
# From the end of its input to the end of a worker; then it is killed.
_LEAVING_SECONDS = 3.0
# A line holds a whole result: some thousand rows with three histograms.
_LONGEST_LINE = 1 << 28

_Result = TypeVar("_Result")


@dataclass(slots=True, eq=False)
class Worker:
    """One process, and the lines of JSON to and from it."""

    process: Process

    @classmethod
    async def started(cls, order: WorkerOrder) -> Self:
        """Start a process with its first line; raise `EnvironmentFailure` if that fails."""
        try:
            process = await asyncio.create_subprocess_exec(
                *python("-m", "crawler.load.worker"),
                stdin=PIPE,
                stdout=PIPE,
                limit=_LONGEST_LINE,
                env=environment(),
            )
        except OSError as error:
            raise EnvironmentFailure(f"cannot start a process: {error.strerror}") from error
        worker = cls(process)
        worker.say(order)
        return worker

    def say(self, message: object) -> None:
        """Write a line; to one that has died it makes no difference, its end of file is next."""
        assert self.process.stdin is not None  # noqa: S101 - it was started with one
        self.process.stdin.write(text(message) + b"\n")

    async def hear(self) -> WorkerReport:
        """Return its next line; raise its error, or `EnvironmentFailure` if it has died."""
        assert self.process.stdout is not None  # noqa: S101 - it was started with one
        line = await self.process.stdout.readline()
        if not line.endswith(b"\n"):
            name = f"process {self.process.pid} of the load"
            raise EnvironmentFailure(f"{obituary(name, await self.process.wait())}; the load stops")
        report = parsed(line, WorkerReport)
        if report.error:
            usage = report.code == ExitCode.USAGE
            raise (ConfigurationError if usage else EnvironmentFailure)(report.error)
        return report

    async def gone(self) -> None:
        """End its input, and wait for its end; kill it if that takes too long."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            await asyncio.wait_for(self.process.wait(), _LEAVING_SECONDS)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


class Crew:
    """All workers of a run."""

    def __init__(self, config: LoadConfig, workers: Sequence[Worker]) -> None:
        self._config = config
        self._workers = workers
        self._so_far: dict[Worker, Measured] = {}

    @classmethod
    @contextlib.asynccontextmanager
    async def started(cls, order: WorkerOrder, halt: asyncio.Event) -> AsyncIterator[Self]:
        """Start the workers and open their connections; end them when the block is left.

        Raises `Halted` if `halt` is set before all of them are ready.
        """
        workers: list[Worker] = []
        try:
            for number in range(order.config.processes):
                workers.append(await Worker.started(replace(order, number=number)))  # noqa: PERF401 - those started must be ended
            await unless(halt, _all(worker.hear() for worker in workers))
            yield cls(order.config, workers)
        finally:
            await asyncio.gather(*(worker.gone() for worker in workers))

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
            worker.say(message)

    async def _relay(self, halt: asyncio.Event, bound: asyncio.Timeout) -> None:
        await halt.wait()
        self._say("halt")
        with contextlib.suppress(RuntimeError):  # its time has come in the same moment
            bound.reschedule(asyncio.get_running_loop().time() + _RESULT_SECONDS)

    async def _result(self, worker: Worker, on_second: OnSecond | None) -> tuple[Measured, Probes]:
        while True:
            report = await worker.hear()
            if report.measured is not None and report.probes is not None:
                return report.measured, report.probes
            if report.measured is not None:
                self._so_far[worker] = report.measured
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
