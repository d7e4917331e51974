"""Bytes that nobody asked for: they are never the answer to another request (RFC 9112, 9.2)."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import trustme

from crawler.model.outcome import Failed, Fetched, Kind, Received, Redirect
from tests.fetch.conftest import Way, certified, on_both_loops
from tests.fetch.raw import RawServer
from tests.fetch.sites import HEAD, PAGE, chunked, message, never, says
from tests.patience import PATIENCE

SECOND = message(b"<title>of nobody</title>")
UNASKED = {
    "a second answer": SECOND,
    "half an answer": SECOND[:30],
    "1xx": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
    "408": message(b"", "408 Request Timeout"),
    "bytes": b"\0more bytes",
    "a line end": b"\r\n",
    "one byte": b"H",
}
FIRSTS = {
    "counted": message(),
    "empty": message(b""),
    "chunked": chunked(PAGE),
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "204 with a length": b"HTTP/1.1 204 No Content\r\nContent-Length: 20\r\n\r\n",
    "204 with chunks": b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
    "205": message(b"", "205 Reset Content"),
    "1.0": HEAD.replace(b"1.1", b"1.0") + b"Connection: keep-alive\r\nContent-Length: 0\r\n\r\n",
    "301": message(b"", "301 Moved", location="/x"),
    "304": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 20\r\n\r\n",
    "404": message(b"nobody home", "404 Not Found"),
}


class Talker:
    """Answers each path with itself, and can say more on the connection it answered on last."""

    def __init__(self) -> None:
        self.sock: socket.socket | None = None
        self._sending = threading.Lock()  # a fast client has an answer before `sendall` returns

    def __call__(self, server: RawServer, sock: socket.socket, head: bytes) -> bool:
        self.sock = sock
        with self._sending:
            sock.sendall(message(head.split(b" ")[1]))
        return True

    def says(self, data: bytes) -> None:
        """Send `data`; on loopback it has arrived when this returns. b"" closes."""
        assert self.sock is not None
        with self._sending:
            if data:
                self.sock.sendall(data)
            else:
                socket.socket.shutdown(self.sock, socket.SHUT_WR)


PATHS = ("/1", "/2", "/3")


@contextmanager
def talking(authority: trustme.CA | None = None) -> Iterator[tuple[RawServer, Talker]]:
    """A server whose tests say what it says between requests."""
    talker = Talker()
    tls = None if authority is None else certified(authority, "127.0.0.1")
    with RawServer(dict.fromkeys(PATHS, talker), tls) as server:
        yield server, talker


def bodies(outcomes: list[Fetched]) -> list[str]:
    """What each page says, or the reason why it is none."""
    return [
        each.response.body.decode() if isinstance(each, Received) else str(each)
        for each in outcomes
    ]


@on_both_loops
@pytest.mark.parametrize("turns", [0, 3])
@pytest.mark.parametrize("name", [*UNASKED, "the end"])
def test_bytes_on_an_idle_connection(way: Way, name: str, turns: int) -> None:
    """What comes while a connection is idle ends it, whether a loop has seen it yet or not."""
    with talking() as (server, talker):
        outcomes = way.fetch(
            [server.url(path) for path in PATHS],
            between=lambda: talker.says(UNASKED.get(name, b"")),
            turns=turns,
        )
        assert server.connections == len(PATHS)
    assert bodies(outcomes) == list(PATHS)


@on_both_loops
@pytest.mark.slow
@pytest.mark.parametrize("turns", [0, 3])
def test_bytes_on_an_idle_tls_connection(way: Way, authority: trustme.CA, turns: int) -> None:
    """The same under TLS, where a quiet connection is used again although tickets were sent."""
    with talking(authority) as (server, talker):
        urls = [server.url(path) for path in PATHS]
        assert bodies(way.fetch(urls, turns=turns)) == list(PATHS)
        assert server.connections == 1
        outcomes = way.fetch(urls, between=lambda: talker.says(SECOND), turns=turns)
        assert server.connections == 1 + len(PATHS)
    assert bodies(outcomes) == list(PATHS)


@pytest.mark.slow
@pytest.mark.parametrize("name", FIRSTS)
@pytest.mark.parametrize("unasked", UNASKED.values(), ids=UNASKED)
def test_bytes_behind_an_answer(way: Way, name: str, unasked: bytes) -> None:
    """What comes in one segment with an answer does not harm it, and answers nobody."""
    site = {"/first": says(FIRSTS[name] + unasked), "/plain": says(message())}
    with RawServer(site) as server:
        alone, _ = way.fetch([server.url("/first"), server.url("/plain")])
        first, second = way.fetch([server.url("/first"), server.url("/plain")])
        assert server.connections == 4
    assert isinstance(second, Received)
    assert second.response.body == PAGE
    assert_first(name, first)
    assert type(alone) is type(first)


def assert_first(name: str, outcome: Fetched) -> None:
    """Assert that an answer of `FIRSTS` is what it is without anything behind it."""
    assert outcome.exchange is not None
    if name in ("301", "304", "404"):
        assert outcome.exchange.status == int(name)
        assert isinstance(outcome, Redirect if name == "301" else Failed)
        return
    assert isinstance(outcome, Received), outcome
    assert outcome.response.body == (PAGE if name in ("counted", "chunked") else b"")


@on_both_loops
@pytest.mark.slow
def test_bytes_behind_an_answer_under_tls(way: Way, authority: trustme.CA) -> None:
    """A second answer in the same TLS record is nobody's either."""
    site = {"/first": says(message() + SECOND), "/plain": says(message())}
    with RawServer(site, certified(authority, "127.0.0.1")) as server:
        outcomes = way.fetch([server.url("/first"), server.url("/plain")])
    assert bodies(outcomes) == [PAGE.decode()] * 2


