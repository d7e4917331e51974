"""Deterministic randomness: numbers that follow from a label.

Everything in the mock web that looks random comes from SHAKE-128 (FIPS 202) over a label such as
`7/links/12`: any number of bits, the same on every machine, in every process and Python version.
Different labels give unrelated numbers.
"""

from __future__ import annotations

import hashlib
import struct

_WORD = 2**32


def draw(label: str, count: int) -> tuple[int, ...]:
    """Return `count` numbers of 32 bits."""
    if count <= 0:
        return ()
    return struct.unpack(f"<{count}I", hashlib.shake_128(label.encode()).digest(4 * count))


def uniform(label: str) -> float:
    """Return a number strictly between 0 and 1, valid for every quantile function."""
    return (draw(label, 1)[0] + 0.5) / _WORD
