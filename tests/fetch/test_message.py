"""Heads and framing, from bytes: what both engines make of a response before a library does."""

from __future__ import annotations

import gc
import weakref

import pytest

from crawler.fetch.message import INFORMATIONAL, Message
from crawler.model.head import HEADER_BYTES, HEADER_LINE, Head, Malformed, read_head

ROOM = 1_000_000
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
PAGE = b"5\r\nhello\r\n0\r\n\r\n"


def read(data: bytes, step: int = 0) -> tuple[Message, bytes]:
    """A message that was fed `data`, at once or in steps, and the body that came of it."""
    message = Message(ROOM)
    pieces = [data[at : at + step] for at in range(0, len(data), step)] if step else [data]
    return message, b"".join([message.feed(piece) for piece in pieces])


def head_of(lines: bytes, status_line: bytes = OK) -> Head:
    """The head with these lines."""
    return read_head(status_line + lines + b"\r\n")


def refused(data: bytes, step: int = 0) -> Malformed:
    """Why a response is refused."""
    message, _ = read(data, step)
    assert message.problem is not None
    assert not message.done
    return message.problem


@pytest.mark.parametrize(
    ("lines", "length"),
    [
        (b"Content-Length: 5\r\n", 5),
        (b"Content-Length: 5\r\nContent-Length: 5\r\n", 5),  # RFC 9110, 8.6
        (b"Content-Length: 5, 5\r\n", 5),
        (b"content-length:5,05 ,\t5\r\nCONTENT-LENGTH: 5\r\n", 5),
        (b"Content-Length: \t 5 \t\r\n", 5),  # RFC 9112, 5.1: blanks are no part of a value
        (b"Content-Length : 5\r\n", 5),
        (b"Content-Length:\r\n 5\r\n", 5),  # folded
        (b"Content-Length: 0\r\n", 0),
        (b"Content-Length: 9999999999999999999\r\n", 9_999_999_999_999_999_999),
        (b"Content-Length: 5\r\nTransfer-Encoding: identity\r\n", 5),  # RFC 2616, 3.6
        (b"Content-Length: 5\r\nTransfer-Encoding: \r\n", 5),
        (b"X-Content-Length: 7\r\n", None),
        (b" Content-Length: 7\r\n", None),  # continues the status line: RFC 9112, 2.2
        (b"X: y\r\n Content-Length: 7\r\n", None),
        (b"garbage\r\n Content-Length: 7\r\n", None),
        (b"", None),
    ],
)
def test_lengths(lines: bytes, length: int | None) -> None:
    """A length is what all Content-Lengths agree on, and None lasts until the connection ends."""
    head = head_of(lines)
    assert (head.length, head.chunked) == (length, False)
    assert head.reusable == (length is not None)
    assert head.values("Content-Length") == ([] if length is None else [str(length)])


@pytest.mark.parametrize(
    "value",
    [b"+5", b"-5", b"0x5", b"five", b"", b"5 5", b"5;", b"5,", b",5", b"5, 6", b"5.0", b"1_0",
     b"\xb2", b"5\x0b6", b"1" * 20, b"9" * 10_000],
)  # fmt: skip
def test_lengths_that_are_none(value: bytes) -> None:
    """What is not one number leaves it open where the body ends (RFC 9112, 6.3)."""
    fault = refused(OK + b"Content-Length: " + value + b"\r\nX: y\r\n\r\n")
    assert "Content-Length" in fault.reason
    assert fault.head is not None
    assert (fault.head.status, fault.head.values("x")) == (200, ["y"])


def test_lengths_that_differ() -> None:
    """Two lengths are refused in whatever order, with what was read of the head."""
    for first, second in ((5, 6), (6, 5), (0, 5)):
        lines = b"Content-Length: %d\r\nX: y\r\nContent-Length: %d\r\n\r\n" % (first, second)
        assert refused(OK + lines).reason.endswith("contradictory Content-Length")


@pytest.mark.parametrize(
    ("codings", "unpacked"),
    [
        ([b"chunked"], []),
        ([b" chunked \t"], []),
        ([b"Chunked"], []),
        ([b"chunked", b"chunked"], []),  # curl#13451
        ([b"chunked, chunked"], []),
        ([b"identity, chunked"], []),
        ([b", chunked,"], []),
        ([b"gzip, chunked"], ["gzip"]),  # RFC 9112, 7.2
        ([b"gzip", b"chunked"], ["gzip"]),
        ([b"deflate, x-gzip, chunked"], ["deflate", "x-gzip"]),
    ],
)
def test_chunked(codings: list[bytes], unpacked: list[str]) -> None:
    """Chunked is the last coding, however it is spelled; those before it are undone like any."""
    lines = b"".join(b"Transfer-Encoding: %b\r\n" % coding for coding in codings)
    head = head_of(lines + b"Content-Encoding: br\r\n")
    assert (head.chunked, head.length, head.reusable) == (True, None, True)
    assert head.values("Content-Encoding") == ["br", *unpacked]
    assert head.values("Transfer-Encoding") == ["chunked"]


