"""The aiohttp engine: the client that applications are built with, so that figures match theirs.

As many coroutines as connections, each with one hit at a time. The requests are the raw engine's,
field by field; redirects are not followed. It takes several times the CPU of the raw engine, so
that its latencies have more of the client in them.

Errors are those of the raw engine, too. aiohttp would silently repeat any GET that failed; here a
request is repeated where its connection had been used before, and counted. Heads are read by the
reader of the crawl (`crawler.model.head`) and given to aiohttp in their plainest form.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from itertools import count, repeat
from socket import AF_INET, AF_INET6, AF_UNSPEC
from time import perf_counter
from typing import Any, NamedTuple, Self, cast

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from crawler.load.dispatcher import Dispatcher, schedule
from crawler.load.hit import Failure, Recorder
from crawler.load.loop import Flow, Job, failure_of, reach
from crawler.load.plan import Plan, Planned
from crawler.load.reason import ended, overdue, unconnected, words
from crawler.load.session_cookies import SessionCookies
from crawler.load.think import pauses
from crawler.measure.histogram import Histogram
from crawler.model.fault import one_line
from crawler.model.head import HEADER_BYTES, Malformed, check_start, read_head

# As the raw engine: what more is due is dropped.
_MOST_WAITING = 1_000_000
# Those of the raw engine's that aiohttp writes itself, as they depend on how it sends.
_OWN_FIELDS = {"content-length", "connection"}
_CLOSING_SECONDS = 0.5
_HEAD_END = re.compile(rb"\n\r?\n")


class _Waiting(NamedTuple):
    """A hit that no coroutine has taken yet."""

    due: float
    request: Planned


class _Asked(NamedTuple):
    """A request as aiohttp takes it."""

    method: str
    url: URL
    headers: Sequence[tuple[str, str]]
    body: bytes | None

    @classmethod
    def of(cls, request: Planned, plan: Plan) -> Self:
        """Take the raw engine's request apart."""
        head, _, body = request.data.partition(b"\r\n\r\n")
        first, *lines = head.decode("ascii").split("\r\n")
        fields = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
        return cls(
            first.partition(" ")[0],
            URL(plan.url(request), encoded=True),
            [pair for pair in fields if pair[0].lower() not in _OWN_FIELDS],
            body or None,
        )


