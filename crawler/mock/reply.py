"""Requests to the mock web and its answers, as values before they are bytes.

An `Answer` determines all that follows a request: the delay before the first byte, the pieces of
the body and the pauses between them, the framing, and the end of the connection. A fault is an
answer like any other, so the server needs no branch for any of them.

An `Ask` notices reads of anything beyond method, target and host. Without one the answer never
changes and is cached; after a read of the attempt, the time or a header field it is not.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple
from urllib.parse import parse_qs

Headers = tuple[tuple[str, str], ...]

Parts = tuple[tuple[str, float], ...]
"""The reasons for an answer's delay, with the seconds of each."""


def field_value(fields: Headers, name: str) -> str:
    """Return the first value of a header field, "" if it is absent; `name` is in lower case."""
    return next((value for key, value in fields if key.lower() == name), "")


class PathError(ValueError):
    """A path of the catalogue with an invalid argument; answered with 400 and this text."""


class BodyFraming(enum.Enum):
    """The mark for the end of a body (RFC 9112 section 6); RAW sends the pieces without a head."""

    LENGTH = "length"
    CHUNKED = "chunked"
    UNTIL_CLOSE = "until-close"
    RAW = "raw"


class Ending(enum.Enum):
    """The fate of the connection after the last piece.

    KEEP: the next request may follow.
    CLOSE: an orderly end (FIN), announced by `Connection: close`.
    DROP: an orderly end that was not announced: the head promises to keep the connection.
    LINGER: FIN, then the client's data is read and dropped for a while; a plain close with unread
        input would reset the connection and could destroy the answer on its way.
    RESET: a TCP reset (RST).
    HANG: nothing more; the client has to leave.
    DEAF: as HANG, and the client's data is not even read: its window fills.
    """

    KEEP = "keep"
    CLOSE = "close"
    DROP = "drop"
    LINGER = "linger"
    RESET = "reset"
    HANG = "hang"
    DEAF = "deaf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lazy:
    """A body generated while it is sent: too long to hold, or endless.

    make: generates the pieces, each time from the start. length: total bytes, if known.
    """

    make: Callable[[], Iterator[bytes]]
    length: int | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self.make()


Pieces = tuple[bytes, ...] | Lazy


@dataclass(slots=True, kw_only=True)
class Ask:
    """The parts of a request that an answer may depend on.

    target: path and query as sent, origin-form. host: the Host field, or the server's authority
    without one. count: returns the earlier requests for this host and target. clock: returns
    seconds since the server started. settled: false once anything else was read (see the module).
    """

    target: str
    method: str = "GET"
    scheme: str = "http"
    host: str = "localhost"
    fields: Headers = ()
    count: Callable[[], int] = field(default=lambda: 0, repr=False)
    clock: Callable[[], float] = field(default=lambda: 0.0, repr=False)
    settled: bool = field(default=True, init=False)
    _attempt: int | None = field(default=None, init=False, repr=False)

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def headers(self) -> Headers:
        """The header fields in their order, names as sent."""
        self.settled = False
        return self.fields

    @property
    def attempt(self) -> int:
        """Earlier requests for this host and target: 0 the first time."""
        self.settled = False
        if self._attempt is None:
            self._attempt = self.count()
        return self._attempt

    @property
    def now(self) -> float:
        """Seconds since the server started."""
        self.settled = False
        return self.clock()

    def at(self, path: str) -> Ask:
        """Return the request for another path with the same query."""
        question, query = self.target.partition("?")[1:]
        return replace(self, target=f"{path}{question}{query}")

    def header(self, name: str) -> str:
        """Return the first value of a header field, "" if it is absent; `name` is in lower case."""
        return field_value(self.headers, name)

    def query(self, name: str, default: str) -> str:
        """Return the first value of a query parameter, percent-decoded."""
        query = self.target.partition("?")[2]
        return parse_qs(query, keep_blank_values=True).get(name, [default])[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer to one request.

    length: the Content-Length to declare; None declares the true one. delay: seconds before the
    first byte. pause: seconds between two pieces. trailers: fields after a chunked body. kind: the
    name of a special answer in the ledger and the log.
    """

    status: int = 200
    headers: Headers = ()
    pieces: Pieces = ()
    framing: BodyFraming = BodyFraming.LENGTH
    length: int | None = None
    delay: float = 0.0
    pause: float = 0.0
    trailers: Headers = ()
    ending: Ending = Ending.KEEP
    kind: str = ""

    @property
    def body(self) -> bytes:
        """The pieces as one; not for endless bodies."""
        return b"".join(self.pieces)


def content(body: bytes, content_type: str, *, status: int = 200, headers: Headers = ()) -> Answer:
    """Return an ordinary answer with a body of the given type."""
    typed = (("Content-Type", content_type), *headers)
    return Answer(status=status, headers=typed, pieces=(body,) if body else ())


def notice(
    status: int, text: str, *, headers: Headers = (), ending: Ending = Ending.KEEP
) -> Answer:
    """Return a line of plain text with a status."""
    typed = (("Content-Type", "text/plain; charset=utf-8"), *headers)
    line = f"{text}\n".encode()
    return Answer(status=status, headers=typed, pieces=(line,), ending=ending)


_MAX_SECONDS = 3600.0


def count(text: str, high: int) -> int:
    """Return a path argument as a number from 0 to `high`; raise `PathError` if it is not one."""
    if not (text.isascii() and text.isdigit() and len(text) < 19 and int(text) <= high):
        raise PathError(f"expected a number from 0 to {high}, got {text[:40]!r}")
    return int(text)


def seconds(text: str) -> float:
    """Return a path argument as seconds, at most an hour; raise `PathError` if it is not that."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= _MAX_SECONDS:
        raise PathError(f"expected seconds from 0 to {_MAX_SECONDS:g}, got {text[:40]!r}")
    return value


class CatalogueEntry(NamedTuple):
    """One row of the catalogue: `group` (faults, traps, ...), `name`, `path` if any, `help`."""

    group: str
    name: str
    path: str
    help: str
