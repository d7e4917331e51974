"""The stances of hosts: which of them a crawl may enter, and the tree of their front pages.

By RFC 9309 a robots.txt that answers 4xx allows all, and one that answers 5xx or not at all forbids
all. Hosts take the forms of robots.txt in turn, so stances repeat with the period of the forms.
Closed hosts are leaves of the tree of front pages, each below an open host of its period, so every
host that is not closed is reached, unless host 0 itself is closed.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

_FAN = 8


class Stance(StrEnum):
    """The effect of a host's robots.txt: its lines count, all is allowed, or nothing is."""

    LINES = "lines"
    OPEN = "open"
    CLOSED = "closed"


class Stances:
    """The stances of all hosts, and the tree of their front pages."""

    __slots__ = ("_enterable", "_stances")

    def __init__(self, stances: tuple[Stance, ...]) -> None:
        self._stances = stances
        self._enterable = tuple(
            place for place, stance in enumerate(self._stances) if stance is not Stance.CLOSED
        )

    def __getitem__(self, host: int) -> Stance:
        return self._stances[host % len(self._stances)]

    def closed(self, host: int) -> bool:
        """Return True if an obedient crawl requests nothing from a host."""
        return self[host] is Stance.CLOSED

    def children(self, host: int) -> Iterator[int]:
        """Yield the hosts below a host in the tree, without end; none below a closed one."""
        start = host - host % len(self._stances)
        if self.closed(host):
            return
        place, enterable = self._enterable.index(host - start), self._enterable
        rank = start // len(self._stances) * len(enterable) + place
        for below in range(_FAN * rank + 1, _FAN * rank + _FAN + 1):
            period, other = divmod(below, len(enterable))
            yield period * len(self._stances) + enterable[other]
        leaves = (n for n, stance in enumerate(self._stances) if stance is Stance.CLOSED)
        for number, leaf in enumerate(leaves):
            if number % len(enterable) == place:
                yield start + leaf
