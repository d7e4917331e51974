"""Fetch over aiohttp: the one module that imports it.

One session on the running loop (asyncio's or uvloop's), without redirects, cookies and limits: the
core handles those. Differences from a plain session, and why:

* The total deadline is `crawler.fetch.deadline`, which costs less than a timer for each exchange.
* A connection that the server closed while idle is noticed only when the request fails. aiohttp
  would repeat any failed GET once; here it is repeated only on a reused connection, so that a
  server which never answers is not asked twice behind the core's back.
* `crawler.fetch.message` reads a response before aiohttp's parser does, as in the other engine.
* The time to connect is measured where connections are made, at no cost to reused ones.
"""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
import time
from asyncio import CancelledError, Task
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar, cast
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from crawler.fetch import fetch_fault, socks
from crawler.fetch.address_guard import admitted as admitted_addresses
from crawler.fetch.address_guard import check_url
from crawler.fetch.body import PIECE
from crawler.fetch.budget import STALLED, Account, Budget
from crawler.fetch.credentials import Credentials, Headers, RequestHeaders
from crawler.fetch.deadline import Deadline, Deadlines
from crawler.fetch.exchange import (
    IDLE_HOSTS,
    STALE_CONNECTIONS,
    ExchangeProgress,
    FetchTarget,
    default_port,
    forwarding,
    request_headers,
    target,
)
from crawler.fetch.fetch_fault import RefusedExchange
from crawler.fetch.message import Message
from crawler.fetch.names import Addresses, LookUp, Names, literal_address
from crawler.fetch.room import DROPPED_BODY, Values, worth_reading
from crawler.model.address import AddressPolicy
from crawler.model.config import CrawlConfig
from crawler.model.fault import Fault
from crawler.model.head import HEADER_BYTES, Head, Malformed, legible
from crawler.model.outcome import Failed, Fetched, Kind, Received, Resolved
from crawler.model.proxies import Proxies, Proxy
from crawler.model.request import Purpose, Request
from crawler.runtime.pulse import INTERVAL, Pulse

_T = TypeVar("_T")

IDLE_SECONDS = 15.0
"""Seconds that an unused connection is kept."""


