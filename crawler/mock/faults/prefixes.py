"""Prefixes: each makes the answer of the rest of the path slower, encoded or broken.

Prefixes may be stacked: `/delay/0.2/gzip/page/7` is page 7, gzipped, after 0.2 s, and `/br/gzip` is
`Content-Encoding: gzip, br`. Without a rest the answer is that of `/page/0`. An endless body cannot
be cut or encoded: 400.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from crawler.mock.faults.recipe import lacking, whole
from crawler.mock.graph.packing import CODINGS
from crawler.mock.reply import Answer, Ask, BodyFraming, Ending, count, seconds
from crawler.mock.scenario import MockWeb

_CHUNK_BYTES = 1024
_TRANSFER_PIECES = 16

Apply = Callable[[Sequence[str], Answer, Ask, MockWeb], Answer]
Cut = Callable[[Sequence[str], Answer], Answer]


class Prefix(NamedTuple):
    """One prefix.

    apply: makes the answer from the values of its path segments, the inner answer, the request and
    the options; raises `PathError`. arguments: names of these segments.
    """

    name: str
    help: str
    apply: Apply
    arguments: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """The path with the names of its arguments."""
        return "/".join(("", self.name, *self.arguments))


def _delay(arguments: Sequence[str], inner: Answer) -> Answer:
    return replace(inner, delay=inner.delay + seconds(arguments[0]))


def _slow(arguments: Sequence[str], inner: Answer) -> Answer:
    wanted = max(count(arguments[0], 10_000), 1)
    return _spread(inner, wanted, seconds(arguments[1]))


def _drip(arguments: Sequence[str], inner: Answer) -> Answer:
    size = max(count(arguments[0], 1 << 30), 1)
    return replace(inner, pieces=_cut(whole(inner), size), pause=seconds(arguments[1]))


def _transfer(arguments: Sequence[str], inner: Answer) -> Answer:
    return _spread(inner, _TRANSFER_PIECES, seconds(arguments[0]) / (_TRANSFER_PIECES - 1))


def _chunked(_: Sequence[str], inner: Answer) -> Answer:
    return replace(inner, pieces=_cut(whole(inner), _CHUNK_BYTES), framing=BodyFraming.CHUNKED)


def _trailers(_: Sequence[str], inner: Answer) -> Answer:
    digest = b64encode(hashlib.sha256(whole(inner)).digest()).decode()
    trailers = (("Content-Digest", f"sha-256=:{digest}:"), ("Server-Timing", "body;dur=0.000"))
    return replace(_chunked((), inner), trailers=trailers)


def _until_close(_: Sequence[str], inner: Answer) -> Answer:
    return replace(inner, framing=BodyFraming.UNTIL_CLOSE)


def _close(_: Sequence[str], inner: Answer) -> Answer:
    return replace(inner, ending=Ending.CLOSE) if inner.ending is Ending.KEEP else inner


def _spread(inner: Answer, wanted: int, pause: float) -> Answer:
    body = whole(inner)
    return replace(inner, pieces=_cut(body, max(-(-len(body) // wanted), 1)), pause=pause)


def _cut(body: bytes, size: int) -> tuple[bytes, ...]:
    return tuple(body[start : start + size] for start in range(0, len(body), size))


def _coding(name: str) -> Prefix:
    token, compress = name.partition("-")[0], CODINGS[name]

    def apply(_: Sequence[str], inner: Answer) -> Answer:
        try:
            body = compress(whole(inner))
        except ImportError as error:
            return lacking(error)
        return replace(inner, headers=_with_coding(inner, token), pieces=(body,))

    return _plain(name, f"Content-Encoding: {token}{', bare' * (token != name)}.", apply)


def _with_coding(inner: Answer, token: str) -> tuple[tuple[str, str], ...]:
    """Return the fields with another coding, named last as it was applied last."""
    stacked = [value for name, value in inner.headers if name == "Content-Encoding"]
    others = tuple(pair for pair in inner.headers if pair[0] != "Content-Encoding")
    return (*others, ("Content-Encoding", ", ".join((*stacked, token))))


def _plain(name: str, help: str, cut: Cut, *arguments: str) -> Prefix:
    """Return a prefix that uses only its arguments and the inner answer."""

    def apply(values: Sequence[str], inner: Answer, ask: Ask, options: MockWeb) -> Answer:
        return cut(values, inner)

    return Prefix(name, help, apply, arguments)


_ALL = (
    _plain("delay", "S more seconds before the first byte.", _delay, "S"),
    _plain("slow", "The body in N pieces, S seconds between them.", _slow, "N", "S"),
    _plain("drip", "The body BYTES at a time, S seconds between.", _drip, "BYTES", "S"),
    _plain("transfer", "S seconds from the body's first byte to its last.", _transfer, "S"),
    _plain("chunked", "Chunked transfer coding, in pieces of 1 KiB.", _chunked),
    _plain("trailers", "Chunked, with trailer fields.", _trailers),
    _plain("until-close", "No length: the body ends with the connection.", _until_close),
    _plain("close", "The connection closes after the answer.", _close),
    *(_coding(name) for name in CODINGS),
)

PLAIN: Mapping[str, Prefix] = {prefix.name: prefix for prefix in _ALL}
"""All except `fault`, which needs the catalogue."""
