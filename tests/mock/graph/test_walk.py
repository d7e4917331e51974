"""An independent crawl finds exactly what the truth says."""

from __future__ import annotations

from collections import deque

import pytest

from crawler.mock import MockWeb
from crawler.mock.judge.truth import Entry, entries, front
from crawler.model.distribution import Distribution
from tests.mock.graph.walk import Parser, Seen, by_html5lib, by_turbohtml, walk

SMALL = Distribution.read("pareto:1200,2")
WEBS = {
    "one host": MockWeb(seed=1, pages=1500, port=8080, size=SMALL),
    "addresses": MockWeb(seed=2, pages=1200, hosts=9, port=80, size=SMALL),
    "ports": MockWeb(seed=3, pages=1000, hosts=30, authority="ports", port=9000, size=SMALL),
    "names": MockWeb(seed=4, pages=1500, hosts=200, authority="names", port=8080, size=SMALL),
    "tls": MockWeb(seed=5, pages=700, hosts=3, port=443, tls=True, size=SMALL),
    "ipv6": MockWeb(seed=6, pages=500, hosts=2, authority="ports", host="::1", port=80, size=SMALL),
    "deep": MockWeb(seed=7, pages=900, depth=20.0, port=8080, size=SMALL, traps=True),
    "crooked": MockWeb(
        seed=8, pages=900, hosts=4, port=8080, size=SMALL, disallowed=0.3, nofollow=0.3,
        sitemap_only=0.3, redirects=0.3, errors=0.3,
    ),
    "more hosts than pages": MockWeb(pages=20, hosts=90, authority="names", port=8080, size=SMALL),
    "a single page": MockWeb(pages=1, port=8080),
}  # fmt: skip


def _compare(options: MockWeb, parser: Parser) -> tuple[dict[str, Entry], dict[str, Seen]]:
    truth = {entry.url: entry for entry in entries(options)}
    assert len(truth) == options.pages
    found = walk(options, front(options, 0), parser)
    reachable = {url: entry for url, entry in truth.items() if entry.reachable}
    assert found.keys() == reachable.keys()
    for url, entry in reachable.items():
        seen = found[url]
        assert (seen.status, seen.location) == (entry.status, entry.location), entry
        assert seen.title == entry.title, entry
    return truth, found


@pytest.mark.slow
@pytest.mark.parametrize("name", WEBS)
def test_a_crawl_that_obeys_finds_exactly_the_reachable_pages(name: str) -> None:
    """Set, statuses, titles and redirect targets are those of the truth, none more or fewer."""
    truth, found = _compare(WEBS[name], by_turbohtml)
    hidden = {url for url, entry in truth.items() if not entry.reachable}
    linked = {link for seen in found.values() for link in seen.links}
    nofollow = {link for seen in found.values() for link in seen.nofollow}
    assert nofollow == {url for url in hidden if truth[url].nofollow}
    disallowed = {url for url in hidden if truth[url].disallowed}
    assert {link for link in linked - found.keys() if "/trap/" not in link} == disallowed


@pytest.mark.slow
def test_html5lib_reads_the_same_web() -> None:
    """The standard's algorithm in another implementation comes to the same truth."""
    _compare(MockWeb(seed=9, pages=250, hosts=3, port=8080, size=SMALL), by_html5lib)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["addresses", "deep", "one host"])
def test_depth_is_the_fewest_clicks_on_a_host(name: str) -> None:
    """From its host's front page a page is as many clicks away as the truth says, no fewer."""
    truth, found = _compare(WEBS[name], by_turbohtml)
    clicks: dict[str, int] = {}
    waiting = deque((front(WEBS[name], host), 0) for host in range(WEBS[name].hosts))
    while waiting:
        url, depth = waiting.popleft()
        if url in clicks or url not in found:
            continue
        clicks[url] = depth
        near = {link for link in found[url].links if link in truth}
        waiting.extend((link, depth + 1) for link in near if truth[link].host == truth[url].host)
    assert clicks == {url: truth[url].depth for url in found}


@pytest.mark.slow
def test_noindex_is_said_by_element_or_header() -> None:
    """Every page of kind noindex says so in one of two ways, and no other page does."""
    truth, found = _compare(WEBS["addresses"], by_turbohtml)
    ways = set()
    for url, seen in found.items():
        by_header = ("X-Robots-Tag", "noindex") in seen.answer.headers
        by_element = b"NoIndex" in seen.answer.body.replace(b"\0", b"")
        assert truth[url].noindex is (by_header or by_element)
        ways.add((by_header, by_element))
    assert ways == {(False, False), (True, False), (False, True)}
