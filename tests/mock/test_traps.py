"""The traps hold who follows every link, and tell nobody else anything."""

from __future__ import annotations

import re
from html import unescape

import pytest
from ada_url import join_url
from hypothesis import given
from hypothesis import strategies as st

from crawler.mock import MockWeb
from crawler.mock.graph.site import answer
from crawler.mock.graph.trap_pages import TRAPS
from crawler.mock.reply import Ask

ORIGIN = "http://mock.test"
OPTIONS = MockWeb(seed=3)


def page(target: str, visits: int = 0) -> bytes:
    """The body of a page of a trap."""
    reply = answer(Ask(target=target, host="mock.test", count=lambda: visits), OPTIONS)
    assert reply.status == 200, reply.body
    return reply.body


def links(target: str, visits: int = 0) -> list[str]:
    """Where a page links to, as whole paths."""
    hrefs = re.findall(r'href="([^"]*)"', page(target, visits).decode())
    joined = [join_url(f"{ORIGIN}{target}", unescape(href)) for href in hrefs]
    assert all(url.startswith(f"{ORIGIN}/") for url in joined)
    return [url.removeprefix(ORIGIN) for url in joined]


def test_the_index_lists_every_trap() -> None:
    """/trap/ links to where each trap begins, and the front page."""
    assert links("/trap/") == [*(trap.path for trap in TRAPS.values()), "/"]
    assert links("/trap") == links("/trap/")


@pytest.mark.parametrize("name", TRAPS)
def test_a_crawler_never_runs_out(name: str) -> None:
    """Following every link finds new URLs for ever, none outside the trap but the front page."""
    seen = {TRAPS[name].path}
    queue = [TRAPS[name].path]
    while len(seen) < 500:
        for link in links(queue.pop(0)):
            if link != "/" and link not in seen:
                assert link.startswith(f"/trap/{name}"), link
                seen.add(link)
                queue.append(link)


@pytest.mark.parametrize("name", TRAPS)
def test_pages_are_pure(name: str) -> None:
    """A page is the same at each visit, except in the trap that is about that."""
    path = TRAPS[name].path
    assert page(path) == page(path)
    assert (page(path, 0) == page(path, 1)) == (name != "fresh")
    ask = Ask(target=path)
    answer(ask, OPTIONS)
    assert ask.settled == (name != "fresh")


def test_the_calendar_goes_both_ways() -> None:
    """From January to December of the year before, beyond year 0 as well."""
    assert {"/trap/calendar/2025/12", "/trap/calendar/2026/2"} <= set(
        links("/trap/calendar/2026/1")
    )
    assert "/trap/calendar/-1/12" in links("/trap/calendar/0/1")
    assert "/trap/calendar/2026/1" in links("/trap/calendar/2026/1/28")


def test_orders_of_facets_are_urls_of_their_own() -> None:
    """The same choices in another order are another URL."""
    one = "/trap/facets?color=red"
    assert "/trap/facets?color=red&size=m" in links(one)
    assert "/trap/facets?size=m&color=red" in links("/trap/facets?size=m")
    assert "/trap/facets" in links(one)


def test_nesting_needs_no_trailing_slash() -> None:
    """The links of /trap/nest/a are below it, as those of /trap/nest/a/ are."""
    assert links("/trap/nest/a") == links("/trap/nest/a/")
    assert "/trap/nest/a/b/" in links("/trap/nest/a/")


def test_sessions_differ_with_the_page() -> None:
    """No two pages offer the same session."""
    first, second = links("/trap/session/"), links("/trap/session/x/item/0")
    assert set(first) & set(second) == {"/"}
    assert any("?sid=" in link for link in first)


@pytest.mark.parametrize(
    "target",
    ["/trap/none", "/trap/calendar/2026", "/trap/calendar/x/1", "/trap/calendar/2026/13",
     "/trap/calendar/2026/1/1/1", "/trap/next/x", "/trap/facets?page=x"],
)  # fmt: skip
def test_wrong_arguments(target: str) -> None:
    """What no trap's page links to is a 400 with a line."""
    assert answer(Ask(target=target), OPTIONS).status == 400


def test_pages_stay_small() -> None:
    """However deep, a page has a bounded size."""
    query = "&".join(f"color={number}" for number in range(1000))
    assert len(page(f"/trap/nest/{'a/' * 500}")) < 2000
    assert len(answer(Ask(target=f"/trap/facets?{query}"), OPTIONS).body) < 64 * 1024


@pytest.mark.slow
@given(st.text(max_size=40))
def test_nothing_raises(text: str) -> None:
    """Any path below /trap/ has an answer."""
    for name in TRAPS:
        assert answer(Ask(target=f"/trap/{name}/{text}"), OPTIONS).status in (200, 400)
