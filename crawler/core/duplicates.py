"""Near-duplicates: pages whose SimHash differs from an earlier page's in few bits.

Manku, Jain and Das Sarma (WWW 2007): if two 64-bit numbers differ in at most 3 bits, one of four
blocks of 16 bits is equal. So each number stands in four tables, by each of its blocks, and is
compared only with those that share one: four times 15 of a million. Up to 7 different bits leave a
block that differs in at most one; then the 16 neighbours of each block are looked up, too.

Flat arrays, as in LZ77: a table holds the latest number of each block, and each number links to the
previous one. The newest replaces the oldest; links to it are recognised by age. 32 bytes a number
and 1 MB: a million pages take 33 MB. Good for 4 billion numbers.
"""

from __future__ import annotations

from array import array

DISTANCE = 3
MOST = 7
CAPACITY = 1_000_000
_BITS = 16
_BLOCKS = range(4)
_MASK = (1 << _BITS) - 1
_CHAIN = 512
"""Maximum numbers compared in one chain, 15 of a million on average; bounds pages made to share
blocks.
"""


class NearDuplicates:
    """The last `capacity` pages that resembled none before them (up to `distance` bits, at most 7).

    A page like an earlier one is not kept: the first of a cluster stands for it.
    """

    __slots__ = ("_added", "_capacity", "_distance", "_flips", "_heads", "_links", "_names", "_own")

    def __init__(self, *, distance: int = DISTANCE, capacity: int = CAPACITY) -> None:
        if not 0 <= distance <= MOST:
            raise ValueError(f"distance {distance}: 0 to {MOST} bits")
        self._distance = distance
        self._capacity = capacity
        self._flips = [0] if distance <= DISTANCE else [0, *(1 << bit for bit in range(_BITS))]
        self._added = 0  # numbers ever kept; number n is at n % capacity, and 0 means no link
        self._heads = [array("I", bytes(4 << _BITS)) for _ in _BLOCKS]
        self._links = [array("I") for _ in _BLOCKS]
        self._own = array("Q")
        self._names = array("Q")

    def __len__(self) -> int:
        return len(self._own)

    def __repr__(self) -> str:
        return f"NearDuplicates({len(self)} of {self._capacity}, distance={self._distance})"

    def state(self) -> tuple[array[int], array[int]]:
        """Return the numbers that are kept and their names, the oldest first."""
        first = self._added % self._capacity if self._added > self._capacity else 0
        return self._own[first:] + self._own[:first], self._names[first:] + self._names[:first]

    def restore(self, numbers: array[int], names: array[int]) -> None:
        """Keep what an earlier run has kept."""
        for number, name in zip(numbers, names, strict=True):
            self._keep(number, name)

    def add(self, simhash: int, name: int) -> int | None:
        """Return the name of an earlier page like this one; None if there is none, and keep it.

        `name` is any 64-bit number that stands for the page. The SimHash 0 matches nothing.
        """
        if not simhash:
            return None
        found = self._find(simhash)
        if found is not None:
            return self._names[found]
        self._keep(simhash, name)
        return None

    def _find(self, simhash: int) -> int | None:
        for block in _BLOCKS:
            heads, links = self._heads[block], self._links[block]
            part = simhash >> block * _BITS & _MASK
            for flip in self._flips:
                number = heads[part ^ flip]
                if number and (found := self._walk(simhash, number, links)) is not None:
                    return found
        return None

    def _walk(self, simhash: int, number: int, links: array[int]) -> int | None:
        """Return the place of a number like `simhash` in the chain that begins with `number`."""
        own, distance, capacity = self._own, self._distance, self._capacity
        oldest = max(self._added - capacity, 0)
        for _ in range(_CHAIN):
            if number <= oldest:
                return None
            place = (number - 1) % capacity
            if (own[place] ^ simhash).bit_count() <= distance:
                return place
            number = links[place]
        return None

    def _keep(self, simhash: int, name: int) -> None:
        place = self._added % self._capacity
        self._added += 1
        if place == len(self._own):
            for column in (self._own, self._names, *self._links):
                column.append(0)
        self._own[place], self._names[place] = simhash, name
        for block in _BLOCKS:
            heads, part = self._heads[block], simhash >> block * _BITS & _MASK
            self._links[block][place] = heads[part]
            heads[part] = self._added
