"""The set of seen URLs, as 64-bit fingerprints in small buckets of bytes.

A Python set of ints costs about 90 bytes a URL; this one 10 to 14. A bucket is searched with one
call of `find`, which is cheaper than to step from slot to slot in Python. The table grows by linear
hashing (Litwin, "Linear hashing: a new tool for file and table addressing", 1980): one bucket is
split for each 64 keys added, so no single `add` moves more than one bucket.
"""

from __future__ import annotations

from array import array
from sys import byteorder

_FILL = 64  # keys a bucket on average, half a KB
_SIZE = 8  # bytes of a key
_FIRST_BUCKETS = 64


class FingerprintSet:
    """A set of 64-bit integers that only grows."""

    __slots__ = ("_buckets", "_count", "_mask", "_split")

    def __init__(self) -> None:
        self._clear(_FIRST_BUCKETS)

    def _clear(self, buckets: int) -> None:
        """Begin with so many empty buckets, a power of two."""
        self._buckets = [bytearray() for _ in range(buckets)]
        self._mask = buckets - 1
        self._split = 0  # buckets that have been split since their number was a power of two
        self._count = 0

    @classmethod
    def of(cls, keys: array[int]) -> FingerprintSet:
        """Return the set of keys that are all different; for half the price of adding each."""
        found = cls()
        found._clear(1 << max(len(keys) // _FILL, _FIRST_BUCKETS).bit_length())
        buckets, mask = found._buckets, found._mask
        packed = memoryview(keys).cast("B")
        for key, start in zip(keys, range(0, len(packed), _SIZE), strict=True):
            buckets[key & mask] += packed[start : start + _SIZE]
        found._count = len(keys)
        return found

    def __len__(self) -> int:
        return self._count

    def __contains__(self, key: int) -> bool:
        bucket, packed = self._bucket(key), key.to_bytes(_SIZE, byteorder)
        at = bucket.find(packed)
        while at >= 0 and at % _SIZE:  # found across two keys
            at = bucket.find(packed, at + 1)
        return at >= 0

    def __repr__(self) -> str:
        return f"FingerprintSet({self._count} in {len(self._buckets)} buckets)"

    def add(self, key: int) -> bool:
        """Add `key`; return False if it was there already. O(1), amortised."""
        bucket, packed = self._bucket(key), key.to_bytes(_SIZE, byteorder)
        if bucket.find(packed) >= 0 and key in self:
            return False
        bucket += packed
        self._count += 1
        if self._count > len(self._buckets) * _FILL:
            self._grow()
        return True

    def _bucket(self, key: int) -> bytearray:
        number = key & self._mask
        if number < self._split:  # already split: one more bit tells which half
            number = key & (2 * self._mask + 1)
        return self._buckets[number]

    def _grow(self) -> None:
        """Split the next bucket."""
        bit = self._mask + 1
        with memoryview(self._buckets[self._split]).cast("Q") as keys:
            low = array("Q", [key for key in keys if not key & bit])
            high = array("Q", [key for key in keys if key & bit])
        self._buckets[self._split] = bytearray(low.tobytes())
        self._buckets.append(bytearray(high.tobytes()))
        self._split += 1
        if self._split > self._mask:
            self._mask, self._split = 2 * self._mask + 1, 0
