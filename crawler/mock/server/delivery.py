"""Turn an answer into bytes and their times (HTTP/1.1, RFC 9112)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from itertools import chain

from crawler.mock.reply import (
    Answer,
    BodyFraming,
    Ending,
    Headers,
    Lazy,
    Parts,
    Pieces,
    field_value,
)
from crawler.mock.server.request_reader import ReceivedRequest

# No Date and no version, so that the same answer is always the same bytes.
_SERVER = b"Server: mock\r\n"
_REASONS = {status.value: status.phrase for status in HTTPStatus}
# A longer `Retry-After` is a mistake.
MAX_RETRY_AFTER = 86_400.0
# Number of writes of a slow transfer; the first includes the head.
_TRANSFER_PIECES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Bytes in the order of sending, `delay` seconds before the first, `pause` between pieces.

    status: of the answer. retry_after: seconds that it asks the client to wait, or None. kind: the
    name of a special answer. headed: the first piece begins with a generated status line. at_once:
    all bytes, if they are one immediate write on a connection that stays open; otherwise None.
    """

    pieces: Pieces
    delay: float = 0.0
    pause: float = 0.0
    ending: Ending = Ending.KEEP
    status: int = 200
    retry_after: float | None = None
    kind: str = ""
    headed: bool = True
    at_once: bytes | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # Computed here, because a cached delivery needs it on every request.
        single = isinstance(self.pieces, tuple) and len(self.pieces) == 1
        plain = single and not self.delay and self.ending is Ending.KEEP
        object.__setattr__(self, "at_once", next(iter(self.pieces)) if plain else None)

    def timed(self, delay: float, transfer: float, parts: Parts) -> Delivery:
        """Return this delivery `delay` seconds later, its body spread over `transfer` seconds.

        parts: of the delay. A header line lists them, and the answer's own delay and transfer. It
        is inserted below the status line, so that the other bytes stay as they are. A body made
        while it is sent is not spread.
        """
        pieces, pause = self.pieces, self.pause
        if transfer and isinstance(pieces, tuple):
            pieces = _spread(pieces, headed=self.headed)
            pause += transfer / max(len(pieces) - 1, 1)
        line = server_timing((*parts, *self._own(pieces, pause))) if self.headed else b""
        if line:
            pieces = _with_line(pieces, line)
        # Not `replace`, which is too slow for each answer.
        return Delivery(
            pieces=pieces,
            delay=self.delay + delay,
            pause=pause,
            ending=self.ending,
            status=self.status,
            retry_after=self.retry_after,
            kind=self.kind,
            headed=self.headed,
        )

    def _own(self, pieces: Pieces, pause: float) -> Parts:
        """Return the answer's own delay, and the time between its first and last piece."""
        taken = pause * (len(pieces) - 1) if isinstance(pieces, tuple) else 0.0
        own = (("delay", self.delay), ("transfer", taken))
        return tuple(part for part in own if part[1])


def render(answer: Answer, *, head_only: bool, keep_alive: bool, chunks: bool) -> Delivery:
    """Return the delivery of an answer to one client.

    head_only: the request was HEAD. keep_alive: the client keeps the connection. chunks: it
    understands the chunked coding (HTTP/1.1).
    """
    framing = _framing(answer, chunks=chunks)
    ending = _ending(answer.ending, framing, keep_alive)
    if framing is BodyFraming.RAW:
        pieces = answer.pieces
    else:
        nothing = head_only or _bodiless(answer.status)
        body: Pieces = () if nothing else _body(answer, framing)
        pieces = _joined(_head(answer, framing, ending), body)
    return Delivery(
        pieces=pieces,
        delay=answer.delay,
        pause=answer.pause,
        ending=ending,
        status=answer.status,
        retry_after=_retry_after(answer),
        kind=answer.kind,
        headed=framing is not BodyFraming.RAW,
    )


def _retry_after(answer: Answer) -> float | None:
    """Return the seconds of a 429's or 503's `Retry-After` (RFC 9110 section 10.2.3), or None."""
    if answer.status not in (429, 503):
        return None
    value = field_value(answer.headers, "retry-after")
    if value.isascii() and value.isdigit() and len(value) < 10:
        return min(float(value), MAX_RETRY_AFTER)
    try:
        seconds = parsedate_to_datetime(value).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)


def _framing(answer: Answer, *, chunks: bool) -> BodyFraming:
    framing = answer.framing
    if framing is BodyFraming.LENGTH and _length(answer) is None:
        framing = BodyFraming.CHUNKED
    return BodyFraming.UNTIL_CLOSE if framing is BodyFraming.CHUNKED and not chunks else framing


def _ending(ending: Ending, framing: BodyFraming, keep_alive: bool) -> Ending:
    stays = keep_alive and framing is not BodyFraming.UNTIL_CLOSE
    return Ending.CLOSE if ending is Ending.KEEP and not stays else ending


def _bodiless(status: int) -> bool:
    return status < 200 or status in (204, 304)