def test_length_next_to_chunks() -> None:
    """The chunks count, whatever the length says, and the connection ends (RFC 9112, 6.3)."""
    for length in (b"5", b"5000", b"-1", b"5, 6"):
        for lines in (
            b"Content-Length: %b\r\n" % length + CHUNKED,
            CHUNKED + b"Content-Length: 1\n",
        ):
            head = head_of(lines)
            assert (head.chunked, head.length, head.reusable) == (True, None, False)
            assert head.values("Content-Length") == []


@pytest.mark.parametrize("coding", [b"cow", b"cow, chunked", b"chunked, cow", b"chunked, gzip",
                                    b"chunked;q=1", b"br, chunked"])  # fmt: skip
def test_unknown_transfer_codings(coding: bytes) -> None:
    """A coding that cannot be undone is refused: nobody knows where the body ends."""
    fault = refused(OK + b"Transfer-Encoding: " + coding + b"\r\n\r\n")
    assert "unknown Transfer-Encoding" in fault.reason


def test_a_coding_without_chunks_lasts_until_the_connection_ends() -> None:
    """RFC 9112, 6.3: chunked is not the last coding."""
    head = head_of(b"Transfer-Encoding: gzip\r\nContent-Length: 5\r\n")
    assert (head.chunked, head.length, head.reusable) == (False, None, False)
    assert head.values("Content-Encoding") == ["gzip"]


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize(
    "lines", [b"", CHUNKED, b"Content-Length: 5\r\n", b"Content-Length: x\r\n"]
)
def test_no_body(status: int, lines: bytes) -> None:
    """204 and 304 end with their head, whatever it says (RFC 9112, 6.3)."""
    message, _ = read(b"HTTP/1.1 %d X\r\n%b\r\n" % (status, lines))
    assert message.head is not None
    assert (message.done, message.head.length, message.head.reusable) == (True, 0, True)
    assert not message.surplus


@pytest.mark.parametrize(
    ("line", "status", "keeps"),
    [
        (b"HTTP/1.1 200 OK", 200, True),
        (b"HTTP/1.1 200", 200, True),
        (b"HTTP/1.1 200 ", 200, True),
        (b"HTTP/1.1\t 404  Not\xff Found", 404, True),
        (b"HTTP/1.1 200OK", 200, True),
        (b"HTTP/1.1 999 Denied", 999, True),
        (b"http/1.1 200 ok", 200, True),
        (b"HTTP/1.2 200 OK", 200, True),  # RFC 9110, 2.5
        (b"HTTP/1.9 200 OK", 200, True),
        (b"HTTP/2 200", 200, True),
        (b"HTTP/2.0 200 OK", 200, True),
        (b"HTTP/9.9 200 OK", 200, True),
        (b"HTTP/1.0 200 OK", 200, False),
        (b"HTTP/1 200 OK", 200, False),
        (b"HTTP/0.9 200 OK", 200, False),
    ],
)
def test_status_lines(line: bytes, status: int, keeps: bool) -> None:
    """The form of HTTP/1 is read as such, whatever it claims; below 1.1 connections end."""
    head = head_of(b"Content-Length: 0\r\n", line + b"\r\n")
    assert (head.status, head.reusable) == (status, keeps)


@pytest.mark.parametrize(
    "line",
    [b"HTTP/1.1 2000 OK", b"HTTP/1.1 20 OK", b"HTTP/1.1 000 X", b"HTTP/1.1 099 X",
     b"HTTP/1.1 OK", b"HTTP/1.1", b"HTTP/x.y 200 OK", b"HTTP 200 OK", b"HTTP/1.1200 OK",
     b"HTTP/1.1 -200 OK"],
)  # fmt: skip
def test_bad_status_lines(line: bytes) -> None:
    """A status that is not three digits is none."""
    fault = refused(line + b"\r\n\r\n")
    assert "bad status line" in fault.reason or "not HTTP" in fault.reason
    assert fault.head is None


