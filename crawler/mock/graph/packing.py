"""Content codings (RFC 9110 section 8.4.1) with reproducible output."""

from __future__ import annotations

import gzip
import importlib
import zlib
from collections.abc import Callable, Mapping
from typing import Any


def gzipped(body: bytes) -> bytes:
    """Compress to one gzip member without a time stamp (RFC 1952)."""
    return gzip.compress(body, 6, mtime=0)


def deflated(body: bytes) -> bytes:
    """Compress to the zlib format (RFC 1950), the standard meaning of `deflate`."""
    return zlib.compress(body, 6)


def raw_deflated(body: bytes) -> bytes:
    """Compress to the bare stream of RFC 1951, which some servers call `deflate`."""
    compressor = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    return compressor.compress(body) + compressor.flush()


def brotlied(body: bytes) -> bytes:
    """Compress with Brotli (RFC 7932); raise ImportError without the package."""
    brotli: Any = importlib.import_module("brotli")
    return bytes(brotli.compress(body, quality=5))


def zstandarded(body: bytes) -> bytes:
    """Compress with Zstandard (RFC 8878); raise ImportError without the package."""
    zstandard: Any = importlib.import_module("zstandard")
    return bytes(zstandard.ZstdCompressor(level=3).compress(body))


# By the prefix's name; the token in Content-Encoding is the part before the hyphen.
CODINGS: Mapping[str, Callable[[bytes], bytes]] = {
    "gzip": gzipped,
    "deflate": deflated,
    "deflate-raw": raw_deflated,
    "br": brotlied,
    "zstd": zstandarded,
}
