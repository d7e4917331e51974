"""Faults of the connection: it ends too early, in the wrong way, too slowly or not at all."""

from __future__ import annotations

from dataclasses import replace

from crawler.mock.faults.recipe import Make, head_of, on_answer, read, whole
from crawler.mock.reply import Answer, BodyFraming, Ending, Lazy

# One byte a second keeps every timeout between two reads from firing; only a total one ends it.
_DRIP_SECONDS = 1.0


def _half(ending: Ending) -> Make:
    """Send half of the body with the Content-Length of all of it."""

    def build(inner: Answer) -> Answer:
        body = whole(inner)
        half, promised = (body[: len(body) // 2],), max(len(body), 2)
        return replace(
            inner, pieces=half, length=promised, ending=ending, framing=BodyFraming.LENGTH
        )

    return on_answer(build)


def _all_then(ending: Ending) -> Make:
    return on_answer(lambda inner: replace(inner, ending=ending))


def _byte_by_byte(data: bytes) -> Lazy:
    return Lazy(make=lambda: (bytes((byte,)) for byte in data), length=len(data))


def _slow_head(inner: Answer) -> Answer:
    body = whole(inner)
    pieces = _byte_by_byte(head_of(body) + body)
    return Answer(pieces=pieces, framing=BodyFraming.RAW, pause=_DRIP_SECONDS)


def _slow_body(inner: Answer) -> Answer:
    return replace(inner, pieces=_byte_by_byte(whole(inner)), pause=_DRIP_SECONDS)


FAULTS = read(
    r"""
slow-head: Sends its header section one byte a second. => @
slow-body: Sends its body one byte a second. => @
reset: Resets instead of answering. => {} !reset
reset-in-head: Resets within the header section. => HTTP/1.1 200 OK|Content-Ty !reset
reset-after-head: Resets between head and body. => {head}Content-Length: 1000|| !reset
reset-mid-body: Resets after half of the body. => @
reset-after-body: Resets when all was sent. => @
empty-reply: Closes in order without a byte. => {}
half-status: Closes within the status line. => HTTP/1.
half-head: Closes within the header section. => HTTP/1.1 200 OK|Content-Ty
close-after-head: Closes between head and body. => {head}Content-Length: 1000||
close-early: Closes after half of what Content-Length promised. => @
close-idle: Promises to keep the connection and closes it. => @
never: Never answers. => {} !hang
deaf: Never answers and reads nothing more. => {} !deaf
stall-in-head: Goes silent in its head. => HTTP/1.1 200 OK|Content-Ty !hang
stall-after-head: Goes silent after its head. => {head}Content-Length: 1000|| !hang
stall: Goes silent after half of the body. => @
stall-after-body: Legal but rude: answers, then never again on this connection.
    => {head}{page} !hang
""",
    {
        "slow-head": on_answer(_slow_head),
        "slow-body": on_answer(_slow_body),
        "reset-mid-body": _half(Ending.RESET),
        "reset-after-body": _all_then(Ending.RESET),
        "close-early": _half(Ending.CLOSE),
        "close-idle": _all_then(Ending.DROP),
        "stall": _half(Ending.HANG),
    },
)
