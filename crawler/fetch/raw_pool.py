"""The connections of the raw client: made for an origin, kept while idle, closed in the end.

    name or address --guard--> addresses --happy eyeballs (RFC 8305)--> socket --TLS--> connection

Idle connections are kept by origin, the newest is used first. One that is older than `IDLE_SECONDS`
is closed, as are all of the origin that has been idle longest, where there are too many of them.
The TLS session of each name's last connection is kept for the next (RFC 8446, 2.2).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from asyncio import CancelledError
from collections import deque
from functools import partial
from typing import Any

from aiohappyeyeballs import start_connection

from crawler.fetch import fetch_fault
from crawler.fetch.deadline import Deadlines
from crawler.fetch.exchange import IDLE_HOSTS, IDLE_SECONDS
from crawler.fetch.loop_names import LoopNames
from crawler.fetch.names import Addresses
from crawler.fetch.raw_connection import RawConnection
from crawler.model.url import Url

_HEAD_START = 0.25
"""Seconds before the next address is tried, too: as RFC 8305, 5, recommends."""

_NEVER = 86_400.0  # seconds; asyncio wants a bound of its own, and the deadline is shorter


class RawPool:
    """All connections of a fetcher, on the running loop.

    `room` limits the bytes between the chunks of a response, `connects` the time to connect.
    """

    def __init__(
        self, names: LoopNames, tls: ssl.SSLContext, connects: Deadlines, room: int
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._sessions: dict[str, ssl.SSLSession] = {}
        self._names = names
        self._tls = tls
        self._wrap: Any = None
        self._connects = connects
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
        if connection.message.done and not connection.idle_since:
            self._remember(connection)
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
        return connection

    async def _connected(self, addresses: Addresses, url: Url) -> RawConnection:
        tls, name = None, None
        if url.scheme == "https":
            tls, name = self._resuming(), url.hostname.rstrip(".")
        stream = socket.SOCK_STREAM, socket.IPPROTO_TCP, ""
        ends = [(family, *stream, (ip, url.port)) for family, ip in addresses]
        sock = await start_connection(ends, happy_eyeballs_delay=_HEAD_START)
        try:
            _, connection = await self._loop.create_connection(
                self._make,
                sock=sock,
                ssl=tls,
                server_hostname=name,
                ssl_handshake_timeout=_NEVER if tls else None,
            )
            return connection
        except BaseException:
            sock.close()
            raise

    def _resuming(self) -> ssl.SSLContext:
        """Return the context, which offers a server the session that is kept of it."""
        if self._wrap is None:
            self._tls.cert_store_stats()  # fills the store, and with it goes what postponed that
            self._wrap = self._tls.wrap_bio
            self._tls.wrap_bio = self._wrapped  # type: ignore[assignment, method-assign]
        return self._tls

    def _wrapped(self, *ends: Any, server_hostname: str, **options: Any) -> ssl.SSLObject:
        session = self._sessions.pop(server_hostname, None)  # no ticket is used twice
        secured: ssl.SSLObject = self._wrap(
            *ends, server_hostname=server_hostname, session=session, **options
        )
        return secured

    def _remember(self, connection: RawConnection) -> None:
        """Keep the session of a new connection, whose tickets have come by now."""
        tls = connection.tls
        if tls is None or tls.session is None or tls.server_hostname is None:
            return
        self._sessions[tls.server_hostname] = tls.session
        if len(self._sessions) > IDLE_HOSTS:
            del self._sessions[next(iter(self._sessions))]

    def _make_room(self) -> None:
        while len(self._idle) >= IDLE_HOSTS:
            for connection in self._idle.pop(next(iter(self._idle))):
                connection.abort()

    def _forget(self, connection: RawConnection) -> None:
        self._all.pop(connection, None)

    async def close(self) -> None:
        """Close all connections and wait for it."""
        self._idle.clear()
        found = list(self._all)
        for connection in found:
            connection.abort()
        await asyncio.gather(*(each.gone for each in found))
