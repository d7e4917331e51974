"""Following links over real sockets: a whole web found, traps survived, sitemaps, the spool."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from crawler.core.refusal import Refusal
from crawler.engine.crawl_session import CrawlSession
from crawler.mock import MockWeb, Served, running
from crawler.mock.graph.trap_pages import TRAPS
from crawler.mock.judge.truth import listed
from crawler.model.config import CrawlConfig
from crawler.model.outcome import Final, Kind, Listing, Page
from crawler.store.record import encode
from crawler.store.sources import IterableSource
from tests.cli.test_command import started
from tests.engine.harness import ListSink

from .whole import ENGINES, MANNERLY, Whole, crawled, scored, url

PAGES = 200
CAPS = {"max_equal_pages": 10, "max_queries": 10, "max_path_depth": 6}
"""Small, so that traps end soon; what is counted is the same."""


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> dict[str, Any]:
    return ENGINES[request.param]


@pytest.fixture(scope="module")
def web() -> Iterator[Served]:
    with running(MockWeb(hosts=4, pages=PAGES, traps=True, seed=7)) as served:
        yield served


def followed(web: Served, **options: Any) -> Whole:
    """A crawl from the front page of host 0 through all hosts, with small caps."""
    wide = {"follow": True, "scope": "any", "depth": 0, "per_host": 8}
    return crawled([url(web, 0, "/")], **CAPS | wide | options)


@pytest.mark.slow
def test_a_whole_web_is_found_once_and_only_what_may_be(
    web: Served, engine: dict[str, Any]
) -> None:
    """Recall 100 %, no repeat, nothing that robots.txt forbids, and traps end at their caps.

    A redirect to a page that is known is no second page.
    """
    violations = sum(host.robots_violations for host in web.ledger().hosts.values())
    whole = followed(web, **engine)
    result = scored(web, whole)
    assert (result.recall, result.precision, result.repeats) == (1.0, 1.0, 0)
    assert (result.robots_violations, result.nofollow_pages, result.missing) == (0, 0, ())
    assert (result.wrong_status, result.wrong_title) == (0, 0)
    assert sum(host.robots_violations for host in web.ledger().hosts.values()) == violations
    assert 0 < result.trap_pages < 4 * 450
    pages = [final.final_url for final in whole.finals if isinstance(final, Page)]
    assert len(pages) == len(set(pages))
    assert Kind.INTERNAL not in whole.kinds.values()


@pytest.mark.slow
def test_a_window_smaller_than_the_web_loses_nothing(web: Served, engine: dict[str, Any]) -> None:
    """With room for ten URLs in memory, the rest waits on disk, and all of it comes back."""
    result = scored(web, followed(web, window=10, **engine))
    assert (result.recall, result.precision, result.repeats) == (1.0, 1.0, 0)


@pytest.mark.slow
def test_sitemaps_that_robots_names_are_crawled(engine: dict[str, Any]) -> None:
    """What only they know is found, too; the broken, the endless and the bomb have a record."""
    with running(MockWeb(hosts=3, pages=150, traps=True)) as web:
        whole = followed(web, sitemaps=True, **engine)
        result = scored(web, whole, sitemaps=True)
    assert (result.recall, result.precision, result.repeats) == (1.0, 1.0, 0)
    assert result.sitemap_pages > 0 and result.robots_violations == 0
    problems = {final.url.rpartition("/")[2] for final in whole.finals if _complains(final)}
    assert problems == {"sitemap-broken.xml", "sitemap-bomb.xml"}


def _complains(final: object) -> bool:
    return isinstance(final, Listing) and bool(final.problem)


@pytest.mark.slow
def test_a_sitemap_that_is_given_is_a_list(web: Served, engine: dict[str, Any]) -> None:
    """Without following, what it lists is crawled: no more, no less."""
    whole = crawled([], sitemap=(url(web, 0, "/sitemap.xml"),), **engine)
    asked = {final.url for final in whole.finals if not isinstance(final, Listing)}
    assert asked == {each for each, _ in listed(web.options, 0)}


# Why each trap ends; what may come first, as pages come in any order, is in `BESIDE`.
REASONS: dict[str, set[Refusal]] = {
    "calendar": {Refusal.EQUAL_CONTENT},
    "session": {Refusal.SESSION},
    "facets": {Refusal.PERMUTATION, Refusal.QUERIES},
    "nest": {Refusal.REPEATED_SEGMENTS},
    "next": {Refusal.EQUAL_CONTENT},
    "soft404": {Refusal.EQUAL_CONTENT},
    "fresh": {Refusal.EQUAL_CONTENT},
}
BESIDE = {Refusal.EQUAL_CONTENT, Refusal.NOT_INCLUDED, Refusal.PATH_DEPTH}


def test_every_trap_has_its_reason() -> None:
    """The table is the catalogue's."""
    assert sorted(REASONS) == sorted(TRAPS)