class AioFetcher:
    """Makes one HTTP exchange at a time per task: `async with AioFetcher(config) as fetcher`.

    `fetch` returns failures. Only `asyncio.CancelledError` propagates (unexpected errors too, with
    `config.debug`). Raises `ConfigurationError` for an invalid proxy. `headers` returns further
    headers for a request; `keep_headers` keeps those of all responses.
    """

    def __init__(
        self,
        config: CrawlConfig,
        *,
        names: Names | None = None,
        proxies: Proxies | None = None,
        budget: Budget | None = None,
        headers: RequestHeaders | None = None,
        keep_headers: bool = False,
    ) -> None:
        self._config = config
        self._keep_headers = keep_headers or bool(config.parsing.custom)
        self._budget = budget or Budget()
        self._proxies = proxies or Proxies(config.network.proxy)
        self._policy = config.network.addresses
        self._credentials = Credentials(config, headers)
        self._names = names

    async def __aenter__(self) -> Self:
        names = self._names or Names(self._config.network.dns_ttl)
        tls = fetch_fault.tls_context(verify=not self._config.network.insecure)
        self._loop = asyncio.get_running_loop()
        self._pulse = Pulse()
        self._beats = self._loop.call_later(INTERVAL, self._beat)
        self._resolver = _GuardedResolver(names, self._policy)
        self._deadlines = Deadlines(self._loop, self._config.network.timeout, self._pulse)
        seconds = min(self._config.network.connect_timeout, self._config.network.timeout)
        self._look_ups = Deadlines(self._loop, seconds, self._pulse)
        self._connects = Deadlines(self._loop, self._config.network.connect_timeout, self._pulse)
        self._ways = {each: self._way(each, names, tls) for each in (None, *self._proxies.all)}
        return self

    def _way(self, proxy: Proxy | None, names: Names, tls: ssl.SSLContext) -> _Way:
        """Return a session through `proxy`; the guard judges the names that it does not resolve."""
        config = self._config
        if proxy is None:
            connector = _GuardedConnector(self._resolver, tls, self._policy, config, self._connects)
        elif proxy.socks:
            resolver = _GuardedResolver(names, self._policy)
            connector = _SocksConnector(proxy, resolver, tls, config, self._connects)
        else:
            anywhere = AddressPolicy(everything=True)
            resolver = _GuardedResolver(names, anywhere)
            connector = _GuardedConnector(resolver, tls, anywhere, config, self._connects)
        session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=request_headers(config),
            timeout=aiohttp.ClientTimeout(total=None, ceil_threshold=float("inf")),
            auto_decompress=False,
            read_bufsize=PIECE,
            max_line_size=HEADER_BYTES,  # `Message` has limited them all
            max_field_size=HEADER_BYTES,
            max_headers=HEADER_BYTES,
        )
        # aiohttp has no public switch for it; `_open` repeats where it may.
        session._retry_connection = False  # noqa: SLF001
        proxied = forwarding(proxy) if proxy is not None and not proxy.socks else None
        return _Way(session, connector, proxied)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._beats.cancel()
        for deadlines in (self._deadlines, self._look_ups, self._connects):
            deadlines.close()
        for way in self._ways.values():
            await way.session.close()
        await self._resolver.close()

    async def fetch(self, request: Request) -> Fetched:
        """Make one exchange within `config.network.timeout` seconds; do not follow redirects."""
        progress = ExchangeProgress(request)
        if request.purpose is Purpose.ADDRESS:
            return await self._look_up(progress)
        deadline = self._deadlines.enter()
        try:
            return await self._exchange(progress, deadline)
        except CancelledError:
            if deadline.expired():
                late = deadline.verdict or fetch_fault.overdue(self._config.network.timeout)
                return progress.overdue(late)
            raise
        except Fault as found:
            return progress.failed(found)
        except Exception as error:
            return self._failed(progress, error)
        finally:
            self._budget.received(request)
            self._deadlines.leave(deadline)

    def forget(self, request: Request) -> None:
        """Release the memory of a request's body, after its visit."""
        self._budget.release(request)

    async def _look_up(self, progress: ExchangeProgress) -> Resolved | Failed:
        """Return the address that a connection would try first."""
        parts = urlsplit(progress.request.url.host_key)
        limit = self._resolver.limit(self._look_ups)
        try:
            found = await self._resolver.resolve(parts.hostname or "", default_port(parts))
        except CancelledError:
            if not limit.expired():
                raise
            return progress.failed(fetch_fault.unanswered(self._look_ups.seconds))
        except OSError as error:
            return progress.failed(fetch_fault.connecting(error))
        finally:
            self._resolver.lift(limit)
        return Resolved(request=progress.request, address=found[0]["host"])

    def _failed(self, progress: ExchangeProgress, error: Exception) -> Failed:
        route = self._proxies.route(progress.request.url.host_key)
        found = self._translated(error, proxied=route is not None and not route.socks)
        if found is None:
            if self._config.debug:
                raise error
            found = Fault(Kind.INTERNAL, repr(error))
        return progress.failed(found)

    def _beat(self) -> None:
        self._pulse.beat()
        self._budget.sweep(self._pulse(), self._pulse.quiet_since(STALLED))
        self._beats = self._loop.call_later(INTERVAL, self._beat)

    async def _exchange(self, progress: ExchangeProgress, deadline: Deadline) -> Fetched:
        url = progress.request.url
        proxy = self._proxies.route(url.host_key)
        if proxy is not None and proxy.looks_up:
            check_url(self._policy, url)
        way = self._ways[proxy]
        response = await self._open(progress, way)
        try:
            values = _values(response)
            progress.answered(response.status, values)
            if self._keep_headers:
                progress.fields = _fields(response)
            if 200 <= response.status < 300 and progress.wanted(self._config):
                return await self._read(progress, response, values, deadline)
            forwarded = way.proxied is not None and url.href.startswith("http:")
            progress.refuse(values, proxied=forwarded)
            await self._rest(progress, response, values, deadline)
            return progress.settled()
        finally:
            if not response.closed:
                response.close()

    async def _open(self, progress: ExchangeProgress, way: _Way) -> aiohttp.ClientResponse:
        """Send the request and wait for the response's header."""
        goal = target(progress.request.url)
        url = _url(goal.href)
        options = way.options(goal, self._credentials.headers(progress.request, goal))
        stale = 0
        while True:
            try:
                return await way.session.get(url, allow_redirects=False, **options)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                stale += 1
                if way.connector.connected() or stale > STALE_CONNECTIONS:
                    raise
            finally:
                progress.connect = way.connector.take()

    async def _read(
        self,
        progress: ExchangeProgress,
        response: aiohttp.ClientResponse,
        values: Values,
        deadline: Deadline,
    ) -> Received:
        progress.expect(values, self._config)
        progress.allowed = self._budget.step
        content = response.content
        if progress.packed and self._budget.full:
            await self._ask(progress, response, deadline, self._budget.step)
        try:
            while (data := await content.readany()) and progress.take(data):
                if progress.held <= progress.allowed:
                    continue
                if not await self._ask(progress, response, deadline, progress.need):
                    break
        except (aiohttp.ClientError, OSError):
            # Bytes that came together with the end; aiohttp has no public way to them.
            progress.take(b"".join(content._buffer))  # noqa: SLF001
            raise
        return progress.received()

    async def _ask(
        self,
        progress: ExchangeProgress,
        response: aiohttp.ClientResponse,
        deadline: Deadline,
        need: int,
    ) -> bool:
        """Ask for memory and wait for it; return False if this body gets no more."""

        def opened() -> Account:
            end = partial(deadline.end, fetch_fault.stalled())
            return Account(progress.heard, asyncio.Event(), end)

        request, held, now = progress.request, progress.held, self._pulse()
        account = self._budget.grow(request, held, need, now, opened)
        if account.waits:
            await self._room(account, response, deadline)
            progress.listens()
        progress.allowed = account.granted
        if account.cut:
            progress.cut()
        return not account.cut

    async def _room(
        self, account: Account, response: aiohttp.ClientResponse, deadline: Deadline
    ) -> None:
        """Stop reading, and the exchange's clock, until there is room for its body."""
        protocol = response.connection.protocol if response.connection is not None else None
        if protocol is not None:
            protocol.pause_reading()
        self._deadlines.pause(deadline)
        try:
            await account.room.wait()
        finally:
            self._deadlines.resume(deadline)
        if protocol is not None:
            protocol.resume_reading()

    async def _rest(
        self,
        progress: ExchangeProgress,
        response: aiohttp.ClientResponse,
        values: Values,
        deadline: Deadline,
    ) -> None:
        """Read an error page, or a small unwanted body, so that its connection can be reused.

        Failures are ignored, as the status is all that counts; the connection is closed then.
        """
        with suppress(aiohttp.ClientError, OSError, Fault):
            if progress.wanted(self._config):
                await self._read(progress, response, values, deadline)
            elif worth_reading(values):
                while progress.wire_bytes <= DROPPED_BODY:
                    data = await response.content.readany()
                    if not data:
                        return
                    progress.wire_bytes += len(data)

    def _translated(self, error: Exception, *, proxied: bool) -> Fault | None:
        """Return the fault for an exception of aiohttp; None for an unexpected one."""
        match error:
            case aiohttp.ClientHttpProxyError():
                return Fault(Kind.PROXY, f"proxy answered HTTP {error.status}")
            case aiohttp.ClientConnectorError():
                return fetch_fault.connecting(
                    error.os_error,
                    proxied=proxied,
                    verify=not self._config.network.insecure,
                )
            case aiohttp.InvalidURL():
                return Fault(Kind.INVALID_URL, "the host is not valid")
            case aiohttp.ServerDisconnectedError():
                return fetch_fault.closed()
            case aiohttp.ClientPayloadError():
                return fetch_fault.cut_short()
            case ssl.SSLError():
                return fetch_fault.handshake(error, verify=not self._config.network.insecure)
            case OSError():
                return fetch_fault.exchanging(error)
        return None


