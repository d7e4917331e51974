"""Read one response from a connection: bytes in, the body's bytes out, for both engines.

    head --> counted bytes | chunks | the rest until the connection is closed --> done

`head` is set once it is complete; 1xx responses before it are skipped. Bytes after the end of the
body are dropped and set `surplus`: the connection must not be used again (RFC 9112, 9.2). Bytes are
limited, not lines: the head and the trailers by `HEADER_BYTES`, chunk framing by `room`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from crawler.fetch.usual_head import usual_head
from crawler.model.head import HEADER_BYTES, HEADER_LINE, Head, Malformed, check_start, read_head

INFORMATIONAL = 99
"""Maximum 1xx responses before the final one; more would only keep a client busy."""

_HEAD_END = re.compile(rb"\n\r?\n")
_CHUNK_SIZE = re.compile(rb"0*([0-9A-Fa-f]{1,16})[ \t]*(?:;|\Z)")
_CHUNK_DIGITS = re.compile(rb"[0-9A-Fa-f]+[ \t]*(?:;|\Z)")


class Message:
    """Reads one response; `room` limits the bytes between its chunks.

    `status_line` is that of `head`, as sent. `problem` is set when it cannot be read on; bytes
    before that were returned.
    """

    def __init__(self, room: int) -> None:
        self.head: Head | None = None
        self.status_line = b""
        self.done = False
        self.surplus = False
        self.problem: Malformed | None = None
        self._room = room
        self._held = b""  # of a head or a line that is not whole
        self._searched = 0
        self._used = 0
        self._informational = 0
        self._left = 0
        # Plain functions: a method of `self` in `self` would keep it until the collector comes.
        self._read: Callable[[Message, bytes], bytes] = Message._read_head
        self._read_line: Callable[[Message, bytes], None] = Message._read_size

    @property
    def until_close(self) -> bool:
        """True if the end of the connection is the end of the body."""
        return self.head is not None and self.head.length is None and not self.head.chunked

    def feed(self, data: bytes) -> bytes:
        """Take bytes from the connection; return the body's among them."""
        if self.done or self.problem is not None:
            self.surplus = self.surplus or bool(data)
            return b""
        try:
            return self._read(self, data)
        except Malformed as problem:
            self.problem = problem
            return b""

    def _read_head(self, data: bytes) -> bytes:
        if not (self._held or self._used) and (usual := usual_head(data)) is not None:
            self.head, length = usual
            self.status_line = data[: data.index(b"\r")]
            return self._begin(self.head, data[length:])
        data = self._held + data
        while self.head is None:
            if data[:1] in (b"\r", b"\n"):  # empty lines before it: RFC 9112, 2.2
                self._used += len(data)
                data = data.lstrip(b"\r\n")
                self._used -= len(data)
            check_start(data)
            end = _HEAD_END.search(data, self._searched)
            if self._used + (end.end() if end else len(data)) > HEADER_BYTES:
                raise Malformed("header too large")
            if end is None:
                self._held, self._searched = data, max(0, len(data) - 2)
                return b""
            self._take(read_head(data[: end.end()]))
            self.status_line = data[: data.index(b"\n")].rstrip(b"\r")
            self._used, self._searched = self._used + end.end(), 0
            data = data[end.end() :]
        self._held = b""
        return self._begin(self.head, data)

    def _take(self, head: Head) -> None:
        if not 100 <= head.status < 200 or head.status == 101:
            self.head = head
            return
        self._informational += 1
        if self._informational > INFORMATIONAL:
            raise Malformed("too many 1xx responses")

    def _begin(self, head: Head, data: bytes) -> bytes:
        if head.chunked:
            self._read = Message._read_chunks
        elif head.length is None:
            self._read = Message._read_rest
        else:
            self._read, self._left = Message._read_counted, head.length
        return self._read(self, data)

    def _read_rest(self, data: bytes) -> bytes:
        return data

    def _read_counted(self, data: bytes) -> bytes:
        body = data[: self._left]
        self._left -= len(body)
        self.done = self._left == 0
        self.surplus = len(data) > len(body)
        return body

    def _read_chunks(self, data: bytes) -> bytes:
        pieces: list[bytes] = []
        try:
            self._split(self._held + data, pieces)
        except Malformed as problem:
            self.problem = problem
        return b"".join(pieces)

    def _split(self, data: bytes, pieces: list[bytes]) -> None:
        at = 0
        while at < len(data) and not self.done:
            if self._left:  # within a chunk
                piece = data[at : at + self._left]
                pieces.append(piece)
                self._left -= len(piece)
                at += len(piece)
                continue
            end = data.find(b"\n", at)
            if end < 0:  # the line goes on in the next piece
                break
            self._use(end + 1 - at)
            self._read_line(self, data[at:end].removesuffix(b"\r"))
            at = end + 1
        self._held = b"" if self.done else data[at:]
        self.surplus = self.done and at < len(data)
        if self._held:
            self._check_part(self._held)

    def _use(self, count: int) -> None:
        self._room -= count
        if self._room < 0:
            raise Malformed("chunk framing too large", self.head)
        if count > HEADER_LINE:
            raise Malformed("chunk line too long", self.head)

    def _check_part(self, line: bytes) -> None:
        """Refuse an incomplete line that cannot become valid."""
        if len(line) > HEADER_LINE:
            raise Malformed("chunk line too long", self.head)
        if self._read_line is Message._read_size and not _CHUNK_DIGITS.match(line.rstrip(b"\r")):
            raise Malformed("invalid chunk size", self.head)
        if self._read_line is Message._read_end and line != b"\r":
            raise Malformed("no line end after a chunk", self.head)

    def _read_size(self, line: bytes) -> None:
        """Read a chunk's size of at most 64 bits (RFC 9112, 7.1)."""
        size = _CHUNK_SIZE.match(line)
        if size is None:
            overflow = _CHUNK_DIGITS.match(line) is not None
            problem = "chunk size overflow" if overflow else "invalid chunk size"
            raise Malformed(problem, self.head)
        self._left = int(size[1], 16)
        self._read_line = Message._read_end if self._left else Message._read_trailer
        if not self._left:
            self._room = HEADER_BYTES

    def _read_end(self, line: bytes) -> None:
        if line:
            raise Malformed("no line end after a chunk", self.head)
        self._read_line = Message._read_size

    def _read_trailer(self, line: bytes) -> None:
        self.done = not line
