"""Faults of the connection: it ends too early, in the wrong way, too slowly or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from crawler.mock.faults.recipe import (  # fmt: skip
    Group,
    Make,
    always,
    html_head,
    length,
    on_body,
    raw,
    whole,
)
from crawler.mock.reply import Answer, Ask, BodyFraming, Ending, Lazy
from crawler.mock.scenario import MockWeb

GROUP = Group("connection")

_HALF_HEAD = b"HTTP/1.1 200 OK\r\nContent-Ty"
# One byte a second keeps every timeout between two reads from firing; only a total one ends it.
_DRIP_SECONDS = 1.0
_PROMISED = html_head(b"Content-Length: 1000")


def _half(ending: Ending) -> Make:
    """Send half of the body with the Content-Length of all of it."""

    def build(inner: Answer, ask: Ask, options: MockWeb) -> Answer:
        body = whole(inner)
        promised = max(len(body), 2)
        half = (body[: len(body) // 2],)
        return replace(
            inner, pieces=half, length=promised, ending=ending, framing=BodyFraming.LENGTH
        )

    return build


def _all_then(ending: Ending) -> Make:
    """Send the valid answer, then an end that its head did not announce."""
    return lambda inner, ask, options: replace(inner, ending=ending)


def _byte_by_byte(data: bytes) -> Callable[[], Iterator[bytes]]:
    return lambda: (bytes((byte,)) for byte in data)


@GROUP.fault("slow-head", "Sends its header section one byte a second.")
def _slow_head(inner: Answer, ask: Ask, options: MockWeb) -> Answer:
    body = whole(inner)
    data = html_head(length(body)) + body
    pieces = Lazy(make=_byte_by_byte(data), length=len(data))
    return Answer(pieces=pieces, framing=BodyFraming.RAW, pause=_DRIP_SECONDS)


@GROUP.fault("slow-body", "Sends its body one byte a second.")
def _slow_body(inner: Answer, ask: Ask, options: MockWeb) -> Answer:
    body = whole(inner)
    pieces = Lazy(make=_byte_by_byte(body), length=len(body))
    return replace(inner, pieces=pieces, pause=_DRIP_SECONDS)


for _name, _help, _make in (
    ("reset", "Resets instead of answering.", always(raw(b"", Ending.RESET))),
    ("reset-in-head", "Resets within the header section.", always(raw(_HALF_HEAD, Ending.RESET))),
    ("reset-after-head", "Resets between head and body.", always(raw(_PROMISED, Ending.RESET))),
    ("reset-mid-body", "Resets after half of the body.", _half(Ending.RESET)),
    ("reset-after-body", "Resets when all was sent.", _all_then(Ending.RESET)),
    ("empty-reply", "Closes in order without a byte.", always(raw(b""))),
    ("half-status", "Closes within the status line.", always(raw(b"HTTP/1."))),
    ("half-head", "Closes within the header section.", always(raw(_HALF_HEAD))),
    ("close-after-head", "Closes between head and body.", always(raw(_PROMISED))),
    ("close-early", "Closes after half of what Content-Length promised.", _half(Ending.CLOSE)),
    ("close-idle", "Promises to keep the connection and closes it.", _all_then(Ending.DROP)),
    ("never", "Never answers.", always(raw(b"", Ending.HANG))),
    ("deaf", "Never answers and reads nothing more.", always(raw(b"", Ending.DEAF))),
    ("stall-in-head", "Goes silent in its head.", always(raw(_HALF_HEAD, Ending.HANG))),
    ("stall-after-head", "Goes silent after its head.", always(raw(_PROMISED, Ending.HANG))),
    ("stall", "Goes silent after half of the body.", _half(Ending.HANG)),
    (
        "stall-after-body",
        "Legal but rude: answers, then never again on this connection.",
        on_body(lambda body: raw(html_head(length(body)) + body, Ending.HANG)),
    ),
):
    GROUP.add(_name, _help, _make)
