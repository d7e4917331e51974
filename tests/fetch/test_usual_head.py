"""Usual heads are read as the tolerant reader reads them, and odd ones are left to it."""

from __future__ import annotations

import pytest

from crawler.fetch.message import Message
from crawler.fetch.usual_head import usual_head

COUNTED = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n%b\r\n\r\nhi"
USUAL = (
    *(COUNTED % line for line in (b"X: a", b"X:a", b"X:", b"X: \xff", b"Connection: CLOSE")),
    *(b"HTTP/1.1 %b\r\nContent-Length: 02\r\n\r\nhi" % s for s in (b"200", b"404 ", b"999 \xe4")),
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding:chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
)
FIELDS = (
    *(
        b"X: a\r\n b",
        b"X: a\r\n\tb",
        b"X: ",
        b"X: a ",
        b"X: a\t",
        b"X:\ta",
        b"X: a\x0bb",
        b"X: a\x7fb",
    ),
    *(b"X: a\rb", b"X: a\nY: b", b"X: a\0b", b"X : a", b"X", b": a", b"A\xe4: b", b"Upgrade: h2c"),
    *(b"Connection: close, x", b"Connection: upgrade", b"Connection: ", b"Content-Length: 2"),
    *(b"Connection: close\r\nConnection: keep-alive", b"Transfer-Encoding: chunked"),
    *(b"Sec-WebSocket-Key1: x", b"X: " + b"y" * 65_536),
)
STATUSES = (
    *(
        b"HTTP/1.1 204 N",
        b"HTTP/1.1 304 N",
        b"HTTP/1.1 103 E",
        b"HTTP/1.1 101 S",
        b"HTTP/1.0 200 K",
    ),
    *(b"HTTP/2.0 200 OK", b"http/1.1 200 OK", b"HTTP/1.1 2000 OK", b"HTTP/1.1 200OK"),
    *(b"HTTP/1.1 099 X", b"HTTP/1.1  200 OK", b"HTTP/1.1 200\tOK", b"RTSP/1.0 200 OK"),
)
FRAMINGS = (
    *(b"Transfer-Encoding: Chunked", b"Transfer-Encoding: gzip, chunked", b"Upgrade: h2c", b"X: y"),
    *(b"Transfer-Encoding: identity", b"Content-Length: +2", b"Content-Length: 2, 2"),
    *(b"Content-Length: ", b"Content-Length: 11111111111111111111"),
)
ODD = (
    *(COUNTED % line for line in FIELDS),
    *(b"%b\r\nContent-Length: 2\r\n\r\nhi" % line for line in STATUSES),
    *(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n2\r\nhi\r\n0\r\n\r\n" % line for line in FRAMINGS),
)


def read(*pieces: bytes) -> tuple[object, ...]:
    """What a message is read as that comes in these pieces."""
    message = Message(1_000)
    body = b"".join(map(message.feed, pieces))
    return message.head, message.status_line, body, message.done, str(message.problem)


@pytest.mark.parametrize("data", [*USUAL, *ODD])
def test_both_readers_agree(data: bytes) -> None:
    """A head in one piece, which llhttp may read, is that of one in two, which it never does."""
    assert read(data) == read(data[:9], data[9:])


@pytest.mark.parametrize("data", USUAL)
def test_usual_heads_are_read_by_llhttp(data: bytes) -> None:
    """What most servers send takes the short way."""
    assert usual_head(data) is not None


@pytest.mark.parametrize("data", ODD)
def test_odd_heads_are_left_alone(data: bytes) -> None:
    """What has a second reading does not."""
    assert usual_head(data) is None