@on_both_loops
def test_a_flood_behind_an_answer(way: Way) -> None:
    """A server that goes on for ever after a page has been whole costs nothing but a connection."""
    stopped = threading.Event()

    def flood(server: RawServer, sock: socket.socket, head: bytes) -> bool:
        try:
            sock.sendall(message() + SECOND)
            while not server.over.is_set():
                sock.sendall(SECOND * 1_000)
        finally:
            stopped.set()
        return False

    with RawServer({"/flood": flood, "/plain": says(message())}) as server:
        outcomes = way.fetch([server.url("/flood"), server.url("/plain")])
        assert stopped.wait(PATIENCE)
    assert bodies(outcomes) == [PAGE.decode()] * 2


def test_a_page_longer_than_it_says(way: Way) -> None:
    """A body ends where its Content-Length says; the rest is dropped (RFC 9112, 6.3)."""
    site = {"/first": says(HEAD + b"Content-Length: 5\r\n\r\n" + PAGE), "/plain": says(message())}
    with RawServer(site) as server:
        outcomes = way.fetch([server.url("/first"), server.url("/plain")])
        assert server.connections == 2
    assert bodies(outcomes) == [PAGE[:5].decode(), PAGE.decode()]


@on_both_loops
@pytest.mark.parametrize(
    ("greeting", "ends"),
    [
        (message(b"", "503 Overloaded"), (Kind.UNAVAILABLE, 503)),
        (b"220 mail.test ESMTP\r\n", (Kind.PROTOCOL, None)),
        (b"SSH-2.0-OpenSSH_9.2\r\n", (Kind.PROTOCOL, None)),
        (b"\0\0\x12\4\0\0\0\0\0" + bytes(18), (Kind.PROTOCOL, None)),
    ],
)
def test_a_server_that_speaks_first(
    way: Way, greeting: bytes, ends: tuple[Kind, int | None]
) -> None:
    """On a new connection it answers the one request that comes, whichever was there first."""
    with RawServer({"/": never}, greeting=greeting) as server:
        outcomes = way.fetch([server.url()] * 3, turns=3)
    for outcome in outcomes:
        assert isinstance(outcome, Failed)
        assert outcome.exchange is not None
        assert (outcome.kind, outcome.exchange.status) == ends
