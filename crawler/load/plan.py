"""The requests of a run: targets and options, made into bytes once, sent as often as wanted.

A `Plan` has the origins of the list in the order of their first URLs, and every request in the
order in which hits take them: the list's own with seed 0, else shuffled by the seed. A target of
weight 3 stands in it three times as often as one of weight 1, evenly spread. What differs from hit
to hit is a `Recipe` in that order, which is filled when its turn comes (`crawler.load.template`).

`crawler.load.planner` makes plans.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import count, cycle
from math import ceil
from typing import NamedTuple

from crawler.load.template import Segments, filled
from crawler.model.option import OptionError


class Origin(NamedTuple):
    """A server by name: where requests go. `host` is without brackets."""

    tls: bool
    host: str
    port: int

    @property
    def authority(self) -> str:
        """The value of the Host field: the port only if it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.authority}"


class Aim(NamedTuple):
    """A row of the results: the number of its counts, its name, the expected statuses.

    targets: how many targets of the list are counted in it.
    """

    number: int
    name: str
    expected: AbstractSet[int]
    targets: int = 1


class Planned(NamedTuple):
    """One request: the number of its origin, its bytes, and where it is counted."""

    origin: int
    data: bytes
    aim: Aim

    @property
    def line(self) -> str:
        """The beginning of its request line: `GET /path`."""
        return self.data.partition(b" HTTP/1.1\r\n")[0].decode("ascii")

    @property
    def method(self) -> str:
        """The request's method."""
        return self.line.partition(" ")[0]

    @property
    def path(self) -> str:
        """Path and query."""
        return self.line.partition(" ")[2]

    def at(self, number: int, row: int) -> Planned:
        """Return itself: it is the same for each hit."""
        return self


class Recipe(NamedTuple):
    """A request that differs from hit to hit. sized: its Content-Length follows from its body."""

    origin: int
    head: Segments
    body: Segments
    sized: bool
    aim: Aim

    def at(self, number: int, row: int) -> Planned:
        """Return the request of a hit's number that uses a row of the data."""
        body = filled(self.body, number, row)
        length = b"Content-Length: %d\r\n\r\n" % len(body) if self.sized else b"\r\n"
        return Planned(self.origin, filled(self.head, number, row) + length + body, self.aim)


Requests = Iterator[Planned]


@dataclass(frozen=True, slots=True)
class Plan:
    """Every request of a run, and the origins that they go to.

    aims: the rows of the results. head: whether there is a HEAD among the requests. begun: hits of
    earlier runs, whose numbers and rows are not used again.
    """

    keepalive: bool
    origins: tuple[Origin, ...]
    order: tuple[Planned | Recipe, ...]
    aims: tuple[Aim, ...]
    head: bool
    begun: int = 0

    @property
    def mixed(self) -> bool:
        """True if hits have to be counted by target: there are several, or they differ."""
        return len(self.aims) > 1 or any(isinstance(each, Recipe) for each in self.order)

    def url(self, request: Planned) -> str:
        """Return what a request asks for."""
        return f"{self.origins[request.origin]}{request.path}"

    def supply(
        self, origin: int | None, numbers: Iterator[int], share: tuple[int, int]
    ) -> Requests:
        """Return the requests to one origin (None: to all), in order, again and again.

        numbers: of the hits of this process, which is `share[0]` of `share[1]`.
        """
        mine = [each for each in self.order if origin in (None, each.origin)]
        fixed = [each for each in mine if isinstance(each, Planned)]
        if len(fixed) == len(mine):
            return cycle(fixed)
        rounds = ceil(self.begun / len(self.order) / share[1])
        return _filled(mine, map(self.begun.__add__, numbers), share, rounds)

    def numbered(self) -> Callable[[int], Planned]:
        """Return the function that gives the request of a hit's number."""
        order, length = self.order, len(self.order)
        if not any(isinstance(each, Recipe) for each in order):
            return lambda number: order[number % length]  # type: ignore[return-value]
        turns = _turns(order)

        def request(number: int) -> Planned:
            number += self.begun
            each, first, step = turns[number % length]
            return each.at(number, first + number // length * step)

        return request

    def shared_out(self, connections: int) -> list[int]:
        """Return the number of connections of each origin: by its share, at least one.

        Raises `OptionError` if there are more origins than connections.
        """
        if len(self.origins) > connections:
            problem = f"the list has {len(self.origins)} servers; each needs a connection"
            raise OptionError("connections", f"{connections}: {problem}")
        counts = [0] * len(self.origins)
        for planned in self.order:
            counts[planned.origin] += 1
        spare, whole = connections - len(counts), len(self.order)
        shares = [1 + spare * count // whole for count in counts]
        by_rest = sorted(range(len(counts)), key=lambda number: -(spare * counts[number] % whole))
        for number in by_rest[: connections - sum(shares)]:
            shares[number] += 1
        return shares


def _turns(order: Sequence[Planned | Recipe]) -> list[tuple[Planned | Recipe, int, int]]:
    """Return each request, the row of its first use at this place, and the rows of a round."""
    places: Counter[int] = Counter()
    firsts = []
    for each in order:
        firsts.append(places[id(each)])
        places[id(each)] += 1
    return [(each, first, places[id(each)]) for each, first in zip(order, firsts, strict=True)]


def _filled(
    order: Sequence[Planned | Recipe], numbers: Iterator[int], share: tuple[int, int], begun: int
) -> Requests:
    """Yield the requests of an order, some rounds of which are over; processes share the rows."""
    mine, processes = share
    turns = _turns(order)
    for cycles in count(begun):
        for request, first, step in turns:
            row = (first + cycles * step) * processes + mine
            yield request.at(next(numbers), row)
