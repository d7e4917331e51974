"""One client's connection: requests in order, deliveries out.

The reader collects requests into a queue, which is processed one turn at a time, so pipelined
answers keep their order whatever their delays. States:

    idle       nothing to send; the next request of the queue is taken immediately
    pending    a task makes the answer (control paths only)
    delivering a delivery waits for its time, for its next piece, or for the client to read
    ended      the last delivery closed, reset or hangs; no more requests are taken

Limits: reading stops while 128 requests wait; writing stops while the client does not read; an idle
connection is retired from outside. Waiting is `loop.call_later`, without a task or thread per
connection.

A client that closes its side may still read (RFC 9112 section 9.6) and looks the same as one that
has gone. It gets its answer if that is due within a few seconds; in the ledger its request is over.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Iterator
from typing import cast

from crawler.mock.reply import Ending
from crawler.mock.server.delivery import Delivery, RequestTurn
from crawler.mock.server.open_connections import OpenConnection, Opened, reset
from crawler.mock.server.request_reader import Reader
from crawler.mock.server.responder import Responder

MAX_QUEUED = 128
# Seconds that a refused client may go on sending before it is cut off.
LINGER_SECONDS = 2.0
# A reset destroys data that the kernel has not sent yet; on loopback this delay is ample.
RESET_SECONDS = 0.05
# Seconds within which an answer must be due for a client that has closed its side.
HALF_CLOSED_SECONDS = 5.0
# An endless body must not keep the loop from the other clients.
TURN_BYTES = 256 * 1024
# RFC 9110 section 10.1.1: the client waits for permission to send a body.
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Connection(OpenConnection):
    """The protocol of one client."""

    __slots__ = (
        "_address", "_due", "_ended", "_half_closed", "_loop", "_next", "_pieces", "_reader",
        "_reading", "_responder", "_task", "_timer", "_turn", "_waiting", "_writable", "client",
    )  # fmt: skip

    def __init__(
        self, responder: Responder, opened: Opened, loop: asyncio.AbstractEventLoop
    ) -> None:
        # Written out, as in `connection_made`: calls of the base class cost 7 % of a connection
        # with a single request.
        self._opened = opened
        self.quiet_since: float | None = None
        self._responder = responder
        self._loop = loop
        self._reader = Reader()
        self._turn: RequestTurn | None = None
        self._pieces: Iterator[bytes] = iter(())
        self._next: bytes | None = None
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | asyncio.Handle | None = None
        self._due = 0.0
        self._waiting = self._ended = self._half_closed = False
        self._writable = self._reading = True
        self._address = self.client = ""

    # The transport's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register and count a new client."""
        self._transport = cast(asyncio.Transport, transport)
        self.quiet_since = time.monotonic()
        self._opened.add(self)
        self._address = _text(transport.get_extra_info("sockname"))
        self.client = _text(transport.get_extra_info("peername"))
        self._responder.connections += 1
        self._responder.open_connections += 1

    def connection_lost(self, error: Exception | None) -> None:
        """Drop everything for a client that has gone."""
        self._stop_timer()
        if self._task is not None:
            self._task.cancel()
        self._finish_turn()
        self._ended = True
        self._reader.close()
        self._opened.discard(self)
        self._responder.open_connections -= 1

    def data_received(self, data: bytes) -> None:
        """Parse, then answer complete requests."""
        reader = self._reader
        reader.feed(data)
        if reader.expecting and self._turn is None and not reader.queue:
            reader.expecting = False
            self._transport.write(_CONTINUE)
        self._work()

    def eof_received(self) -> bool:
        """Note that the client sends no more; return True to keep the transport for its answer."""
        self._reader.deaf = self._half_closed = True
        # TLS cannot be half-closed, and a client that has gone must not be waited for long.
        soon = self._due - time.monotonic() <= HALF_CLOSED_SECONDS
        unanswered = self._turn is not None or bool(self._reader.queue)
        wanted = unanswered and soon and not self._ended and self._transport.can_write_eof()
        if self._turn is not None:
            self._responder.end(self._turn)
        return wanted

    def pause_writing(self) -> None:
        """Stop writing to a client that reads too slowly."""
        self._writable = False

    def resume_writing(self) -> None:
        """Go on writing."""
        self._writable = True
        if self._turn is not None and self._task is None and self._timer is None:
            self._send()
        self._work()

    def retire(self) -> None:
        """Close an idle connection in order."""
        self._ended = self._reader.deaf = True
        super().retire()

    # Answering.

    def _work(self) -> None:
        queue, responder = self._reader.queue, self._responder
        while queue and self._turn is None and self._writable and not self._ended:
            turn = responder.take(queue.popleft(), self._address, self.client)
            delivery = turn.delivery
            if delivery is None:
                self._turn = turn
                self.quiet_since = None
                made = responder.controlled(turn)
                self._task = self._loop.create_task(self._pend(turn, made))
            elif (data := delivery.at_once) is not None:
                self._write(turn, data)
                responder.end(turn)
                self.quiet_since = turn.begun
            else:
                self._begin(turn, delivery)
        if self._half_closed and self._turn is None and not self._ended:  # all is answered
            self._ended = True
            self._transport.close()
        self._mind_reading()

    def _mind_reading(self) -> None:
        """Pause reading while many requests wait."""
        wanted = len(self._reader.queue) < MAX_QUEUED
        if wanted != self._reading and not self._ended and not self._transport.is_closing():
            self._reading = wanted
            if wanted:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    async def _pend(self, turn: RequestTurn, made: Awaitable[Delivery]) -> None:
        try:
            delivery = await made
        except Exception:
            self._transport.abort()  # a bug; the client must not wait for its answer
            raise
        self._task = None
        self._begin(turn, delivery)
        self._work()

    def _begin(self, turn: RequestTurn, delivery: Delivery) -> None:
        turn.delivery = delivery
        self._turn = turn
        self.quiet_since = None
        self._pieces = iter(delivery.pieces)
        self._next = next(self._pieces, None)
        if not delivery.delay:
            self._send()
            return
        self._waiting = True
        responder = self._responder
        responder.waiting += 1
        responder.peak_waiting = max(responder.peak_waiting, responder.waiting)
        self._wait(delivery.delay)

    def _wait(self, seconds: float) -> None:
        self._due = time.monotonic() + seconds
        self._await_due()

    def _await_due(self) -> None:
        """Go on at the due time; timers may fire early, but a mock's latency may not."""
        left = self._due - time.monotonic()
        if left > 0:
            # uvloop counts whole milliseconds and would round down.
            rounded = math.ceil(left * 1000) / 1000
            self._timer = self._loop.call_later(rounded, self._await_due)
            return
        self._go_on()

    def _go_on(self) -> None:
        self._stop_timer()
        self._send()
        self._work()

    def _send(self) -> None:
        """Write pieces until they end, a pause is due, the client is full or others wait."""
        turn, written = self._turn, 0
        if turn is None or turn.delivery is None:
            return
        delivery = turn.delivery
        while self._writable:
            data = self._next
            if data is None:
                self._end(delivery.ending)
                return
            self._write(turn, data)
            written += len(data)
            self._next = next(self._pieces, None)
            if self._next is not None and delivery.pause:
                self._wait(delivery.pause)
                return
            if written > TURN_BYTES:  # go on after the other clients
                self._timer = self._loop.call_soon(self._go_on)
                return

    def _write(self, turn: RequestTurn, data: bytes) -> None:
        turn.sent += len(data)
        self._responder.bytes_sent += len(data)
        self._transport.write(data)

    def _finish_turn(self) -> None:
        if self._turn is not None:
            self._responder.end(self._turn)
            self._turn = None
            self._pieces = iter(())

    def _end(self, ending: Ending) -> None:
        """End the turn, and the connection as the answer says."""
        if ending is Ending.KEEP:
            self._finish_turn()
            self.quiet_since = time.monotonic()
            return
        self._ended = True
        match ending:
            case Ending.CLOSE | Ending.DROP:
                self._finish_turn()
                self._transport.close()
            case Ending.LINGER:
                self._linger()
            case Ending.RESET:
                self._timer = self._loop.call_later(RESET_SECONDS, reset, self._transport)
            case Ending.DEAF:
                self._stop_hearing()
            case Ending.HANG:
                pass

    def _linger(self) -> None:
        self._finish_turn()
        if not self._transport.can_write_eof():  # TLS has no half-closed state
            self._transport.close()
            return
        self._transport.write_eof()
        if not self._reading:
            self._transport.resume_reading()
        self._timer = self._loop.call_later(LINGER_SECONDS, self._transport.abort)

    def _stop_hearing(self) -> None:
        """Stop reading, with a time limit, as the client's end cannot be seen any more."""
        if self._reading:
            self._reading = False
            self._transport.pause_reading()
        self._timer = self._loop.call_later(
            self._responder.options.idle_timeout, self._transport.abort
        )

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting:
            self._waiting = False
            self._responder.waiting -= 1


def _text(name: object) -> str:
    """Return an IP socket's address as `address:port`."""
    if not isinstance(name, tuple):
        return ""
    return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"
