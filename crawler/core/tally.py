"""Counts by key in bounded memory: recurring keys are kept, others forgotten."""

from __future__ import annotations

from collections.abc import Mapping

from crawler.model.url import fingerprint


class Tally:
    """Counts of recent keys: at least the last `size` distinct ones, at most twice as many.

    Two generations: a key that is counted moves to the young one; when that is full, the old one is
    dropped. A forgotten key restarts at 0, so a count is never too high. About 100 bytes a key, of
    which only the fingerprint is kept, the same in every run. A key either counts (`add`)
    or has members (`admits`, one byte more for each of `most`).
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

    def add(self, key: str) -> int:
        """Count `key` once more; return its count."""
        place = fingerprint(key)
        count = self._get(place) + 1
        self._put(place, count)
        return count

    def admits(self, key: str, member: str, most: int) -> bool:
        """Tell whether `member` is one of the first `most` members of `key`.

        Members are bits of a map of 8 x `most`, so at most one in eight that should be refused is
        mistaken for another. Asking again changes nothing, so forgetting never adds up.
        """
        place = fingerprint(key)
        members = self._get(place)
        bit = 1 << fingerprint(member) % (8 * max(most, 1))
        admitted = bool(members & bit) or members.bit_count() < most
        self._put(place, members | bit if admitted else members)
        return admitted

    def state(self) -> dict[int, int]:
        """Return what is counted by fingerprint, the oldest keys first."""
        return self._old | self._young

    def restore(self, counts: Mapping[int, int]) -> None:
        """Continue with the counts of an earlier run."""
        for place, value in counts.items():
            self._put(place, value)

    def _get(self, place: int) -> int:
        return self._young.get(place) or self._old.get(place, 0)

    def _put(self, place: int, value: int) -> None:
        if len(self._young) >= self._size:
            self._old, self._young = self._young, {}
        self._young[place] = value
