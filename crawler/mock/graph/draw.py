"""Randomness that is none: numbers that follow from a label alone.

Everything in the mock web that looks drawn comes from SHAKE-128 (FIPS 202) over a label such as
`7/links/12`: one call gives as many bits as are wanted, the same on every machine, in every process
and in every Python. Two labels that differ anywhere give unrelated numbers.
"""

from __future__ import annotations

import hashlib
import struct

_WORD = 2**32


def draw(label: str, count: int) -> tuple[int, ...]:
    """`count` numbers of 32 bits."""
    if count <= 0:
        return ()
    return struct.unpack(f"<{count}I", hashlib.shake_128(label.encode()).digest(4 * count))


def uniform(label: str) -> float:
    """A number strictly between 0 and 1, so that every quantile function can take it."""
    return (draw(label, 1)[0] + 0.5) / _WORD


def uniforms(label: str, count: int) -> tuple[float, ...]:
    """`count` numbers strictly between 0 and 1."""
    return tuple((word + 0.5) / _WORD for word in draw(label, count))
