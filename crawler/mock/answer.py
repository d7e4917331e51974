"""What is asked of the mock web and what it answers: values, no bytes on a wire yet.

An `Answer` says everything that happens after a request has arrived: when the first byte leaves,
what the pieces of the body are and how long lies between them, how the body's end is marked, and
what becomes of the connection. A fault is an answer like any other, which is why the server needs
no branch for any of them.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from urllib.parse import parse_qs

Headers = tuple[tuple[str, str], ...]


class PathError(ValueError):
    """A path of the catalogue with a wrong argument; answered with 400 and this text."""


class Framing(enum.Enum):
    """How the end of a body is marked (RFC 9112 section 6); RAW sends the pieces and no head."""

    LENGTH = "length"
    CHUNKED = "chunked"
    UNTIL_CLOSE = "until-close"
    RAW = "raw"


class Ending(enum.Enum):
    """What becomes of the connection once the last piece is written.

    KEEP: the next request may follow.
    CLOSE: an orderly end (FIN).
    LINGER: FIN, then what the client still sends is read and dropped for a while; a plain close
        with unread input would reset the connection and could destroy the answer on its way.
    RESET: a TCP reset (RST).
    HANG: nothing more, ever; the client has to leave.
    """

    KEEP = "keep"
    CLOSE = "close"
    LINGER = "linger"
    RESET = "reset"
    HANG = "hang"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request, as far as an answer may depend on it.

    target: path and query as sent. attempt: how often this target was asked before, counted for
    `/flaky/` alone and 0 elsewhere.
    """

    target: str
    scheme: str = "http"
    host: str = "localhost"
    headers: Headers = ()
    attempt: int = 0

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    def query(self, name: str, default: str) -> str:
        """The first value of a query parameter, percent-decoded."""
        query = self.target.partition("?")[2]
        return parse_qs(query).get(name, [default])[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the mock web does about one request.

    length: the Content-Length to declare; None declares the true one.
    delay: seconds to the first byte. pause: seconds between two pieces.
    """

    status: int = 200
    headers: Headers = ()
    pieces: tuple[bytes, ...] = ()
    framing: Framing = Framing.LENGTH
    length: int | None = None
    delay: float = 0.0
    pause: float = 0.0
    ending: Ending = Ending.KEEP

    @property
    def body(self) -> bytes:
        """The pieces as one."""
        return b"".join(self.pieces)


def content(body: bytes, content_type: str, *, status: int = 200, headers: Headers = ()) -> Answer:
    """An ordinary answer with a body of the given type."""
    typed = (("Content-Type", content_type), *headers)
    return Answer(status=status, headers=typed, pieces=(body,) if body else ())


def notice(
    status: int, text: str, *, headers: Headers = (), ending: Ending = Ending.KEEP
) -> Answer:
    """A line of plain text with a status."""
    typed = (("Content-Type", "text/plain; charset=utf-8"), *headers)
    line = f"{text}\n".encode()
    return Answer(status=status, headers=typed, pieces=(line,), ending=ending)