@pytest.mark.parametrize(
    "data",
    [b"\0\1\2\xff", b"R", b"RTSP/1.0 200 OK\r\n\r\n", b"ICY 200 OK\r\n\r\n", b"<html>", b"HTML",
     b"220 ftp.test ready\r\n", b"SSH-2.0-x\r\n", b" HTTP/1.1 200 OK\r\n\r\n", b"\x15\3\1\0\2",
     b"\r\n\r\nhello"],
)  # fmt: skip
@pytest.mark.parametrize("step", [0, 1])
def test_what_is_not_http(data: bytes, step: int) -> None:
    """Other protocols are known by their first bytes, without waiting for a line to end."""
    assert refused(data, step).reason == "malformed response: not HTTP"


def test_http_2_is_named() -> None:
    """The settings with which an HTTP/2 server begins are known for what they are."""
    assert "HTTP/2" in refused(b"\0\0\x12\4\0\0\0\0\0" + bytes(18)).reason


@pytest.mark.parametrize(
    ("connection", "version", "keeps"),
    [
        (b"close", b"1.1", False),
        (b"Close", b"1.1", False),
        (b"TE, close", b"1.1", False),
        (b"keep-alive", b"1.1", True),
        (b"keep-alive, close", b"1.1", False),
        (b"keep-alive", b"1.0", True),
        (b"Keep-Alive", b"1.0", True),
        (b"closed", b"1.1", True),
    ],
)
def test_connections(connection: bytes, version: bytes, keeps: bool) -> None:
    """Connection is a list of words in any case (RFC 9112, 9.3)."""
    lines = b"Connection: %b\r\nContent-Length: 0\r\n" % connection
    assert head_of(lines, b"HTTP/%b 200 OK\r\n" % version).reusable == keeps


def test_lines_that_are_no_fields() -> None:
    """Lines without a colon or with a name that is none are left out, and the others read on."""
    lines = (
        b"garbage\r\n: no name\r\nX Field : y\r\n\xe4: z\r\n(a): b\r\nHTTP/1.1 200 OK\r\n"
        b"A: 1\r\nB\t: 2 \r\nC:\r\nD: \xfc \xc3\xbc\r\nE: x\r\n\ty\r\n  z\r\nA: 3\n"
    )
    head = head_of(lines)
    assert list(head.fields) == [
        (b"A", b"1"), (b"B", b"2"), (b"C", b""), (b"D", b"\xfc \xc3\xbc"), (b"E", b"x y z"),
        (b"A", b"3"),
    ]  # fmt: skip
    assert head.values("a") == ["1", "3"]
    assert head_of(b"X: \xc3\xbc\r\nX: \xfc\r\n").values("x") == ["ü", "ü"]


@pytest.mark.parametrize("line", [b"X: a\0b", b"X: a\rb", b"\0: a", b"X: a\r\r", b"\rX: y"])
def test_control_characters(line: bytes) -> None:
    """NUL and a lone CR could end a line for one reader and not for another (RFC 9110, 5.5)."""
    fault = refused(OK + line + b"\r\nContent-Length: 0\r\n\r\n")
    assert fault.reason.endswith("control character in the header")
    assert fault.head is not None and fault.head.status == 200


def test_other_controls_are_blanks() -> None:
    """Escapes and the like mean nothing in a value, so that no parser downstream minds them."""
    assert head_of(b"X: \x1b[31m\x07a\x7f\tb\r\n").values("x") == ["[31m a \tb"]


def test_bytes_bound_a_head() -> None:
    """Lines are not counted; bytes are, of a line and of the whole, as in Scrapy and curl."""
    many = b"A:\r\n" * 60_000
    assert len(head_of(many).fields) == 60_000
    assert refused(OK + many + many).reason.endswith("header too large")
    assert refused(OK + many + many, 9_999).reason.endswith("header too large")
    assert head_of(b"X: " + b"y" * (HEADER_LINE - 3) + b"\r\n").fields
    assert refused(OK + b"X: " + b"y" * HEADER_LINE + b"\r\n\r\n").reason.endswith("line too long")
    assert refused(b"\r\n" * HEADER_BYTES).reason.endswith("header too large")
    hints = b"HTTP/1.1 103 Hints\r\nX: " + b"y" * 60_000 + b"\r\n\r\n"
    assert refused(hints * 5).reason.endswith("header too large")


