"""One connection of the raw engine, and the one hit that it may carry at a time.

A line is a place for a connection: it is opened by the first hit that needs it, carries hit after
hit, and is opened anew after it was lost. Nothing runs for it but the loop's callbacks: no task, no
timer and no object is made for a request on an open connection.

States: *idle* (its owner may give it a hit, connection or not), *busy* (carries a hit, perhaps
while it connects), *closing* (the answer has come, the connection ends; idle when that is over).
The owner hears of every change to idle, exactly once, by `free` or `refused`.

A server may close an idle connection in the moment in which a request is written on it, also one
that has not carried any yet. If a connection was open before the request came, and ends before the
first byte of an answer, the request is sent once more on a new one (RFC 9112, 9.3.1) and told as
`reopened`: no error, as the server never saw it.

What httptools refuses is read again by the reader that a crawl has (`crawler.model.head`), so that
an odd head counts as it would there.

A hit counts as sent when its line begins to act on it: when it is written, or, if it had to open
the connection, when that began. So a server's slowness to accept is in its service latency.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import cast

import httptools

from crawler.load.hit import Failure
from crawler.load.loop import Line
from crawler.load.plan import Planned
from crawler.load.reason import ended, shown
from crawler.model.head import HEADER_BYTES, Malformed, check_start, read_head

_HEAD_BYTES = 1 << 16
_PARSER_ERRORS = (httptools.HttpParserError, httptools.HttpParserUpgrade)
_HEAD_END = re.compile(rb"\n\r?\n")
# RFC 9112 6.3: an answer with neither of them ends with its connection.
_FRAMED = re.compile(rb"\r\n(?:content-length|transfer-encoding)[ \t]*:", re.IGNORECASE)

Connect = Callable[["RawLine"], None]


@dataclass(slots=True, eq=False)
class RawLine(Line, asyncio.Protocol):
    """A line of the raw client.

    connect: begins to open its connection. connecting: its hit waits for that.
    """

    connect: Connect = field(kw_only=True)
    keepalive: bool = field(kw_only=True)
    connecting: bool = False
    _transport: asyncio.Transport | None = None
    _gone: asyncio.Future[None] | None = None
    _write: Callable[[bytes], None] = field(init=False)
    _parser: httptools.HttpResponseParser = field(init=False)
    _feed: Callable[[bytes], None] = field(init=False)
    _head: bytes | None = None
    _received: int = 0
    _status: int = 0
    _closing: bool = False
    _reusable: bool = False
    _was_open: bool = False
    _resent: bool = False

    def __post_init__(self) -> None:
        self._renew()

    def _renew(self) -> None:
        self._renew_parser()
        self._head = None
        self._received = 0

    def _renew_parser(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._feed = self._parser.feed_data
        self._status = 0

    def send(self, intended: float, now: float, request: Planned) -> None:
        """Carry a hit; only when idle."""
        self.busy = True
        if not self.counted:
            self.counted = True
            self.engine.flow.change(now, 1)
        self.intended = intended
        self.sent = now
        self.request = request
        self._resent = False
        self._was_open = self.usable
        if self.usable:
            self._write(request.data)
            return
        self.connecting = True
        if self._transport is None:  # else as soon as the old connection is gone
            self.connect(self)

    def give_up(self, now: float, failure: Failure, why: str) -> None:
        """Count the hit as failed and end the connection; only when busy and connected."""
        self.engine.failed(self, now, failure, why)
        self._end(now)

    def abandon(self) -> None:
        """Forget the hit, which somebody else has counted."""
        self.busy = self.connecting = False

    def lose(self) -> bool:
        """Give up a connection made while the attempt at it ended; return whether there was one.

        Whoever cancels `create_connection` after `connection_made` and before it has returned
        closes the transport. asyncio then calls `connection_lost` some time later, uvloop never
        does. So the transport is taken away from both, and the line is idle again here and now.
        """
        if self._transport is None:
            return False
        self._transport.set_protocol(asyncio.Protocol())
        self._transport.abort()
        self.connection_lost(None)
        return True

    async def closed(self) -> None:
        """Abort the connection, if there is one, and wait for its end."""
        if self._transport is not None:
            self._gone = asyncio.get_running_loop().create_future()
            self._transport.abort()
            await self._gone

    # asyncio's callbacks.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the hit that waits for this connection, if one does."""
        self._transport = cast("asyncio.Transport", transport)
        self._write = self._transport.write
        self._renew()
        self.usable = True
        if self.connecting:
            self.connecting = False
            self._write(self.request.data)

    def data_received(self, data: bytes) -> None:
        """Take a part of the answer; the hit has ended with its last byte."""
        if not self.busy:
            self._unasked()
            return
        self._received += len(data)
        try:
            self._feed(data)
        except _PARSER_ERRORS:
            self._odd((self._head or b"") + data)
        else:
            if not self._status and (self._head is None or len(self._head) < _HEAD_BYTES):
                self._head = (self._head or b"") + data
        if self._status:
            self._answered(perf_counter())

    def _odd(self, raw: bytes) -> None:
        """Read an answer again that the parser refuses, with its head in the plainest form.

        Where the head is not whole yet, that is done with each further piece of it.
        """
        try:
            if (whole := plain_answer(raw)) is not None:
                self._renew_parser()
                raw = whole
                self._feed(raw)
        except Malformed as problem:
            self._refuse(f"{problem.reason}: {shown(raw)}")
        except _PARSER_ERRORS as problem:
            self._refuse("bytes after the end of the answer" if self._status else str(problem))
        else:
            self._head = raw
            if len(raw) >= _HEAD_BYTES and not self._status:
                self._refuse("a malformed answer, too long to be read again")

    def _refuse(self, why: str) -> None:
        self._status = 0
        self.give_up(perf_counter(), Failure.PROTOCOL, why)

    def eof_received(self) -> None:
        """Send nothing more, as nothing more comes."""
        self.usable = False

    def connection_lost(self, exc: Exception | None) -> None:
        """End the hit, if it had been sent, and be idle again."""
        if self._transport is None:  # it was given up (`lose`) while this call was on its way
            return
        self._transport = None
        self.usable = False
        if self._gone is not None:
            if not self._gone.done():  # who waited for it has gone
                self._gone.set_result(None)
        elif self.connecting:  # a hit came while the old connection was going
            self.connect(self)
        elif self._closing:  # the hit was counted before
            self._closing = False
            self.engine.free(self, perf_counter())
        elif self.busy and self._was_open and not (self._received or self._resent):
            # Closed while idle, so that the server never saw the request (RFC 9112, 9.3.1).
            self._resent = self.connecting = True
            self.engine.reopened(self)
            self.connect(self)
        elif self.busy:
            self._cut(perf_counter(), exc)

    def _cut(self, now: float, exc: Exception | None) -> None:
        status = self._until_close() if exc is None else 0
        if status:
            self.hit(self.intended, self.sent, now, status, self._received, self.request)
        else:
            self.engine.failed(self, now, Failure.DISCONNECTED, ended(exc, self._received))
        self.busy = False
        self.engine.free(self, now)

    def _until_close(self) -> int:
        """Return the status of an answer that ends with its connection; else 0."""
        head, end, _ = (self._head or b"").partition(b"\r\n\r\n")
        if not end or _FRAMED.search(head):
            return 0
        return self._parser.get_status_code()

    def _answered(self, now: float) -> None:
        status, received = self._status, self._received
        self._status = self._received = 0
        self._head = None
        self.busy = False
        self.hit(self.intended, self.sent, now, status, received, self.request)
        if self._reusable:
            self.engine.free(self, now)
        else:
            self._end(now)

    def _unasked(self) -> None:
        """Give up the connection: the next answer could not be told apart from these bytes."""
        self.usable = False
        if self._transport is not None:
            self._transport.abort()

    def _end(self, now: float) -> None:
        """Close; idle when that is over."""
        self.rest(now)
        self.busy = self.usable = False
        self._closing = True
        if self._transport is not None:
            self._transport.abort()

    # The parser's callback.

    def on_message_complete(self) -> None:
        """Take a whole answer; those before the last (RFC 9110 15.2) do not count."""
        parser = self._parser
        status = parser.get_status_code()
        if status >= 200:
            self._status = status
            self._reusable = self.keepalive and parser.should_keep_alive()


class HeadLine(RawLine):
    """A line for requests with HEAD among them, whose answers end with their fields."""

    __slots__ = ()

    @property
    def _heads(self) -> bool:
        return self.request.data.startswith(b"HEAD ")

    def on_headers_complete(self) -> None:
        """Take the answer to a HEAD as whole, whatever its fields say."""
        if self._heads:
            self.on_message_complete()

    def _answered(self, now: float) -> None:
        heads = self._heads
        super()._answered(now)
        if heads:
            self._renew()  # the parser waits for a body that does not come


def plain_answer(raw: bytes) -> bytes | None:
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
