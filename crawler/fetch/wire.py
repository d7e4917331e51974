"""Sockets and `http.client` for one exchange in a thread.

A connection of urllib3 finds its exchange, a `Call`, by thread (`here`): it connects within that
call's deadlines, looks names up through `Names`, and lets the `Reaper` cut its socket.

`WireResponse` has `Message` read heads and chunks, as in the other engine, instead of `http.client`
and urllib3, which would treat broken ones in their own way.
"""

from __future__ import annotations

import http.client
import io
import math
import socket
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from crawler.fetch import fetch_fault, socks
from crawler.fetch.address_guard import admitted
from crawler.fetch.exchange import ExchangeProgress
from crawler.fetch.http_fetcher import finished
from crawler.fetch.message import Message
from crawler.fetch.names import Addresses, LookUp, Names, ResolvedAddress, literal_address
from crawler.fetch.reaper import ExchangeWatch
from crawler.model.address import AddressPolicy
from crawler.model.config import CrawlConfig
from crawler.model.fault import Fault
from crawler.model.head import HEADER_BYTES, Head, Malformed
from crawler.model.outcome import Kind
from crawler.model.proxies import Proxy
from crawler.model.transfer import ConnectionFacts
from crawler.runtime.pulse import Pulse

PIECE = 65_536
"""Bytes that are read from a connection at once."""

_ROUNDED = 0.01  # seconds


