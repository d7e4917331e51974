"""Decide which URLs found on pages and in sitemaps join the crawl.

A page brings the fingerprints of its links along (`Leads`), computed where it was parsed. Most
links of a page were seen before, on its neighbours; a set of recently met ones recognises them
without a look at any URL. New ones are judged once: by scope, shape and remaining limits. Refused
ones are counted by reason and leave no record, as nobody asked for them.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import compress

from crawler.core.changes import Changes, Earlier, Lasting
from crawler.core.crawl_tables import CrawlTables
from crawler.core.domain import SuffixList
from crawler.core.duplicates import NearDuplicates
from crawler.core.refusal import Refusal
from crawler.core.scope import Scope
from crawler.core.seen import FingerprintSet
from crawler.core.traps import Traps
from crawler.model.config import CrawlConfig
from crawler.model.outcome import Listing, Page
from crawler.model.payload import marked
from crawler.model.request import Purpose, Request
from crawler.model.url import (
    InvalidUrl,
    Seed,
    Tracking,
    Url,
    canonical,
    equivalent,
    fingerprint,
    join,
)

_MET = 1 << 17
"""Maximum recently met fingerprints: 130,000 take 12 MB."""


class Discovery:
    """Judges found URLs. `seen` holds the fingerprints of all URLs taken up by the crawl.

    `scoped`: some URLs may be out of scope, as the crawl finds URLs.
    """

    def __init__(
        self,
        config: CrawlConfig,
        seen: FingerprintSet,
        suffixes: SuffixList,
        link_filter: Callable[[str], bool] | None = None,
        lasting: Lasting | None = None,
    ) -> None:
        self._link_filter = link_filter
        following = self._following = config.following
        self._seen = seen
        lasting = lasting or Lasting(Changes(), Earlier())
        self._changes = lasting.changes
        self._lasting = type(lasting.changes) is not Changes
        self._ownership = lasting.ownership
        self._allow = lasting.allow or (lambda _taken_up: following.max_pages)
        self._allowed = 0 if lasting.allow else following.max_pages
        self.knows_scope = False  # all entries of the list have widened it
        self._scope = Scope(
            following.scope,
            include=following.include,
            exclude=following.exclude,
            suffixes=suffixes,
        )
        self.scoped = following.follow or following.sitemaps
        self._tracking = Tracking(following.drop_params)
        self._traps = Traps(following)
        self._near = NearDuplicates()
        self._met: set[int] = set()
        self._claims = FingerprintSet()  # URLs taken up by redirects, and each with its seed
        self._judged = FingerprintSet()  # refused for good and counted
        self._taken_up = 0
        self._by_host: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"Discovery(taken_up={self._taken_up}, refused={dict(self.refused)})"

    def add_seed(self, url: Url) -> None:
        """Add a URL of the list to the scope."""
        if self.scoped and self._scope.add_seed(url):
            self._changes.widened(url)

    def widen(self, url: Url) -> None:
        """Add the target of a listed URL's redirect to the scope of all partitions."""
        if self.scoped and self._scope.add_seed(url):
            self._changes.widened(url)
            for other in self._ownership.others if self._ownership is not None else ():
                self._changes.handed_over(url, other)

    def owner(self, request: Request) -> int | None:
        """Return the partition to which a request is to go, None for this one.

        What is asked about a host never moves.
        """
        if self._ownership is None or request.purpose not in (Purpose.PAGE, Purpose.SITEMAP):
            return None
        return self._ownership.other(request.url)

    def resume(self, earlier: Earlier) -> None:
        """Continue where an earlier run ended."""
        self._taken_up = earlier.taken
        self._by_host.update(earlier.by_host)
        tables = earlier.tables
        self._traps.restore(tables.counts, tables.barren)
        self._near.restore(tables.signatures, tables.pages)
        self.refused.update(tables.refused)
        if self.scoped:
            for url in earlier.places:
                self._scope.add_seed(url)

    def tables(self) -> CrawlTables:
        """Return what the crawl has learned of its pages."""
        counts, barren = self._traps.state()
        signatures, pages = self._near.state()
        return CrawlTables(
            counts=counts,
            barren=barren,
            signatures=signatures,
            pages=pages,
            refused=dict(self.refused),
        )

    def _see(self, key: int) -> bool:
        """Take up a fingerprint; return False if it was there before."""
        new = self._seen.add(key)
        if new and self._lasting:
            self._changes.seen(key)
        return new

    def admitted(self, seeds: Iterable[Seed]) -> list[bool]:
        """Take up entries of the list; return False for each that was listed or found before."""
        own = self._following.follow
        keys = [
            self._key_of(seed) if own or seed.payload is not None else seed.url.fingerprint
            for seed in seeds
        ]
        new = list(map(self._seen.add, keys))
        if self._lasting:
            for key in compress(keys, new):
                self._changes.seen(key)
        return new

    def _key_of(self, seed: Seed) -> int:
        if isinstance(seed.url, InvalidUrl):
            return seed.url.fingerprint
        if seed.payload is None or not seed.payload.mark:
            return self.key(seed.url)
        return fingerprint(marked(equivalent(seed.url.href), seed.payload))

    def key(self, url: Url) -> int:
        """Return the fingerprint by which a URL counts as seen; for a list alone, its own."""
        if not self._following.follow:
            return url.fingerprint
        return fingerprint(canonical(url, self._tracking))

    def claimed(self, onward: Request) -> bool:
        """Take up a redirect's target; return False if another request has it.

        A chain may return to its own URL: with a cookie, or in another spelling. With a cookie it
        may also pass where another chain went: sites redirect to one page that sets a cookie, and
        back. `taken` decides the end of such a chain.
        """
        if onward.sending is not None and onward.sending.mark:
            return True  # not the URL that links lead to
        key = self.key(onward.url)
        if self._see(key):
            self._claims.add(key)
            self._claims.add(fingerprint(f"{key} {onward.seed}"))
            return True
        own = (self.key(Url(hop.url)) for hop in onward.hops)
        return key in own or (bool(onward.cookies) and key in self._claims)

    def taken(self, page: Page) -> bool:
        """Tell whether a page at the end of a chain is another chain's to record."""
        if not page.request.cookies or page.request.payload is not None:
            return False
        key = self.key(page.request.url)
        return key in self._claims and fingerprint(f"{key} {page.url}") not in self._claims

    def refusal(self, url: Url) -> Refusal | None:
        """Return why a redirect's target does not belong to the crawl, or None."""
        return self._scope.refusal(url)

    def barren(self, url: Url) -> Refusal | None:
        """Return why a waiting URL is no longer worth a fetch, or None."""
        return self._traps.barren(url)

    def twin(self, page: Page) -> int | None:
        """Return the fingerprint of an earlier page that this one nearly equals, or None."""
        leads = page.document.leads
        if leads is None:
            return None
        return self._near.add(leads.simhash, fingerprint(page.final_url))

    def links(self, page: Page, now: float) -> list[Request]:
        """Return requests for the links of a page that join the crawl, in order."""
        leads = page.document.leads
        if leads is None:
            return []
        if page.near_duplicate_of is not None and self._following.skip_duplicates:
            return self._refuse("near-duplicate page", 1)
        barren = self._traps.visited(page.request.url, leads.skeleton)
        if barren is not None:
            return self._refuse(barren, 1)
        new = self._new(leads.links)
        if not new:
            return []
        if self._following.depth and page.request.depth >= self._following.depth:
            return self._refuse("deeper than --depth", len(new))
        hrefs = page.links
        found = ((Url(hrefs[index]), key) for index, key in new)
        return list(self._taken(found, page.request, page.final_url, now))

    def listed(self, listing: Listing, now: float) -> list[Request]:
        """Return requests for the URLs of a sitemap that join the crawl: sitemaps, then pages."""
        sitemaps = list(self.sitemaps(listing.sitemaps, listing.request, now))
        urls = (Url(href) for href in listing.pages)
        found = ((url, self.key(url)) for url in urls)
        new = ((url, key) for url, key in found if key not in self._seen)
        return sitemaps + list(self._taken(new, listing.request, listing.url, now))

    def sitemaps(self, texts: Iterable[str], by: Request, now: float) -> Iterator[Request]:
        """Yield requests for named sitemaps, without repeats."""
        for text in texts:
            url = join(by.url, text)
            if isinstance(url, InvalidUrl) or not self._see(_sitemap_key(url)):
                continue
            if by.depth > _MOST_NESTED:
                self.refused["sitemaps nested too deep"] += 1
                continue
            request = _request(url, by, by.url.href, now, Purpose.SITEMAP)
            if not self._left_to_owner(request):
                yield request

    def _new(self, links: bytes) -> list[tuple[int, int]]:
        """Return places and fingerprints of the links that the crawl has not met."""
        met, seen = self._met, self._seen
        keys = array("Q", links)
        new = [(n, key) for n, key in enumerate(keys) if key not in met and key and key not in seen]
        if len(met) > _MET:
            met.clear()
        met.update(keys)
        return new

    def _taken(
        self, found: Iterable[tuple[Url, int]], by: Request, where: str, now: float
    ) -> Iterator[Request]:
        for url, key in found:
            if self._ownership is not None and self._ownership.other(url) is not None:
                # Its owner judges it, and needs to know of it once. What is out of scope for sure
                # need not get there: that is most of what a page links to elsewhere.
                if not (self.knows_scope and self._is_outside(url)) and self._see(key):
                    self._left_to_owner(_request(url, by, where, now, Purpose.PAGE))
            elif self._takes_up(url, key):
                yield _request(url, by, where, now, Purpose.PAGE)

    def _left_to_owner(self, request: Request) -> bool:
        """Hand a found URL over to another partition if that owns it; return whether it does."""
        owner = self.owner(request)
        if owner is not None:
            self._changes.handed_over(request, owner)
        return owner is not None

    def arrived(self, request: Request) -> bool:
        """Take up a URL that another partition has found; return False if it is refused."""
        if request.purpose is Purpose.SITEMAP:
            return self._see(_sitemap_key(request.url))
        key = self.key(request.url)
        return key not in self._seen and self._takes_up(request.url, key)

    def _takes_up(self, url: Url, key: int) -> bool:
        new = key not in self._judged and self._welcome(url, key) and self._see(key)
        if new:
            self._count(url)
        return new

    def _is_outside(self, url: Url) -> bool:
        """Tell whether a URL is out of scope; count it if so."""
        refusal = self._scope.refusal(url) if self.scoped else None
        if refusal is not None:
            self.refused[refusal] += 1
        return refusal is not None

    def _welcome(self, url: Url, key: int) -> bool:
        """Tell whether a new URL may join; count the reason if not."""
        if self._is_outside(url):  # not for good: a seed may widen the scope
            return False
        reason: str | None = self._traps.refusal(url) if self._following.follow else None
        if reason is None and self._link_filter is not None and not self._link_filter(url.href):
            reason = "left out by link_filter"
        reason = reason or self._full(url)
        if reason is not None:
            self._judged.add(key)
            self.refused[reason] += 1
        return reason is None

    def _full(self, url: Url) -> str | None:
        """Return the limit that is reached, if any."""
        following = self._following
        if following.max_pages and self._taken_up >= self._allowed:
            self._allowed = self._allow(self._taken_up)
            if self._taken_up >= self._allowed:
                return "more than --max-pages"
        most = following.max_per_host
        if most and self._by_host[url.host_key] >= most:
            return "more than --max-per-host"
        return None

    def _count(self, url: Url) -> None:
        self._taken_up += 1
        host = url.host_key if self._following.max_per_host else ""
        if host:
            self._by_host[host] += 1
        self._changes.taken(host)

    def given(self, href: str, now: float) -> Request | None:
        """Return the request for a sitemap that the user named.

        None if it was named before, or is another partition's.
        """
        url = Url(href)
        self.add_seed(url)
        if self._ownership is not None and self._ownership.other(url) is not None:
            return None
        if not self._see(_sitemap_key(url)):
            return None
        return Request(url=url, seed=href, input=href, admitted_at=now, purpose=Purpose.SITEMAP)

    def _refuse(self, reason: str, number: int) -> list[Request]:
        self.refused[reason] += number
        return []


_MOST_NESTED = 5
"""Maximum nesting of sitemaps; the protocol allows one level, and loops never end."""


def _sitemap_key(url: Url) -> int:
    """Return another fingerprint than the page's: the same URL may be crawled as a page, too."""
    return fingerprint(f"sitemap {equivalent(url.href)}")


def _request(url: Url, by: Request, where: str, now: float, purpose: Purpose) -> Request:
    listed = by.purpose is Purpose.SITEMAP and purpose is Purpose.PAGE
    return Request(
        url=url,
        seed=url.href,
        input=url.href,
        admitted_at=now,
        purpose=purpose,
        depth=0 if listed else by.depth + 1,  # depth counts links, not sitemaps
        found_on=where,
        origin=by.origin or by.owner or Url(by.seed).host_key,
    )