class AioLoop:
    """Closed and open loop over one `aiohttp.ClientSession`."""

    def __init__(self, job: Job) -> None:
        self.finished = asyncio.Event()
        self.flow = Flow()
        self.lateness = Histogram()
        self._job = job
        fixed = (each for each in job.plan.order if isinstance(each, Planned))
        self._asked = {id(each): _Asked.of(each, job.plan) for each in fixed}
        self._contexts = [target.context or True for target in job.targets]
        self._under_way: dict[int, tuple[float, float, Planned]] = {}
        self._waiting: asyncio.Queue[_Waiting] = asyncio.Queue()
        self._crew: list[asyncio.Task[None]] = []
        self._dispatcher: Dispatcher | None = None
        self._request = job.plan.numbered()
        sessions = job.connections if job.config.sessions else 0
        self._cookies = [SessionCookies() for _ in range(sessions)]
        self._stopped = False

    def __repr__(self) -> str:
        return f"AioLoop({len(self._crew)} coroutines, {self.flow})"

    async def open(self) -> None:
        """Make the session, and see that each target can be reached."""
        config = self._job.config
        self._connector = _Connector(
            limit=self._job.connections,
            force_close=not self._job.plan.keepalive,
            resolver=_Resolver(
                {target.origin.host: target.address for target in self._job.targets}
            ),
        )
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=config.timeout),
            skip_auto_headers=("Accept-Encoding", "Content-Type"),
        )
        self._session._retry_connection = False  # noqa: SLF001 - there is no public way
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
            work = partial(self._repeat, self._closed(start), pauses(self._job))
        self._crew = [asyncio.create_task(work(key)) for key in range(self._job.connections)]

    def expire(self, now: float) -> None:
        """Do nothing: aiohttp has its own timers."""

    def stop(self, now: float) -> None:
        """Count what is in flight, and what waits, as unfinished."""
        self._stopped = True
        if self._dispatcher is not None:
            self._dispatcher.stop()
        for intended, sent, request in self._under_way.values():
            self._recorder.unfinished(intended, sent, now, request)
        while not self._waiting.empty():
            due, request = self._waiting.get_nowait()
            self._recorder.unfinished(due, None, now, request)

    async def close(self) -> None:
        """Cancel every coroutine, and close the session.

        aiohttp waits for the end of each connection, of which uvloop does not tell where a connect
        was cancelled after it was made. So that is bounded, and what is left goes with the loop. A
        coroutine is not gathered: if that is cancelled, it goes on waiting.
        """
        for task in self._crew:
            task.cancel()
        try:
            async with asyncio.timeout(_CLOSING_SECONDS):
                if self._crew:
                    await asyncio.wait(self._crew)
                await self._session.close()
        except TimeoutError:
            pass
        finally:  # also where the caller's time is up, too
            self._session.detach()

    # The closed loop.

    def _closed(self, start: float) -> Callable[[float], Planned | None]:
        """Return what gives a coroutine its next request, which it will send at a time.

        There is any number before `start`, and as many as asked for after; then None.
        """
        permits = None if self._job.requests is None else repeat(None, self._job.requests)
        share = self._job.share
        numbers = count(share.number, share.processes)
        requests = self._job.plan.supply(None, numbers, (share.number, share.processes))

        def take(at: float) -> Planned | None:
            if permits is not None and at >= start and next(permits, self) is self:
                return None
            return next(requests)

        return take

    async def _repeat(
        self, take: Callable[[float], Planned | None], pause: Callable[[], float], key: int
    ) -> None:
        request = take(perf_counter())
        # aiohttp's timeout may have taken the cancellation for its own.
        while request is not None and not self._stopped:
            now = perf_counter()
            await self._fetch(key, request, now, now)
            seconds = pause()
            request = take(perf_counter() + seconds)
            if seconds and request is not None:
                await asyncio.sleep(seconds)
        self._rest(key)

    def _rest(self, key: int) -> None:
        others = [task for number, task in enumerate(self._crew) if number != key]
        if all(task.done() for task in others):
            self.finished.set()

    # The open loop.

    def _hand_out(self, due: float, number: int, now: float) -> None:
        busy = len(self._under_way) + self._waiting.qsize()
        request = self._request(number)
        drop = self._job.config.late == "drop" and busy >= self._job.connections
        if drop or self._waiting.qsize() >= _MOST_WAITING:
            self._recorder.dropped(due, now, request)
        else:
            self._waiting.put_nowait(_Waiting(due, request))

    def _over(self) -> None:
        self._dispatcher = None
        self._finish()

    def _finish(self) -> None:
        if self._dispatcher is None and not self._under_way and self._waiting.empty():
            self.finished.set()

    async def _follow(self, key: int) -> None:
        while not self._stopped:
            due, request = await self._waiting.get()
            await self._fetch(key, request, due, perf_counter())
            self._finish()

    # One hit.

    async def _fetch(self, key: int, request: Planned, intended: float, sent: float) -> None:
        self._under_way[key] = intended, sent, request
        self.flow.change(sent, 1)
        try:
            status, received = await self._exchange(key, request, intended)
        except (aiohttp.ClientError, OSError, TimeoutError, Malformed) as error:
            if not self._stopped:
                failure, why = _failure(error), self._why(error)
                self._recorder.failed(intended, sent, perf_counter(), failure, why, request=request)
        else:
            if not self._stopped:
                self._recorder.hit(intended, sent, perf_counter(), status, received, request)
        finally:
            del self._under_way[key]
            self.flow.change(perf_counter(), -1)

    async def _exchange(self, key: int, request: Planned, intended: float) -> tuple[int, int]:
        """Return the status and the size of an answer."""
        received = 0
        cookies = self._cookies[key] if self._cookies else None
        asked = request if cookies is None else cookies.sent_with(request)
        async with await self._answer(asked, intended) as response:
            if cookies is not None:
                for value in response.headers.getall("Set-Cookie", ()):
                    cookies.keep(value.encode("utf-8", "surrogateescape"), request)
            async for chunk in response.content.iter_any():
                received += len(chunk)
            return response.status, received

    async def _answer(self, request: Planned, intended: float) -> aiohttp.ClientResponse:
        """Send a request until it has gone over a new connection, or has an answer."""
        asked = self._asked.get(id(request)) or _Asked.of(request, self._job.plan)
        while True:
            self._connector.forget()
            try:
                return await self._session.request(
                    asked.method,
                    asked.url,
                    headers=asked.headers,
                    data=asked.body,
                    allow_redirects=False,
                    ssl=self._contexts[request.origin],
                )
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                if self._stopped or self._connector.connected():
                    raise
                self._recorder.reopened(intended)

    def _why(self, error: BaseException) -> str:
        seconds = self._job.config.timeout
        if isinstance(error, Malformed):
            return error.reason
        if isinstance(error, TimeoutError):
            return overdue(seconds)
        if isinstance(error, aiohttp.ClientConnectorError):
            return unconnected(error.os_error, seconds)
        if isinstance(error, aiohttp.ServerDisconnectedError):
            return ended(None, 0)
        if isinstance(error, aiohttp.ClientResponseError):
            return one_line(error.message)
        if isinstance(error, aiohttp.ClientOSError) and error.errno:
            return ended(error, 0)
        return one_line(words(error))


