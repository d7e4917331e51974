"""The way of one exchange to its server, which differs by engine, and two that pass by the cache.

`RecordingLink` keeps what comes, `ReplayLink` repeats it. Both leave waiting and ending to the
link of the engine, so that a replay is bounded as an exchange is.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

from crawler.fetch.response_cache import CachedResponse
from crawler.fetch.room import Values
from crawler.model.fault import Fault
from crawler.model.proxies import Proxy
from crawler.model.transfer import ConnectionFacts, Heads

T = TypeVar("T")

_PIECE = 65_536  # bytes of a replayed body at once


class ExchangeLink(Protocol):
    """The way of one exchange to its server."""

    proxy: Proxy | None

    @property
    def forwarded(self) -> bool:
        """True if an HTTP proxy passes the request on."""

    async def open(self) -> tuple[int, Values]:
        """Send the request, wait for the response's head, and return its status and values."""

    def fields(self) -> tuple[tuple[str, str], ...]:
        """Return all header fields of the response."""

    def connection(self) -> ConnectionFacts | None:
        """Return what the response came over; only where asked for (`keep_connection`)."""

    def heads(self) -> Heads | None:
        """Return both heads as they went over the line; only where fields are kept."""

    @property
    def read(self) -> Callable[[], Awaitable[bytes]]:
        """Return the function that waits for the next piece of the body, b"" at its end."""

    def left(self) -> bytes:
        """Return the bytes that came together with the end of a broken body."""

    async def wait(self, room: Any) -> None:
        """Stop reading, and the exchange's clock, until the event is set."""

    @property
    def end(self) -> Callable[[Fault], None]:
        """Return the function that ends the exchange from outside."""

    async def aside(self, call: Callable[..., T], *args: Any) -> T:
        """Return the result of a call that waits for the disk."""

    def close(self) -> None:
        """Give the connection back; close it unless the body was read to its end."""


class _PassingLink:
    """Leaves everything to the link of the engine."""

    def __init__(self, link: ExchangeLink) -> None:
        self._link = link
        self.proxy = link.proxy

    @property
    def forwarded(self) -> bool:
        return self._link.forwarded

    @property
    def end(self) -> Callable[[Fault], None]:
        return self._link.end

    async def wait(self, room: Any) -> None:
        await self._link.wait(room)

    async def aside(self, call: Callable[..., T], *args: Any) -> T:
        return await self._link.aside(call, *args)

    def close(self) -> None:
        self._link.close()


class RecordingLink(_PassingLink):
    """Keeps the response that passes, as far as its body is read."""

    def __init__(self, link: ExchangeLink) -> None:
        super().__init__(link)
        self._status = 0
        self._pieces: list[bytes] = []
        self._begun = self._ended = False

    async def open(self) -> tuple[int, Values]:
        """Return the status and the values of the head."""
        self._status, values = await self._link.open()
        return self._status, values

    def fields(self) -> tuple[tuple[str, str], ...]:
        """Return all header fields."""
        return self._link.fields()

    def connection(self) -> ConnectionFacts | None:
        """Return what the response came over, if it came now."""
        return self._link.connection()

    def heads(self) -> Heads | None:
        """Return both heads, if they came now."""
        return self._link.heads()

    @property
    def read(self) -> Callable[[], Awaitable[bytes]]:
        """Return the function for the next piece of the body."""
        read = self._link.read
        self._begun = True

        async def recorded() -> bytes:
            data = await read()
            self._pieces.append(data)
            self._ended = self._ended or not data
            return data

        return recorded

    def left(self) -> bytes:
        """Return what came with the end of a broken body."""
        return self._link.left()

    def taken(self) -> CachedResponse | None:
        """Return the response; None if it lacks a part of what was asked for."""
        wanted = 200 <= self._status < 300 or self._begun
        if not self._status or (wanted and not self._ended):
            return None
        found = CachedResponse(time.time(), self._status, self.fields(), b"".join(self._pieces))
        return found if found.storable else None


class ReplayLink(_PassingLink):
    """Repeats a response."""

    def __init__(self, link: ExchangeLink, response: CachedResponse) -> None:
        super().__init__(link)
        self._response = response
        self._at = 0

    async def open(self) -> tuple[int, Values]:
        """Return the status and the values of the head."""
        return self._response.status, self._response.values

    def fields(self) -> tuple[tuple[str, str], ...]:
        """Return all header fields."""
        return tuple((name, value) for name, value in self._response.fields)

    def connection(self) -> ConnectionFacts | None:
        """Return what the response came over, if it came now."""
        return None

    def heads(self) -> Heads | None:
        """Return both heads, if they came now."""
        return None

    @property
    def read(self) -> Callable[[], Awaitable[bytes]]:
        """Return the function for the next piece of the body."""
        return self._next

    async def _next(self) -> bytes:
        piece = self._response.body[self._at : self._at + _PIECE]
        self._at += len(piece)
        return piece

    def left(self) -> bytes:
        """Return what came with the end of a broken body."""
        return b""
