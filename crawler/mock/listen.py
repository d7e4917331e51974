"""Listening sockets: two context managers that yield the port and, left, accept nobody any more.

Plain HTTP uses the loop's own server. TLS does not, because `create_server(ssl=...)` shakes hands
out of sight: a client that connects and then says nothing would belong to nobody, and no stop could
close it. Here every handshake is a task that its listener owns and cancels.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable

# Linux caps this at net.core.somaxconn, 4096 by default since 5.4.
BACKLOG = 4096
# A client that opens a TLS port and says nothing holds a socket for no longer than this.
HANDSHAKE_SECONDS = 10.0
# Out of file descriptors: give clients time to leave before the next attempt.
_EXHAUSTED_SECONDS = 0.1

ProtocolFactory = Callable[[], asyncio.Protocol]


@contextlib.asynccontextmanager
async def plain(host: str, port: int, make: ProtocolFactory) -> AsyncIterator[int]:
    """Accept plain clients; raises OSError if the address cannot be had."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(make, host, port, backlog=BACKLOG)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        # asyncio accepts in one turn of the loop and makes the transport in the next; closed
        # between the two, CPython's server fails an assertion and forgets the client's socket. A
        # timer, unlike sleep(0), comes back when those are made and before anyone else is accepted.
        await asyncio.sleep(1e-6)
        server.close()


@contextlib.asynccontextmanager
async def secured(
    host: str, port: int, make: ProtocolFactory, tls: ssl.SSLContext
) -> AsyncIterator[int]:
    """Accept clients and shake hands; raises OSError if the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=BACKLOG) as listener:
        listener.setblocking(False)
        handshakes = _Handshakes(listener, make, tls)
        handshakes.start()
        try:
            yield listener.getsockname()[1]
        finally:
            await handshakes.stop()


class _Handshakes:
    """Accepts clients and owns the task of each until its hands are shaken."""

    def __init__(self, listener: socket.socket, make: ProtocolFactory, tls: ssl.SSLContext) -> None:
        self._listener = listener
        self._make = make
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._shaking: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Accept from now on."""
        self._loop.add_reader(self._listener, self._accept)

    async def stop(self) -> None:
        """Accept nobody any more, drop who is still shaking hands, and wait until they are gone."""
        self._loop.remove_reader(self._listener)
        if self._timer is not None:
            self._timer.cancel()
        await asyncio.sleep(0)  # the newest have begun now: a task that never began closes nothing
        shaking = tuple(self._shaking)
        for task in shaking:
            task.cancel()
        if shaking:
            await asyncio.wait(shaking)

    def _accept(self) -> None:
        # A plain accept: one that is awaited loses its client when it is cancelled at the wrong
        # moment.
        try:
            client, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError:  # the listener stays readable: look again later instead of spinning
            self._loop.remove_reader(self._listener)
            self._timer = self._loop.call_later(_EXHAUSTED_SECONDS, self.start)
            return
        task = self._loop.create_task(self._shake(client))
        self._shaking.add(task)
        task.add_done_callback(self._shaking.discard)

    async def _shake(self, client: socket.socket) -> None:
        # No TLS, a refused certificate, too late or gone: the client's affair, and its loss alone.
        with contextlib.suppress(OSError):
            await self._loop.connect_accepted_socket(
                self._make, client, ssl=self._tls, ssl_handshake_timeout=HANDSHAKE_SECONDS
            )