def _failure(error: BaseException) -> Failure:
    if isinstance(error, TimeoutError):
        return Failure.TIMEOUT
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return Failure.TLS
    if isinstance(error, aiohttp.ClientConnectorError):
        return failure_of(error.os_error)
    disconnected = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, OSError, _CutShort)
    if isinstance(error, disconnected) or _is_cut(error):
        return Failure.DISCONNECTED
    return Failure.PROTOCOL


def _is_cut(error: BaseException) -> bool:
    """Tell whether a body ended before its length."""
    cause = error.__cause__
    return isinstance(error, aiohttp.ClientPayloadError) and isinstance(
        cause,
        aiohttp.http_exceptions.ContentLengthError | aiohttp.http_exceptions.TransferEncodingError,
    )


class _CutShort(aiohttp.ClientPayloadError):
    """The connection ended in the middle of a head: the server has seen the request."""


class _Protocol(ResponseHandler):
    """A connection whose heads are read here, and handed on in their plainest form."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._held: bytes | None = None

    def set_response_params(self, **options: Any) -> None:
        """Begin an answer: the request is about to be sent."""
        self._held = b""
        super().set_response_params(**options)

    def data_received(self, data: bytes) -> None:
        """Take what came; aiohttp resumes its parser by b""."""
        if self._held is None or not data:
            super().data_received(data)
            return
        raw = self._held + data
        try:
            whole = _plain(raw)
        except Malformed as problem:
            self._held = None
            self.set_exception(problem)  # who waits for it closes the connection
            return
        self._held = raw if whole is None else None
        if whole is not None:
            super().data_received(whole)

    def connection_lost(self, exc: BaseException | None) -> None:
        """End what waits; not as if nothing had come, where a part of a head has."""
        if self._held:
            self.set_exception(_CutShort(ended(exc, len(self._held))))
        super().connection_lost(exc)


def _plain(raw: bytes) -> bytes | None:
    """Return an answer's head in its plainest form and what follows; None if it is not whole.

    Those before the last (RFC 9110, 15.2) do not count. Raises `Malformed`.
    """
    if len(raw) > HEADER_BYTES and _HEAD_END.search(raw) is None:
        raise Malformed("header too large")
    check_start(raw)
    while (end := _HEAD_END.search(raw)) is not None:
        head, raw = read_head(raw[: end.end()]), raw[end.end() :]
        if head.status >= 200:
            return head.plain() + raw
    return None


class _Connector(aiohttp.TCPConnector):
    """Remembers which tasks have made a connection."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._factory = cast("partial[ResponseHandler]", partial(_Protocol, loop=self._loop))
        self._made: set[asyncio.Task[Any] | None] = set()

    def connected(self) -> bool:
        """Tell whether the current task has made a connection since `forget`."""
        return asyncio.current_task() in self._made

    def forget(self) -> None:
        """Forget the connection of the current task."""
        self._made.discard(asyncio.current_task())

    async def _create_connection(self, *args: Any, **kwargs: Any) -> ResponseHandler:
        self._made.add(asyncio.current_task())
        return await super()._create_connection(*args, **kwargs)


class _Resolver(AbstractResolver):
    """Gives the address that was found when the target was checked."""

    def __init__(self, addresses: Mapping[str, str]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: int = AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the one address."""
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
        """Do nothing: there is nothing to close."""
