"""From an answer to the bytes that leave and when (HTTP/1.1, RFC 9112)."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus

from crawler.mock.answer import Answer, Ending, Framing

# No Date and no version: the same answer is the same bytes, today and tomorrow.
_SERVER = "Server: mock\r\n"
_REASONS = {status.value: status.phrase for status in HTTPStatus}


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Bytes in the order they leave, `delay` seconds before the first, `pause` between pieces.

    at_once: all of it, if it is one write now on a connection that stays open; else None.
    """

    pieces: tuple[bytes, ...]
    delay: float
    pause: float
    ending: Ending
    at_once: bytes | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # Worked out here, because a cached delivery is asked for it on every request.
        plain = len(self.pieces) == 1 and not self.delay and self.ending is Ending.KEEP
        object.__setattr__(self, "at_once", self.pieces[0] if plain else None)


def render(answer: Answer, *, head_only: bool, keep_alive: bool, chunks: bool) -> Delivery:
    """The delivery of an answer to one client.

    head_only: the request was HEAD. keep_alive: the client wants to go on. chunks: it
    understands the chunked coding (HTTP/1.1).
    """
    framing = answer.framing
    if framing is Framing.CHUNKED and not chunks:
        framing = Framing.UNTIL_CLOSE
    ending = _ending(answer.ending, framing, keep_alive)
    if framing is Framing.RAW:
        pieces = tuple(answer.pieces)
    else:
        sent = tuple(answer.pieces)
        body = () if head_only or _bodiless(answer.status) else _body(sent, framing)
        pieces = _joined(_head(answer, framing, ending), body)
    return Delivery(pieces=pieces, delay=answer.delay, pause=answer.pause, ending=ending)


def _ending(ending: Ending, framing: Framing, keep_alive: bool) -> Ending:
    stays = keep_alive and framing is not Framing.UNTIL_CLOSE
    return Ending.CLOSE if ending is Ending.KEEP and not stays else ending


def _bodiless(status: int) -> bool:
    return status < 200 or status in (204, 304)


def _head(answer: Answer, framing: Framing, ending: Ending) -> bytes:
    fields = "".join([f"{name}: {value}\r\n" for name, value in answer.headers])
    connection = "close" if ending in (Ending.CLOSE, Ending.LINGER) else "keep-alive"
    return (
        f"HTTP/1.1 {answer.status} {_REASONS.get(answer.status, 'Unnamed')}\r\n{_SERVER}{fields}"
        f"{_framing_field(answer, framing)}Connection: {connection}\r\n\r\n"
    ).encode("latin-1")


def _framing_field(answer: Answer, framing: Framing) -> str:
    if framing is Framing.UNTIL_CLOSE or _bodiless(answer.status):
        return ""
    if framing is Framing.CHUNKED:
        return "Transfer-Encoding: chunked\r\n"
    length = sum(map(len, answer.pieces)) if answer.length is None else answer.length
    return f"Content-Length: {length}\r\n"


def _body(pieces: tuple[bytes, ...], framing: Framing) -> tuple[bytes, ...]:
    if framing is not Framing.CHUNKED:
        return pieces
    chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece]
    last = b"0\r\n\r\n"
    return (*chunks[:-1], chunks[-1] + last) if chunks else (last,)


def _joined(head: bytes, body: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Head and first piece in one write; a segment for the head alone would only cost time."""
    return (head + body[0], *body[1:]) if body else (head,)