class _Way(NamedTuple):
    """One way to connect: directly or through a proxy; `proxied` is set for an HTTP proxy."""

    session: aiohttp.ClientSession
    connector: _GuardedConnector
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


def _url(href: str) -> URL:
    """Return a URL that is sent unchanged; yarl would drop a `?` with nothing after it."""
    url = URL(href, encoded=True)
    if href.endswith("?") and not url.raw_query_string:
        return url.with_path(f"{url.raw_path}?", encoded=True)
    return url


def _values(response: aiohttp.ClientResponse) -> Values:
    """Return header access without the surrogates, invalid in JSON, that aiohttp makes of bytes."""
    getall = response.headers.getall

    def values(name: str) -> Sequence[str]:
        found: Sequence[str] = getall(name, ())
        if not found or all(map(str.isascii, found)):
            return found
        return [legible(value.encode("utf-8", "surrogateescape")) for value in found]

    return values


def _fields(response: aiohttp.ClientResponse) -> tuple[tuple[str, str], ...]:
    """Return all header fields, in the form of `Head.pairs`."""
    sent = response.headers.items()
    return tuple((name, legible(text.encode("utf-8", "surrogateescape"))) for name, text in sent)


class _GuardedResolver(AbstractResolver):
    """Connects aiohttp to `Names`, and returns only addresses that the guard admits.

    `limit` and `lift` bound the time of the current task; its clock stops until a look-up begins.
    `unanswered` holds the tasks whose deadline ended a look-up.
    """

    def __init__(self, names: Names, policy: AddressPolicy) -> None:
        self._names = names
        self._policy = policy
        self._limits: dict[Task[Any] | None, tuple[Deadlines, Deadline]] = {}
        self.unanswered: set[Task[Any] | None] = set()

    def limit(self, deadlines: Deadlines) -> Deadline:
        """Set a deadline for the current task and return it."""
        deadline = deadlines.enter()
        self._limits[deadline.task] = deadlines, deadline
        return deadline

    def lift(self, deadline: Deadline) -> None:
        """Remove the deadline."""
        self._limits.pop(deadline.task)[0].leave(deadline)
        self.unanswered.discard(deadline.task)

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        """Return the host's addresses; the look-up itself outlives a cancelled waiter."""
        found = await self.addresses(host)
        return [
            ResolveResult(hostname=host, host=ip, port=port, family=kind, proto=0, flags=0)
            for kind, ip in admitted_addresses(self._policy, found, port)
        ]

    async def addresses(self, host: str) -> Addresses:
        """Return all addresses of a name, not judged by the guard."""
        return self._names.known(host) or await self._looked_up(self._names.ask(host))

    async def _looked_up(self, look_up: LookUp) -> Addresses:
        task = asyncio.current_task()
        limits = self._limits.get(task)
        if limits is not None and not look_up.begun.done():
            await _begun(look_up, *limits)
        try:
            return await _shared(look_up.answer)
        except CancelledError:
            if limits is not None and limits[1].overdue:
                self.unanswered.add(task)
            raise

    async def close(self) -> None:
        """End the look-up threads."""
        self._names.close()


