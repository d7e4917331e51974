"""The connections of the raw client: made for an origin, kept while idle, closed in the end.

    name or address --guard--> addresses --happy eyeballs (RFC 8305)--> socket --TLS--> connection

Idle connections are kept by origin, the newest is used first. One that is older than `IDLE_SECONDS`
is closed, as are all of the origin that has been idle longest, where there are too many of them.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from asyncio import CancelledError
from collections import deque
from collections.abc import Iterable
from functools import partial

from aiohappyeyeballs import start_connection

from crawler.fetch import fetch_fault
from crawler.fetch.deadline import Deadlines
from crawler.fetch.exchange import IDLE_HOSTS
from crawler.fetch.loop_names import LoopNames
from crawler.fetch.names import Addresses
from crawler.fetch.raw_connection import RawConnection
from crawler.model.url import Url

IDLE_SECONDS = 15.0
"""Seconds that an unused connection is kept."""

_HEAD_START = 0.25
"""Seconds before the next address is tried, too: as RFC 8305, 5, recommends."""

_NEVER = 86_400.0  # seconds; asyncio wants a bound of its own, and the deadline is shorter


class RawPool:
    """All connections of a fetcher, on the running loop.

    `room` limits the bytes between the chunks of a response, `connects` the time to connect.
    With `watch`, connections know their `facts`.
    """

    def __init__(
        self,
        names: LoopNames,
        tls: ssl.SSLContext,
        connects: Deadlines,
        *,
        room: int,
        watch: bool = False,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._names = names
        self._tls = tls
        self._connects = connects
        self._watch = watch
        self._all: dict[RawConnection, None] = {}
        self._idle: dict[str, deque[RawConnection]] = {}  # oldest first, origins and connections
        self._make = partial(RawConnection, self._loop, room, self._forget)

    def __repr__(self) -> str:
        idle = sum(map(len, self._idle.values()))
        return f"RawPool({len(self._all)} connections, {idle} idle)"

    def take(self, origin: str) -> RawConnection | None:
        """Return an idle connection; None if there is none on which nothing has come."""
        kept = self._idle.get(origin)
        if kept is None:
            return None
        found = None
        self._expire(kept)
        while kept and found is None:
            newest = kept.pop()
            if newest.quiet:
                found = newest
            else:
                newest.abort()
        if not kept:
            del self._idle[origin]
        return found

    def give(self, origin: str, connection: RawConnection) -> None:
        """Keep a connection for the next request; close it unless its response was read whole."""
        if not connection.finished:
            connection.abort()
            return
        connection.idle_since = self._loop.time()
        kept = self._idle.pop(origin, None) or deque()
        kept.append(connection)
        self._idle[origin] = kept

    def sweep(self) -> None:
        """Close what has been idle for too long."""
        for origin in self._idle:
            kept = self._idle[origin]
            self._expire(kept)
            if kept:  # those behind it have been in use later
                break
        while self._idle and not self._idle[next(iter(self._idle))]:
            del self._idle[next(iter(self._idle))]

    def _expire(self, kept: deque[RawConnection]) -> None:
        oldest = self._loop.time() - IDLE_SECONDS
        while kept and kept[0].idle_since < oldest:
            kept.popleft().abort()

    async def connect(self, url: Url) -> RawConnection:
        """Return a new connection; raise `Fault`."""
        self._make_room()
        limit = self._names.limit(self._connects)
        try:
            addresses = await self._names.judged(url.hostname, url.port)
            connection = await self._connected(addresses, url)
        except CancelledError:
            if not limit.expired():
                raise
            asked = limit.task in self._names.unanswered
            late = fetch_fault.unanswered if asked else fetch_fault.connect_overdue
            raise late(self._connects.seconds) from None
        except OSError as error:
            verify = self._tls.verify_mode is not ssl.CERT_NONE
            raise fetch_fault.connecting(error, verify=verify) from None
        finally:
            self._names.lift(limit)
        self._all[connection] = None
        if self._watch:
            connection.look()
        return connection

    async def _connected(self, addresses: Addresses, url: Url) -> RawConnection:
        ends = [_end(family, ip, url.port) for family, ip in addresses]
        sock = await start_connection(ends, happy_eyeballs_delay=_HEAD_START)
        try:
            if url.scheme == "http":
                _, connection = await self._loop.create_connection(self._make, sock=sock)
                return connection
            _, connection = await self._loop.create_connection(
                self._make,
                sock=sock,
                ssl=self._tls,
                server_hostname=url.hostname.rstrip("."),
                ssl_handshake_timeout=_NEVER,
            )
            return connection
        except BaseException:
            sock.close()
            raise

    def _make_room(self) -> None:
        while len(self._idle) >= IDLE_HOSTS:
            _abort(self._idle.pop(next(iter(self._idle))))

    def _forget(self, connection: RawConnection) -> None:
        self._all.pop(connection, None)

    async def close(self) -> None:
        """Close all connections and wait for it."""
        self._idle.clear()
        await asyncio.gather(*(each.closed() for each in self._all))


def _abort(connections: Iterable[RawConnection]) -> None:
    for connection in connections:
        connection.abort()


def _end(
    family: int, ip: str, port: int
) -> tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int]]:
    """Return an address as `getaddrinfo` does."""
    at = (ip, port, 0, 0) if family == socket.AF_INET6 else (ip, port)
    return family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", at
