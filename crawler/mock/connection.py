"""One client's connection: bytes in, requests in order, deliveries out.

The parser's callbacks only collect requests into a queue. The queue is worked off one delivery at
a time, so pipelined answers keep their order whatever their delays. States:

    idle       nothing to send; the next request of the queue is taken at once
    delivering a delivery waits for its time, for its next piece, or for the client to read
    ended      the last delivery closed, reset or hangs; nothing more is taken

Bounds: a header section of more than 64 KiB is refused with 431; reading stops while 128 requests
wait; writing stops while the client does not read. Waiting is `loop.call_later`: no task and no
thread for a connection.

What a client sends never gets further than its own connection: what httptools does not accept is
answered with 400 and an orderly end.
"""

from __future__ import annotations

import asyncio
import math
import socket
import struct
import time
from collections import deque
from typing import cast

import httptools

from crawler.mock.answer import Ending
from crawler.mock.opened import Opened
from crawler.mock.responder import Request, Responder
from crawler.mock.wire import Delivery

MAX_HEAD_BYTES = 64 * 1024
MAX_QUEUED = 128
# How long a refused client may go on sending before it is cut off.
LINGER_SECONDS = 2.0
# A reset destroys what the kernel has not sent yet; on loopback this is ample.
RESET_SECONDS = 0.05
# SO_LINGER on, for zero seconds: close() sends RST (socket(7)).
_RESET_LINGER = struct.pack("ii", 1, 0)


