"""What sockets and `http.client` do for one exchange in a thread.

A connection of urllib3 finds the exchange it works for, a `Call`, by thread (`here`): it connects
within that call's deadlines, looks names up through `Names`, and lets the `Reaper` cut its socket.

`http.client` takes a header that was cut off for a whole one, passes over lines that are no
headers, splits fields at a lone CR, and knows no 1xx response but 100; urllib3 takes for a chunk
size what `int` does, and trailers without an end. `Answer` and `Reader` are as strict as aiohttp's
parser.
"""

from __future__ import annotations

import http.client
import io
import re
import socket
import threading
import time
from typing import Any

from crawler.fetch import fault
from crawler.fetch.exchange import HEADER_BYTES, HEADER_COUNT, INFORMATIONAL, Progress
from crawler.fetch.fault import Fault
from crawler.fetch.guard import admitted
from crawler.fetch.names import Address, Addresses, Names
from crawler.fetch.reaper import Watch
from crawler.model.address import AddressPolicy
from crawler.model.config import CrawlConfig
from crawler.model.outcome import Kind

_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]+)[ \t]*(?:;|\r?\n|\Z)")


class Call:
    """One exchange, as its connection sees it. `policy` is None where a proxy connects."""

    __slots__ = (
        "_config",
        "_names",
        "_policy",
        "_shadow",
        "answer",
        "fresh",
        "progress",
        "target",
        "watch",
    )

    def __init__(
        self,
        config: CrawlConfig,
        names: Names,
        progress: Progress,
        watch: Watch,
        policy: AddressPolicy | None,
    ) -> None:
        self._config = config
        self._names = names
        self._policy = policy
        self.progress = progress
        self.watch = watch
        self.target = ""
        self.fresh = False
        self.answer: Answer | None = None
        self._shadow: socket.socket | None = None

    @property
    def framing_room(self) -> int:
        """Bytes that chunk sizes, extensions and trailers may have."""
        return HEADER_BYTES + self._config.max_body

    def connect(self, connect: Any) -> None:
        """Run `connect` within the connect deadline, and measure it."""
        self.fresh = True
        begun = time.perf_counter()
        due, verdict = self.watch.due, self.watch.verdict
        limit = begun + self._config.connect_timeout
        if limit < due:
            self.watch.limit(limit, fault.connect_overdue(self._config.connect_timeout))
        try:
            connect()
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise self._failed(error) from None
        finally:
            if self._shadow is not None:
                self._shadow.close()
            self.watch.limit(due, verdict)
            self.progress.connect = time.perf_counter() - begun

    def _failed(self, error: Exception) -> Fault:
        if isinstance(error, OSError) and str(error).startswith("Tunnel connection failed: "):
            return Fault(Kind.PROXY, f"proxy answered HTTP {str(error).split()[3]}")
        if isinstance(error, TimeoutError) and error.errno is None:
            return self.watch.verdict
        if isinstance(error, http.client.RemoteDisconnected):
            return fault.closed()
        if isinstance(error, http.client.HTTPException):
            return fault.malformed(words(error))
        return fault.connecting(error, proxied=self._policy is None)

    def open(self, host: str, port: int, options: Any) -> socket.socket:
        """A connected socket: each address may take its share of the time that is left."""
        addresses = self._addresses(host)
        if self._policy is not None:
            addresses = admitted(self._policy, addresses, port)
        for count, address in enumerate(addresses):
            try:
                return self._reach(address, port, options, share=len(addresses) - count)
            except OSError:
                if count == len(addresses) - 1:
                    raise
        raise OSError("the host has no addresses")

    def shadow(self, sock: socket.socket) -> socket.socket:
        """Hold a duplicate of `sock`: TLS takes its descriptor away for the handshake."""
        self._shadow = sock.dup()
        self.watch.hold(self._shadow)
        return sock

    def _left(self) -> float:
        left = self.watch.due - time.perf_counter()
        if left <= 0:
            raise self.watch.verdict
        return left

    def _addresses(self, host: str) -> Addresses:
        if ":" in host:
            return (Address(socket.AF_INET6, host),)
        if host[-1:].isdigit():  # WHATWG URL: a host that ends in a number is an IPv4 address
            return (Address(socket.AF_INET, host),)
        return self._names.known(host) or self._names.ask(host).result(self._left())

    def _reach(self, address: Address, port: int, options: Any, share: int) -> socket.socket:
        sock = socket.socket(address.family, socket.SOCK_STREAM)
        try:
            self.watch.hold(sock)
            for option in options or ():
                sock.setsockopt(*option)
            sock.settimeout(self._left() / share)
            sock.connect((address.ip, port))
            sock.settimeout(self._left())
        except BaseException:
            sock.close()
            raise
        return sock

    def check_end(self) -> None:
        """Raise `Fault` if the response was followed by what nobody asked for."""
        if self.answer is not None and self.answer.excess:
            raise fault.malformed("data after the end of the response")