@pytest.mark.slow
@pytest.mark.parametrize("name", REASONS)
def test_every_trap_ends_by_itself(name: str, engine: dict[str, Any]) -> None:
    """Without limits on depth and number a trap is left at its cap, and the reason is counted."""
    with running(MockWeb(pages=1)) as web:
        start = url(web, 0, TRAPS[name].path)
        whole = crawled([start], follow=True, depth=0, include=("*/trap/*",), **CAPS | engine)
    refused = {Refusal(reason) for reason in whole.snapshot.refused}
    assert REASONS[name] <= refused <= REASONS[name] | BESIDE
    assert set(whole.kinds.values()) <= {None, Kind.TRAP}
    assert 10 < whole.snapshot.pages < 60  # the cap is 10, for each kind of page


class Counting(ListSink):
    """A sink that keeps nothing; `held` tells how many URLs wait in memory."""

    held: Callable[[], int]
    pages = most = 0

    def put(self, final: Final) -> None:
        self.pages += isinstance(final, Page)
        self.most = max(self.most, self.held())


@pytest.mark.slow
def test_memory_is_flat_in_a_trap_without_caps() -> None:
    """Where all caps are off the web grows without an end: on disk, and not in memory.

    What grows are 8 to 24 bytes of fingerprint a URL, and caches that have a bound of their own.
    """
    few, many = (_peak(pages) for pages in (100, 500))
    assert many < few + 3_000_000  # for 1,600 URLs more


def _peak(pages: int) -> int:
    """Bytes at the most, for so many pages of a trap of which each links to four more."""
    off: dict[str, Any] = {"max_equal_pages": 10**9, "depth": 0, "window": 50, "max_pages": pages}
    config = CrawlConfig(**MANNERLY | off, follow=True, include=("*/trap/*",))
    with started("mock", "--port", "0") as server:  # what it keeps is none of the crawl's
        assert server.stdout is not None
        start = [f"{server.stdout.readline().strip()}/trap/soft404/x"]
        sink = Counting()
        session = CrawlSession(config, IterableSource(start, config), sink)
        sink.held = lambda: session._core._window.held
        tracemalloc.start()
        try:
            session.run()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert sink.pages == pages + 1
    assert sink.most <= config.window
    return peak


MOVES = {
    "redirect-cookie": ("/fault/redirect-cookie", [302]),
    "redirect-cookie-two": ("/fault/redirect-cookie-two", [302, 302]),
    "refresh-header": ("/page/0", [200]),
    "refresh-meta": ("/page/0", [200]),
    "refresh-cookie": ("/fault/refresh-cookie", [200]),
    "refresh": ("/fault/refresh", []),
    "refresh-script": ("/fault/refresh-script", []),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MOVES)
def test_what_moves_on_is_followed(web: Served, engine: dict[str, Any], name: str) -> None:
    """Cookies of a chain and refreshes lead to the page; a reload and a script do not."""
    end, hops = MOVES[name]
    start = url(web, 0, f"/fault/{name}")
    whole = crawled([start], follow=True, include=("/fault/*", "/page/0"), **engine)
    (final,) = [final for final in whole.finals if final.url == start]
    assert isinstance(final, Page)
    assert final.final_url == url(web, 0, end)
    assert [hop.status for hop in final.request.hops] == hops
    assert b"seen" not in encode(final)