class Connection(asyncio.Protocol):
    """The protocol of one client."""

    __slots__ = (
        "_chunk_bytes", "_deaf", "_delivery", "_due", "_ended", "_head_bytes", "_headers",
        "_host", "_in_head", "_loop", "_open", "_parser", "_queue",
        "_reading", "_responder", "_sent", "_target", "_timer", "_transport", "_waiting",
        "_writable",
    )  # fmt: skip

    _headers: list[tuple[bytes, bytes]]
    _head_bytes: int
    _transport: asyncio.Transport

    def __init__(
        self, responder: Responder, opened: Opened, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._responder = responder
        self._open = opened
        self._loop = loop
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        self._queue: deque[Request] = deque()
        self._delivery: Delivery | None = None
        self._sent = 0
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._waiting = self._ended = self._deaf = False
        self._writable = self._reading = True
        self._begin_head()
        self._in_head = False

    # The transport's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come (and has shaken hands, under TLS)."""
        self._transport = cast(asyncio.Transport, transport)
        self._responder.connections += 1
        self._responder.open_connections += 1
        self._open.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        """The client has gone; whatever was on its way to it is dropped."""
        self._stop_timer()
        self._ended = self._deaf = True
        self._queue.clear()
        self._parser = None  # the parser holds the protocol and the protocol the parser
        self._open.discard(self)
        self._responder.open_connections -= 1

    def data_received(self, data: bytes) -> None:
        """Parse, then answer what has arrived whole."""
        if self._deaf or self._parser is None:
            return
        self._chunk_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._deaf = True  # no other protocol is spoken here; the request itself is answered
        except httptools.HttpParserCallbackError:
            raise  # a mistake of ours, not the client's
        except httptools.HttpParserError:
            self._refuse(400)
        if self._in_head and self._chunk_bytes > MAX_HEAD_BYTES:
            self._refuse(431)
        self._work()

    def pause_writing(self) -> None:
        """The client reads slower than we write."""
        self._writable = False

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._writable = True
        if self._delivery is not None and not self._ended and self._timer is None:
            self._send()
        self._work()

    def abort(self) -> None:
        """Drop the client at once; the server stops."""
        self._transport.abort()

    # The parser's side. An exception that leaves one of these is a bug of ours.

    def on_message_begin(self) -> None:
        """A request's first byte."""
        self._begin_head()

    def on_url(self, url: bytes) -> None:
        """A part of the target; long ones come in several."""
        self._target += url
        self._head_bytes += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One whole header field."""
        self._headers.append((name, value))
        self._head_bytes += len(name) + len(value) + 4
        if len(name) == 4 and name.lower() == b"host":
            self._host = value

    def on_headers_complete(self) -> None:
        """The head has ended; a body, if any, is skipped without being kept."""
        self._in_head = False

    def on_message_complete(self) -> None:
        """A whole request has arrived."""
        parser = self._parser
        if parser is None or self._deaf:
            return
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(431)
            return
        self._queue.append(
            Request(
                parser.get_method(),
                self._target,
                self._host,
                self._headers,
                parser.should_keep_alive() and not parser.should_upgrade(),
                parser.get_http_version(),
            )
        )

    def _begin_head(self) -> None:
        self._in_head = True
        self._target = self._host = b""
        self._headers = []
        self._head_bytes = 0
        # Counts whole reads from the next one on: where in this one the head began is not known.
        self._chunk_bytes = 0

    def _refuse(self, status: int) -> None:
        """Answer what came before, then this status; hear nothing more."""
        if not self._deaf:
            self._deaf = True
            self._queue.append(Request(b"", b"", b"", [], False, "1.1", status))

    # Answering.

    def _work(self) -> None:
        """Start deliveries until one has to wait."""
        queue = self._queue
        while queue and self._delivery is None and self._writable and not self._ended:
            delivery = self._responder.delivery(queue.popleft())
            if (data := delivery.at_once) is not None:
                self._write(data)
            else:
                self._begin(delivery)
        self._mind_reading()

    def _mind_reading(self) -> None:
        """Read no further while many requests wait; go on when few do."""
        wanted = len(self._queue) < MAX_QUEUED
        if wanted != self._reading and not self._transport.is_closing():
            self._reading = wanted
            if wanted:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    def _begin(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._sent = 0
        if not delivery.delay:
            self._send()
            return
        self._waiting = True
        self._responder.begin_wait()
        self._wait(delivery.delay)

    def _wait(self, seconds: float) -> None:
        self._due = time.monotonic() + seconds
        self._await_due()

    def _await_due(self) -> None:
        """Go on when it is time; timers may fire early, a mock's latency may not."""
        left = self._due - time.monotonic()
        if left > 0:
            # uvloop counts whole milliseconds and would round down.
            rounded = math.ceil(left * 1000) / 1000
            self._timer = self._loop.call_later(rounded, self._await_due)
            return
        self._stop_timer()
        self._send()
        self._work()

    def _send(self) -> None:
        """Write pieces until they end, a pause is due or the client has enough."""
        delivery = self._delivery
        while delivery is not None and self._writable:
            if self._sent == len(delivery.pieces):
                self._end(delivery.ending)
                return
            self._sent += 1
            self._write(delivery.pieces[self._sent - 1])
            if delivery.pause and self._sent < len(delivery.pieces):
                self._wait(delivery.pause)
                return

    def _write(self, data: bytes) -> None:
        self._responder.bytes_sent += len(data)
        self._transport.write(data)

    def _end(self, ending: Ending) -> None:
        """All pieces are written: do with the connection what the answer says."""
        if ending is Ending.KEEP:
            self._delivery = None
            return
        self._ended = True
        match ending:
            case Ending.CLOSE:
                self._transport.close()
            case Ending.LINGER:
                self._linger()
            case Ending.RESET:
                self._timer = self._loop.call_later(RESET_SECONDS, self._reset)
            case Ending.HANG:
                pass

    def _linger(self) -> None:
        if not self._transport.can_write_eof():  # TLS has no half-closed state
            self._transport.close()
            return
        self._transport.write_eof()
        self._timer = self._loop.call_later(LINGER_SECONDS, self._transport.abort)

    def _reset(self) -> None:
        peer = self._transport.get_extra_info("socket")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_LINGER)
        self._transport.abort()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting:
            self._waiting = False
            self._responder.end_wait()
