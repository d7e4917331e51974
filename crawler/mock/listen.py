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
        accepting = asyncio.create_task(_accept(listener, make, tls))
        try:
            yield listener.getsockname()[1]
        finally:
            accepting.cancel()
            await asyncio.wait([accepting])


async def _accept(listener: socket.socket, make: ProtocolFactory, tls: ssl.SSLContext) -> None:
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as handshakes:
        while True:
            try:
                client, _ = await loop.sock_accept(listener)
            except OSError:
                await asyncio.sleep(_EXHAUSTED_SECONDS)
                continue
            handshakes.create_task(_shake(client, make, tls))
            await asyncio.sleep(0)  # it has begun, and so it owns the socket, before we can end


async def _shake(client: socket.socket, make: ProtocolFactory, tls: ssl.SSLContext) -> None:
    loop = asyncio.get_running_loop()
    # No TLS, a refused certificate, too late or gone: the client's affair, and its loss alone.
    with contextlib.suppress(OSError):
        await loop.connect_accepted_socket(
            make, client, ssl=tls, ssl_handshake_timeout=HANDSHAKE_SECONDS
        )
