"""The backlog: URLs beyond their hosts' share of the window, kept outside of memory by host.

The window bounds the URLs in memory, and no host may fill it. Half of it is for whoever comes
first, so that a crawl that fits needs no disk. In the other half each host gets a share: a few URLs
while there is room, and one even if there is none, so that hosts that are slow or away keep nobody
from starting: memory holds at most the window and a URL for each shelf. The rest of a host's URLs
go to its shelf, in order, and return as its queue gets short; while a shelf holds any, new URLs of
its host go behind them.

    in memory  <-  recalled, when the host is short  <-  shelf of a host  <-  common shelf

At most `MOST_SHELVES` hosts have a shelf. URLs of other hosts share a common one in order of
arrival, and move on as memory and shelves become free. So a million hosts with one URL each need
memory only for their fingerprints.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from crawler.core.seen import FingerprintSet
from crawler.core.step import Recall, Spill
from crawler.model.request import Listed, Request
from crawler.model.url import fingerprint

MOST_SHELVES = 10_000
"""Maximum hosts with their own shelf: some 400 bytes each, here and in the store."""

PORTION = 500
"""URLs recalled at once; the same number is read of a list at once."""

COMMON = ""
"""The name of the common shelf; a host key is never empty."""

_SHARE = 16
"""A host's share of the window's free part, in URLs: 8 where half is free, 1 below an eighth."""


class Shelf:
    """URLs of one host outside of memory. `wanted`: it is queued to be recalled from."""

    __slots__ = ("count", "wanted")

    def __init__(self) -> None:
        self.count = 0
        self.wanted = False

    def __repr__(self) -> str:
        return f"Shelf({self.count}{', wanted' * self.wanted})"


class Backlog:
    """The number of URLs outside of memory by host, and the hosts due to be recalled.

    `count` includes URLs on their way in either direction; `shelves` are the hosts with some.
    `held` is always the number of URLs in memory.
    """

    def __init__(self, window: int = 1) -> None:
        self._window = window
        self.shelves: dict[str, Shelf] = {}
        self.count = 0
        self._wanted: deque[str] = deque()
        self._order: dict[str, int] = {}
        self._overflow: dict[str, list[Request | Listed]] = {}
        self._common = 0
        self._sharing: FingerprintSet | None = None  # hosts with something on the common shelf

    def __repr__(self) -> str:
        return f"Backlog({self.count}, shelves={len(self.shelves)}, common={self._common})"

    def left(self, key: str) -> int:
        """Return the number of URLs on a host's shelf."""
        shelf = self.shelves.get(key)
        return shelf.count if shelf is not None else 0

    @property
    def has_shelves(self) -> bool:
        """Tell whether another host may have a shelf."""
        return len(self.shelves) < MOST_SHELVES

    # -- what goes there

    def has_place(self, key: str, queued: int, held: int, *, moved: bool = False) -> bool:
        """Tell whether a host with so many URLs queued may have one more in memory.

        moved: it comes from the common shelf, so that URLs left there came after it.
        """
        # Nothing overtakes the URLs of its host that are outside of memory.
        if self.count and (key in self.shelves or (not moved and self._shares(key))):
            return False
        return 2 * held < self._window or (held < self._window and queued < self._share(held))

    def _shares(self, key: str) -> bool:
        return self._sharing is not None and fingerprint(key) in self._sharing

    def _share(self, held: int) -> int:
        return max(1, _SHARE * (self._window - held) // self._window)

    def keep_behind(self, key: str, entry: Listed) -> bool:
        """Put a URL behind those on its host's shelf; return False if there are none."""
        shelf = self.shelves.get(key)
        if shelf is None or self._shares(key):
            return False
        shelf.count += 1
        self.count += 1
        self._overflow.setdefault(key, []).append(entry)
        return True

    def keep(self, key: str, request: Request | Listed, *, moved: bool = False) -> None:
        """Put a request on its host's shelf or, unless `moved` from there, on the common one."""
        self.count += 1
        shelf = self._shelf(key, moved=moved)
        self._overflow.setdefault(shelf, []).append(request)
        if shelf != COMMON:
            self.shelves.setdefault(key, Shelf()).count += 1
            return
        self._common += 1
        if self._sharing is None:
            self._sharing = FingerprintSet()
        self._sharing.add(fingerprint(key))

    def _shelf(self, key: str, *, moved: bool) -> str:
        full = len(self.shelves) >= MOST_SHELVES and key not in self.shelves
        return COMMON if not moved and (full or self._shares(key)) else key

    def spilled(self) -> Spill | None:
        """Return the step that carries URLs out of memory; None if there are none."""
        if not self._overflow:
            return None
        parts = tuple((shelf, tuple(requests)) for shelf, requests in self._overflow.items())
        self._overflow = {}
        return Spill(parts)

    # -- what comes back

    def shrunk(self, key: str, queued: int, held: int) -> None:
        """Take note that a host's queue got shorter; if it is short, its shelf is wanted."""
        shelf = self.shelves.get(key)
        if shelf is None or shelf.wanted:
            return
        roomy = 4 * held < self._window
        if queued <= (PORTION if roomy else self._share(held)) // 2:
            shelf.wanted = True
            self._wanted.append(key)

    def recall(self, held: int) -> Recall | None:
        """Return the step that recalls wanted URLs, as far as there is room; one at a time."""
        if self._order or not (self._wanted or self._common):
            return None
        most = min(PORTION, max(0, self._window - held))
        if self._wanted:
            room = min(most, max(0, self._window // 2 - held))
            self._order_each(most, max(self._share(held), room // len(self._wanted)))
        if self._common and most and self.has_shelves:
            self._order[COMMON] = min(self._common, most, MOST_SHELVES - len(self.shelves))
        return self._ordered()

    def _order_each(self, most: int, each: int) -> None:
        """Order `each` for every host that is short, `most` in all, and one where all is full."""
        while self._wanted and len(self._order) < PORTION:
            key = self._wanted.popleft()
            number = min(self.shelves[key].count, each, max(1, most))
            self._order[key] = number
            most -= number

    def recall_any(self) -> Recall | None:
        """Return the step that recalls whatever is left, portion by portion."""
        if self._order:
            return None
        most = PORTION
        for key, shelf in self.shelves.items():
            if most <= 0:
                break
            self._order[key] = min(shelf.count, most)
            most -= self._order[key]
        if not self._order and self._common:
            self._order[COMMON] = min(self._common, most)
        return self._ordered()

    def _ordered(self) -> Recall | None:
        return Recall(tuple(self._order.items())) if self._order else None

    def returned(self) -> Mapping[str, int]:
        """Return the last order, which was carried out and no longer counts."""
        order, self._order = self._order, {}
        for key, number in order.items():
            self.count -= number
            if key == COMMON:
                self._common -= number
                self._sharing = self._sharing if self._common else None
                continue
            shelf = self.shelves[key]
            shelf.count -= number
            shelf.wanted = False
            if not shelf.count:
                del self.shelves[key]
        return order
