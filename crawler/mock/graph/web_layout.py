"""The layout of the web: hosts by a power law, on each host a tree of known depth.

Pages are numbered from 0 to `pages - 1`, host after host; on its host a page has a local number.
Local number 0 is the front page, followed by the pages of depth 1, 2, ... Nothing is stored for a
page: its host is found by bisection in the hosts' prefix sums (8 bytes a host), its depth by
bisection in the starts of its host's levels.

The size of host k is proportional to 1 / (k + 1) (Zipf's law with exponent 1), but no host is empty
unless there are more hosts than pages. Front pages form another tree, see `robots_forms`.

Depth is log-normal. In each level every 8th page is a *hub*; the hubs of a level share the pages of
the next in equal contiguous ranges, so parent and children are O(1) arithmetic. No hub has more
than `MAX_CHILDREN`: further pages go a level deeper, so a host with millions of pages is deeper
than the configured median.

All sums are of integers, so that every machine finds the same places.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from functools import lru_cache
from itertools import accumulate
from statistics import NormalDist
from typing import NamedTuple

HUB_EVERY = 8
# A front page that links to 200 pages is a page, not a list.
MAX_CHILDREN = 200
_SIGMA = 0.4
_WEIGHT = 1 << 40
_UNIT = 1 << 32


class PagePlace(NamedTuple):
    """The place of a page. number: in the web; local: on its host; row: in its level."""

    number: int
    host: int
    local: int
    depth: int
    row: int

    @property
    def hub(self) -> bool:
        """True if other pages are reached through it."""
        return self.row % HUB_EVERY == 0


class Layout:
    """The places of all pages: O(log hosts) each."""

    __slots__ = ("_median", "_starts", "hosts", "pages")

    def __init__(self, pages: int, hosts: int, median: float) -> None:
        self.pages = pages
        self.hosts = min(pages, hosts)
        self._starts = _starts(pages, self.hosts)
        self._median = median

    def __repr__(self) -> str:
        return f"Layout({self.pages} pages on {self.hosts} hosts)"

    def size(self, host: int) -> int:
        """Return the number of a host's pages; 0 for an unknown host."""
        return self._starts[host + 1] - self._starts[host] if 0 <= host < self.hosts else 0

    def place(self, number: int) -> PagePlace:
        """Return the place of page `number`."""
        host = bisect_right(self._starts, number) - 1
        return self.local(host, number - self._starts[host])

    def local(self, host: int, local: int) -> PagePlace:
        """Return the place of a page by its number on its host."""
        starts = self.levels(host)
        depth = bisect_right(starts, local) - 1
        return PagePlace(self._starts[host] + local, host, local, depth, local - starts[depth])

    def levels(self, host: int) -> tuple[int, ...]:
        """Return the local numbers at which a host's levels start, then its number of pages."""
        return _levels(self.size(host), self._median)

    def parent(self, place: PagePlace) -> int:
        """Return the local number of the hub above a page other than the front page."""
        above, start, end = self.levels(place.host)[place.depth - 1 : place.depth + 2]
        return above + HUB_EVERY * (place.row * _hubs(start - above) // (end - start))

    def children(self, place: PagePlace) -> range:
        """Return the local numbers of the pages below a page: none unless it is a hub."""
        starts = self.levels(place.host)
        if not place.hub or place.depth + 2 >= len(starts):
            return range(0)
        own, below, end = starts[place.depth : place.depth + 3]
        hubs, count, hub = _hubs(below - own), end - below, place.row // HUB_EVERY
        first, last = (-(-rank * count // hubs) for rank in (hub, hub + 1))
        return range(below + first, below + last)


def _hubs(pages: int) -> int:
    return -(-pages // HUB_EVERY)


@lru_cache(maxsize=4)
def _starts(pages: int, hosts: int) -> array[int]:
    """Return the number of each host's first page, and `pages` at the end."""
    total, spare = sum(_WEIGHT // rank for rank in range(1, hosts + 1)), pages - hosts
    sums = accumulate((_WEIGHT // rank for rank in range(1, hosts + 1)), initial=0)
    return array("q", (host + spare * weight // total for host, weight in enumerate(sums)))


@lru_cache(maxsize=4096)
def _levels(size: int, median: float) -> tuple[int, ...]:
    """Return the level starts of a host of `size` pages; no level is empty, the last is `size`."""
    starts = [0, 1] if size else [0]
    while starts[-1] < size:
        depth, above = len(starts) - 1, starts[-1] - starts[-2]
        wanted = 1 + ((size - 1) * _below(depth, median) >> 32)
        most = starts[-1] + MAX_CHILDREN * _hubs(above)
        starts.append(min(max(wanted, starts[-1] + 1), most, size))
    return tuple(starts)


@lru_cache(maxsize=4096)
def _below(depth: int, median: float) -> int:
    """Return the share of pages up to a depth, in units of 2**-32.

    It is rounded to an integer, so that the last bit of a logarithm does not matter.
    """
    return round(_UNIT * NormalDist().cdf(math.log((depth + 0.5) / median) / _SIGMA))
