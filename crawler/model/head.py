"""Read the head of a response as browsers do, and settle how its body is framed.

Both engines read every head here, so that they cannot differ. Oddities are tolerated: a line
without a colon is ignored, equal lengths count once, a length next to chunks is ignored. A head
that leaves the end of the body unclear is refused, as is anything that is not HTTP.

A status line in the form of HTTP/1 is accepted whatever version it claims (RFC 9110, 2.5, asks it
of minor versions; Chromium, Firefox and Twisted do it for major ones, too).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from crawler.model.fault import ONLY_HTTP2, Fault
from crawler.model.outcome import Kind
from crawler.model.value import value

HEADER_LINE = 65_536
"""Maximum bytes of a response header line and of the status line; as in Python's http.client."""

HEADER_BYTES = 262_144
"""Maximum bytes of a response's headers, 1xx responses included; as in Chrome."""

_STATUS_LINE = re.compile(
    rb"HTTP/(\d+)(?:\.(\d+))?[ \t]+([1-9]\d\d)(?!\d)[^\n]*\n", re.IGNORECASE | re.ASCII
)
_FIELD = re.compile(rb"^([!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]*:[ \t]*(.*)$", re.MULTILINE)
_FOLD = re.compile(rb"\n[ \t]+")
# Control characters mean nothing in a value (RFC 9110, 5.5); those that could end a line stay.
_VISIBLE = bytes(c if (c >= 32 and c != 127) or c in b"\0\t\n\r" else 32 for c in range(256))
_HTTP2 = (b"\0", b"\0", bytes(range(256)), b"\4\7", *[b"\0"] * 5)
"""Bytes of a frame header: SETTINGS, with which an HTTP/2 server begins, and
GOAWAY: a short length, the type, no flags, the connection (RFC 9113, 3.4, 4.1, 6.8).
"""

# Headers that are settled here, not passed on as sent; aiohttp refuses the last.
_SETTLED = frozenset(
    {b"content-length", b"transfer-encoding", b"connection", b"upgrade", b"sec-websocket-key1"}
)
_UNPACKED = frozenset({b"gzip", b"x-gzip", b"deflate"})
"""Transfer codings next to chunked, undone like content codings (RFC 9112, 7.2)."""

_USUAL = "1.1"

Fields = list[tuple[bytes, bytes]]


