"""The open connections of one server, so that neither a stop nor a sweep misses one of them."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from typing import cast

# A loop accepts a client some turns before it tells the protocol: in asyncio one turn to the task
# that makes the transport, one to connection_made, one to connection_lost after an abort.
_ACCEPT_TURNS = 4
# SO_LINGER on, for zero seconds: close() sends RST (socket(7)).
_RESET_LINGER = struct.pack("ii", 1, 0)


def reset(transport: asyncio.Transport) -> None:
    """Drop a client with a TCP reset."""
    peer = transport.get_extra_info("socket")
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_LINGER)
    transport.abort()


class OpenConnection(asyncio.Protocol):
    """The protocol of a client whom a stop or a sweep must not miss.

    quiet_since: the start, by `time.monotonic`, of the time without requests; None while busy.
    """

    __slots__ = ("_opened", "_transport", "quiet_since")

    _transport: asyncio.Transport

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self.quiet_since: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register a new client (after the handshake, under TLS)."""
        self._transport = cast(asyncio.Transport, transport)
        self.quiet_since = time.monotonic()
        self._opened.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        """Remove a client that has gone."""
        self._opened.discard(self)

    def abort(self) -> None:
        """Drop the client immediately."""
        self._transport.abort()

    def retire(self) -> None:
        """Close an idle connection in order."""
        self._transport.close()


class Opened:
    """The set of open connections; after `stop`, new ones are dropped as well."""

    def __init__(self) -> None:
        self._connections: set[OpenConnection] = set()
        self._none_left = asyncio.Event()
        self._none_left.set()
        self._stopping = False

    def add(self, connection: OpenConnection) -> None:
        """Add a connection."""
        self._connections.add(connection)
        self._none_left.clear()
        if self._stopping:
            connection.abort()

    def discard(self, connection: OpenConnection) -> None:
        """Remove a lost connection."""
        self._connections.discard(connection)
        if not self._connections:
            self._none_left.set()

    def sweep(self, now: float, seconds: float) -> None:
        """Retire every connection that has been quiet for at least `seconds`."""
        latest = now - seconds
        for connection in tuple(self._connections):
            if connection.quiet_since is not None and connection.quiet_since <= latest:
                connection.retire()

    def stop(self) -> None:
        """Drop every client, and from now on new ones, too."""
        self._stopping = True
        for connection in tuple(self._connections):
            connection.abort()

    async def none_left(self) -> None:
        """Wait until all are gone; call it after the listeners have stopped."""
        for _ in range(_ACCEPT_TURNS):
            await asyncio.sleep(0)
        await self._none_left.wait()
