"""Faults of the header section: status lines and fields that are wrong, hostile or too many."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, count, repeat

from crawler.mock.faults.recipe import (  # fmt: skip
    Group,
    Make,
    always,
    html_head,
    length,
    on_body,
    raw,
    raw_endless,
)
from crawler.mock.reply import Answer, Ask
from crawler.mock.scenario import MockWeb

GROUP = Group("head")

# Twice what common clients allow for a whole header section.
_HUGE_BYTES = 128 * 1024
_MANY_FIELDS = 10_000
# Cookies that a browser would keep: 50 of 4,000 bytes each (RFC 6265 section 6.1).
_COOKIES = tuple(("Set-Cookie", f"c{n}={'x' * 4000}; Path=/") for n in range(50))


def _line(line: bytes) -> Make:
    """Send a page with this line in the middle of its header section."""
    return on_body(lambda body: raw(html_head(line, length(body)) + body))


def _status(line: bytes) -> Make:
    """Send a page with this status line."""
    return on_body(lambda body: raw(html_head(length(body), status=line) + body))


def _first(data: bytes) -> Make:
    """Send a page with these bytes before its status line."""
    return on_body(lambda body: raw(data + html_head(length(body)) + body))


def _fields(*fields: tuple[str, str]) -> Make:
    """Send a valid answer with these further fields."""
    return lambda inner, ask, options: replace(inner, headers=(*inner.headers, *fields))


@GROUP.fault("line-ends-lf", "Legal to accept: ends its header lines with LF alone.")
def _lf(inner: Answer, ask: Ask, options: MockWeb) -> Answer:
    return on_body(
        lambda body: raw(html_head(length(body)).replace(b"\r\n", b"\n") + body),
    )(inner, ask, options)


def _endless_fields() -> Iterator[bytes]:
    fields = (b"X-Field-%d: %b\r\n" % (number, b"x" * 1000) for number in count())
    return chain((b"HTTP/1.1 200 OK\r\n",), fields)


def _endless_line() -> Iterator[bytes]:
    return chain((b"HTTP/1.1 200 OK\r\nX-Endless: ",), repeat(b"x" * 16384))


def _endless_informational() -> Iterator[bytes]:
    return repeat(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n" * 64)


_UPGRADE = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    b"\x81\x05hello"
)
_ESCAPES = ("X-Escapes", "\x1b]0;owned\x07\x1b[31mred")

for _name, _help, _make in (
    ("malformed", "Bytes that are not HTTP.", always(raw(b"\0\xffthis is no HTTP\r\n\r\n"))),
    ("http-0.9", "A body without a head.", on_body(raw)),
    ("icy", "Answers as a radio stream does: ICY 200 OK.", _status(b"ICY 200 OK")),
    ("http-9.9", "Claims to speak HTTP/9.9.", _status(b"HTTP/9.9 200 OK")),
    ("http-2", "Claims HTTP/2 in the form of HTTP/1.", _status(b"HTTP/2 200 OK")),
    ("http-2.0", "Claims HTTP/2.0 in the form of HTTP/1.", _status(b"HTTP/2.0 200 OK")),
    ("http-1.2", "Legal to accept: claims to speak HTTP/1.2.", _status(b"HTTP/1.2 200 OK")),
    ("http-old", "Claims to speak HTTP/0.9, with a head.", _status(b"HTTP/0.9 200 OK")),
    ("http-lower-case", "Writes http in its status line.", _status(b"http/1.1 200 ok")),
    ("rtsp", "Answers as a camera does: RTSP/1.0 200 OK.", _status(b"RTSP/1.0 200 OK")),
    ("ssh", "Answers as SSH does.", always(raw(b"SSH-2.0-OpenSSH_9.2p1\r\n"))),
    ("binary", "Six bytes that are not text.", always(raw(b"\0\1\2\xff\xfe\xfd"))),
    (
        "http-2-frames",
        "Speaks HTTP/2 unasked.",
        always(raw(b"\0\0\6\4\0\0\0\0\0\0\3\0\0\0d\0\0\4\x08\0\0\0\0\0\0\1\0\0")),
    ),
    ("http-1.0", "Legal: claims to speak HTTP/1.0.", _status(b"HTTP/1.0 200 OK")),
    ("status-no-reason", "Legal: a status line that ends with 200.", _status(b"HTTP/1.1 200")),
    ("status-four-digits", "The status has four digits.", _status(b"HTTP/1.1 2000 OK")),
    ("status-two-digits", "The status has two digits.", _status(b"HTTP/1.1 20 OK")),
    ("status-999", "The status is 999, as LinkedIn's is.", _status(b"HTTP/1.1 999 Denied")),
    ("status-600", "The status is 600, of no class.", _status(b"HTTP/1.1 600 Denied")),
    ("status-zero", "The status is 000.", _status(b"HTTP/1.1 000 Nothing")),
    ("status-letters", "The status is a word.", _status(b"HTTP/1.1 TWO OK")),
    ("status-missing", "The status line is a version alone.", _status(b"HTTP/1.1")),
    (
        "status-huge-reason",
        "A reason phrase of 128 KiB.",
        _status(b"HTTP/1.1 200 " + b"x" * 131072),
    ),
    ("blank-lines-first", "Blank lines before the status line.", _first(b"\r\n\r\n")),
    ("continue-first", "Legal: 100 before 200, unasked.", _first(b"HTTP/1.1 100 Continue\r\n\r\n")),
    (
        "early-hints-first",
        "Legal: 103 before 200.",
        _first(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"),
    ),
    (
        "informational-many",
        "A thousand 102 before 200.",
        _first(b"HTTP/1.1 102 Processing\r\n\r\n" * 1000),
    ),
    ("informational-endless", "Endless 103.", always(raw_endless(_endless_informational))),
    ("switching-unasked", "101 to another protocol, unasked.", always(raw(_UPGRADE))),
    ("header-no-colon", "A header line without a colon.", _line(b"this is no field")),
    (
        "header-no-colon-folded",
        "A header line without a colon that continues in the next.",
        _line(b"this is no field\r\n Content-Length: 7"),
    ),
    ("header-no-name", "A header line that begins with its colon.", _line(b": value")),
    ("header-bad-name", "A field name with a blank before the colon.", _line(b"X Field : value")),
    ("header-nul", "A field value with a NUL byte.", _line(b"X-Nul: a\0b")),
    ("header-bare-cr", "A field value with a lone CR.", _line(b"X-Cr: a\rSet-Cookie: b=c")),
    ("header-folded", "A field value folded over two lines (obs-fold).", _line(b"X-F: a\r\n b")),
    (
        "header-fold-first",
        "The first header line is a continuation.",
        _status(b"HTTP/1.1 200 OK\r\n continued: yes"),
    ),
    ("header-non-ascii", "Raw bytes beyond ASCII in a value.", _line(b"X-Raw: \xff\xfe \xc3\xa4")),
    ("header-escapes", "Terminal escapes in a value.", _fields(_ESCAPES)),
    ("header-64k", "A header line of 64 KiB.", _fields(("X-Long", "x" * (65536 - 10)))),
    ("huge-header", "A field of 128 KiB.", _fields(("X-Huge", "x" * _HUGE_BYTES))),
    (
        "headers-300",
        "Three hundred cookies.",
        _fields(*(("Set-Cookie", f"c{n}=x") for n in range(300))),
    ),
    (
        "headers-10000",
        "Ten thousand fields.",
        _fields(*((f"X-{n}", "x") for n in range(_MANY_FIELDS))),
    ),
    ("header-endless", "An endless field.", always(raw_endless(_endless_line))),
    ("headers-endless", "Endless fields.", always(raw_endless(_endless_fields))),
    ("cookies-huge", "Fifty cookies of 4 KB.", _fields(*_COOKIES)),
):
    GROUP.add(_name, _help, _make)