def _head(answer: Answer, framing: BodyFraming, ending: Ending) -> bytes:
    connection = "close" if ending in (Ending.CLOSE, Ending.LINGER) else "keep-alive"
    return b"".join(
        (
            f"HTTP/1.1 {answer.status} {_REASONS.get(answer.status, 'Unnamed')}\r\n".encode(),
            _SERVER,
            _fields(answer.headers),
            _framing_field(answer, framing),
            f"Connection: {connection}\r\n\r\n".encode(),
        )
    )


def _fields(headers: Headers) -> bytes:
    """Return header fields in Latin-1, or in UTF-8 if they need it (RFC 9110 section 5.5)."""
    text = "".join([f"{name}: {value}\r\n" for name, value in headers])
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode()


def _framing_field(answer: Answer, framing: BodyFraming) -> bytes:
    if framing is BodyFraming.UNTIL_CLOSE or _bodiless(answer.status):
        return b""
    if framing is BodyFraming.CHUNKED:
        names = ", ".join(name for name, _ in answer.trailers)
        trailer = f"Trailer: {names}\r\n" if names else ""
        return f"Transfer-Encoding: chunked\r\n{trailer}".encode()
    return b"Content-Length: %d\r\n" % (_length(answer) or 0)


def _length(answer: Answer) -> int | None:
    if answer.length is not None:
        return answer.length
    pieces = answer.pieces
    return pieces.length if isinstance(pieces, Lazy) else sum(map(len, pieces))


def _body(answer: Answer, framing: BodyFraming) -> Pieces:
    if framing is not BodyFraming.CHUNKED:
        return answer.pieces
    pieces, last = answer.pieces, b"0\r\n%b\r\n" % _fields(answer.trailers)
    if isinstance(pieces, Lazy):
        return Lazy(make=lambda: chain(_chunks(pieces), (last,)))
    chunks = tuple(_chunks(pieces))
    return (*chunks[:-1], chunks[-1] + last) if chunks else (last,)


def _chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    return (b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece)


def _joined(head: bytes, body: Pieces) -> Pieces:
    """Join the head and the first piece, to save a write."""
    if isinstance(body, Lazy):
        return Lazy(make=lambda: chain((head,), body))
    return (head + body[0], *body[1:]) if body else (head,)


def _with_line(pieces: Pieces, line: bytes) -> Pieces:
    def lined() -> Iterator[bytes]:
        rest = iter(pieces)
        status, end, other = next(rest).partition(b"\r\n")
        return chain((b"".join((status, end, line, other)),), rest)

    return Lazy(make=lined) if isinstance(pieces, Lazy) else tuple(lined())


def _spread(pieces: tuple[bytes, ...], *, headed: bool) -> tuple[bytes, ...]:
    """Return pieces of even size, the first with the whole status line, at least two if it can."""
    if len(pieces) > 1:
        return pieces
    data = b"".join(pieces)
    least = data.find(b"\r\n") + 2 if headed else 1
    size = max(-(-len(data) // _TRANSFER_PIECES), least)
    return tuple(data[start : start + size] for start in range(0, len(data), size))


@dataclass(slots=True)
class RequestTurn:
    """One request from its arrival to the last byte of its answer.

    delivery: None until the answer is made. host, address: the ledger's rows. begun: time of its
    arrival, by `time.monotonic`. sent: bytes written.
    """

    request: ReceivedRequest
    host: str
    address: str
    client: str
    begun: float
    delivery: Delivery | None = None
    sent: int = 0
    ended: bool = False
    counted: bool = True


CACHE_BYTES = 32 * 1024 * 1024
# A page that would evict everything else is cheaper to build again.
MAX_CACHED_BYTES = CACHE_BYTES // 16
KEPT_BYTES = 1024
"""Bytes of a cached answer without its body: dict entry, key and delivery."""


@dataclass(slots=True)
class CachedAnswer:
    """An answer ready to be sent.

    head: the answer without its body, for conditional requests. timed: the delivery in a web where
    every answer takes the same time. verdicts: True by user agent if robots.txt forbids it, for the
    first few agents.
    """

    head: Answer
    delivery: Delivery
    timed: Delivery | None = None
    verdicts: dict[bytes, bool] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Its size in bytes, without a body that is made while it is sent."""
        pieces = self.delivery.pieces
        return KEPT_BYTES + (sum(map(len, pieces)) if isinstance(pieces, tuple) else 0)


class AnswerCache:
    """Answers that depend only on target and host, by both; the oldest is evicted first."""

    __slots__ = ("_entries", "get", "held_bytes")

    def __init__(self) -> None:
        self._entries: dict[tuple[bytes, bytes], CachedAnswer] = {}
        self.get = self._entries.get
        self.held_bytes = 0

    def keep(self, key: tuple[bytes, bytes], kept: CachedAnswer) -> None:
        """Keep a new answer unless it is too large."""
        size = kept.size
        if size > MAX_CACHED_BYTES:
            return
        self._entries[key] = kept
        self.held_bytes += size
        while self.held_bytes > CACHE_BYTES:
            self.held_bytes -= self._entries.pop(next(iter(self._entries))).size


def server_timing(parts: Parts) -> bytes:
    """Return the header line of W3C Server Timing, in milliseconds; b"" without parts."""
    if not parts:
        return b""
    values = ", ".join([f"{name};dur={seconds * 1000:.3f}" for name, seconds in parts])
    return f"Server-Timing: {values}\r\n".encode()
