"""The aiohttp engine: the client that applications are built with, and so what they would see.

As many coroutines as connections, each with one hit at a time. The requests are the raw engine's,
field by field; redirects are not followed, no cookie is kept. It takes several times the CPU of the
raw engine, so that its latencies have more of the client in them.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine, Iterator, Mapping
from functools import partial
from itertools import count, repeat
from socket import AF_INET, AF_INET6, AF_UNSPEC
from time import perf_counter
from typing import NamedTuple

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from crawler.load.dispatcher import Dispatcher, schedule
from crawler.load.histogram import Histogram
from crawler.load.hit import Failure, Recorder
from crawler.load.loop import Flow, Job, failure_of, reach

# As the raw engine: what more is due is dropped.
_MOST_WAITING = 1_000_000
# Those of the raw engine's that aiohttp writes itself, as they depend on how it sends.
_OWN_FIELDS = {"content-length", "connection"}


class _Waiting(NamedTuple):
    """A hit that no coroutine has taken yet."""

    due: float
    number: int


class AioLoop:
    """Closed and open loop over one `aiohttp.ClientSession`."""

    def __init__(self, job: Job) -> None:
        self.finished = asyncio.Event()
        self.flow = Flow()
        self.lateness = Histogram()
        self._job = job
        self._urls = [URL(planned.url, encoded=True) for planned in job.plan.order]
        self._contexts = [target.context or True for target in job.targets]
        self._under_way: dict[int, tuple[float, float]] = {}
        self._waiting: asyncio.Queue[_Waiting] = asyncio.Queue()
        self._crew: list[asyncio.Task[None]] = []
        self._dispatcher: Dispatcher | None = None
        self._stopped = False

    def __repr__(self) -> str:
        return f"AioLoop({len(self._crew)} coroutines, {self.flow})"

    async def open(self) -> None:
        """Make the session, and see that each target can be reached."""
        config = self._job.config
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._job.connections,
                force_close=not self._job.plan.fields.keepalive,
                resolver=_Resolver(
                    {target.origin.host: target.address for target in self._job.targets}
                ),
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=config.timeout),
            headers=[
                pair for pair in self._job.plan.fields.headers if pair[0].lower() not in _OWN_FIELDS
            ],
            skip_auto_headers=("Accept-Encoding", "Content-Type"),
        )
        for target in self._job.targets:
            await reach(target, config.timeout)

    def begin(self, recorder: Recorder, start: float) -> None:
        """Start the coroutines, and follow the schedule if there is one."""
        self._recorder = recorder
        if self._job.config.open_loop:
            times = schedule(self._job, start)
            self._dispatcher = Dispatcher(times, self._hand_out, self._over, self.lateness)
            work: Callable[[int], Coroutine[None, None, None]] = self._follow
        else:
            work = partial(self._repeat, self._closed(start))
        self._crew = [asyncio.create_task(work(key)) for key in range(self._job.connections)]

    def expire(self, now: float) -> None:
        """Nothing to do: aiohttp has timers of its own."""

    def stop(self, now: float) -> None:
        """Count what is in flight, and what waits, as unfinished."""
        self._stopped = True
        if self._dispatcher is not None:
            self._dispatcher.stop()
        for intended, sent in self._under_way.values():
            self._recorder.unfinished(intended, sent, now)
        while not self._waiting.empty():
            self._recorder.unfinished(self._waiting.get_nowait().due, None, now)

    async def close(self) -> None:
        """Cancel every coroutine, and close the session."""
        for task in self._crew:
            task.cancel()
        await asyncio.gather(*self._crew, return_exceptions=True)
        await self._session.close()

    # The closed loop.

    def _closed(self, start: float) -> Iterator[int]:
        """Numbers of hits for all coroutines: any number before `start`, as many as asked after."""
        permits = None if self._job.requests is None else repeat(None, self._job.requests)
        for number in count():
            if permits is not None and perf_counter() >= start and next(permits, self) is self:
                return
            yield number

    async def _repeat(self, hits: Iterator[int], key: int) -> None:
        for number in hits:
            now = perf_counter()
            await self._fetch(key, number, now, now)
        self._rest(key)

    def _rest(self, key: int) -> None:
        others = [task for number, task in enumerate(self._crew) if number != key]
        if all(task.done() for task in others):
            self.finished.set()

    # The open loop.

    def _hand_out(self, due: float, number: int, now: float) -> None:
        busy = len(self._under_way) + self._waiting.qsize()
        drop = self._job.config.late == "drop" and busy >= self._job.connections
        if drop or self._waiting.qsize() >= _MOST_WAITING:
            self._recorder.dropped(due, now)
        else:
            self._waiting.put_nowait(_Waiting(due, number))

    def _over(self) -> None:
        self._dispatcher = None
        self._finish()

    def _finish(self) -> None:
        if self._dispatcher is None and not self._under_way and self._waiting.empty():
            self.finished.set()

    async def _follow(self, key: int) -> None:
        while True:
            due, number = await self._waiting.get()
            await self._fetch(key, number, due, perf_counter())
            self._finish()

    # One hit.

    async def _fetch(self, key: int, number: int, intended: float, sent: float) -> None:
        self._under_way[key] = intended, sent
        self.flow.change(sent, 1)
        try:
            status, received = await self._exchange(number % len(self._urls))
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            if not self._stopped:
                self._recorder.failed(intended, sent, perf_counter(), _failure(error))
        else:
            if not self._stopped:
                self._recorder.hit(intended, sent, perf_counter(), status, received)
        finally:
            del self._under_way[key]
            self.flow.change(perf_counter(), -1)

    async def _exchange(self, index: int) -> tuple[int, int]:
        """Status and size of an answer."""
        received = 0
        async with self._session.request(
            self._job.plan.fields.method,
            self._urls[index],
            data=self._job.plan.fields.body or None,
            allow_redirects=False,
            ssl=self._contexts[self._job.plan.order[index].origin],
        ) as response:
            async for chunk in response.content.iter_any():
                received += len(chunk)
            return response.status, received


def _failure(error: BaseException) -> Failure:
    if isinstance(error, TimeoutError):
        return Failure.TIMEOUT
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return Failure.TLS
    if isinstance(error, aiohttp.ClientConnectorError):
        return failure_of(error.os_error)
    disconnected = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, OSError)
    if isinstance(error, disconnected) or _is_cut(error):
        return Failure.DISCONNECTED
    return Failure.PROTOCOL


def _is_cut(error: BaseException) -> bool:
    """Whether a body has ended before its length."""
    cause = error.__cause__
    return isinstance(error, aiohttp.ClientPayloadError) and isinstance(
        cause,
        aiohttp.http_exceptions.ContentLengthError | aiohttp.http_exceptions.TransferEncodingError,
    )


class _Resolver(AbstractResolver):
    """Says what was found when the target was checked."""

    def __init__(self, addresses: Mapping[str, str]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: int = AF_UNSPEC
    ) -> list[ResolveResult]:
        """The one address."""
        address = self._addresses[host]
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=AF_INET6 if ":" in address else AF_INET,
                proto=0,
                flags=0,
            )
        ]

    async def close(self) -> None:
        """There is nothing to close."""
