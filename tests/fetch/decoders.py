"""Every coding, level, member count, page size and piece size: what `test_decoders` samples.

`python -m tests.fetch.decoders` tries all of them, with the pages of Debian's python3-doc if they
are installed, and prints how many held.
"""

# ruff: noqa: T201  (a sweep prints its findings)

from __future__ import annotations

import gzip
import random
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import product
from typing import NamedTuple

import brotli
import zstandard

from crawler.fetch.body import Body
from crawler.model.fault import Fault
from tests.real.debian import DOCS

SIZES = (100, 1_000, 30_000, 65_536, 98_304, 130_000, 500_000, 2_000_000)
"""Bytes of the pages; a decoder's buffers have 16 to 128 KB."""

PIECES = (1, 7, 1_400, 16_384, 65_535, 65_537, 262_144)
"""Bytes that arrive at once: a slow server's, a packet, what the clients read."""

MEMBERS = (1, 2, 5)

_WORDS = [
    "the",
    "of",
    "crawler",
    "page",
    "\u017elu\u0165ou\u010dk\u00fd",
    "k\u016f\u0148",
    "host",
    "link",
    "\u4e2d\u6587",
]


@cache
def page(size: int) -> bytes:
    """Return the first `size` bytes of a long page that is like no part of itself."""
    if (DOCS / "contents.html").is_file():
        return (DOCS / "contents.html").read_bytes()[:size]
    random_ = random.Random(size)
    lines = ["<!DOCTYPE html><title>Page</title>"]
    length = 0
    while length < size:
        text = " ".join(random_.choices(_WORDS, k=random_.randrange(3, 20)))
        lines.append(f'<p class="c{length % 97}"><a href="/{random_.getrandbits(40)}">{text}</a>')
        length += len(lines[-1])
    return "\n".join(lines).encode()[:size]


def _deflate(data: bytes, level: int, wbits: int) -> bytes:
    packer = zlib.compressobj(level, wbits=wbits)
    half = len(data) // 2  # servers flush what they have so far
    start = packer.compress(data[:half]) + packer.flush(zlib.Z_SYNC_FLUSH)
    return start + packer.compress(data[half:]) + packer.flush()


def _brotli(data: bytes, level: int) -> bytes:
    if level % 2:
        return bytes(brotli.compress(data, quality=level))
    packer = brotli.Compressor(quality=level, lgwin=18)
    half = len(data) // 2
    start = packer.process(data[:half]) + packer.flush()
    return bytes(start + packer.process(data[half:]) + packer.finish())


def _zstd(data: bytes, level: int) -> bytes:
    if level % 2:  # in one go: with the length in the header
        return zstandard.ZstdCompressor(level=level, write_checksum=level % 3 == 0).compress(data)
    window = zstandard.ZstdCompressionParameters.from_level(level, window_log=min(23, level + 15))
    packer = zstandard.ZstdCompressor(compression_params=window).compressobj()
    half = len(data) // 2
    start = packer.compress(data[:half]) + packer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    return start + packer.compress(data[half:]) + packer.flush()


class Encoder(NamedTuple):
    """A Content-Encoding, what packs it, at which levels, in how many members or frames."""

    coding: str
    encode: Callable[[bytes, int], bytes]
    levels: range
    members: tuple[int, ...] = (1,)


ENCODERS = {
    "gzip": Encoder("gzip", gzip.compress, range(10), MEMBERS),
    "zlib": Encoder("deflate", lambda data, level: _deflate(data, level, 15), range(10)),
    "raw": Encoder("deflate", lambda data, level: _deflate(data, level, -15), range(10)),
    "br": Encoder("br", _brotli, range(12)),
    "zstd": Encoder("zstd", _zstd, range(1, 20), MEMBERS),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One combination."""

    name: str
    level: int
    members: int
    size: int
    piece: int

    def __str__(self) -> str:
        return f"{self.name}-{self.level}-{self.members}x-{self.size}-by-{self.piece}"


def cases() -> Iterator[Case]:
    """Yield all combinations, those of one wire together."""
    for name, (_, _, levels, members) in ENCODERS.items():
        for level, number, size, piece in product(levels, members, SIZES, PIECES):
            yield Case(name=name, level=level, members=number, size=size, piece=piece)


@lru_cache(maxsize=1)
def _wire(name: str, level: int, members: int, size: int) -> bytes:
    """Return the page in so many members."""
    data, step = page(size), -(-size // members)
    encode = ENCODERS[name].encode
    return b"".join(encode(data[at : at + step], level) for at in range(0, size, step))


def problem(case: Case) -> str:
    """Return what goes wrong with a combination, "" for nothing."""
    wire = _wire(case.name, case.level, case.members, case.size)
    body = Body(ENCODERS[case.name].coding, 10_000_000)
    try:
        for at in range(0, len(wire), case.piece):
            body.feed(wire[at : at + case.piece])
        decoded = body.finish()
    except Fault as fault:
        return f"{case}: {fault.reason}"
    return "" if decoded == page(case.size) else f"{case}: {len(decoded)} other bytes"


def main() -> int:
    """Try all; print what does not hold, and how many were tried."""
    tried = failed = 0
    for case in cases():
        tried += 1
        if found := problem(case):
            failed += 1
            print(found)
    print(f"{tried} combinations tried, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