class Here(threading.local):
    """The exchange that this thread makes; set for the time of `ThreadedFetcher.fetch`."""

    call: Call


here = Here()


class Reader(io.BufferedReader):
    """Lines that are whole: a header cut off by the end of the stream is no header.

    chunked: set when the head is over and lines are chunk sizes, then trailers. room: bytes that
    lines may still have, those of the header and, counted anew, those between chunks.
    """

    chunked = False
    room = HEADER_BYTES
    _trailers = -1

    def readline(self, size: int | None = -1, /) -> bytes:
        """One line; raises `RemoteDisconnected` where the stream ends before the line does."""
        limit = -1 if size is None else size
        line = super().readline(limit)
        if not line.endswith(b"\n") and (limit < 0 or len(line) < limit):
            raise http.client.RemoteDisconnected("closed in the middle of a line")
        self.room -= len(line)
        if self.room < 0:
            what = "chunk framing" if self.chunked else "header"
            raise http.client.HTTPException(f"{what} too large")
        if self.chunked:
            self._check_chunk(line)
        elif b"\0" in line or b"\r" in line.removesuffix(b"\r\n"):
            raise http.client.HTTPException("control character in a header line")
        return line

    def _check_chunk(self, line: bytes) -> None:
        """Hold a chunk's size to the grammar (RFC 9112, 7.1) and to 64 bits, and count trailers."""
        if self._trailers >= 0:
            self._trailers += 1
            if self._trailers > HEADER_COUNT:
                raise http.client.HTTPException("too many trailer lines")
            return
        size = _CHUNK_SIZE.match(line)
        if size is None:
            raise http.client.HTTPException("invalid chunk size")
        digits = size[1].lstrip(b"0")
        if len(digits) > 16:
            raise http.client.HTTPException("chunk size overflow")
        if not digits:
            self._trailers = 0


class Answer(http.client.HTTPResponse):
    """A response that is strict about its header, and notices what follows its body."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = Reader(self.fp.detach())
        self._socket = sock
        self.excess = False
        self._informational = 0
        here.call.answer = self

    def begin(self) -> None:
        """Read the header; raises `HTTPException` where a line of it is none."""
        super().begin()
        if self.msg.defects:
            raise http.client.HTTPException("bad header line")
        if self.chunked:
            self.fp.chunked = True  # type: ignore[attr-defined]
            self.fp.room = here.call.framing_room  # type: ignore[attr-defined]

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            found: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]
            if not 100 <= found[1] < 200 or found[1] == 101:
                return found
            self._informational += 1
            if self._informational > INFORMATIONAL:
                raise http.client.HTTPException("too many 1xx responses")
            if found[1] == 100:
                return found  # http.client passes over this one itself
            http.client.parse_headers(self.fp)

    def _close_conn(self) -> None:
        self.excess = self.excess or self._followed()
        super()._close_conn()  # type: ignore[misc]

    def _followed(self) -> bool:
        """Whether more than an empty line lies behind the body; looks without waiting."""
        timeout = self._socket.gettimeout()
        try:
            self._socket.settimeout(0)
            more = bool(self.fp.peek(1).strip(b"\r\n"))
            if more:  # whatever it is, it must not answer the next request
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
            self._socket.settimeout(timeout)
        except (OSError, ValueError):
            return False  # closed, or nothing there
        return more


def words(error: http.client.HTTPException) -> str:
    """What http.client found wrong, in words that quote nothing the server sent."""
    match error:
        case http.client.BadStatusLine():
            return "bad status line"
        case http.client.LineTooLong():
            return "header line too long"
        case http.client.UnknownProtocol():
            return "unknown HTTP version"
    return str(error)
