"""Fetch over aiohttp, one exchange per task.

One session on the running loop (asyncio's or uvloop's), without redirects, cookies and limits: the
core handles those. Differences from a plain session, and why:

* The total deadline is that of `crawler.fetch.loop_fetcher`.
* A connection that the server closed while idle is noticed only when the request fails. aiohttp
  would repeat any failed GET once; here it is repeated only on a reused connection, so that a
  server which never answers is not asked twice behind the core's back.
* `crawler.fetch.aiohttp_connections` makes the connections and reads from them.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

import aiohttp
from yarl import URL

from crawler.fetch import fetch_fault
from crawler.fetch.aiohttp_connections import GuardedConnector, GuardedResolver, SocksConnector
from crawler.fetch.body import PIECE
from crawler.fetch.credentials import Headers
from crawler.fetch.deadline import Deadline, Deadlines
from crawler.fetch.exchange import (
    STALE_CONNECTIONS,
    ExchangeProgress,
    FetchTarget,
    forwarding,
    target,
)
from crawler.fetch.loop_fetcher import LoopFetcher, LoopLink
from crawler.fetch.loop_names import LoopNames
from crawler.fetch.room import Values
from crawler.model.address import AddressPolicy
from crawler.model.fault import Fault
from crawler.model.head import HEADER_BYTES, legible
from crawler.model.outcome import Kind
from crawler.model.payload import GET
from crawler.model.proxies import Proxy
from crawler.model.transfer import ConnectionFacts, Heads


class AioFetcher(LoopFetcher):
    """The fetcher over aiohttp, directly and through proxies."""

    errors = (aiohttp.ClientError, OSError)

    def _opened(self) -> LoopNames:
        tls = fetch_fault.tls_context(verify=not self._config.network.insecure)
        self._ways = {each: self._way(each, tls) for each in (None, *self._proxies.all)}
        return self._ways[None].connector.guarded

    def _way(self, proxy: Proxy | None, tls: ssl.SSLContext) -> _Way:
        """Return a session through `proxy`; the guard judges the names that it does not resolve."""
        by_http = proxy is not None and not proxy.socks
        policy = AddressPolicy(everything=True) if by_http else self._policy
        resolver = GuardedResolver(self._names, policy)
        options = resolver, tls, self._connects, self._config.network.max_body
        watch = self._config.keep_connection or self._keep_headers
        if proxy is not None and proxy.socks:
            connector: GuardedConnector = SocksConnector(proxy, *options, watch=watch)
        else:
            connector = GuardedConnector(*options, watch=watch)
        session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=self._config.network.request_headers,
            skip_auto_headers=("Content-Type",),  # of a body that the list gives it none
            timeout=aiohttp.ClientTimeout(total=None, ceil_threshold=float("inf")),
            auto_decompress=False,
            read_bufsize=PIECE,
            max_line_size=HEADER_BYTES,  # `Message` has limited them all
            max_field_size=HEADER_BYTES,
            max_headers=HEADER_BYTES,
        )
        # aiohttp has no public switch for it; `_AioLink.open` repeats where it may.
        session._retry_connection = False  # noqa: SLF001
        return _Way(proxy, session, connector, forwarding(proxy) if proxy and by_http else None)

    async def _closed(self) -> None:
        for way in self._ways.values():
            await way.session.close()

    def _link(self, progress: ExchangeProgress, deadline: Deadline) -> _AioLink:
        way = self._ways[self._proxies.route(progress.request.url.host_key)]
        return _AioLink(way, self._own_headers, progress, self._deadlines, deadline)

    def _translated(self, error: Exception, link: _AioLink) -> Fault | None:
        verify = not self._config.network.insecure
        match error:
            case aiohttp.ClientHttpProxyError():
                return Fault(Kind.PROXY, f"proxy answered HTTP {error.status}")
            case aiohttp.ClientConnectorError():
                proxied = link.proxy is not None and not link.proxy.socks
                return fetch_fault.connecting(error.os_error, proxied=proxied, verify=verify)
            case aiohttp.InvalidURL():
                return Fault(Kind.INVALID_URL, "the host is not valid")
            case aiohttp.ServerDisconnectedError():
                return fetch_fault.closed()
            case aiohttp.ClientPayloadError():
                return fetch_fault.cut_short()
            case ssl.SSLError():
                return fetch_fault.handshake(error, verify=verify)
            case OSError():
                return fetch_fault.exchanging(error)
        return None


class _Way(NamedTuple):
    """One way to connect: directly or through a proxy; `proxied` is set for an HTTP proxy."""

    proxy: Proxy | None
    session: aiohttp.ClientSession
    connector: GuardedConnector
    proxied: FetchTarget | None

    def options(self, goal: FetchTarget, credentials: Headers) -> dict[str, Any]:
        """Return the request's options: its own credentials and the proxy's."""
        options: dict[str, Any] = {"headers": credentials} if credentials else {}
        if self.proxied is None:
            return options
        options["proxy"] = self.proxied.href
        if self.proxied.authorization:
            pair = ("Proxy-Authorization", self.proxied.authorization)
            if goal.href.startswith("https:"):
                options["proxy_headers"] = dict([pair])
            else:
                options["headers"] = [*credentials, pair]
        return options


class _AioLink(LoopLink):
    """The `ExchangeLink` of an exchange in a task; it has a response once it is `open`."""

    __slots__ = ("_headers", "_response", "_way", "proxy", "read")

    read: Callable[[], Awaitable[bytes]]

    def __init__(
        self,
        way: _Way,
        headers: Callable[[ExchangeProgress, FetchTarget], Headers],
        progress: ExchangeProgress,
        deadlines: Deadlines,
        deadline: Deadline,
    ) -> None:
        super().__init__(progress, deadlines, deadline)
        self.proxy = way.proxy
        self._way = way
        self._headers = headers
        self._response: Any = None

    async def open(self) -> tuple[int, Values]:
        request, way = self._progress.request, self._way
        goal = target(request.url)
        url = _url(goal.href)
        options = way.options(goal, self._headers(self._progress, goal))
        sending = request.sending or GET
        stale = 0
        while self._response is None:
            try:
                self._response = await way.session.request(
                    sending.method,
                    url,
                    data=sending.body or None,
                    allow_redirects=False,
                    **options,
                )
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                stale += 1
                if way.connector.connected() or stale > STALE_CONNECTIONS or sending.once:
                    raise
            finally:
                self._progress.connect = way.connector.take()
        self.read = self._response.content.readany
        return self._response.status, _values(self._response)

    def fields(self) -> tuple[tuple[str, str], ...]:
        return tuple((name, _text(value)) for name, value in self._response.headers.items())

    def connection(self) -> ConnectionFacts | None:
        facts = self._way.connector.facts()
        return facts._replace(ip=None) if facts is not None and self.proxy is not None else facts

    def heads(self) -> Heads | None:
        facts = self.connection()
        return Heads(
            sent=tuple(self._response.request_info.headers.items()),
            status_line=legible(self._way.connector.status_line()),
            ip=facts.ip if facts is not None else None,
        )

    def left(self) -> bytes:
        # aiohttp has no public way to them.
        return b"".join(self._response.content._buffer)  # noqa: SLF001

    @property
    def forwarded(self) -> bool:
        return self._way.proxied is not None and self._progress.request.url.scheme == "http"

    def _paused(self) -> Callable[[], None]:
        connection = self._response.connection if self._response is not None else None
        protocol = connection.protocol if connection is not None else None
        if protocol is None:
            return lambda: None
        protocol.pause_reading()
        resume: Callable[[], None] = protocol.resume_reading
        return resume

    def close(self) -> None:
        if self._response is not None and not self._response.closed:
            self._response.close()


def _url(href: str) -> URL:
    """Return a URL that is sent unchanged; yarl would drop a `?` with nothing after it."""
    url = URL(href, encoded=True)
    if href.endswith("?") and not url.raw_query_string:
        return url.with_path(f"{url.raw_path}?", encoded=True)
    return url


def _values(response: aiohttp.ClientResponse) -> Values:
    getall = response.headers.getall

    def values(name: str) -> Sequence[str]:
        found: Sequence[str] = getall(name, ())
        return found if not found or all(map(str.isascii, found)) else list(map(_text, found))

    return values


def _text(value: str) -> str:
    """Return a header without the surrogates, invalid in JSON, that aiohttp makes of bytes."""
    return legible(value.encode("utf-8", "surrogateescape"))
