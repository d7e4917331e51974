"""A connection of the raw client on made-up segments, without a loop that runs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from crawler.fetch.message import Message
from crawler.fetch.raw_connection import RawConnection
from crawler.model.fault import Fault
from crawler.model.head import Head

_ROOM = 1_000_000


class Answer(NamedTuple):
    """What is read of a response; `whole` unless it ends in a fault."""

    head: Head | None = None
    body: bytes = b""
    whole: bool = False


class Wire(asyncio.Transport):
    """A transport without a socket: what is written is dropped."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = self.paused = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def write(self, data: object) -> None:
        """Drop it."""

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


class Reader:
    """Reads a response as an exchange does, as far as it goes; `answer` is set at its end."""

    def __init__(self, connection: RawConnection) -> None:
        self.answer: Answer | None = None
        self._steps = self._read(connection)
        self._waits: Any = None

    def go_on(self) -> None:
        """Read until there is nothing more."""
        while self.answer is None and (self._waits is None or self._waits.done()):
            try:
                self._waits = self._steps.send(None)
            except StopIteration as end:
                self.answer = end.value

    async def _read(self, connection: RawConnection) -> Answer:
        head, body = None, b""
        try:
            head = await connection.head()
            while piece := await connection.read():
                body += piece
        except Fault:
            return Answer(head, body)
        return Answer(head, body, whole=True)


@cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def connected() -> tuple[RawConnection, Wire]:
    """Return a connection that has sent a request, and its transport."""
    wire = Wire()
    connection = RawConnection(_loop(), _ROOM, lambda _: None)
    connection.connection_made(wire)
    connection.send(b"")
    return connection, wire


def _segments(data: bytes, lengths: bytes) -> Iterator[bytes]:
    for length in lengths:
        yield data[: length + 1]
        data = data[length + 1 :]
    yield data


def connections(data: bytes) -> None:
    """What a server sends, in segments as long as the bytes of the first line say.

    The raw client reads of it what `Message` reads of it whole. Then the connection is at rest, or
    closed; at rest, one byte more closes it.
    """
    first, _, sent = data.partition(b"\n")
    connection, wire = connected()
    reader = Reader(connection)
    for segment in filter(None, _segments(sent, first)):
        reader.go_on()
        if not wire.closed:
            connection.data_received(segment)
    at_rest = connection.finished
    if at_rest or wire.closed:
        reader.go_on()
    if not wire.closed:
        connection.data_received(b"x" if connection.message.done else b"")
        assert wire.closed or not connection.message.done
    connection.connection_lost(None)
    reader.go_on()
    message = Message(_ROOM)
    body = message.feed(sent)
    whole = message.problem is None and (message.done or message.until_close)
    assert reader.answer == Answer(message.head, body if message.head else b"", whole)
    assert not (at_rest and message.surplus)
