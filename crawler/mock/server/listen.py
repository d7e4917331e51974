"""Listening sockets: bound before the start is announced, accepting while their owner wants it.

`reserve` binds every address of a web, in the parent if there are several processes; `accepting`
accepts the clients. The loops' own servers do not do: without descriptors asyncio's logs a
traceback each second and uvloop's stops listening, and with TLS a stop cannot reach a silent client
in its handshake. Here each accepted client is a task that its listener owns and can cancel until
the connection is made.

Out of descriptors, a listener leaves its clients in the kernel's queue and checks ten times a
second. It does so while a few are left, so that files can still be opened, and prints a line on
stderr the first time, as clients see only a slow server.
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
# Time limit for a TLS handshake.
HANDSHAKE_SECONDS = 10.0
# Descriptors reserved for files, pipes and the other processes.
KEPT_DESCRIPTORS = 16
# Out of descriptors: give clients time to leave before the next attempt.
_EXHAUSTED_SECONDS = 0.1
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
# Turns of a loop until a client without TLS has its connection: one begins the task, one makes the
# connection, one ends the task.
_GREETING_TURNS = 4
# Clients accepted before connected ones have their turn.
_AT_ONCE = 256
# A port that is free at one address may be taken at another.
_PORT_ATTEMPTS = 50

Place = tuple[str, int]
Welcome = Callable[[socket.socket], Awaitable[object]]
ProtocolFactory = Callable[[], asyncio.Protocol]


def raise_descriptor_limit() -> None:
    """Raise this process's limit of descriptors to the maximum; each client costs one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS says "unlimited" and does not mean it
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def places(options: MockWeb, further: Sequence[str] = ()) -> list[Place]:
    """Return all listening places: each address and port of the hosts, then `further` addresses."""
    count = 1 if options.authority == "names" else options.hosts
    found = [(options.address_of(host), options.port_of(host)) for host in range(count)]
    return found + [(address, options.port) for address in further]


def reserve(
    options: MockWeb, further: Sequence[str] = (), *, shared: bool = False
) -> tuple[MockWeb, list[socket.socket]]:
    """Return the options with their port, and sockets bound to all `places`, not yet listening.

    shared: other processes of this user may bind the same places (SO_REUSEPORT). Raises OSError if
    another program listens on one of them.
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
    """Return sockets bound to all of `wanted`; raise OSError and leave none open if one fails."""
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
            error.filename = f"{address}, port {port}"  # the place of many that failed
        raise
    return listener


def welcome(make: ProtocolFactory, tls: ssl.SSLContext | None = None) -> Welcome:
    """Return a function that makes a connection of an accepted client, with `tls` after TLS."""
    loop = asyncio.get_running_loop()
    seconds = HANDSHAKE_SECONDS if tls else None

    async def connect(client: socket.socket) -> None:
        await loop.connect_accepted_socket(make, client, ssl=tls, ssl_handshake_timeout=seconds)

    return connect


@contextlib.asynccontextmanager
async def accepting(listeners: Sequence[tuple[socket.socket, Welcome]]) -> AsyncIterator[None]:
    """Listen and accept within the block, then close the listeners.

    Raises OSError if another program listens by now.
    """
    acceptor = _Acceptor()
    with contextlib.ExitStack() as stack:
        try:
            for listener, greet in listeners:
                stack.enter_context(listener)
                listener.listen(BACKLOG)
                acceptor.start(listener, greet)
            yield
        finally:
            await acceptor.stop()


class _Acceptor:
    """Accepts clients and owns the task of each until its connection is made."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._accepting: set[socket.socket] = set()
        self._greeting: set[asyncio.Task[None]] = set()
        self._timers: dict[socket.socket, asyncio.TimerHandle] = {}
        self._ceiling = _descriptors()
        self._complained = False

    def start(self, listener: socket.socket, greet: Welcome) -> None:
        self._accepting.add(listener)
        self._loop.add_reader(listener, self._accept, listener, greet)

    async def stop(self) -> None:
        """Stop accepting, drop clients that are not connected yet, and wait for their tasks."""
        for listener in self._accepting:
            self._loop.remove_reader(listener)
        for timer in self._timers.values():
            timer.cancel()
        # Only handshakes are cancelled: a task that never began closes nothing, and in uvloop one
        # cancelled just when the connection is made never reports its loss.
        for _ in range(_GREETING_TURNS):
            await asyncio.sleep(0)
        greeting = tuple(self._greeting)
        for task in greeting:
            task.cancel()
        if greeting:
            await asyncio.wait(greeting)

    def _accept(self, listener: socket.socket, greet: Welcome) -> None:
        # A plain accept: an awaited one may lose its client when it is cancelled.
        for _ in range(_AT_ONCE):
            try:
                client, _ = listener.accept()
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._rest(listener, greet)
                return  # no client, or one that has gone
            task = self._loop.create_task(self._met(client, greet))
            self._greeting.add(task)
            task.add_done_callback(self._greeting.discard)
            if client.fileno() >= self._ceiling:
                self._rest(listener, greet)
                return

    async def _met(self, client: socket.socket, greet: Welcome) -> None:
        # No TLS, a refused certificate, too late or gone: only the client is affected.
        with contextlib.suppress(OSError):
            await greet(client)

    def _rest(self, listener: socket.socket, greet: Welcome) -> None:
        """Pause accepting: the listener stays readable, and the loop would spin."""
        if not self._complained:
            self._complained = True
            limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
            print(  # noqa: T201 - the only notice that clients wait
                f"mock web: no descriptor is left of {limit} (ulimit -n); "
                "further clients wait until others leave",
                file=sys.stderr,
            )
        self._loop.remove_reader(listener)
        self._timers[listener] = self._loop.call_later(
            _EXHAUSTED_SECONDS, self._look_again, listener, greet
        )

    def _look_again(self, listener: socket.socket, greet: Welcome) -> None:
        self._ceiling = _descriptors()
        if _lowest_free(listener) < self._ceiling:
            self.start(listener, greet)
        else:
            self._rest(listener, greet)


def _descriptors() -> float:
    """Return the first descriptor that is reserved."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return float("inf") if most == resource.RLIM_INFINITY else most - KEPT_DESCRIPTORS


def _lowest_free(opened: socket.socket) -> float:
    """Return the lowest free descriptor, which the next file would get (POSIX)."""
    try:
        copy = os.dup(opened.fileno())
    except OSError:
        return float("inf")
    os.close(copy)
    return copy
