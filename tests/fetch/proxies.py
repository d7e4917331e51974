"""A small proxy for tests: HTTP (absolute form and CONNECT) or SOCKS5, on real sockets.

It goes to `home` whatever it is asked for, so that names need not exist, and keeps what it was
asked: hosts as they were said, credentials, and the heads of plain requests.
"""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

from tests.fetch.raw import read_head
from tests.patience import PATIENCE


class TestProxy:
    """A proxy of the scheme `scheme`; `user` and `password` are wanted where they are given."""

    __test__ = False

    def __init__(
        self,
        scheme: str,
        home: int,
        *,
        user: str = "",
        password: str = "",
        reply: int = 0,
        host: str = "127.0.0.1",
    ) -> None:
        self.scheme = scheme
        self.asked: list[tuple[str, int]] = []
        self.heads: list[bytes] = []
        self._home = home
        self._wanted = user, password
        self._reply = reply
        self._sockets: list[socket.socket] = []
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family, backlog=64)
        self._host = f"[{host}]" if ":" in host else host
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    @property
    def url(self) -> str:
        user, password = self._wanted
        credentials = f"{user}:{password}@" if user else ""
        return f"{self.scheme}://{credentials}{self._host}:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._sockets:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
        for sock in self._sockets:
            sock.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self._sockets.append(sock)
                thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, sock: socket.socket) -> None:
        with suppress(OSError, EOFError):
            ready = self._socks if self.scheme.startswith("socks") else self._http
            if ready(sock):
                _copy(sock, self._at_home(sock))

    # -- HTTP

    def _http(self, sock: socket.socket) -> bool:
        home: socket.socket | None = None
        while head := read_head(sock):
            self.heads.append(head)
            method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
            place, _, path = target.removeprefix("http://").partition("/")
            host, _, port = place.partition(":")
            self.asked.append((host, int(port or 80)))
            if method == "CONNECT":
                sock.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
                return True
            home = home or self._at_home(sock)
            home.sendall(head.replace(f" {target} ".encode(), f" /{path} ".encode(), 1))
        return False

    # -- SOCKS5 (RFC 1928, RFC 1929)

    def _socks(self, sock: socket.socket) -> bool:
        _, count = _exactly(sock, 2)
        offered = _exactly(sock, count)
        method = 2 if self._wanted[0] else 0
        if method not in offered:
            sock.sendall(b"\5\xff")
            return False
        sock.sendall(bytes((5, method)))
        if method and not self._agree(sock):
            return False
        _, _, _, form = _exactly(sock, 4)
        host = self._host_of(sock, form)
        (port,) = struct.unpack(">H", _exactly(sock, 2))
        self.asked.append((host, port))
        sock.sendall(bytes((5, self._reply, 0, 1)) + bytes(6))
        return not self._reply

    def _agree(self, sock: socket.socket) -> bool:
        _, size = _exactly(sock, 2)
        user = _exactly(sock, size)
        password = _exactly(sock, _exactly(sock, 1)[0])
        good = (user.decode(), password.decode()) == self._wanted
        sock.sendall(b"\1\0" if good else b"\1\1")
        return good

    def _host_of(self, sock: socket.socket, form: int) -> str:
        if form == 1:
            return socket.inet_ntop(socket.AF_INET, _exactly(sock, 4))
        if form == 4:
            return socket.inet_ntop(socket.AF_INET6, _exactly(sock, 16))
        return _exactly(sock, _exactly(sock, 1)[0]).decode()

    # -- to the home

    def _at_home(self, sock: socket.socket) -> socket.socket:
        """A connection to the home, whose answers go to `sock`."""
        home = socket.create_connection(("127.0.0.1", self._home))
        self._sockets.append(home)
        back = threading.Thread(target=_copy, args=(home, sock), daemon=True)
        self._threads.append(back)
        back.start()
        return home


def _copy(source: socket.socket, goal: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            goal.sendall(data)
    with suppress(OSError):
        goal.shutdown(socket.SHUT_WR)


def _exactly(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = sock.recv(count - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data
