"""Read the usual head of a response with llhttp, in a quarter of the time of a tolerant reader.

Nine in ten heads are plain: HTTP/1.1, one length or chunks, nothing odd. llhttp takes those apart;
whatever it refuses or what has a second reading is left to `crawler.model.head`, which decides. So
for a head that is read here both say the same; `messages` of `tests.fuzz` holds them against each
other.
"""

from __future__ import annotations

import httptools

from crawler.model.head import HEADER_LINE, Fields, Head

_VISIBLE = bytes(byte for byte in range(256) if byte >= 32 and byte != 127)
_ODD = frozenset({b"upgrade", b"sec-websocket-key1"})
_SETTLED = frozenset({b"content-length", b"transfer-encoding", b"connection", *_ODD})
"""Fields that are settled, not passed on."""
_REUSABLE = {b"keep-alive": True, b"close": False}


class _Fields:
    """Collects the header fields; llhttp calls it for each."""

    __slots__ = ("found",)

    def __init__(self) -> None:
        self.found: Fields = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.found.append((name, value))


def usual_head(data: bytes) -> tuple[Head, int] | None:
    """Return the head at the start of `data` and its length, None if it is not a usual one."""
    end = data.find(b"\r\n\r\n") + 4
    if not 4 <= end <= HEADER_LINE or not data.startswith(b"HTTP/1.1 "):
        return None
    raw = data[:end]
    # Controls, lone line ends and blanks before a line end have second readings; llhttp refuses
    # folded lines, lengths that are no numbers, and a length next to another or to chunks.
    if raw.translate(None, _VISIBLE) != b"\r\n" * raw.count(b"\n"):
        return None
    if b" \r" in raw[raw.index(b"\r") :]:
        return None
    fields = _Fields()
    parser = httptools.HttpResponseParser(fields)
    try:
        parser.feed_data(raw)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return None
    status = parser.get_status_code()
    if status < 200 or status in (204, 304):
        return None
    head = _settled(status, fields.found)
    return None if head is None else (head, end)


def _settled(status: int, fields: Fields) -> Head | None:
    """Return the head with its framing settled; None if that takes a decision."""
    kept: Fields = []
    told: dict[bytes, bytes] = {}
    for field in fields:
        key = field[0].lower()
        if key not in _SETTLED:
            kept.append(field)
        elif key in _ODD or key in told:
            return None
        else:
            told[key] = field[1]
    reusable = _REUSABLE.get(told.pop(b"connection", b"keep-alive").lower())
    if reusable is None or len(told) != 1:
        return None
    length = told.get(b"content-length")
    if length is None:
        if told[b"transfer-encoding"] != b"chunked":
            return None
        kept.append((b"Transfer-Encoding", b"chunked"))
        return Head(status=status, fields=kept, chunked=True, reusable=reusable)
    if len(length) >= 20:
        return None
    kept.append((b"Content-Length", b"%d" % int(length)))
    return Head(status=status, fields=kept, length=int(length), reusable=reusable)
