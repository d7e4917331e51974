"""The set of seen URLs, as 64-bit fingerprints in small buckets of bytes.

A Python set of ints costs about 90 bytes a URL; this one 11 to 15. A bucket is a `bytes` object, so
that the search of a whole bucket is one call, and an insertion replaces it by a longer one.

The table grows as in extendible hashing (Fagin, Nievergelt, Pippenger and Strong, 1979): the
directory is repeated four times, and four slots share each bucket until one of them gets a key.
Then the bucket is divided among them. A slot may hold keys of other slots, but never lacks one of
its own. So no insertion divides more than one bucket, and a directory of a million slots is copied
in a few milliseconds.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from itertools import compress
from struct import Struct, unpack
from sys import byteorder

_SIZE = 8  # bytes of a key
_MOST = 48
"""Keys of a slot, on average, that make the directory grow: searching takes as long as calling."""
_PARTS = 1024
"""Parts of keys that are loaded: 10,000 of 10 million are put in their places in milliseconds."""
_FIRST_SLOTS = 64  # a power of 4, so that the bits by which a bucket is divided are in one byte

_packed = Struct("Q").pack
_CHOSEN = [
    [bytes(byte >> shift & 3 == bits for byte in range(256)) for bits in range(4)]
    for shift in range(0, 8, 2)
]
"""By the place of two bits in a byte and their value: 1 for the bytes that have it."""


class FingerprintSet:
    """A set of 64-bit integers that only grows. Meant for hashes: all bits should vary."""

    __slots__ = ("_buckets", "_count", "_limit", "_mask", "_parts")

    def __init__(self) -> None:
        self._buckets = [b""] * _FIRST_SLOTS
        self._mask = _FIRST_SLOTS - 1
        self._count = 0
        self._limit = 0  # bytes of a bucket that may have keys of other slots
        self._parts: dict[int, array[int]] = {}  # keys not in their slots yet, by their last bits

    @classmethod
    def of(cls, keys: Iterable[int]) -> FingerprintSet:
        """Return the set of keys that are all different; far cheaper than to add each.

        They are only sorted into parts; a part is put in its place when it is first asked for.
        """
        found = cls()
        parts: list[array[int]] = [array("Q") for _ in range(_PARTS)]
        puts = [part.append for part in parts]
        for key in keys:
            puts[key & _PARTS - 1](key)
        found._count = sum(map(len, parts))
        found._parts = {number: part for number, part in enumerate(parts) if part}
        while found._is_crowded() or len(found._buckets) < _PARTS:
            found._grow()
        return found

    def __len__(self) -> int:
        return self._count

    def __contains__(self, key: int) -> bool:
        if self._parts:
            self._place(key)
        bucket, packed = self._buckets[key & self._mask], _packed(key)
        before, found, _ = bucket.partition(packed)
        return bool(found) and (not len(before) % _SIZE or _holds(bucket, packed))

    def __repr__(self) -> str:
        return f"FingerprintSet({self._count} in {len(self._buckets)} buckets)"

    def add(self, key: int) -> bool:
        """Add `key`; return False if it was there already. O(1), amortised."""
        if self._parts:
            self._place(key)
        buckets, packed = self._buckets, _packed(key)
        slot = key & self._mask
        bucket = buckets[slot]
        # Of all that searches bytes, `partition` is called fastest, and copies nothing if it fails.
        before, found, _ = bucket.partition(packed)
        if found and (not len(before) % _SIZE or _holds(bucket, packed)):
            return False
        buckets[slot] = longer = bucket + packed
        self._count += 1
        if len(longer) > self._limit:
            self._overflow(key, bucket)
        return True

    def _place(self, key: int) -> None:
        """Put the part that `key` would be in into its slots."""
        number = key & _PARTS - 1
        part = self._parts.pop(number, None)
        if part is None:
            return
        slots: list[array[int]] = [array("Q") for _ in range(len(self._buckets) // _PARTS)]
        puts = [slot.append for slot in slots]
        mask, bits = self._mask, _PARTS.bit_length() - 1
        for each in part:
            puts[(each & mask) >> bits](each)
        self._buckets[number::_PARTS] = [slot.tobytes() for slot in slots]

    def _overflow(self, key: int, shared: bytes) -> None:
        """Divide a bucket that got `key` if it is too long, and `shared`; grow if all are long."""
        if self._is_crowded():
            self._grow()
        # Half more than usual, and 5 standard deviations where buckets are short.
        usual = self._count // len(self._buckets)
        self._limit = _SIZE * (usual + usual // 2 + 16)
        slot = key & self._mask
        if len(self._buckets[slot]) > self._limit:
            self._divide(slot, shared)

    def _is_crowded(self) -> bool:
        return self._count > _MOST * len(self._buckets)

    def _grow(self) -> None:
        self._buckets *= 4
        self._mask = len(self._buckets) - 1

    def _divide(self, slot: int, shared: bytes) -> None:
        """Leave its own keys to a slot, and to each of those that still have the `shared` bucket.

        The last growth divides keys by two bits, which are in the same byte of each.
        """
        buckets, bucket = self._buckets, self._buckets[slot]
        bit = self._mask.bit_length() - 2
        place = bit // 8 if byteorder == "little" else _SIZE - 1 - bit // 8
        where = bucket[place::_SIZE]
        keys = unpack("8s" * len(where), bucket)
        for bits, chosen in enumerate(_CHOSEN[bit % 8 // 2]):
            each = slot & (1 << bit) - 1 | bits << bit
            if each == slot or buckets[each] is shared:
                buckets[each] = b"".join(compress(keys, where.translate(chosen)))


def _holds(bucket: bytes, packed: bytes) -> bool:
    """Tell whether a key is there, and not only parts of two that are neighbours."""
    at = bucket.find(packed)
    while at >= 0 and at % _SIZE:
        at = bucket.find(packed, at + 1)
    return at >= 0
