"""The compression in front of an output, by the ending of its name.

gzip is that of zlib, or of isal (the extra of that name), which takes a third of the time for large
bodies, and two thirds for small records.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any, Protocol

import zstandard

from crawler.store.warc_output import records_in

isal_zlib: Any = None  # typed or not, there or not: to type checkers it is one thing
with suppress(ImportError):
    isal_zlib = import_module("isal.isal_zlib")

_GZIP_LEVEL = 4  # 220 MB/s of records against 165 at zlib's default of 6, for 9 % more bytes
_ISAL_LEVEL = 3  # its highest: a third of the time of zlib's 4, for 7 % more bytes
_GZIP_WBITS = 31  # zlib.h: 15 bits of window + 16 for a gzip header
_ZSTD_LEVEL = 3


class Packing(Protocol):
    """A streaming compressor, or none."""

    def pack(self, data: bytes) -> bytes:
        """Compress all of `data` so that it can be decompressed at once (for `tail -f`)."""

    def end(self) -> bytes:
        """Return the end of the archive."""


class _Compressor(Protocol):
    """What zlib and isal have in common."""

    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self, mode: int = ..., /) -> bytes: ...


class Plain:
    """No compression."""

    def pack(self, data: bytes) -> bytes:
        """Return `data` itself."""
        return data

    def end(self) -> bytes:
        """Return nothing."""
        return b""


class Gzip:
    """One gzip member; every group of records ends at a byte (RFC 1951, 3.2.4)."""

    def __init__(self) -> None:
        self._object: _Compressor = _deflated()

    def pack(self, data: bytes) -> bytes:
        """Compress `data`."""
        return self._object.compress(data) + self._object.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        """Return the last block and the checksum."""
        return self._object.flush()


class Zstd:
    """One Zstandard frame; every group of records is a separate block."""

    def __init__(self) -> None:
        compressor = zstandard.ZstdCompressor(level=_ZSTD_LEVEL, write_checksum=True)
        self._object = compressor.compressobj()

    def pack(self, data: bytes) -> bytes:
        """Compress `data`."""
        packed = self._object.compress(data)
        return packed + self._object.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)

    def end(self) -> bytes:
        """Return the last block and the checksum."""
        return self._object.flush()


class Recordwise:
    """A gzip member or Zstandard frame for each record of a WARC."""

    def __init__(self, packed: Callable[[bytes], bytes]) -> None:
        self._packed = packed

    def pack(self, data: bytes) -> bytes:
        """Compress some whole records."""
        return b"".join(map(self._packed, records_in(data)))

    def end(self) -> bytes:
        """Return nothing: every record has its end."""
        return b""


def _deflated() -> _Compressor:
    """Return a compressor to gzip: that of isal where it is installed, of zlib elsewhere."""
    if isal_zlib is not None:
        begun: _Compressor = isal_zlib.compressobj(_ISAL_LEVEL, wbits=_GZIP_WBITS)
        return begun
    return zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP_WBITS)


def _member(data: bytes) -> bytes:
    if isal_zlib is not None:  # in one call, which spares a small record half of its time
        packed: bytes = isal_zlib.compress(data, _ISAL_LEVEL, wbits=_GZIP_WBITS)
        return packed
    return zlib.compress(data, _GZIP_LEVEL, wbits=_GZIP_WBITS)


def _frame(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=_ZSTD_LEVEL, write_checksum=True).compress(data)


def packing(path: str) -> Packing:
    """Return the compressor that a file's name asks for."""
    stem, ending = os.path.splitext(path.lower())
    if stem.endswith(".warc"):
        return Recordwise(_member if ending == ".gz" else _frame)
    if path.lower().endswith(".gz"):
        return Gzip()
    return Zstd() if path.lower().endswith(".zst") else Plain()
