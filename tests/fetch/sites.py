"""The behaviours that the scenarios ask for, by path."""

from __future__ import annotations

import gzip
import socket
import struct
import zlib
from collections.abc import Mapping

import brotli
import zstandard

from tests.fetch.raw import Behaviour, RawServer

PAGE = b"<title>x</title>" + b"<a href='/a'>words and more words</a>\n" * 40
CAP = 100_000
BOMB = gzip.compress(bytes(20_000_000), 9)
ZSTD_BOMB = zstandard.ZstdCompressor(level=3).compress(bytes(20_000_000))
BROTLI_BOMB = brotli.compress(bytes(20_000_000), quality=5)


def raw_deflate(data: bytes) -> bytes:
    """RFC 1951 without the wrapper of RFC 1950."""
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def zstd(data: bytes) -> bytes:
    """One zstd frame."""
    return zstandard.ZstdCompressor().compress(data)


def message(body: bytes = PAGE, status: str = "200 OK", **headers: str) -> bytes:
    """A whole response with Content-Length; `content_encoding="gzip"` becomes a header."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    headers.setdefault("content_type", "text/html")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n", **headers: str) -> bytes:
    """A response in chunks."""
    lines = ["HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "Content-Type: text/html"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body + end


def says(data: bytes, *, close: bool = False) -> Behaviour:
    """Send `data` at once; `close` hangs up after it."""

    def behaviour(server: RawServer, sock: socket.socket, head: bytes) -> bool:
        sock.sendall(data)
        return not close

    return behaviour


def encoded(body: bytes, coding: str) -> Behaviour:
    """A page in a Content-Encoding."""
    return says(message(body, content_encoding=coding))


def resets(data: bytes = b"") -> Behaviour:
    """Send `data`, then reset the connection."""

    def behaviour(server: RawServer, sock: socket.socket, head: bytes) -> bool:
        sock.sendall(data)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    return behaviour


def never(server: RawServer, sock: socket.socket, head: bytes) -> bool:
    """Take the request and say nothing until the test is over or the client leaves."""
    sock.recv(1)
    return False


def then_never(data: bytes) -> Behaviour:
    """Send `data`, then nothing until the client leaves."""

    def behaviour(server: RawServer, sock: socket.socket, head: bytes) -> bool:
        sock.sendall(data)
        return never(server, sock, head)

    return behaviour


def late(start: bytes, rest: bytes) -> Behaviour:
    """Send `start`, and `rest` so much later that the client has read `start` before."""

    def behaviour(server: RawServer, sock: socket.socket, head: bytes) -> bool:
        sock.sendall(start)
        server.over.wait(0.05)
        sock.sendall(rest)
        return False

    return behaviour


def drips(start: bytes, drop: bytes) -> Behaviour:
    """Send `start`, then `drop` again and again, every few milliseconds."""

    def behaviour(server: RawServer, sock: socket.socket, head: bytes) -> bool:
        sock.sendall(start)
        while not server.over.wait(0.01):
            sock.sendall(drop)
        return False

    return behaviour


def pours(start: bytes, drop: bytes) -> Behaviour:
    """Send `start`, then `drop` without end, as fast as the client takes it."""

    def behaviour(server: RawServer, sock: socket.socket, head: bytes) -> bool:
        sock.sendall(start)
        while not server.over.is_set():
            sock.sendall(drop)
        return False

    return behaviour


HEAD = b"HTTP/1.1 200 OK\r\n"
GZIPPED = gzip.compress(PAGE)

SITE: Mapping[str, Behaviour] = {
    "/plain": says(message()),
    "/empty": says(message(b"")),
    "/nothing": says(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "/until-close": says(HEAD + b"\r\n" + PAGE, close=True),
    "/http10": says(b"HTTP/1.0 200 OK\r\n\r\n" + PAGE, close=True),
    "/hints": says(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + message()),
    "/folded": says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: t\xe4xt\r\n\r\nok"),
    "/identity": encoded(PAGE, "identity"),
    "/gzip": encoded(GZIPPED, "gzip"),
    "/x-gzip": encoded(GZIPPED, "X-GZIP"),
    "/members": encoded(gzip.compress(PAGE[:500]) + gzip.compress(PAGE[500:]), "gzip"),
    "/padded": encoded(GZIPPED + bytes(512), "gzip"),
    "/deflate": encoded(zlib.compress(PAGE), "deflate"),
    "/raw-deflate": encoded(raw_deflate(PAGE), "deflate"),
    "/br": encoded(brotli.compress(PAGE), "br"),
    "/zstd": encoded(zstd(PAGE), "zstd"),
    "/stacked": encoded(zstd(brotli.compress(gzip.compress(PAGE))), "gzip, br, zstd"),
    "/empty-gzip": encoded(b"", "gzip"),
    "/gzip-chunked": says(
        chunked(*(GZIPPED[i : i + 7] for i in range(0, len(GZIPPED), 7)), content_encoding="gzip")
    ),
    "/bomb": encoded(BOMB, "gzip"),
    "/zstd-bomb": encoded(ZSTD_BOMB, "zstd"),
    "/brotli-bomb": encoded(BROTLI_BOMB, "br"),
    "/nested-bomb": encoded(gzip.compress(BOMB), "gzip, gzip"),
    "/truncated-gzip": encoded(GZIPPED[:-12], "gzip"),
    "/truncated-br": encoded(brotli.compress(PAGE)[:-3], "br"),
    "/truncated-zstd": encoded(zstd(PAGE)[:-3], "zstd"),
    "/truncated-deflate": encoded(zlib.compress(PAGE)[:-6], "deflate"),
    "/one-byte-deflate": encoded(b"\x78", "deflate"),
    "/corrupt-gzip": encoded(GZIPPED[:30] + b"\xff" * 30 + GZIPPED[60:], "gzip"),
    "/corrupt-br": encoded(b"\xff" * 60, "br"),
    "/corrupt-zstd": encoded(zstd(PAGE)[:4] + b"\xff" * 40, "zstd"),
    "/not-gzip": encoded(PAGE, "gzip"),
    "/unknown-encoding": encoded(PAGE, "rot13"),
    "/five-encodings": encoded(PAGE, "gzip, gzip, gzip, gzip, gzip"),
    "/short": says(HEAD + b"Content-Length: 5000\r\n\r\n" + PAGE, close=True),
    "/short-reset": resets(HEAD + b"Content-Length: 5000\r\n\r\n" + PAGE),
    "/until-close-reset": resets(HEAD + b"\r\n" + PAGE),
    "/long": says(HEAD + b"Content-Length: 5\r\n\r\n" + PAGE),
    "/chunked": says(chunked(PAGE[:100], PAGE[100:])),
    "/short-chunked": says(chunked(PAGE, end=b""), close=True),
    "/bad-chunk": says(chunked(PAGE, end=b"xyz\r\nwhat\r\n")),
    "/bad-first-chunk": says(chunked(end=b"-1\r\nwhat\r\n")),
    "/late-bad-chunk": late(chunked(PAGE, end=b""), b"xyz\r\nwhat\r\n"),
    "/late-bad-chunk-gzip": late(
        chunked(GZIPPED, end=b"", content_encoding="gzip"), b"xyz\r\nwhat\r\n"
    ),
    "/bad-status": says(b"HTTP/1.1 two hundred\r\n\r\n", close=True),
    "/garbage": says(b"\x00\x01\x02 no http at all \xff\r\n\r\n", close=True),
    "/ftp-banner": says(b"220 ftp.example.com ready\r\n", close=True),
    "/bad-header": says(HEAD + b"no colon here\r\nContent-Length: 0\r\n\r\n"),
    "/two-lengths": says(HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
    "/length-and-chunks": says(
        HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    ),
    "/word-length": says(HEAD + b"Content-Length: five\r\n\r\nhello"),
    "/empty-reply": says(b"", close=True),
    "/half-status": says(b"HTTP/1.1 20", close=True),
    "/half-header": says(HEAD + b"Content-Type: te", close=True),
    "/no-blank-line": says(HEAD + b"Content-Type: text/html\r\n", close=True),
    "/reset": resets(),
    "/never": never,
    "/header-then-never": then_never(HEAD + b"Content-Length: 10\r\n\r\n12345"),
    "/drip-header": drips(HEAD, b"X: y\r\n"),
    "/drip-body": drips(HEAD + b"Content-Length: 100000\r\n\r\n", b"x"),
    "/drip-until-close": drips(HEAD + b"\r\n", b"x"),
    "/redirect": says(message(b"moved", "302 Found", location="/elsewhere")),
    "/redirect-utf8": says(message(b"", "301 Moved", location="/caf\xc3\xa9")),
    "/redirect-latin1": says(message(b"", "301 Moved", location="/caf\xe9")),
    "/redirect-nowhere": says(message(b"moved", "302 Found")),
    "/redirect-endless": pours(b"HTTP/1.1 307 Temporary\r\nLocation: /x\r\n\r\n", b"y" * 10_000),
    "/not-modified": says(b"HTTP/1.1 304 Not Modified\r\n\r\n"),
    "/404": says(message(b"nobody home", "404 What")),
    "/404-large": says(message(b"x" * 200_000, "404 Not Found")),
    "/404-chunked": says(chunked(b"nobody").replace(b"200 OK", b"404 Gone")),
    "/404-cut": says(b"HTTP/1.1 404 X\r\nContent-Length: 50\r\n\r\nhalf", close=True),
    "/429": says(message(b"slower", "429 Too Many Requests", retry_after="7")),
    "/503": says(message(b"", "503 Busy", retry_after="Fri, 31 Dec 1999 23:59:59 GMT")),
    "/501": says(message(b"", "501 Not Implemented")),
    "/799": says(message(b"", "799 Hm")),
    "/large": says(message(b"x" * (CAP + 1))),
    "/large-announced": then_never(HEAD + b"Content-Length: 999999999\r\n\r\n"),
    "/large-chunked": pours(
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"2710\r\n" + b"x" * 10_000 + b"\r\n"
    ),
    "/large-until-close": pours(HEAD + b"\r\n", b"x" * 10_000),
    "/just-fits": says(message(b"x" * CAP)),
    "/long-header": says(HEAD + b"X: " + b"y" * 70_000 + b"\r\nContent-Length: 0\r\n\r\n"),
    "/many-headers": says(HEAD + b"X: y\r\n" * 150 + b"Content-Length: 0\r\n\r\n"),
}
