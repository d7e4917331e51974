"""Listening sockets: bound before anybody is told, accepting while their owner wants it.

`reserve` binds every address of a web, in the parent when there are several processes; `accepting`
takes the clients. It accepts by itself, because the loops' own servers give away the care for it:
asyncio's logs a traceback each second when descriptors run out and uvloop's stops listening, and
with TLS both shake hands out of sight, where no stop can reach a client that says nothing. Here
whoever has been accepted is a task that its listener owns and cancels until there is a connection.

Out of descriptors, a listener leaves its clients in the kernel's line and looks again ten times a
second. It stops while a few are left, so that files can still be opened. The first time there is a
line on stderr: to the clients who wait it looks like a slow server.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import resource
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace

from crawler.mock.scenario import MockWeb
from crawler.model.option import OptionError

# Linux caps this at net.core.somaxconn, 4096 by default since 5.4.
BACKLOG = 4096
# A client that opens a TLS port and says nothing holds a socket for no longer than this.
HANDSHAKE_SECONDS = 10.0
# Descriptors that clients do not get: files, pipes, the other processes.
KEPT_DESCRIPTORS = 16
# Out of descriptors: give clients time to leave before the next attempt.
_EXHAUSTED_SECONDS = 0.1
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
# In so many turns of a loop a client without TLS has its connection: one begins the task, one makes
# the connection, one ends the task.
_GREETING_TURNS = 4
# How many clients are taken before those who are connected have their turn.
_AT_ONCE = 256
# A free port is free at one address; each further one may refuse it.
_PORT_ATTEMPTS = 50

Place = tuple[str, int]
Welcome = Callable[[socket.socket], Awaitable[object]]
ProtocolFactory = Callable[[], asyncio.Protocol]


def raise_descriptor_limit() -> None:
    """Let this process have as many descriptors as it may; each client costs one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS says "unlimited" and does not mean it
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def places(options: MockWeb, further: Sequence[str] = ()) -> list[Place]:
    """Where a web listens: each address and port of its hosts, then `further` addresses."""
    count = 1 if options.authority == "names" else options.hosts
    found = [(options.address_of(host), options.port_of(host)) for host in range(count)]
    return found + [(address, options.port) for address in further]


def reserve(
    options: MockWeb, further: Sequence[str] = (), *, shared: bool = False
) -> tuple[MockWeb, list[socket.socket]]:
    """Sockets bound to all `places`, which do not listen yet, and the options with their port.

    shared: other processes of this user may bind the same (SO_REUSEPORT). A place that somebody
    listens on already is an OSError even so.
    """
    for _ in range(_PORT_ATTEMPTS - 1 if not options.port else 0):
        with contextlib.suppress(OSError, OptionError):
            return _reserved(options, further, shared=shared)
    return _reserved(options, further, shared=shared)


def _reserved(
    options: MockWeb, further: Sequence[str], *, shared: bool
) -> tuple[MockWeb, list[socket.socket]]:
    with contextlib.ExitStack() as opened:
        first = opened.enter_context(bound(*places(options)[:1]).pop())
        settled = replace(options, port=first.getsockname()[1])
        rest = bound(*places(settled, further)[1:])
        for each in rest:
            opened.enter_context(each)
        if not shared:
            opened.pop_all()
            return settled, [first, *rest]
    return settled, bound(*places(settled, further), shared=True)


def bound(*wanted: Place, shared: bool = False) -> list[socket.socket]:
    """Sockets bound to all of `wanted`; raises OSError, and then none is left open."""
    with contextlib.ExitStack() as opened:
        sockets = [opened.enter_context(_bound(place, shared=shared)) for place in wanted]
        opened.pop_all()
    return sockets


def _bound(place: Place, *, shared: bool) -> socket.socket:
    address, port = place
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setblocking(False)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted sockets inherit it.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(("127.0.0.1" if address == "localhost" else address, port))
    except BaseException as error:
        listener.close()
        if isinstance(error, OSError):
            error.filename = f"{address}, port {port}"  # of many, the one that cannot be had
        raise
    return listener