@value(frozen=True, slots=True, kw_only=True)
class Head:
    """A head with its framing settled.

    `fields` state the framing plainly: a Content-Length, `Transfer-Encoding: chunked`, or neither
    for a body that lasts until the connection closes. `length` is 0 if there is no body.
    `reusable` tells whether the connection may be used again. `version` is HTTP's, as claimed.
    """

    status: int
    fields: Sequence[tuple[bytes, bytes]] = ()
    length: int | None = None
    chunked: bool = False
    reusable: bool = False
    version: str = _USUAL

    def values(self, name: str) -> list[str]:
        """Return all values of a header."""
        wanted = name.lower().encode()
        return [legible(value) for key, value in self.fields if key.lower() == wanted]

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Return all header fields as names and values."""
        return tuple((legible(key), legible(value)) for key, value in self.fields)

    def plain(self) -> bytes:
        """Return the head in its plainest form, which every parser reads alike."""
        lines = [b"HTTP/1.1 %d \r\n" % self.status]
        lines += [b"%b: %b\r\n" % field for field in self.fields]
        lines.append(b"\r\n" if self.reusable else b"Connection: close\r\n\r\n")
        return b"".join(lines)


class Malformed(Fault):
    """A response that is not HTTP or contradicts itself; `head` is the readable part."""

    def __init__(self, detail: str, head: Head | None = None) -> None:
        super().__init__(Kind.PROTOCOL, f"malformed response: {detail}")
        self.head = head


class OnlyHttp2(Malformed):
    """A server that answers in HTTP/2 frames whatever it is asked in."""

    def __init__(self) -> None:
        super().__init__("HTTP/2")
        self.reason = ONLY_HTTP2


def check_start(data: bytes) -> None:
    """Raise `Malformed` if a response cannot begin with these bytes, which may be few."""
    # A prefix may be all there is, so bytes are compared as far as they go.
    if data[:5].upper() != b"HTTP/"[: len(data)]:
        if not all(byte in may_be for byte, may_be in zip(data, _HTTP2, strict=False)):
            raise Malformed("not HTTP")
        if len(data) >= len(_HTTP2):
            raise OnlyHttp2


def read_head(raw: bytes) -> Head:
    """Read a head up to its empty line; raises `Malformed`."""
    text = raw.translate(_VISIBLE).replace(b"\r\n", b"\n")
    line = _STATUS_LINE.match(text)
    if line is None:
        raise Malformed("bad status line")
    status = int(line[3])
    if b"\0" in text or b"\r" in text:
        raise Malformed("control character in the header", Head(status=status))
    if len(text) > HEADER_LINE and max(map(len, text.split(b"\n"))) > HEADER_LINE:
        raise Malformed("header line too long", Head(status=status))
    if b"\n " in text or b"\n\t" in text:
        text = _FOLD.sub(b" ", text)  # obs-fold; behind the status line it is left out with it
    old = line[1].lstrip(b"0") == b"" or (line[1], line[2] or b"0") == (b"1", b"0")
    head = _settled(status, text, old=old)
    version = (line[1] + b"." + line[2] if line[2] else line[1]).decode()
    return head if version == _USUAL else replace(head, version=version)


def _settled(status: int, text: bytes, *, old: bool) -> Head:
    """Decide by RFC 9112, 6.3, where the body ends, and whether the connection stays open."""
    told: dict[bytes, bytes] = {}
    kept: Fields = []
    fields: Fields = _FIELD.findall(text)
    if b" \n" in text or b"\t\n" in text:
        fields = [(name, value.rstrip(b" \t")) for name, value in fields]
    for field in fields:
        key = field[0].lower()
        if key in _SETTLED:
            told[key] = b"%b,%b" % (told[key], field[1]) if key in told else field[1]
        else:
            kept.append(field)
    reusable = not old
    if connection := told.get(b"connection"):
        options = _elements(connection.lower())
        reusable = b"close" not in options and (not old or b"keep-alive" in options)
    if status in (204, 304) or status < 200:
        return Head(status=status, fields=kept, length=0, reusable=reusable and status != 101)
    lengths = told.get(b"content-length")
    # A transfer coding overrides a length; after both the connection is not reused (smuggling).
    if codings := told.get(b"transfer-encoding"):
        named = [name for name in _elements(codings.lower()) if name not in (b"", b"identity")]
        if named:
            return _coded(status, kept, named, reusable=reusable and lengths is None and not old)
    if lengths is None:
        return Head(status=status, fields=kept)
    return _counted(status, kept, _elements(lengths), reusable=reusable)


def _counted(status: int, kept: Fields, lengths: list[bytes], *, reusable: bool) -> Head:
    length = -1
    for text in lengths:
        if not (text.isdigit() and len(text) < 20):
            problem = f"bad Content-Length {lengths[0][:40].decode('latin-1')!r}"
            raise Malformed(problem, Head(status=status, fields=kept))
        if length not in (-1, int(text)):
            raise Malformed("contradictory Content-Length", Head(status=status, fields=kept))
        length = int(text)
    kept.append((b"Content-Length", b"%d" % length))
    return Head(status=status, fields=kept, length=length, reusable=reusable)


def _coded(status: int, kept: Fields, codings: list[bytes], *, reusable: bool) -> Head:
    """Settle a body in transfer codings; a repeated trailing chunked counts once (curl#13451)."""
    chunked = codings[-1] == b"chunked"
    while codings and codings[-1] == b"chunked":
        codings.pop()
    if not _UNPACKED.issuperset(codings):
        problem = f"unknown Transfer-Encoding {codings[0][:40].decode('latin-1')!r}"
        raise Malformed(problem, Head(status=status, fields=kept))
    kept += [(b"Content-Encoding", coding) for coding in codings]
    if not chunked:
        return Head(status=status, fields=kept)
    kept.append((b"Transfer-Encoding", b"chunked"))
    return Head(status=status, fields=kept, chunked=True, reusable=reusable)


def _elements(value: bytes) -> list[bytes]:
    return [element.strip(b" \t") for element in value.split(b",")]


def legible(raw: bytes) -> str:
    """Return a header value as text: UTF-8 if valid, else Latin-1 (RFC 9110, 5.5)."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