@dataclass(slots=True, kw_only=True, eq=False)
class Call:
    """One exchange, as its connection sees it; `policy` applies where no proxy connects."""

    config: CrawlConfig
    names: Names
    progress: ExchangeProgress
    watch: ExchangeWatch
    pulse: Pulse
    policy: AddressPolicy
    proxy: Proxy | None
    keep_headers: bool = False
    forwarded: bool = False
    target: str = ""
    fresh: bool = False
    over: ConnectionFacts = field(default_factory=ConnectionFacts)
    answer: WireResponse | None = None
    _shadow: socket.socket | None = None
    _paused: float = 0.0  # seconds that its clock stood still

    @property
    def framing_room(self) -> int:
        """Maximum bytes of chunk sizes, extensions and trailers."""
        return HEADER_BYTES + self.config.network.max_body

    @property
    def head(self) -> Head:
        """The head of the response."""
        if self.answer is None:
            raise RuntimeError("no response has arrived yet")
        return self.answer.head

    @property
    def status_line(self) -> bytes:
        """The status line of the response, as sent."""
        return self.answer.fp.status_line if self.answer is not None else b""

    def connect(self, connect: Any) -> None:
        """Run `connect` within the connect timeout and measure it."""
        self.fresh = True
        begun, paused = time.perf_counter(), self._paused
        due, verdict = self.watch.due, self.watch.verdict
        limit = self.pulse() + self.config.network.connect_timeout
        if limit < due:
            self.watch.limit(
                limit, fetch_fault.connect_overdue(self.config.network.connect_timeout)
            )
        try:
            connect()
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise self._failed(error) from None
        finally:
            if self._shadow is not None:
                self._shadow.close()
            self.watch.limit(due + self._paused - paused, verdict)
            self.progress.connect = time.perf_counter() - begun

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Stop the exchange's clock."""
        watch, since, due = self.watch, self.pulse(), self.watch.due
        watch.limit(math.inf, watch.verdict)
        try:
            yield
        finally:
            waited = self.pulse() - since
            self._paused += waited
            watch.limit(due + waited, watch.verdict)

    def _failed(self, error: Exception) -> Fault:
        if isinstance(error, OSError) and str(error).startswith("Tunnel connection failed: "):
            return Fault(Kind.PROXY, f"proxy answered HTTP {str(error).split()[3]}")
        if isinstance(error, TimeoutError) and error.errno is None:  # the socket's own timeout
            return self.watch.verdict
        if isinstance(error, http.client.RemoteDisconnected):
            return fetch_fault.closed()
        if isinstance(error, http.client.HTTPException):
            return fetch_fault.malformed(str(error))
        verify = not self.config.network.insecure
        return fetch_fault.connecting(error, proxied=self.proxy is not None, verify=verify)

    def look_up(self, host: str, port: int) -> str:
        """Return the address that a connection would try first."""
        known = self.names.known(host)
        if known is None:
            self.watch.limit(self.pulse() + self._seconds, self.watch.verdict)
            known = self._looked_up(self.names.ask(host))
        return admitted(self.policy, known, port)[0].ip

    @property
    def _seconds(self) -> float:
        return min(self.config.network.connect_timeout, self.config.network.timeout)

    def socket_to(self, host: str, port: int, options: Any) -> socket.socket:
        """Return a connected socket for urllib3, to the target or the proxy."""
        proxy = self.proxy
        if proxy is None:
            return self._connected(self._judged(host, port), port, options)
        if not proxy.socks:
            return self._connected(self._addresses(host), port, options)
        goals = [host]
        if not proxy.looks_up:
            goals = [each.ip for each in self._judged(host, port)]
        return self._through(proxy, goals, port, options)

    def _judged(self, host: str, port: int) -> Addresses:
        return admitted(self.policy, self._addresses(host), port)

    def _through(self, proxy: Proxy, goals: list[str], port: int, options: Any) -> socket.socket:
        """Return a socket that a SOCKS proxy has connected to the first reachable of `goals`."""
        for goal in goals:
            sock = self._connected(self._addresses(proxy.host), proxy.port, options)
            try:
                _negotiate(sock, proxy, goal, port)
            except BaseException as error:
                sock.close()
                # Only a fault of the target is worth another try.
                if goal is goals[-1] or not isinstance(error, Fault) or error.kind is Kind.PROXY:
                    raise
            else:
                return sock
        raise OSError("the host has no addresses")

    def _connected(self, addresses: Addresses, port: int, options: Any) -> socket.socket:
        """Try addresses in turn, each with its share of the time left."""
        for count, address in enumerate(addresses):
            try:
                return self._reach(address, port, options, share=len(addresses) - count)
            except OSError:
                if count == len(addresses) - 1:
                    raise
        raise OSError("the host has no addresses")

    def shadow(self, sock: socket.socket) -> socket.socket:
        """Let the reaper hold a duplicate of `sock`, as TLS detaches the original's descriptor."""
        self._shadow = sock.dup()
        self.watch.hold(self._shadow)
        return sock

    def _left(self) -> float:
        left = self.watch.due - self.pulse()
        if left <= 0:
            raise self.watch.verdict
        return left

    def _addresses(self, host: str) -> Addresses:
        found = literal_address(host) or self.names.known(host)
        return found or self._looked_up(self.names.ask(host))

    def _looked_up(self, look_up: LookUp) -> Addresses:
        """Wait for a look-up; the exchange's clock stands still until it begins."""
        watch = self.watch
        with self.waiting():
            look_up.begun.result()
        verdict = watch.verdict
        watch.limit(watch.due, fetch_fault.unanswered(self._seconds))
        try:
            while not look_up.answer.done():
                wait([look_up.answer], self._left())
            return look_up.answer.result()
        finally:
            watch.limit(watch.due, verdict)

    def _reach(
        self, address: ResolvedAddress, port: int, options: Any, share: int
    ) -> socket.socket:
        due = self.pulse() + self._left() / share
        while True:
            try:
                return self._reached(address, port, options, due - self.pulse())
            except TimeoutError as error:  # the system's clock goes on when the pulse stands still
                if error.errno is not None or due - self.pulse() < _ROUNDED:
                    raise

    def _reached(
        self, address: ResolvedAddress, port: int, options: Any, seconds: float
    ) -> socket.socket:
        sock = socket.socket(address.family, socket.SOCK_STREAM)
        try:
            self.watch.hold(sock)
            for option in options or ():
                sock.setsockopt(*option)
            sock.settimeout(max(seconds, _ROUNDED))
            sock.connect((address.ip, port))
            sock.settimeout(None)  # from now on the reaper enforces the deadline
        except BaseException:
            sock.close()
            raise
        return sock