def welcome(make: ProtocolFactory, tls: ssl.SSLContext | None = None) -> Welcome:
    """What makes a connection of an accepted client; under TLS once hands are shaken."""
    loop = asyncio.get_running_loop()
    seconds = HANDSHAKE_SECONDS if tls else None

    async def connect(client: socket.socket) -> None:
        await loop.connect_accepted_socket(make, client, ssl=tls, ssl_handshake_timeout=seconds)

    return connect


@contextlib.asynccontextmanager
async def accepting(listeners: Sequence[tuple[socket.socket, Welcome]]) -> AsyncIterator[None]:
    """Listen and accept; left, nobody is accepted any more and the listeners are closed.

    Raises OSError if somebody else listens by now.
    """
    shortage = _Shortage()
    async with contextlib.AsyncExitStack() as stack:
        for listener, greet in listeners:
            stack.enter_context(listener)
            listener.listen(BACKLOG)
            acceptor = _Acceptor(listener, greet, shortage)
            stack.push_async_callback(acceptor.stop)
            acceptor.start()
        yield


class _Shortage:
    """Says once, for all listeners of a process, that descriptors have run out."""

    def __init__(self) -> None:
        self._said = False

    def say(self) -> None:
        """One line on stderr; nothing from the second time on."""
        if not self._said:
            self._said = True
            limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
            print(  # noqa: T201 - the one word to the person that clients wait
                f"mock web: no descriptor is left of {limit} (ulimit -n); "
                "further clients wait until others leave",
                file=sys.stderr,
            )


class _Acceptor:
    """Accepts clients and owns the task of each until there is a connection."""

    def __init__(self, listener: socket.socket, greet: Welcome, shortage: _Shortage) -> None:
        self._listener = listener
        self._greet = greet
        self._shortage = shortage
        self._loop = asyncio.get_running_loop()
        self._greeting: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._ceiling = _descriptors()

    def start(self) -> None:
        """Accept from now on."""
        self._loop.add_reader(self._listener, self._accept)

    async def stop(self) -> None:
        """Accept nobody any more, drop who is not connected yet, and wait until they are gone."""
        self._loop.remove_reader(self._listener)
        if self._timer is not None:
            self._timer.cancel()
        # Only handshakes are cancelled: a task that never began closes nothing, and one of uvloop's
        # that is cancelled just when there is a connection never says that it was lost.
        for _ in range(_GREETING_TURNS):
            await asyncio.sleep(0)
        greeting = tuple(self._greeting)
        for task in greeting:
            task.cancel()
        if greeting:
            await asyncio.wait(greeting)

    def _accept(self) -> None:
        # A plain accept: one that is awaited loses its client when it is cancelled at the wrong
        # moment.
        for _ in range(_AT_ONCE):
            try:
                client, _ = self._listener.accept()
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._rest()
                return  # nobody there, or gone already
            task = self._loop.create_task(self._met(client))
            self._greeting.add(task)
            task.add_done_callback(self._greeting.discard)
            if client.fileno() >= self._ceiling:
                self._rest()
                return

    async def _met(self, client: socket.socket) -> None:
        # No TLS, a refused certificate, too late or gone: the client's affair, and its loss alone.
        with contextlib.suppress(OSError):
            await self._greet(client)

    def _rest(self) -> None:
        """The listener stays readable: look again later instead of spinning."""
        self._shortage.say()
        self._loop.remove_reader(self._listener)
        self._timer = self._loop.call_later(_EXHAUSTED_SECONDS, self._look_again)

    def _look_again(self) -> None:
        self._ceiling = _descriptors()
        if _lowest_free(self._listener) < self._ceiling:
            self.start()
        else:
            self._timer = self._loop.call_later(_EXHAUSTED_SECONDS, self._look_again)


def _descriptors() -> float:
    """The first descriptor that no client gets."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return float("inf") if most == resource.RLIM_INFINITY else most - KEPT_DESCRIPTORS


def _lowest_free(opened: socket.socket) -> float:
    """The descriptor that the next file would get; the lowest is always taken first (POSIX)."""
    try:
        copy = os.dup(opened.fileno())
    except OSError:
        return float("inf")
    os.close(copy)
    return copy
