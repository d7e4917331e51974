"""The open connections of one server, so that neither a stop nor a sweep misses one of them."""

from __future__ import annotations

import asyncio
from typing import Protocol

# A loop accepts a client some turns before it tells the protocol: in asyncio one turn to the task
# that makes the transport, one to connection_made, one to connection_lost after an abort.
_ACCEPT_TURNS = 4


class Closable(Protocol):
    """A connection, as far as ending it goes.

    quiet_since: the `time.monotonic` since when nothing is asked and nothing sent; None while busy.
    """

    quiet_since: float | None

    def abort(self) -> None:
        """Drop the client at once."""

    def retire(self) -> None:
        """Close in order."""


class Opened:
    """Who is connected; after `stop`, whoever still arrives is dropped as well."""

    def __init__(self) -> None:
        self._connections: set[Closable] = set()
        self._none_left = asyncio.Event()
        self._none_left.set()
        self._stopping = False

    def add(self, connection: Closable) -> None:
        """A connection is made."""
        self._connections.add(connection)
        self._none_left.clear()
        if self._stopping:
            connection.abort()

    def discard(self, connection: Closable) -> None:
        """A connection is lost."""
        self._connections.discard(connection)
        if not self._connections:
            self._none_left.set()

    def sweep(self, now: float, seconds: float) -> None:
        """Retire every connection that has been quiet for at least so many seconds."""
        latest = now - seconds
        for connection in tuple(self._connections):
            if connection.quiet_since is not None and connection.quiet_since <= latest:
                connection.retire()

    def stop(self) -> None:
        """Drop every client, and from now on every new one."""
        self._stopping = True
        for connection in tuple(self._connections):
            connection.abort()

    async def none_left(self) -> None:
        """Wait until all are gone; call it once nobody listens any more."""
        for _ in range(_ACCEPT_TURNS):
            await asyncio.sleep(0)
        await self._none_left.wait()