async def _begun(look_up: LookUp, deadlines: Deadlines, limit: Deadline) -> None:
    """Wait for the look-up to begin, while the clock of `limit` stands still."""
    deadlines.pause(limit)
    try:
        await _shared(look_up.begun)
    finally:
        deadlines.resume(limit)


async def _shared(future: Future[_T]) -> _T:
    """Wait for a shared future; cancelling this wait does not cancel the others'."""
    asked = asyncio.wrap_future(future)
    asked.add_done_callback(_taken)  # after a cancelled wait nobody else takes its failure
    return await asyncio.shield(asked)


def _taken(future: asyncio.Future[Any]) -> None:
    """Retrieve a failure, so that asyncio does not warn about it."""
    if not future.cancelled():
        future.exception()


class _ResponseProtocol(ResponseHandler):
    """A connection whose bytes `Message` reads before aiohttp's parser does.

    The parser gets every response in its plainest form, so that its view of odd ones does not
    matter. Bytes that belong to no response end the connection: they would be taken for the answer
    to the next request (RFC 9112, 9.2).
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, max_body: int) -> None:
        super().__init__(loop)
        self._room = HEADER_BYTES + max_body
        self._message: Message | None = None
        self._problem: Malformed | None = None
        self._poll: select.poll | None = None

    def set_response_params(self, **options: Any) -> None:
        """Begin a response, just before the request is sent."""
        self._message = Message(self._room)
        super().set_response_params(**options)

    def close(self) -> None:
        """Close at once; a TLS shutdown would wait for the server, perhaps longer than the loop."""
        if self.transport is not None and self.transport.get_extra_info("ssl_object"):
            self.abort()
        else:
            super().close()

    def is_connected(self) -> bool:
        """Return True if nothing lies unread, which would be taken for the next answer.

        Ask the kernel, as the loop may not have read it yet.
        """
        transport = self.transport
        if transport is None or transport.is_closing():
            return False
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not self._poll.poll(0)

    def data_received(self, data: bytes) -> None:
        """Take bytes from the connection.

        aiohttp resumes its parser with b"", and keeps bytes that come before the first request: on
        a new connection either may be first.
        """
        if not data or (self._message is None and self._problem is None):
            super().data_received(data)
        elif self._message is None or self._message.done:
            self._unasked()
        else:
            self._read(self._message, data)

    def _unasked(self) -> None:
        self.force_close()
        body = self._payload
        if self.transport is not None and (body is None or body.is_eof()):
            self.transport.close()

    def _read(self, message: Message, data: bytes) -> None:
        begun = message.head is not None
        body = message.feed(data)
        if message.surplus:
            self.force_close()  # now: aiohttp keeps the connection once it has read the end
        if message.head is not None:
            plain = _plain(message, message.head, body, begun=begun)
            if plain:
                super().data_received(plain)
        if message.problem is not None:
            self._end(message.problem)

    def _end(self, problem: Malformed) -> None:
        self._message, self._problem = None, problem
        self.set_exception(problem)  # who waits for it closes the connection
        self._fail(self._payload)

    def connection_lost(self, error: BaseException | None) -> None:
        """End the response that is being read, with the problem found before, if any."""
        body = self._payload
        super().connection_lost(error)
        self._fail(body)

    def _fail(self, body: aiohttp.StreamReader | None) -> None:
        if self._problem is not None and body is not None and not body.is_eof():
            body.set_exception(self._problem)


def _plain(message: Message, head: Head, body: bytes, *, begun: bool) -> bytes:
    """Return a piece of a response framed anew, after its head unless that has `begun` before."""
    parts = [] if begun else [head.plain()]
    if head.chunked and body:
        parts.append(b"%x\r\n%b\r\n" % (len(body), body))
    elif body:
        parts.append(body)
    if head.chunked and message.done:
        parts.append(b"0\r\n\r\n")
    return b"".join(parts)


class _GuardedConnector(aiohttp.TCPConnector):
    """Measures connecting, limits idle connections, and has the final say on an address.

    `_socket` makes every socket, for the address that it will be connected to. Literal addresses,
    which bypass the resolver, are judged there, and all others again.
    """

    def __init__(
        self,
        resolver: _GuardedResolver,
        context: ssl.SSLContext,
        policy: AddressPolicy,
        config: CrawlConfig,
        deadlines: Deadlines,
    ) -> None:
        super().__init__(
            resolver=resolver,
            use_dns_cache=False,
            ssl=context,
            limit=0,
            limit_per_host=0,
            keepalive_timeout=IDLE_SECONDS,
            socket_factory=self._socket,
        )
        self._policy = policy
        self._deadlines = deadlines
        self._looks_up = resolver
        protocol = partial(_ResponseProtocol, loop=self._loop, max_body=config.network.max_body)
        self._factory = cast("partial[ResponseHandler]", protocol)
        self._took: dict[Task[Any] | None, float] = {}

    def connected(self) -> bool:
        """Return True if the current task has made a connection since it last called `take`."""
        return asyncio.current_task() in self._took

    def take(self) -> float:
        """Return the seconds that the current task spent on connecting since the last call."""
        return self._took.pop(asyncio.current_task(), 0.0) if self._took else 0.0

    async def _create_connection(self, *args: Any, **kwargs: Any) -> ResponseHandler:
        self._make_room()
        begun = time.perf_counter()
        resolver = self._looks_up
        limit = resolver.limit(self._deadlines)
        try:
            return await super()._create_connection(*args, **kwargs)
        except CancelledError:
            if not limit.expired():
                raise
            asked = limit.task in resolver.unanswered
            late = fetch_fault.unanswered if asked else fetch_fault.connect_overdue
            raise late(self._deadlines.seconds) from None
        finally:
            resolver.lift(limit)
            self._took[limit.task] = time.perf_counter() - begun

    def _socket(self, address: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, (ip, port, *_) = address
        refusal = self._policy.refusal(ip, port)
        if refusal is not None:
            raise RefusedExchange(refusal)
        return socket.socket(family, kind, protocol)

    def _make_room(self) -> None:
        """Close the connections of the host that has been idle longest, if there are too many.

        Checked for new connections only, at no cost to reused ones.
        """
        while len(self._conns) >= IDLE_HOSTS:
            for protocol, _ in self._conns.pop(next(iter(self._conns))):
                protocol.close()


_NOWHERE = "192.0.2.0"  # RFC 5737: a placeholder for the address that only the proxy knows


class _SocksConnector(_GuardedConnector):
    """Connects through a SOCKS5 proxy, to addresses that were judged here or to names.

    Replaces aiohttp's method that opens a connection to given addresses.
    """

    def __init__(
        self,
        proxy: Proxy,
        resolver: _GuardedResolver,
        context: ssl.SSLContext,
        config: CrawlConfig,
        deadlines: Deadlines,
    ) -> None:
        super().__init__(resolver, context, AddressPolicy(everything=True), config, deadlines)
        self._proxy = proxy
        self._guard = config.network.addresses

    async def _resolve_host(self, host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        """Leave names to a proxy that looks them up."""
        if not self._proxy.looks_up:
            return await super()._resolve_host(host, port, *args, **kwargs)
        return [ResolveResult(hostname=host, host=_NOWHERE, port=port, family=2, proto=0, flags=0)]

    async def _wrap_create_connection(
        self, *args: Any, addr_infos: Any, req: Any, **kwargs: Any
    ) -> Any:
        del kwargs["timeout"], kwargs["client_error"]
        goal = req.url.raw_host if self._proxy.looks_up else self._judged(*addr_infos[0][4][:2])
        try:
            sock = await self._reached()
        except OSError as error:
            raise fetch_fault.connecting(error, proxied=True) from None
        try:
            await _negotiate(sock, socks.negotiation(self._proxy, goal, req.port))
            return await self._loop.create_connection(*args, **kwargs, sock=sock)
        except OSError as error:
            sock.close()
            raise aiohttp.ClientConnectorError(req.connection_key, error) from error
        except BaseException:
            sock.close()
            raise

    def _judged(self, ip: str, port: int) -> str:
        if (refusal := self._guard.refusal(ip, port)) is not None:
            raise Fault(Kind.BLOCKED_ADDRESS, refusal)
        return ip

    async def _reached(self) -> socket.socket:
        """Return a socket that is connected to the proxy."""
        address = literal_address(self._proxy.host)
        addresses = address or await self._looks_up.addresses(self._proxy.host)
        failure: OSError = OSError("the proxy has no addresses")
        for family, ip in addresses:
            sock = socket.socket(family, socket.SOCK_STREAM)
            sock.setblocking(False)
            try:
                await self._loop.sock_connect(sock, (ip, self._proxy.port))
            except OSError as error:
                sock.close()
                failure = error
            except BaseException:
                sock.close()
                raise
            else:
                return sock
        raise failure


async def _negotiate(sock: socket.socket, steps: socks.Negotiation) -> None:
    """Run the negotiation with a SOCKS proxy over a socket."""
    loop = asyncio.get_running_loop()
    said = next(steps)
    with suppress(StopIteration):
        while True:
            await loop.sock_sendall(sock, said[0])
            got = b""
            while len(got) < said[1]:
                data = await loop.sock_recv(sock, said[1] - len(got))
                if not data:
                    raise socks.refused("closed the connection")
                got += data
            said = steps.send(got)
