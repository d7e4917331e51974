"""The set of seen URLs, as 64-bit fingerprints in flat arrays.

A Python set of ints costs about 90 bytes a URL; this one 12 to 24, so 10 million URLs stay under
240 MB. Open addressing with linear probing (Knuth, TAOCP 3, 6.4), at most two thirds full. The
table is split into many small shards that double one by one, so no single `add` moves more than
one shard.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable

_SHARDS = 4_096  # 50 million URLs make 12,000 a shard: about 4 ms to double
_SHARD_BITS = _SHARDS.bit_length() - 1
_FIRST_SLOTS = 16
_EMPTY = 0


class FingerprintSet:
    """A set of 64-bit integers that only grows."""

    __slots__ = ("_counts", "_shards")

    def __init__(self) -> None:
        self._shards = [_empty(_FIRST_SLOTS) for _ in range(_SHARDS)]
        self._counts = [0] * _SHARDS

    @classmethod
    def of(cls, fingerprints: Iterable[int]) -> FingerprintSet:
        """Return the set of the given fingerprints."""
        found = cls()
        for fingerprint in fingerprints:
            found.add(fingerprint)
        return found

    def __len__(self) -> int:
        return sum(self._counts)

    def __contains__(self, fingerprint: int) -> bool:
        shard = self._shards[fingerprint & (_SHARDS - 1)]
        return shard[_slot(shard, fingerprint or 1)] != _EMPTY

    def __repr__(self) -> str:
        return f"FingerprintSet({len(self)} of {sum(map(len, self._shards))} slots)"

    def add(self, fingerprint: int) -> bool:
        """Add `fingerprint`; return False if it was there already. O(1), amortised."""
        number = fingerprint & (_SHARDS - 1)
        fingerprint = fingerprint or 1  # 0 marks an empty slot
        shard = self._shards[number]
        slot = _slot(shard, fingerprint)
        if shard[slot] != _EMPTY:
            return False
        shard[slot] = fingerprint
        self._counts[number] += 1
        if self._counts[number] * 3 > len(shard) * 2:
            self._shards[number] = _doubled(shard)
        return True


def _empty(slots: int) -> array[int]:
    return array("Q", bytes(8 * slots))


def _slot(shard: array[int], fingerprint: int) -> int:
    """Return the slot of `fingerprint` in `shard`, or the empty slot where it belongs."""
    mask = len(shard) - 1
    slot = (fingerprint >> _SHARD_BITS) & mask
    while (found := shard[slot]) != _EMPTY and found != fingerprint:
        slot = (slot + 1) & mask
    return slot


def _doubled(shard: array[int]) -> array[int]:
    larger = _empty(2 * len(shard))
    for fingerprint in shard:
        if fingerprint != _EMPTY:
            larger[_slot(larger, fingerprint)] = fingerprint
    return larger
