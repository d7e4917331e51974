"""Faults of the header section: status lines and fields that are wrong, hostile or too many."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain, count, repeat

from crawler.mock.faults.recipe import Make, always, on_answer, raw_endless, read

_OK = b"HTTP/1.1 200 OK\r\n"
_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"


def _fields(*fields: tuple[str, str]) -> Make:
    return on_answer(lambda inner: replace(inner, headers=(*inner.headers, *fields)))


FAULTS = read(
    r"""
line-ends-lf: Legal to accept: ends its header lines with LF alone.
    => HTTP/1.1 200 OK\nContent-Type: text/html; charset=utf-8\nContent-Length: {n}\n\n{body}
malformed: Bytes that are not HTTP. => \0\xffthis is no HTTP||
http-0.9: A body without a head. => {body}
icy: Answers as a radio stream does: ICY 200 OK. => ICY 200 OK|{html}{page}
http-9.9: Claims to speak HTTP/9.9. => HTTP/9.9 200 OK|{html}{page}
http-2: Claims HTTP/2 in the form of HTTP/1. => HTTP/2 200 OK|{html}{page}
http-2.0: Claims HTTP/2.0 in the form of HTTP/1. => HTTP/2.0 200 OK|{html}{page}
http-1.2: Legal to accept: claims to speak HTTP/1.2. => HTTP/1.2 200 OK|{html}{page}
http-old: Claims to speak HTTP/0.9, with a head. => HTTP/0.9 200 OK|{html}{page}
http-lower-case: Writes http in its status line. => http/1.1 200 ok|{html}{page}
rtsp: Answers as a camera does: RTSP/1.0 200 OK. => RTSP/1.0 200 OK|{html}{page}
ssh: Answers as SSH does. => SSH-2.0-OpenSSH_9.2p1|
binary: Six bytes that are not text. => \0\x01\x02\xff\xfe\xfd
http-2-frames: Speaks HTTP/2 unasked.
    => \0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0d\0\0\x04\x08\0\0\0\0\0\0\x01\0\0
http-1.0: Legal: claims to speak HTTP/1.0. => HTTP/1.0 200 OK|{html}{page}
status-no-reason: Legal: a status line that ends with 200. => HTTP/1.1 200|{html}{page}
status-four-digits: The status has four digits. => HTTP/1.1 2000 OK|{html}{page}
status-two-digits: The status has two digits. => HTTP/1.1 20 OK|{html}{page}
status-999: The status is 999, as LinkedIn's is. => HTTP/1.1 999 Denied|{html}{page}
status-600: The status is 600, of no class. => HTTP/1.1 600 Denied|{html}{page}
status-zero: The status is 000. => HTTP/1.1 000 Nothing|{html}{page}
status-letters: The status is a word. => HTTP/1.1 TWO OK|{html}{page}
status-missing: The status line is a version alone. => HTTP/1.1|{html}{page}
status-huge-reason: A reason phrase of 128 KiB. => HTTP/1.1 200 {x*131072}|{html}{page}
blank-lines-first: Blank lines before the status line. => ||{head}{page}
continue-first: Legal: 100 before 200, unasked. => HTTP/1.1 100 Continue||{head}{page}
early-hints-first: Legal: 103 before 200.
    => HTTP/1.1 103 Early Hints|Link: </style.css>; rel=preload||{head}{page}
informational-many: A thousand 102 before 200. => {HTTP/1.1 102 Processing||*1000}{head}{page}
informational-endless: Endless 103. => @
switching-unasked: 101 to another protocol, unasked.
    => HTTP/1.1 101 Switching Protocols|Connection: Upgrade|Upgrade: websocket||\x81\x05hello
header-no-colon: A header line without a colon. => {head}this is no field|{page}
header-no-colon-folded: A header line without a colon that continues in the next.
    => {head}this is no field| Content-Length: 7|{page}
header-no-name: A header line that begins with its colon. => {head}: value|{page}
header-bad-name: A field name with a blank before the colon. => {head}X Field : value|{page}
header-nul: A field value with a NUL byte. => {head}X-Nul: a\0b|{page}
header-bare-cr: A field value with a lone CR. => {head}X-Cr: a\rSet-Cookie: b=c|{page}
header-folded: A field value folded over two lines (obs-fold). => {head}X-F: a| b|{page}
header-fold-first: The first header line is a continuation.
    => HTTP/1.1 200 OK| continued: yes|{html}{page}
header-non-ascii: Raw bytes beyond ASCII in a value. => {head}X-Raw: \xff\xfe \xc3\xa4|{page}
header-escapes: Terminal escapes in a value. => @
header-64k: A header line of 64 KiB. => @
huge-header: A field of 128 KiB. => @
headers-300: Three hundred cookies. => @
headers-10000: Ten thousand fields. => @
header-endless: An endless field. => @
headers-endless: Endless fields. => @
cookies-huge: Fifty cookies of 4 KB. => @
""",
    {
        "informational-endless": always(raw_endless(lambda: repeat(_HINTS * 64))),
        "header-escapes": _fields(("X-Escapes", "\x1b]0;owned\x07\x1b[31mred")),
        "header-64k": _fields(("X-Long", "x" * (65536 - 10))),
        # Twice what common clients allow for a whole header section.
        "huge-header": _fields(("X-Huge", "x" * 128 * 1024)),
        "headers-300": _fields(*(("Set-Cookie", f"c{n}=x") for n in range(300))),
        "headers-10000": _fields(*((f"X-{n}", "x") for n in range(10_000))),
        "header-endless": always(
            raw_endless(lambda: chain((_OK + b"X-Endless: ",), repeat(b"x" * 16384)))
        ),
        "headers-endless": always(
            raw_endless(
                lambda: chain((_OK,), (b"X-Field-%d: %b\r\n" % (n, b"x" * 1000) for n in count()))
            )
        ),
        # Cookies that a browser would keep: 50 of 4,000 bytes each (RFC 6265 section 6.1).
        "cookies-huge": _fields(*(("Set-Cookie", f"c{n}={'x' * 4000}; Path=/") for n in range(50))),
    },
)
