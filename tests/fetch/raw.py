"""A raw socket server for tests: every path is a function that writes what it likes.

One thread a connection, all joined at the end. A behaviour gets the socket and the request's head;
the connection is kept open for the next request unless the behaviour returns False. What must last
until the test is over waits on `server.over`, an event.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from tests.patience import PATIENCE

Behaviour = Callable[["RawServer", socket.socket, bytes], bool | None]


class RawServer:
    """Serves `behaviours` by path on a loopback port; counts connections and keeps heads."""

    def __init__(
        self,
        behaviours: Mapping[str, Behaviour],
        tls: ssl.SSLContext | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        greeting: bytes = b"",
    ) -> None:
        self.over = threading.Event()
        self.connections = 0
        self.heads: list[bytes] = []
        self._behaviours = behaviours
        self._tls = tls
        self._greeting = greeting
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server((host, port), backlog=128)
        self.port: int = self._listener.getsockname()[1]

    def url(self, path: str = "/", *, host: str = "127.0.0.1") -> str:
        """The URL of a path."""
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}{path}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join(PATIENCE)
        for sock in self._sockets:
            try:
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
            except OSError:
                continue  # closed already
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a server thread hangs"

    def _start(self, run: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=run, args=args, name="raw-server", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            # What was sent has arrived: Nagle would hold it until the client acknowledges more.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets.append(sock)
            self._start(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        try:
            if self._tls:
                sock = self._tls.wrap_socket(sock, server_side=True)
            sock.sendall(self._greeting)
            while head := read_head(sock):
                self.heads.append(head)
                if self._behaviour(head)(self, sock, head) is False:
                    return
        except OSError:
            return  # the client went away, as some tests want it
        finally:
            sock.close()

    def _behaviour(self, head: bytes) -> Behaviour:
        path = head.split(b" ", 2)[1].decode().partition("?")[0]
        return self._behaviours[path]


def read_head(sock: socket.socket) -> bytes:
    """A request's head up to its blank line; b"" when the client is gone."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        data = sock.recv(1)
        if not data:
            return b""
        head += data
    return head


def header(head: bytes, name: str) -> str | None:
    """One header of a request's head."""
    for line in head.decode("latin-1").split("\r\n")[1:]:
        if line.lower().startswith(name.lower() + ":"):
            return line.partition(":")[2].strip()
    return None


def closed_port() -> int:
    """A loopback port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
    return port
