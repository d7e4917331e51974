"""Connections of aiohttp's: guarded look-ups, SOCKS, deadlines, and strict reading.

* Every address passes the guard, and the time to connect is measured, where connections are made:
  at no cost to reused ones.
* `crawler.fetch.message` reads a response before aiohttp's parser does, as in the other engine.
"""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
import time
from asyncio import CancelledError, Task
from functools import partial
from typing import Any, cast
from weakref import WeakKeyDictionary

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler

from crawler.fetch import fetch_fault, socks
from crawler.fetch.deadline import Deadlines
from crawler.fetch.exchange import IDLE_HOSTS, IDLE_SECONDS, connection_facts
from crawler.fetch.fetch_fault import RefusedExchange
from crawler.fetch.loop_names import LoopNames
from crawler.fetch.message import Message
from crawler.fetch.names import literal_address
from crawler.model.fault import Fault
from crawler.model.head import HEADER_BYTES, Head, Malformed
from crawler.model.outcome import Kind
from crawler.model.proxies import Proxy
from crawler.model.transfer import ConnectionFacts


class GuardedResolver(LoopNames, AbstractResolver):
    """Connects aiohttp to `Names`, and returns only addresses that the guard admits."""

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        """Return the host's addresses; the look-up itself outlives a cancelled waiter."""
        return [_result(host, port, *each) for each in await self.judged(host, port)]

    async def close(self) -> None:
        """End the look-up threads."""
        self._names.close()


def _result(host: str, port: int, family: int, ip: str) -> ResolveResult:
    return ResolveResult(hostname=host, host=ip, port=port, family=family, proto=0, flags=0)


Watched = WeakKeyDictionary[Task[Any], "_ResponseProtocol"]
"""The connections by the tasks that use them."""


class _ResponseProtocol(ResponseHandler):
    """A connection whose bytes `Message` reads before aiohttp's parser does.

    The parser gets every response in its plainest form, so that its view of odd ones does not
    matter. Bytes that belong to no response end the connection: they would be taken for the answer
    to the next request (RFC 9112, 9.2).
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, max_body: int, *, watched: Watched | None
    ) -> None:
        super().__init__(loop)
        self._watched = watched
        self._facts = ConnectionFacts()
        self._room = HEADER_BYTES + max_body
        self._message: Message | None = None
        self._problem: Malformed | None = None
        self._poll: select.poll | None = None

    def set_response_params(self, **options: Any) -> None:
        self._message = Message(self._room)
        if self._watched is not None:
            self._watched[cast("Task[Any]", asyncio.current_task())] = self
        super().set_response_params(**options)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self._watched is not None:
            ask = transport.get_extra_info
            self._facts = connection_facts(ask("peername"), ask("ssl_object"))

    def facts(self) -> ConnectionFacts:
        """Return what the last response came over, to the task that has just read its head."""
        if self._message is None or self._message.head is None:
            return self._facts
        return self._facts._replace(http_version=self._message.head.version)

    @property
    def status_line(self) -> bytes:
        """The status line of the last response, as sent."""
        return self._message.status_line if self._message is not None else b""

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
        body, message = self._payload, self._message
        if error is not None and body is not None and message is not None and message.until_close:
            body.set_exception(aiohttp.ClientPayloadError())  # aiohttp takes a reset for the end
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


class GuardedConnector(aiohttp.TCPConnector):
    """Measures connecting, limits idle connections, and has the final say on an address.

    `_socket` makes every socket, for the address that it will be connected to. Literal addresses,
    which bypass the resolver, are judged there, and all others again.
    """

    def __init__(
        self,
        resolver: GuardedResolver,
        context: ssl.SSLContext,
        deadlines: Deadlines,
        max_body: int,
        *,
        watch: bool = False,
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
        self.guarded = resolver
        self._deadlines = deadlines
        self._watched: Watched | None = WeakKeyDictionary() if watch else None
        protocol = partial(
            _ResponseProtocol, loop=self._loop, max_body=max_body, watched=self._watched
        )
        self._factory = cast("partial[ResponseHandler]", protocol)
        self._took: dict[Task[Any] | None, float] = {}

    def connected(self) -> bool:
        """Return True if the current task has made a connection since it last called `take`."""
        return asyncio.current_task() in self._took

    def take(self) -> float:
        """Return the seconds that the current task spent on connecting since the last call."""
        return self._took.pop(asyncio.current_task(), 0.0) if self._took else 0.0

    def facts(self) -> ConnectionFacts | None:
        """Return what the current task's last response came over; None if nobody watches."""
        used = self._used()
        return used.facts() if used is not None else None

    def status_line(self) -> bytes:
        """Return the status line of the current task's last response; b"" if nobody watches."""
        used = self._used()
        return used.status_line if used is not None else b""

    def _used(self) -> _ResponseProtocol | None:
        """Return the connection that the current task has used last, if anybody watches."""
        task = asyncio.current_task()
        return self._watched.get(task) if self._watched is not None and task is not None else None

    async def _create_connection(self, *args: Any, **kwargs: Any) -> ResponseHandler:
        self._make_room()
        begun = time.perf_counter()
        resolver = self.guarded
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
        refusal = self.guarded.policy.refusal(ip, port)
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


class SocksConnector(GuardedConnector):
    """Connects through a SOCKS5 proxy, to addresses that were judged here or to names.

    Replaces aiohttp's method that opens a connection to given addresses.
    """

    def __init__(self, proxy: Proxy, *args: Any, watch: bool = False) -> None:
        super().__init__(*args, watch=watch)
        self._proxy = proxy

    async def _resolve_host(self, host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        """Leave names to a proxy that looks them up."""
        if not self._proxy.looks_up:
            return await super()._resolve_host(host, port, *args, **kwargs)
        return [_result(host, port, socket.AF_INET, _NOWHERE)]

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
            await socks.negotiate(
                self._proxy,
                goal,
                req.port,
                partial(self._loop.sock_sendall, sock),
                partial(self._loop.sock_recv, sock),
            )
            return await self._loop.create_connection(*args, **kwargs, sock=sock)
        except OSError as error:
            sock.close()
            raise aiohttp.ClientConnectorError(req.connection_key, error) from error
        except BaseException:
            sock.close()
            raise

    def _judged(self, ip: str, port: int) -> str:
        if (refusal := self.guarded.policy.refusal(ip, port)) is not None:
            raise Fault(Kind.BLOCKED_ADDRESS, refusal)
        return ip

    async def _reached(self) -> socket.socket:
        """Return a socket that is connected to the proxy."""
        address = literal_address(self._proxy.host)
        addresses = address or await self.guarded.addresses(self._proxy.host)
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
