"""Faults of Content-Encoding: bombs, broken streams, wrong names (RFC 9110 section 8.4)."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from functools import cache, reduce
from typing import Any

from crawler.mock.faults.recipe import HTML, Make, Rows, head_of, on_answer, on_body, raw, whole
from crawler.mock.graph.packing import brotlied, deflated, gzipped, raw_deflated, zstandarded
from crawler.mock.reply import Answer

BOMB_BYTES = 16 * 1024 * 1024
# Zeros shrink about 1,000 times by gzip, and what comes out of that about 100 times again.
NESTED_BYTES = 64 * 1024 * 1024
_STACKED = 20


def _encoded(inner: Answer, token: str, body: bytes) -> Answer:
    headers = (*inner.headers, ("Content-Encoding", token)) if token else inner.headers
    return replace(inner, headers=headers, pieces=(body,) if body else ())


def _coded(token: str, *changes: Callable[[bytes], bytes]) -> Make:
    """Change the body and declare that Content-Encoding."""

    def build(inner: Answer) -> Answer:
        body = reduce(lambda body, change: change(body), changes, whole(inner))
        return _encoded(inner, token, body)

    return on_answer(build)


def _bomb(token: str, compress: Callable[[bytes], bytes], size: int = BOMB_BYTES) -> Make:
    """Send `size` zeros that are small on the wire; made on first use."""
    made = cache(lambda: compress(bytes(size)))
    return on_answer(lambda _: _encoded(Answer(headers=HTML), token, made()))


def _said(body: bytes) -> Callable[[bytes], bytes]:
    return lambda _: body


_NONE = _said(b"this is no compressed data")


def _lzw(body: bytes) -> bytes:
    return b"\x1f\x9d\x90" + body


def _half(body: bytes) -> bytes:
    return body[: len(body) // 2]


def _wrong_at(place: int) -> Callable[[bytes], bytes]:
    """Return a function that gzips and inverts one byte of the trailer."""

    def change(body: bytes) -> bytes:
        data = bytearray(gzipped(body))
        data[place] ^= 0xFF
        return bytes(data)

    return change


def _members(body: bytes) -> bytes:
    middle = len(body) // 2
    return gzipped(body[:middle]) + gzipped(body[middle:])


def _wide_window(body: bytes) -> bytes:
    """Return a frame that needs a window of 128 MiB (RFC 9659 allows 8)."""
    zstandard: Any = importlib.import_module("zstandard")
    # A frame header by hand (RFC 8878 section 3.1.1): no content size, window 2**27, then a single
    # raw block.
    block = len(body[:100]) << 3 | 1
    magic = int(zstandard.MAGIC_NUMBER).to_bytes(4, "little")
    return magic + bytes((0, (27 - 10) << 3)) + block.to_bytes(3, "little") + body[:100]


def _many(body: bytes) -> bytes:
    for _ in range(_STACKED):
        body = gzipped(body)
    return body


def _length_unpacked(body: bytes) -> Answer:
    length = b"Content-Length: %d" % (len(body) + 9_999)
    return raw(head_of(body, b"Content-Encoding: gzip", length) + gzipped(body))


def _transferred(body: bytes) -> Answer:
    packed = gzipped(body)
    chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (len(packed), packed)
    return raw(head_of(body, b"Transfer-Encoding: gzip, chunked") + chunk)


FAULTS: Rows = (
    (
        "coding-many",
        "Twenty gzip codings, one in the other.",
        _coded(", ".join(("gzip",) * _STACKED), _many),
    ),
    (
        "length-unpacked",
        "gzip data with the length of the decoded body, then closes.",
        on_body(_length_unpacked),
    ),
    ("bad-gzip", "Not gzip data, declared as gzip.", _coded("gzip", _said(b"this is no gzip"))),
    ("cut-gzip", "Ends in the middle of gzip data.", _coded("gzip", gzipped, _half)),
    (
        "gzip-no-trailer",
        "gzip data without its checksum and length.",
        _coded("gzip", gzipped, lambda packed: packed[:-8]),
    ),
    ("cut-deflate", "Ends in the middle of deflate data.", _coded("deflate", deflated, _half)),
    ("gzip-crc", "A wrong checksum at the end of gzip data.", _coded("gzip", _wrong_at(-8))),
    ("gzip-size", "A wrong length at the end of gzip data.", _coded("gzip", _wrong_at(-1))),
    ("gzip-members", "Legal: gzip data in two members.", _coded("gzip", _members)),
    (
        "gzip-garbage",
        "Zeros after gzip data.",
        _coded("gzip", gzipped, lambda packed: packed + bytes(64)),
    ),
    ("gzip-empty", "An empty body, declared as gzip.", _coded("gzip", _said(b""))),
    ("gzip-bomb", "16 MiB of zeros in 16 KB.", _bomb("gzip", gzipped)),
    (
        "gzip-nested",
        "64 MiB of zeros by gzip in gzip.",
        _bomb("gzip, gzip", lambda body: gzipped(gzipped(body)), NESTED_BYTES),
    ),
    ("br-bomb", "16 MiB of zeros by br.", _bomb("br", brotlied)),
    ("zstd-bomb", "16 MiB of zeros by zstd.", _bomb("zstd", zstandarded)),
    ("bad-br", "Not br data, declared as br.", _coded("br", _NONE)),
    ("cut-br", "Ends in the middle of br data.", _coded("br", brotlied, _half)),
    ("bad-zstd", "Not zstd data, declared as zstd.", _coded("zstd", _NONE)),
    ("cut-zstd", "Ends in the middle of zstd data.", _coded("zstd", zstandarded, _half)),
    ("zstd-window", "zstd data that needs a window of 128 MiB.", _coded("zstd", _wide_window)),
    (
        "bad-deflate",
        "Not deflate data, declared as deflate.",
        _coded("deflate", _said(b"\xff" * 64)),
    ),
    ("deflate-raw", "Common: deflate without zlib's frame.", _coded("deflate", raw_deflated)),
    ("coding-wrong", "deflate data, declared as gzip.", _coded("gzip", deflated)),
    ("coding-undeclared", "gzip data without Content-Encoding.", _coded("", gzipped)),
    ("coding-unknown", "An unknown Content-Encoding.", _coded("x-cow")),
    ("coding-none", "The word none as Content-Encoding.", _coded("none")),
    ("coding-list", "gzip data, declared as gzip, none.", _coded("gzip, none", gzipped)),
    ("coding-unknown-packed", "gzip data under an unknown name.", _coded("x-cow", gzipped)),
    ("coding-compress", "compress data, which few clients can read.", _coded("compress", _lzw)),
    ("coding-charset", "A charset as Content-Encoding.", _coded("utf-8")),
    ("coding-stacked", "Legal: gzip, then br.", _coded("gzip, br", gzipped, brotlied)),
    (
        "coding-swapped",
        "gzip and br, named in the wrong order.",
        _coded("br, gzip", gzipped, brotlied),
    ),
    ("transfer-gzip", "gzip as Transfer-Encoding, not asked for.", on_body(_transferred)),
)
