"""Fetch over bare protocols on the loop, one exchange per task: http and https without a proxy.

    `RawFetcher` --request--> `RawPool` --connection--> `RawConnection` --bytes--> `Message`

It does what aiohttp does here, outcome for outcome, at a fraction of the cost: a request is one
write, a small response one callback, and nothing is made for it but a future and a `Message`.

A connection that the server closed while idle is noticed only when the request fails: it is sent
again if nothing of a response has come, unless it must not be repeated.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from crawler.fetch import fetch_fault
from crawler.fetch.credentials import Headers
from crawler.fetch.deadline import Deadline, Deadlines
from crawler.fetch.exchange import STALE_CONNECTIONS, ExchangeProgress, FetchTarget, target
from crawler.fetch.loop_fetcher import LoopFetcher, LoopLink
from crawler.fetch.loop_names import LoopNames
from crawler.fetch.raw_connection import RawConnection
from crawler.fetch.raw_pool import RawPool
from crawler.fetch.room import Values
from crawler.model.config import CrawlConfig
from crawler.model.errors import ConfigurationError
from crawler.model.fault import Fault
from crawler.model.head import HEADER_BYTES, Head, legible
from crawler.model.payload import GET, Payload
from crawler.model.proxies import Proxy
from crawler.model.transfer import ConnectionFacts, Heads

_BODILESS = ("GET", "OPTIONS")
"""Methods whose missing body needs no Content-Length (RFC 9110, 8.6)."""


class RawFetcher(LoopFetcher):
    """The fetcher over bare protocols; raises `ConfigurationError` if there are proxies."""

    errors = (OSError,)

    def __init__(self, config: CrawlConfig, **parts: Any) -> None:
        super().__init__(config, **parts)
        if self._proxies.all:
            raise ConfigurationError("client and proxy: only aiohttp goes through a proxy, not raw")

    def _opened(self) -> LoopNames:
        network = self._config.network
        names = LoopNames(self._names, self._policy)
        tls = fetch_fault.tls_context(verify=not network.insecure)
        room = HEADER_BYTES + network.max_body
        self._pool = RawPool(names, tls, self._connects, room)
        self._writer = _RequestWriter(network.request_headers, self._own_headers)
        return names

    async def _closed(self) -> None:
        await self._pool.close()

    def _link(self, progress: ExchangeProgress, deadline: Deadline) -> _RawLink:
        return _RawLink(self._pool, self._writer, progress, self._deadlines, deadline)

    def _sweep(self) -> None:
        super()._sweep()
        self._pool.sweep()

    def _translated(self, error: Exception, link: object) -> Fault | None:
        if isinstance(error, ssl.SSLError):
            return fetch_fault.handshake(error, verify=not self._config.network.insecure)
        return fetch_fault.exchanging(error) if isinstance(error, OSError) else None


class _RequestWriter:
    """Writes requests with the `usual` headers, which those of a request's own replace."""

    def __init__(
        self, usual: Headers, own: Callable[[ExchangeProgress, FetchTarget], Headers]
    ) -> None:
        self._usual = tuple(usual)
        self._own = own
        self._tail = _lines(self._usual)
        self._names_host = any(name.lower() == "host" for name, _ in usual)

    def pairs(self, progress: ExchangeProgress, goal: FetchTarget) -> Headers:
        """Return all headers of a request but its length and, unless it is given, its host."""
        own = self._own(progress, goal)
        if not own:
            return self._usual
        named = {name.lower() for name, _ in own}
        return [*(pair for pair in self._usual if pair[0].lower() not in named), *own]

    def write(self, authority: str, path: str, headers: Headers, sending: Payload) -> bytes:
        """Return a request as it is sent."""
        if headers is self._usual and sending is GET and not self._names_host:
            return f"GET {path} HTTP/1.1\r\nHost: {authority}\r\n{self._tail}\r\n".encode()
        lines = _lines(whole(authority, headers, sending))
        return f"{sending.method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + sending.body


def whole(authority: str, headers: Headers, sending: Payload) -> list[tuple[str, str]]:
    """Return the headers as they are sent, with host and length."""
    found = list(headers)
    if not any(name.lower() == "host" for name, _ in headers):
        found.insert(0, ("Host", authority))
    if sending.body or sending.method not in _BODILESS:
        found.append(("Content-Length", str(len(sending.body))))
    return found


def _lines(headers: Headers) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in headers)


class _RawLink(LoopLink):
    """The `ExchangeLink` of an exchange in a task; it has a head once it is `open`."""

    __slots__ = (
        "_authority", "_connection", "_head", "_headers", "_origin", "_pool", "_writer", "read",
    )  # fmt: skip

    proxy: Proxy | None = None
    forwarded = False
    read: Callable[[], Awaitable[bytes]]
    _head: Head

    def __init__(
        self,
        pool: RawPool,
        writer: _RequestWriter,
        progress: ExchangeProgress,
        deadlines: Deadlines,
        deadline: Deadline,
    ) -> None:
        super().__init__(progress, deadlines, deadline)
        self._pool = pool
        self._writer = writer
        self._connection: RawConnection | None = None
        self._origin = self._authority = ""
        self._headers: Headers = ()

    async def open(self) -> tuple[int, Values]:
        progress = self._progress
        goal = target(progress.request.url)
        href, sending = goal.href, progress.request.sending or GET
        end = href.index("/", 8)
        self._origin = href[:end]
        # A dot behind a name is for the resolver; no client sends it.
        self._authority = href[href.index("/") + 2 : end].removesuffix(".").replace(".:", ":")
        self._headers = self._writer.pairs(progress, goal)
        data = self._writer.write(self._authority, href[end:], self._headers, sending)
        self._head = head = await self._answer(data, once=sending.once)
        self.read = self._used.read
        return head.status, _values(head)

    async def _answer(self, data: bytes, *, once: bool) -> Head:
        """Send a request and return the head of its response."""
        stale = 0
        while True:
            found = self._pool.take(self._origin)
            connection = self._connection = found or await self._connected()
            connection.send(data)
            try:
                return await connection.head()
            except (Fault, OSError):
                stale += 1
                if not found or connection.began or stale > STALE_CONNECTIONS or once:
                    raise

    @property
    def _used(self) -> RawConnection:
        if self._connection is None:
            raise RuntimeError("no connection is open yet")
        return self._connection

    async def _connected(self) -> RawConnection:
        begun = time.perf_counter()
        try:
            return await self._pool.connect(self._progress.request.url)
        finally:
            self._progress.connect = time.perf_counter() - begun

    def fields(self) -> tuple[tuple[str, str], ...]:
        return self._head.pairs()

    def connection(self) -> ConnectionFacts | None:
        return self._used.facts._replace(http_version=self._head.version)

    def heads(self) -> Heads | None:
        sending = self._progress.request.sending or GET
        return Heads(
            sent=tuple(whole(self._authority, self._headers, sending)),
            status_line=legible(self._used.message.status_line),
            ip=self._used.facts.ip,
        )

    def left(self) -> bytes:
        return b""  # `read` returns all that came before it raises

    def _paused(self) -> Callable[[], None]:
        self._used.hold(held=True)
        return partial(self._used.hold, held=False)

    def close(self) -> None:
        if self._connection is not None:
            self._pool.give(self._origin, self._connection)


def _values(head: Head) -> Values:
    """Return the lookup of a response's header, by a table made once."""
    table: dict[str, list[str]] = {}
    for name, value in head.fields:
        table.setdefault(name.decode().lower(), []).append(legible(value))

    def values(name: str) -> Sequence[str]:
        return table.get(name.lower(), ())

    return values
