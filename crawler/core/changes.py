"""Changes of a crawl that its journal records, so that it can go on after it was killed.

The core reports every change of waiting and seen URLs, in order. The changes of one call of the
core become visible together (`publish`), before the outcomes that the call returns are written. So
in any prefix of the changes that a journal has kept, no URL is seen without waiting, and none has
ended without its links.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import NamedTuple

from crawler.core.crawl_tables import NO_TABLES, CrawlTables
from crawler.core.host_state import HostState, nothing_known
from crawler.core.ownership import Ownership
from crawler.core.seen import FingerprintSet
from crawler.core.waiting import LookAtCrawl
from crawler.model.request import Arrivals, Listed, Request
from crawler.model.url import Seed, Url
from crawler.model.value import value


@value(frozen=True, slots=True, kw_only=True)
class Earlier:
    """The results of earlier runs of a crawl: counts, seen URLs, and a widened scope.

    `read`, `repeats`, `found`, `records` and `moved` are those of `Snapshot`, as are `outcomes` and
    `failed`, as far as they were kept; the source returns the URLs that they leave open. `taken`
    counts the pages that were found and taken up, `by_host` those of each host if there is a limit.
    `hosts` returns the state of a host by its key, or None; `tables` has what was learned of pages.
    `resumed`: there was an earlier run.
    """

    resumed: bool = False

    read: int = 0
    repeats: int = 0
    found: int = 0
    records: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)
    failed: int = 0
    moved: int = 0
    seen: FingerprintSet = field(default_factory=FingerprintSet)
    places: Sequence[Url] = ()
    taken: int = 0
    by_host: Mapping[str, int] = field(default_factory=dict)
    hosts: Callable[[str], HostState | None] = nothing_known
    tables: CrawlTables = NO_TABLES


class Changes:
    """Receiver of the changes within one call of the core; this base ignores them."""

    def read(self, seeds: Sequence[Seed], repeats: int) -> None:
        """Record entries taken from the list, and how many of them were seen before."""

    def found(self, number: int) -> None:
        """Record the number of URLs found and taken up."""

    def taken(self, host: str) -> None:
        """Record a page that was found and taken up; `host` is its key if hosts have a limit."""

    def waits(self, request: Request | Listed, wait: float = 0.0) -> None:
        """Record a waiting URL: a new one, a redirect's target, or a retry after `wait` seconds."""

    def host(self, state: HostState) -> None:
        """Record what a host must not forget."""

    def unusable(self, seed: Seed) -> None:
        """Record an invalid entry of the list that waits for its record."""

    def seen(self, key: int) -> None:
        """Record the fingerprint of a URL that was taken up."""

    def widened(self, url: Url) -> None:
        """Record a URL that widened the scope."""

    def watch(self, look: LookAtCrawl) -> None:
        """Record what `look` returns, now and then, for those who ask how the crawl is doing.

        It may be called from any thread.
        """

    def handed_over(self, what: Request | Url, owner: int) -> None:
        """Record what is for another partition: a request, or a URL that widens the scope.

        A request with redirects ends here, and gets its record there.
        """

    def received(self, arrivals: Arrivals) -> None:
        """Record the receipt of what another partition has handed over."""

    def learns(self, tables: Callable[[], CrawlTables]) -> None:
        """Record what `tables` returns, now and then, and at the end of the run.

        It is called within `publish`, and after the last of them.
        """

    def sends(self, request: Request) -> bool:
        """Record at once, to last, that a request leaves which must not be repeated.

        Returns False if an earlier run has recorded the same. It may be called from any thread.
        """
        return True

    def rests(self) -> None:
        """Record that nothing waits or is in flight: for now, nothing will be added."""

    def publish(self) -> None:
        """Complete the changes since the last call, which belong together."""


def unknown() -> None:
    """Return nothing: the length of the list is unknown."""


class Lasting(NamedTuple):
    """The receiver of a crawl's changes, the results of its earlier runs, its list's length.

    Of one partition among several, there are also the owners of URLs, and what `max_pages` allows
    it: called with the number of pages taken up, returns how many it may take up in all.

    continued: a later run goes on with what waits when the crawl is stopped; without one it ends.
    """

    changes: Changes
    earlier: Earlier
    expected: Callable[[], int | None] = unknown
    ownership: Ownership | None = None
    allow: Callable[[int], int] | None = None
    continued: bool = True
