"""One connection of the raw client: a protocol that carries one exchange at a time.

States: *busy* (what comes belongs to a response; so from the start, as a server may speak first),
*idle* (what comes was not asked for, and ends the connection: RFC 9112, 9.2), *lost*. The loop's
callbacks change them; no task and no timer belongs to a connection.

`crawler.fetch.message` reads what comes. A response that is read slower than it arrives stops the
transport at `_HIGH` bytes, so a connection holds that and one piece more at most.
"""

from __future__ import annotations

import asyncio
import select
import ssl
from asyncio import Future
from collections.abc import Callable
from typing import cast

from crawler.fetch import fetch_fault
from crawler.fetch.exchange import connection_facts
from crawler.fetch.message import Message
from crawler.model.head import Head
from crawler.model.transfer import ConnectionFacts

_HIGH = 131_072
"""Bytes of a body that may wait to be read; half of what a loop reads at once."""


class RawConnection(asyncio.Protocol):
    """A connection for HTTP/1.1; `lose` is called once, when it has gone.

    `room` limits the bytes between the chunks of a response. `message` reads the last response,
    and `began` tells whether any of it has come; `gone` is done when the connection is lost.
    """

    __slots__ = (
        "_error", "_held", "_loop", "_lose", "_paused", "_pieces", "_poll", "_room", "_size",
        "_transport", "_used", "_waiter", "began", "facts", "gone", "idle_since", "message",
    )  # fmt: skip

    _transport: asyncio.Transport
    facts: ConnectionFacts

    def __init__(
        self, loop: asyncio.AbstractEventLoop, room: int, lose: Callable[[RawConnection], object]
    ) -> None:
        self._loop = loop
        self._room = room
        self._lose = lose
        self.message = Message(room)
        self._used = False
        self._pieces: list[bytes] = []  # of the body, to be read
        self._size = 0
        self._waiter: Future[None] | None = None
        self.gone: Future[None] = loop.create_future()
        self._error: Exception | None = None
        self._held = self._paused = False
        self._poll: select.poll | None = None
        self.began = False
        self.idle_since = 0.0

    def __repr__(self) -> str:
        state = "lost" if self.lost else "idle" if self.message.done else "busy"
        return f"RawConnection({state})"

    @property
    def lost(self) -> bool:
        """True if nothing can be sent any more."""
        return self.gone.done() or self._transport.is_closing()

    @property
    def finished(self) -> bool:
        """True if the response was read whole, and another may follow it."""
        message = self.message
        reusable = message.done and message.head is not None and message.head.reusable
        return reusable and not (message.surplus or self._pieces or self.lost)

    @property
    def quiet(self) -> bool:
        """True if nothing lies unread, which would be taken for the next response.

        Ask the kernel, as the loop may not have read it yet.
        """
        if self.lost:
            return False
        if self._poll is None:
            self._poll = select.poll()
            descriptor = self._transport.get_extra_info("socket").fileno()
            self._poll.register(descriptor, select.POLLIN)
        return not self._poll.poll(0)

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The connection's TLS, None for http."""
        found: ssl.SSLObject | None = self._transport.get_extra_info("ssl_object")
        return found

    def send(self, request: bytes) -> None:
        """Send a request, and expect its response."""
        if self._used:
            self.message = Message(self._room)
            self.began = False
        self._used = True
        self._transport.write(request)

    async def head(self) -> Head:
        """Return the head of the response; raise `Fault` or OSError if none comes."""
        message = self.message
        while message.head is None:
            if message.problem is not None:
                raise message.problem
            if self.gone.done():
                raise self._error or fetch_fault.closed()
            await self._more()
        return message.head

    async def read(self) -> bytes:
        """Return the next piece of the body, b"" at its end; raise `Fault` if it is cut off."""
        while not self._pieces:
            message = self.message
            if message.problem is not None:
                raise message.problem
            if message.done:
                return b""
            if self.gone.done():
                raise fetch_fault.cut_short()
            await self._more()
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._size = 0
        self._flow()
        return data

    async def _more(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def hold(self, *, held: bool) -> None:
        """Read nothing more, or read on."""
        self._held = held
        self._flow()

    def _flow(self) -> None:
        pause = self._held or self._size >= _HIGH
        if pause is self._paused or self.lost:
            return
        self._paused = pause
        if pause:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def abort(self) -> None:
        """Close at once; a TLS shutdown would wait for the server."""
        self._transport.abort()

    # The loop's callbacks.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self.facts = connection_facts(transport.get_extra_info("peername"), self.tls)

    def data_received(self, data: bytes) -> None:
        """Take bytes from the connection."""
        message = self.message
        self.began = True
        if body := message.feed(data):
            self._pieces.append(body)
            self._size += len(body)
            if self._size >= _HIGH:
                self._flow()
        if message.surplus or message.problem is not None:  # while idle, all is surplus
            self.abort()
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        """End the response that is being read."""
        self._error = error
        if not self.gone.done():
            self.gone.set_result(None)
        if error is None and self.message.until_close:
            self.message.done = True
        self._lose(self)
        self._wake()