def _negotiate(sock: socket.socket, proxy: Proxy, host: str, port: int) -> None:
    async def send(data: bytes) -> None:
        sock.sendall(data)

    async def receive(size: int) -> bytes:
        return sock.recv(size)

    finished(socks.negotiate(proxy, host, port, send, receive))


class Here(threading.local):
    """The current thread's exchange, set during `ThreadedFetcher.fetch`."""

    call: Call


here = Here()


class Stream(io.BufferedIOBase):
    """A response's body without its framing, as a stream for `http.client`."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase, message: Message) -> None:
        self._sock = sock
        self._raw = raw
        self._message = message
        self._ready = b""  # bytes of the body that were not asked for yet

    def head(self) -> Head:
        """Read up to the end of the head; raise `RemoteDisconnected` if the server hangs up."""
        while self._message.head is None:
            self._receive()
        return self._message.head

    @property
    def status_line(self) -> bytes:
        """The status line, as sent."""
        return self._message.status_line

    def end(self) -> None:
        """Read no body, as a tunnel follows (RFC 9110, 9.3.6)."""
        self._message.done = True

    def read(self, size: int | None = -1, /) -> bytes:
        """Read to the end, or `size` bytes."""
        pieces: list[bytes] = []
        left = sys.maxsize if size is None or size < 0 else size
        while left and (piece := self._more(left, partial=bool(pieces))):
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)

    def read1(self, size: int | None = -1, /) -> bytes:
        """Read at most `size` bytes of what is available; wait if nothing is."""
        return self._more(sys.maxsize if size is None or size < 0 else size)

    def _more(self, most: int, *, partial: bool = False) -> bytes:
        while not self._ready and not self._message.done:
            try:
                self._receive()
            except (http.client.RemoteDisconnected, Malformed):
                if not partial:
                    raise
                break  # return the bytes before it; the next call fails
        found, self._ready = self._ready[:most], self._ready[most:]
        return found

    def _receive(self) -> None:
        if self._message.problem is not None:
            raise self._message.problem
        data = self._raw.read(PIECE)
        if data:
            self._ready += self._message.feed(data)
        elif self._message.until_close:
            self._message.done = True
        else:
            raise http.client.RemoteDisconnected("closed in the middle of a response")
        if self._message.surplus:  # it must not be taken for the answer to the next request
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def readline(self, size: int | None = -1, /) -> bytes:
        """Return b"": `http.client` asks for lines of a tunnel's head, which was read before."""
        return b""

    def close(self) -> None:
        """Close the reading side."""
        self._raw.close()
        super().close()


class WireResponse(http.client.HTTPResponse):
    """A response whose head and framing `Message` reads, as in the other engine."""

    head: Head

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        message = Message(here.call.framing_room)
        self.fp: Stream = Stream(sock, self.fp.detach(), message)  # type: ignore[assignment]
        here.call.answer = self

    def begin(self) -> None:
        """Read the head and pass it to `http.client`; raise `Malformed`."""
        self.head = self.fp.head()
        self.code = self.status = self.head.status
        self.reason, self.version = "", 11
        self.headers = self.msg = http.client.HTTPMessage()
        for name, value in self.head.fields:
            if name != b"Transfer-Encoding":  # `Stream` removes it
                self.msg[name.decode()] = value.decode("latin-1")
        self.length, self.chunked = self.head.length, False
        self.will_close = not self.head.reusable

    def _read_status(self) -> tuple[str, int, str]:
        """Read a proxy's answer to CONNECT, which has only a head."""
        head = self.fp.head()
        self.fp.end()
        return "HTTP/1.1", head.status, ""
