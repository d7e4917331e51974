"""Parse one client's bytes into requests: httptools' callbacks collect them into a queue.

A request that httptools does not accept is to be refused with 400, a header section of more than
64 KiB with 431, a body that is too long with 413; after that nothing more is read.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import httptools

MAX_HEAD_BYTES = 64 * 1024
# Only bodies for control paths are kept.
MAX_BODY_BYTES = 64 * 1024


class ReceivedRequest(NamedTuple):
    """One parsed request; `problem` is a status to refuse it with, or 0.

    conditional: it has `If-None-Match` or `If-Modified-Since`.
    """

    method: bytes
    target: bytes
    host: bytes
    headers: list[tuple[bytes, bytes]]
    keep_alive: bool
    version: str = "1.1"
    agent: bytes = b""
    conditional: bool = False
    body: bytes = b""
    problem: int = 0

    @property
    def fields(self) -> tuple[tuple[str, str], ...]:
        """The header fields as text."""
        return tuple((n.decode("latin-1"), v.decode("latin-1")) for n, v in self.headers)


class Reader:
    """The requests of one connection.

    queue: complete requests, for the connection to take. deaf: nothing more is read. expecting: the
    client waits for permission to send its body.
    """

    __slots__ = (
        "_agent", "_body", "_chunk_bytes", "_conditional", "_expected", "_head_bytes", "_headers",
        "_host", "_in_head", "_parser", "_target", "deaf", "expecting", "queue",
    )  # fmt: skip

    _headers: list[tuple[bytes, bytes]]
    _head_bytes: int

    def __init__(self) -> None:
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        self.queue: deque[ReceivedRequest] = deque()
        self.deaf = self.expecting = False
        self._begin_head()
        self._in_head = False

    def feed(self, data: bytes) -> None:
        """Parse received bytes."""
        if self.deaf or self._parser is None:
            return
        self._chunk_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.deaf = True  # no other protocol is supported; the request itself is answered
        except httptools.HttpParserCallbackError:
            raise  # a bug, not the client's mistake
        except httptools.HttpParserError:
            self._refuse(400)
        if self._in_head and self._chunk_bytes > MAX_HEAD_BYTES:
            self._refuse(431)

    def close(self) -> None:
        """Read nothing more and drop the queue."""
        self.deaf = True
        self.queue.clear()
        self._parser = None  # break the reference cycle

    # Callbacks of the parser.

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._begin_head()

    def on_url(self, url: bytes) -> None:
        """Take a part of the target."""
        self._target += url
        self._head_bytes += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header field."""
        self._headers.append((name, value))
        size = len(name)
        self._head_bytes += size + len(value) + 4
        if size == 4:
            if name.lower() == b"host":
                self._host = value
        elif size == 10:
            if name.lower() == b"user-agent":
                self._agent = value
        elif size == 6:
            if name.lower() == b"expect" and value.lower() == b"100-continue":
                self._expected = True
        elif size in (13, 17) and name.lower() in (b"if-none-match", b"if-modified-since"):
            self._conditional = True

    def on_headers_complete(self) -> None:
        """End the head."""
        self._in_head = False
        self.expecting = self._expected

    def on_body(self, data: bytes) -> None:
        """Take a part of a body for a control path."""
        if self._target.startswith(b"/__") and len(self._body) <= MAX_BODY_BYTES:
            self._body += data

    def on_message_complete(self) -> None:
        """Queue a complete request, or refuse it."""
        parser = self._parser
        if parser is None or self.deaf:
            return
        self.expecting = False
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(431)
        elif len(self._body) > MAX_BODY_BYTES:
            self._refuse(413)
        else:
            self.queue.append(
                ReceivedRequest(
                    parser.get_method(),
                    self._target,
                    self._host,
                    self._headers,
                    parser.should_keep_alive() and not parser.should_upgrade(),
                    parser.get_http_version(),
                    self._agent,
                    self._conditional,
                    self._body,
                )
            )

    def _begin_head(self) -> None:
        self._in_head = True
        self._target = self._host = self._agent = self._body = b""
        self._headers = []
        self._conditional = self._expected = False
        self._head_bytes = 0
        # Counts complete reads from the next one on, as the head's place in this one is unknown.
        self._chunk_bytes = 0

    def _refuse(self, status: int) -> None:
        """Queue a refusal with this status and read nothing more."""
        if not self.deaf:
            self.deaf = True
            self.queue.append(ReceivedRequest(b"", b"", b"", [], keep_alive=False, problem=status))
