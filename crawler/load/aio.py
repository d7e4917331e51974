"""The aiohttp client, which applications are built with, so that figures match theirs.

The requests are the raw client's, field by field; redirects are not followed. It takes several
times the CPU of the raw client, so that its latencies have more of the client in them.

Errors are those of the raw client, too. aiohttp would silently repeat any GET that failed; here a
request is repeated where its connection had been used before, and counted. Heads are read by the
reader of the crawl (`crawler.model.head`) and given to aiohttp in their plainest form.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import Any, NamedTuple, Self, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from crawler.load.connection import plain_answer
from crawler.load.guard import Target
from crawler.load.hit import Failure
from crawler.load.loop import Client, Engine, Job, Line
from crawler.load.plan import Planned
from crawler.load.reason import ended, failure_of, overdue, unconnected, unreachable, words
from crawler.load.session_cookies import SessionCookies
from crawler.model.fault import one_line
from crawler.model.head import Malformed

# Those of the raw client's that aiohttp writes itself, as they depend on how it sends.
_OWN_FIELDS = {"content-length", "connection"}
_CLOSING_SECONDS = 0.5
# A body ended before its length.
_CUT = (
    aiohttp.http_exceptions.ContentLengthError,
    aiohttp.http_exceptions.TransferEncodingError,
)


class _Asked(NamedTuple):
    """A request as aiohttp takes it."""

    method: str
    url: URL
    headers: Sequence[tuple[str, str]]
    body: bytes | None

    @classmethod
    def of(cls, request: Planned, targets: Sequence[Target]) -> Self:
        """Take the raw client's request apart; it goes to the address that was checked."""
        origin, address = targets[request.origin].origin, targets[request.origin].address
        place = origin._replace(host=address)
        head, _, body = request.data.partition(b"\r\n\r\n")
        first, *lines = head.decode("ascii").split("\r\n")
        fields = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
        return cls(
            first.partition(" ")[0],
            URL(f"{place}{request.path}", encoded=True),
            [pair for pair in fields if pair[0].lower() not in _OWN_FIELDS],
            body or None,
        )


class AioClient(Client["AioLine"]):
    """Carries hits over one `aiohttp.ClientSession`."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        fixed = (each for each in job.plan.order if isinstance(each, Planned))
        self._asked = {id(each): _Asked.of(each, job.targets) for each in fixed}
        self._contexts = [target.context or True for target in job.targets]

    def line(self, engine: Engine, origin: int) -> AioLine:
        """Return a line to an origin; which connection it uses is up to the session."""
        cookies = SessionCookies() if self.job.config.sessions else None
        return AioLine(engine, origin, usable=True, client=self, cookies=cookies)

    async def open(self) -> None:
        """Make the session, and see that each target can be reached."""
        config, targets = self.job.config, self.job.targets
        self._connector = _Connector(
            limit=self.job.connections,
            force_close=not self.job.plan.keepalive,
        )
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=config.timeout),
            skip_auto_headers=("Accept-Encoding", "Content-Type"),
        )
        self._session._retry_connection = False  # noqa: SLF001 - there is no public way
        for target in targets:
            try:
                await target.reach(config.timeout)
            except (OSError, TimeoutError) as error:
                raise unreachable(target, error) from error

    def expire(self, now: float) -> None:
        """Do nothing: aiohttp has its own timers."""

    async def close(self) -> None:
        """Cancel every hit, and close the session.

        aiohttp waits for the end of each connection, of which uvloop does not tell where a connect
        was cancelled after it was made. So that is bounded, and what is left goes with the loop. A
        task is not gathered: if that is cancelled, it goes on waiting.
        """
        tasks = [line.task for line in self.lines if line.task is not None]
        for task in tasks:
            task.cancel()
        try:
            async with asyncio.timeout(_CLOSING_SECONDS):
                if tasks:
                    await asyncio.wait(tasks)
                await self._session.close()
        except TimeoutError:
            pass
        finally:  # also where the caller's time is up, too
            self._session.detach()

    async def exchange(self, line: AioLine) -> tuple[int, int]:
        """Return the status and the size of the answer to a line's request."""
        received, cookies, request = 0, line.cookies, line.request
        asked = request if cookies is None else cookies.sent_with(request)
        async with await self._answer(line, asked) as response:
            if cookies is not None:
                for value in response.headers.getall("Set-Cookie", ()):
                    cookies.keep(value.encode("utf-8", "surrogateescape"), request)
            async for chunk in response.content.iter_any():
                received += len(chunk)
            return response.status, received

    async def _answer(self, line: AioLine, request: Planned) -> aiohttp.ClientResponse:
        """Send a request until it has gone over a new connection, or has an answer."""
        asked = self._asked.get(id(request)) or _Asked.of(request, self.job.targets)
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
                    server_hostname=self.job.targets[request.origin].origin.host,
                )
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                if not line.busy or self._connector.connected():
                    raise
                line.engine.reopened(line)
            finally:
                self._connector.forget()


@dataclass(slots=True, eq=False)
class AioLine(Line):
    """A hit at a time over the session, each in its own task."""

    client: AioClient = field(kw_only=True)
    cookies: SessionCookies | None = None
    task: asyncio.Task[None] | None = None

    def send(self, intended: float, now: float, request: Planned) -> None:
        """Carry a hit; only when idle."""
        self.busy = True
        self.intended, self.sent, self.request = intended, now, request
        if not self.counted:
            self.counted = True
            self.engine.flow.change(now, 1)
        self.task = asyncio.get_running_loop().create_task(self._fetch())

    async def _fetch(self) -> None:
        try:
            status, received = await self.client.exchange(self)
        except (aiohttp.ClientError, OSError, TimeoutError, Malformed) as error:
            if self.busy:
                failure, why = _failure(error, self.client.job.config.timeout)
                self.engine.failed(self, perf_counter(), failure, why)
        else:
            if self.busy:
                now = perf_counter()
                self.hit(self.intended, self.sent, now, status, received, self.request)
        if self.busy:  # else the run has been stopped, and counted it
            self.busy = False
            self.engine.free(self, perf_counter())


def _failure(error: BaseException, timeout: float) -> tuple[Failure, str]:
    """Return the kind of a failure, and the reason in a few words."""
    if isinstance(error, TimeoutError):
        return Failure.TIMEOUT, overdue(timeout)
    if isinstance(error, aiohttp.ClientConnectorError):
        tls = isinstance(error, aiohttp.ClientSSLError)
        kind = Failure.TLS if tls else failure_of(error.os_error)
        return kind, unconnected(error.os_error, timeout)
    if isinstance(error, ssl.SSLError):
        return Failure.TLS, one_line(words(error))
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return Failure.DISCONNECTED, ended(None, 0)
    if isinstance(error, Malformed):
        return Failure.PROTOCOL, error.reason
    if isinstance(error, aiohttp.ClientResponseError):
        return Failure.PROTOCOL, one_line(error.message)
    if isinstance(error, OSError) and error.errno:
        return Failure.DISCONNECTED, ended(error, 0)
    cut = isinstance(error, OSError | _CutShort) or isinstance(error.__cause__, _CUT)
    return Failure.DISCONNECTED if cut else Failure.PROTOCOL, one_line(words(error))


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
            whole = plain_answer(raw)
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
