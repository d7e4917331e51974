"""What is asked of the mock web and what it answers: values, no bytes on a wire yet.

An `Answer` says everything that happens after a request has arrived: when the first byte leaves,
what the pieces of the body are and how long lies between them, how the body's end is marked, and
what becomes of the connection. A fault is an answer like any other, which is why the server needs
no branch for any of them.

An `Ask` knows whether anything beyond method, target and host was looked at. If not, the answer is
the same for ever and may be kept; a function that wants the attempt, the time or a header field
simply reads it, and its answer is not kept.
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
"""What an answer waits for, and the seconds of each."""


class PathError(ValueError):
    """A path of the catalogue with a wrong argument; answered with 400 and this text."""


class BodyFraming(enum.Enum):
    """How the end of a body is marked (RFC 9112 section 6); RAW sends the pieces and no head."""

    LENGTH = "length"
    CHUNKED = "chunked"
    UNTIL_CLOSE = "until-close"
    RAW = "raw"


class Ending(enum.Enum):
    """What becomes of the connection once the last piece is written.

    KEEP: the next request may follow.
    CLOSE: an orderly end (FIN), announced by `Connection: close`.
    DROP: an orderly end that was not announced: the head promises to keep the connection.
    LINGER: FIN, then what the client still sends is read and dropped for a while; a plain close
        with unread input would reset the connection and could destroy the answer on its way.
    RESET: a TCP reset (RST).
    HANG: nothing more, ever; the client has to leave.
    DEAF: as HANG, and what the client sends is not even read: its window fills.
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
    """A body made while it is sent: too long to hold, or without an end.

    make: gives the pieces anew each time. length: bytes in all, if known.
    """

    make: Callable[[], Iterator[bytes]]
    length: int | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self.make()


Pieces = tuple[bytes, ...] | Lazy


@dataclass(slots=True, kw_only=True)
class Ask:
    """One request, as far as an answer may depend on it.

    target: path and query as sent, origin-form. host: the Host field, or the server's own authority
    if there is none. count: says how often this host and target were asked before.
    clock: seconds since the server started. settled: see the module.
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
        """How often this host and target were asked before: 0 the first time."""
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
        """The same request for another path; the query stays."""
        question, query = self.target.partition("?")[1:]
        return replace(self, target=f"{path}{question}{query}")

    def header(self, name: str, default: str = "") -> str:
        """The first value of a header field; `name` in lower case."""
        return next((value for key, value in self.headers if key.lower() == name), default)

    def query(self, name: str, default: str) -> str:
        """The first value of a query parameter, percent-decoded."""
        query = self.target.partition("?")[2]
        return parse_qs(query, keep_blank_values=True).get(name, [default])[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the mock web does about one request.

    length: the Content-Length to declare; None declares the true one.
    delay: seconds to the first byte. pause: seconds between two pieces.
    trailers: fields after a chunked body. kind: what the ledger and the log call it, if special.
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
        """The pieces as one; never to be asked of a body without an end."""
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


_MAX_SECONDS = 3600.0


def count(text: str, high: int) -> int:
    """A path argument as a number from 0 to `high`; raises PathError."""
    if not (text.isascii() and text.isdigit() and len(text) < 19 and int(text) <= high):
        raise PathError(f"a number from 0 to {high} is wanted, not {text[:40]!r}")
    return int(text)


def seconds(text: str) -> float:
    """A path argument as seconds, an hour at most; raises PathError."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= _MAX_SECONDS:
        raise PathError(f"seconds from 0 to {_MAX_SECONDS:g} are wanted, not {text[:40]!r}")
    return value


class CatalogueEntry(NamedTuple):
    """One row: `group` (faults, traps, ...), `name`, `path` to ask for it if any, `help`."""

    group: str
    name: str
    path: str
    help: str

    @property
    def values(self) -> dict[str, str]:
        """The row as JSON has it."""
        return self._asdict()
