"""Prefixes: each turns the answer of the rest of the path into a slower, encoded or broken one.

Prefixes may be stacked: `/delay/0.2/gzip/page/7` is page 7, gzipped, after 0.2 s. Without a rest
the answer is that of `/page/0`.

| prefix | does |
|---|---|
| `/delay/S` | S seconds more to the first byte |
| `/slow/N/S` | the body in N pieces, S seconds between them |
| `/chunked` | chunked transfer coding, in pieces of 1 KiB |
| `/until-close` | no length: the body ends with the connection |
| `/gzip` `/deflate` `/deflate-raw` `/br` `/zstd` | that Content-Encoding (deflate is zlib's) |
| `/fault/reset` | a TCP reset instead of an answer |
| `/fault/reset-mid-body` | a TCP reset after half of the body |
| `/fault/close-early` | half of what Content-Length promised, then an orderly close |
| `/fault/stall` | half of the body, then silence on an open connection |
| `/fault/never` | silence on an open connection |
| `/fault/empty-reply` | an orderly close without a byte |
| `/fault/malformed` | bytes that are no HTTP |
| `/fault/half-head` | half of a header section, then an orderly close |
| `/fault/bad-chunk` | a chunk whose size is no number |
| `/fault/huge-header` | a header field of 128 KiB |
| `/fault/bad-gzip` | Content-Encoding gzip on what is none |
| `/fault/cut-gzip` | a gzip body that ends in the middle, correctly framed |
| `/fault/gzip-bomb` | 16 MiB of zeros in 16 KB |
"""

from __future__ import annotations

import gzip
import importlib
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from crawler.mock.answer import Answer, Ending, Framing, PathError, notice
from crawler.mock.paths import count, seconds

_CHUNK_BYTES = 1024
_BOMB_BYTES = 16 * 1024 * 1024
# Twice what common clients allow for a whole header section.
_HUGE_HEADER_BYTES = 128 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefix:
    """How many path segments a prefix takes, and what it makes of them and the inner answer."""

    arity: int
    apply: Callable[[Sequence[str], Answer], Answer]


def _delay(arguments: Sequence[str], inner: Answer) -> Answer:
    return replace(inner, delay=inner.delay + seconds(arguments[0]))


def _slow(arguments: Sequence[str], inner: Answer) -> Answer:
    wanted = max(count(arguments[0], 10_000), 1)
    body = inner.body
    size = max(-(-len(body) // wanted), 1)
    return replace(inner, pieces=_cut(body, size), pause=seconds(arguments[1]))


def _chunked(_: Sequence[str], inner: Answer) -> Answer:
    return replace(inner, pieces=_cut(inner.body, _CHUNK_BYTES), framing=Framing.CHUNKED)


def _until_close(_: Sequence[str], inner: Answer) -> Answer:
    return replace(inner, framing=Framing.UNTIL_CLOSE)


def _cut(body: bytes, size: int) -> tuple[bytes, ...]:
    return tuple(body[start : start + size] for start in range(0, len(body), size))


def _encoding(token: str, compress: Callable[[bytes], bytes]) -> Prefix:
    def apply(_: Sequence[str], inner: Answer) -> Answer:
        try:
            body = compress(inner.body)
        except ImportError as error:
            return notice(501, f"this server lacks a package: {error.name}")
        return _encoded(inner, token, body)

    return Prefix(arity=0, apply=apply)


def _encoded(inner: Answer, token: str, body: bytes) -> Answer:
    headers = (*inner.headers, ("Content-Encoding", token))
    return replace(inner, headers=headers, pieces=(body,))


def _gzip(body: bytes) -> bytes:
    return gzip.compress(body, 6, mtime=0)  # no time stamp: the same bytes always


def _raw_deflate(body: bytes) -> bytes:
    compressor = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    return compressor.compress(body) + compressor.flush()


def _brotli(body: bytes) -> bytes:
    brotli: Any = importlib.import_module("brotli")
    return bytes(brotli.compress(body, quality=5))


def _zstd(body: bytes) -> bytes:
    zstandard: Any = importlib.import_module("zstandard")
    return bytes(zstandard.ZstdCompressor(level=3).compress(body))


def _half(inner: Answer, ending: Ending) -> Answer:
    """Half of the body under a Content-Length that promises all of it."""
    body = inner.body
    length = max(len(body), 2)
    return replace(inner, pieces=(body[: len(body) // 2],), length=length, ending=ending)


def raw(data: bytes, ending: Ending) -> Answer:
    """Bytes as they are, without a head of the server's own, and then the ending."""
    return Answer(pieces=(data,) if data else (), framing=Framing.RAW, ending=ending)


def _bad_chunk(inner: Answer) -> Answer:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b"6\r\n<html>\r\nsix\r\n<body>\r\n0\r\n\r\n"
    return raw(head + chunks, Ending.CLOSE)


def _huge_header(inner: Answer) -> Answer:
    return replace(inner, headers=(*inner.headers, ("X-Huge", "x" * _HUGE_HEADER_BYTES)))


def _cut_gzip(inner: Answer) -> Answer:
    body = _gzip(inner.body)
    return _encoded(inner, "gzip", body[: len(body) // 2])


@lru_cache(maxsize=1)
def _bomb() -> bytes:
    return _gzip(bytes(_BOMB_BYTES))


FAULTS: Mapping[str, Callable[[Answer], Answer]] = {
    "reset": lambda inner: raw(b"", Ending.RESET),
    "reset-mid-body": lambda inner: _half(inner, Ending.RESET),
    "close-early": lambda inner: _half(inner, Ending.CLOSE),
    "stall": lambda inner: _half(inner, Ending.HANG),
    "never": lambda inner: raw(b"", Ending.HANG),
    "empty-reply": lambda inner: raw(b"", Ending.CLOSE),
    "malformed": lambda inner: raw(b"\x00\xffthis is no HTTP\r\n\r\n", Ending.CLOSE),
    "half-head": lambda inner: raw(b"HTTP/1.1 200 OK\r\nContent-Ty", Ending.CLOSE),
    "bad-chunk": _bad_chunk,
    "huge-header": _huge_header,
    "bad-gzip": lambda inner: _encoded(inner, "gzip", b"this is no gzip"),
    "cut-gzip": _cut_gzip,
    "gzip-bomb": lambda inner: _encoded(inner, "gzip", _bomb()),
}


def _fault(arguments: Sequence[str], inner: Answer) -> Answer:
    fault = FAULTS.get(arguments[0])
    if fault is None:
        raise PathError(f"no such fault; there are {', '.join(FAULTS)}")
    return replace(fault(inner), delay=inner.delay)


PREFIXES: Mapping[str, Prefix] = {
    "delay": Prefix(arity=1, apply=_delay),
    "slow": Prefix(arity=2, apply=_slow),
    "chunked": Prefix(arity=0, apply=_chunked),
    "until-close": Prefix(arity=0, apply=_until_close),
    "gzip": _encoding("gzip", _gzip),
    "deflate": _encoding("deflate", zlib.compress),
    "deflate-raw": _encoding("deflate", _raw_deflate),
    "br": _encoding("br", _brotli),
    "zstd": _encoding("zstd", _zstd),
    "fault": Prefix(arity=1, apply=_fault),
}
