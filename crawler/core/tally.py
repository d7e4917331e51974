"""Counts by key in bounded memory: recurring keys are kept, others forgotten."""

from __future__ import annotations

from collections.abc import Mapping


class Tally:
    """Counts of recent keys: at least the last `size` distinct ones, at most twice as many.

    Two generations: a key that is counted moves to the young one; when that is full, the old one is
    dropped. A forgotten key restarts at 0, so a count is never too high. About 100 bytes a key.
    Keys and members are hashes of 64 bits, the same in every run. A key either counts (`add`) or
    has members (`admits`, one byte more for each of `most`).
    """

    __slots__ = ("_old", "_size", "_young")

    def __init__(self, size: int) -> None:
        self._size = size
        self._young: dict[int, int] = {}
        self._old: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._young.keys() | self._old.keys())

    def __repr__(self) -> str:
        return f"Tally({len(self)} of {2 * self._size} keys)"

    def add(self, key: int) -> int:
        """Count `key` once more; return its count."""
        count = self._get(key) + 1
        self._put(key, count)
        return count

    def admits(self, key: int, member: int, most: int) -> bool:
        """Tell whether `member` is one of the first `most` members of `key`.

        Members are bits of a map of 8 x `most`, so at most one in eight that should be refused is
        mistaken for another. Asking again changes nothing, so forgetting never adds up.
        """
        members = self._get(key)
        bit = 1 << member % (8 * max(most, 1))
        admitted = bool(members & bit) or members.bit_count() < most
        self._put(key, members | bit if admitted else members)
        return admitted

    def state(self) -> dict[int, int]:
        """Return the counts by key, the oldest keys first."""
        return self._old | self._young

    def restore(self, counts: Mapping[int, int]) -> None:
        """Continue with the counts of an earlier run."""
        for key, value in counts.items():
            self._put(key, value)

    def _get(self, place: int) -> int:
        return self._young.get(place) or self._old.get(place, 0)

    def _put(self, place: int, value: int) -> None:
        if len(self._young) >= self._size:
            self._old, self._young = self._young, {}
        self._young[place] = value
