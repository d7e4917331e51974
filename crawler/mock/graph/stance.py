"""Which hosts a crawl may enter: what their robots.txt amounts to, and the tree that keeps clear.

By RFC 9309 a robots.txt that answers 4xx allows all and one that answers 5xx or not at all forbids
all. Hosts take the forms of robots.txt in turn, so stances repeat with the period of the forms.
Closed hosts carry no part of the tree of front pages: each hangs as a leaf on an open host of its
own period, so all that is not closed is reached, unless host 0 itself is closed.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from crawler.mock.options import DEFAULT_ROBOTS, MockWeb

_FAN = 8
# Probes of the default lines: all of a host, and what they forbid on it.
_ANYTHING, _FORBIDDEN = "/", "/members/x"


class Stance(StrEnum):
    """What a host's robots.txt amounts to: its lines count, all is allowed, or nothing is."""

    LINES = "lines"
    OPEN = "open"
    CLOSED = "closed"


class Stances:
    """The stances of all hosts, and the tree of their front pages."""

    __slots__ = ("_enterable", "_stances")

    def __init__(self, options: MockWeb) -> None:
        self._stances = _stances(options)
        self._enterable = tuple(
            place for place, stance in enumerate(self._stances) if stance is not Stance.CLOSED
        )

    def __getitem__(self, host: int) -> Stance:
        return self._stances[host % len(self._stances)]

    def closed(self, host: int) -> bool:
        """Whether a crawl that obeys asks nothing of a host."""
        return self[host] is Stance.CLOSED

    def children(self, host: int) -> Iterator[int]:
        """The hosts below a host in the tree, with no end of numbers; none below a closed one."""
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


def _stances(options: MockWeb) -> tuple[Stance, ...]:
    if options.robots == DEFAULT_ROBOTS and options.robots_forms == ("plain",):
        return (Stance.LINES,)
    return tuple(
        _stance(options, host) for host in range(min(len(options.robots_forms), options.hosts))
    )


def _stance(options: MockWeb, host: int) -> Stance:
    from crawler.mock.robots import rules  # it needs the graph's hosts in its turn

    in_force = rules(options, host)
    if not in_force.allows("*", _ANYTHING):
        return Stance.CLOSED
    return Stance.OPEN if in_force.allows("*", _FORBIDDEN) else Stance.LINES