def test_informational_responses() -> None:
    """1xx before the answer are passed over, a bounded number of them; 101 was not asked for."""
    hints = b"HTTP/1.1 103 Hints\r\nContent-Length: 5\r\n\r\n"
    message, _ = read(hints * INFORMATIONAL + OK + b"Content-Length: 0\r\n\r\n")
    assert message.head is not None and message.head.status == 200
    assert refused(hints * (INFORMATIONAL + 1)).reason.endswith("too many 1xx responses")
    message, _ = read(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n\x81")
    assert message.head is not None
    assert (message.head.status, message.head.reusable, message.surplus) == (101, False, True)


@pytest.mark.parametrize(
    "data",
    [
        OK + b"Content-Length: 5\r\n\r\nhello",
        OK.replace(b"\r", b"") + b"Content-Length: 5\n\nhello",
        b"\r\n\n\r\n" + OK + b"Content-Length: 5\r\n\nhello",
        OK + CHUNKED + b"\r\n" + PAGE,
        OK + CHUNKED + b"\r\n" + PAGE.replace(b"\r\n", b"\n"),
        OK + CHUNKED + b"\r\n" + b'005 ;a="b"\r\nhello\r\n0000;x\r\nX: y\r\n no: field\r\n\r\n',
        OK + CHUNKED + b"\r\n" + b"1\r\nh\r\n2\r\nel\r\n2\r\nlo\r\n0\r\n\r\n",
        OK + CHUNKED + b"\r\n" + b"0" * 10_000 + PAGE,
    ],
)
@pytest.mark.parametrize("step", [0, 1, 7])
def test_bodies(data: bytes, step: int) -> None:
    """A body is the same whatever the segments, and nothing behind it is part of it."""
    message, body = read(data, step)
    assert (body, message.done, message.surplus) == (b"hello", True, False)
    message, body = read(data + b"H", step)
    assert (body, message.done, message.surplus) == (b"hello", True, True)
    assert not read(data[:-1], step)[0].done


def test_a_body_until_the_connection_ends() -> None:
    """Without a length or chunks all that comes is the body."""
    message, body = read(OK + b"\r\nhello" + OK)
    assert (message.done, message.until_close, body) == (False, True, b"hello" + OK)


@pytest.mark.parametrize(
    ("chunks", "reason"),
    [
        (b"six\r\n", "invalid chunk size"),
        (b"x", "invalid chunk size"),
        (b"-5\r\nhello\r\n", "invalid chunk size"),
        (b"+5\r\nhello\r\n", "invalid chunk size"),
        (b"0x5\r\nhello\r\n", "invalid chunk size"),
        (b" 5\r\nhello\r\n", "invalid chunk size"),
        (b"1_0\r\nhello\r\n", "invalid chunk size"),
        (b"5 x\r\nhello\r\n", "invalid chunk size"),
        (b"\r\n", "invalid chunk size"),
        (b"f" * 17 + b"\r\n", "chunk size overflow"),
        (b"5\r\nhello5\r\n", "no line end after a chunk"),
        (b"5\r\nhello, world", "no line end after a chunk"),
        (b"5;" + b"x" * HEADER_LINE, "chunk line too long"),
        (b"5;" + b"x" * HEADER_LINE + b"\r\n", "chunk line too long"),
        (b"1;" + b"x" * 60_000 + b"\r\nx\r\n", "chunk framing too large"),
        (b"0\r\n" + b"X: y\r\n" * HEADER_BYTES, "chunk framing too large"),
    ],
)
@pytest.mark.parametrize("step", [0, 1_000])
def test_bad_chunks(chunks: bytes, reason: str, step: int) -> None:
    """Chunks follow the grammar (RFC 9112, 7.1) within bounds; the head that was read is kept."""
    again = chunks * 20 if "framing" in reason else chunks
    fault = refused(OK + CHUNKED + b"\r\n" + again, step)
    assert fault.reason == f"malformed response: {reason}"
    assert fault.head is not None and fault.head.status == 200


def test_a_plain_head_is_read_as_what_it_says() -> None:
    """The plainest form of a head is one that is read as the same again."""
    for lines in (
        b"Content-Length: 5, 5\r\n",
        CHUNKED + b"Content-Length: 1\r\n",
        b"X:  y\r\n z\r\n",
    ):
        head = head_of(lines)
        assert read_head(head.plain()) == head


@pytest.mark.parametrize("framing", [b"Content-Length: 5\r\n\r\nhello", CHUNKED + b"\r\n" + PAGE])
@pytest.mark.parametrize("step", [0, 1])
def test_a_message_goes_with_its_last_user(framing: bytes, step: int) -> None:
    """A response that was read leaves nothing to the garbage collector."""
    gc.disable()
    try:
        message, body = read(OK + framing, step)
        assert (message.done, body) == (True, b"hello")
        gone = weakref.ref(message)
        del message
        assert gone() is None
    finally:
        gc.enable()
