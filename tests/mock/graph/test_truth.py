"""The truth as others get it: lines, summary, sitemaps."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, replace
from datetime import date

import pytest

from crawler.mock import MockWeb
from crawler.mock.graph.node import listed_slice, local_pages
from crawler.mock.graph.site import answer
from crawler.mock.judge.truth import entries, find, front, lines, listed, summary
from crawler.mock.reply import Ask

WEB = MockWeb(seed=21, pages=2000, hosts=6, port=8080, faulty=0.02, traps=True)


@pytest.mark.slow
def test_lines_are_the_entries_as_json() -> None:
    """One object a line, with every field, in the order of the pages."""
    assert [json.loads(line) for line in lines(WEB)] == [asdict(entry) for entry in entries(WEB)]
    assert all(line.endswith(b"}\n") and line.count(b"\n") == 1 for line in lines(WEB))


@pytest.mark.slow
def test_the_summary_counts_the_entries() -> None:
    """Every number of the summary is what counting the entries gives."""
    truth, told = list(entries(WEB)), summary(WEB)
    assert told["kinds"] == dict(Counter(entry.kind for entry in truth))
    assert told["statuses"] == dict(Counter(str(entry.status or "open") for entry in truth))
    assert told["depths"] == dict(
        Counter(str(entry.depth) for entry in truth if entry.depth is not None)
    )
    assert told["charsets"] == dict(Counter(e.charset for e in truth if e.charset))
    assert told["reachable"] == sum(entry.reachable for entry in truth)
    assert told["with_sitemaps"] == told["reachable"] + told["kinds"]["sitemap_only"]
    assert told["disallowed"] == told["kinds"]["disallowed"]
    assert told["in_sitemaps"] == sum(entry.sitemap for entry in truth)
    assert (told["pages"], told["hosts"]) == (2000, 6)
    assert told["traps"] and summary(replace(WEB, traps=False, pages=50))["traps"] == []
    for trap in told["traps"]:
        assert answer(Ask(target=trap), WEB).status == 200
    assert told["start"] == front(WEB, 0) == truth[0].url
    json.dumps(told)


@pytest.mark.slow
def test_flags_follow_from_the_kind() -> None:
    """Reachable is all but the kinds that nothing or nothing obeyed leads to."""
    for entry in entries(WEB):
        hidden = {"disallowed", "nofollow", "sitemap_only"}
        assert entry.reachable is (entry.kind not in hidden)
        assert entry.disallowed is (entry.kind == "disallowed")
        assert (entry.depth is None) is (entry.kind == "sitemap_only")
        assert bool(entry.location) is (entry.kind == "redirect")
        assert bool(entry.title) is bool(entry.charset)


@pytest.mark.parametrize("host", range(6))
def test_sitemaps_list_what_is_good(host: int) -> None:
    """All that only sitemaps know and most other good pages; nothing that a sitemap should not."""
    told = dict(listed(WEB, host))
    truth = list(entries(WEB, host))
    assert list(told) == [entry.url for entry in truth if entry.sitemap]
    assert {entry.url for entry in truth if entry.kind == "sitemap_only"} <= told.keys()
    kinds = {found.kind for url in told if (found := find(WEB, url))}
    assert not kinds & {"disallowed", "error", "redirect", "nofollow", "noindex", "faulty"}
    assert all(date(2024, 1, 1) <= date.fromisoformat(day) for day in told.values())
    assert len(told) > 0.6 * len(truth)


def test_slices_of_a_sitemap_make_the_whole() -> None:
    """Any cut of the local numbers gives each page once, in order; bounds beyond are harmless."""
    size = local_pages(WEB, 0)
    cuts = [listed_slice(WEB, 0, start, start + 37) for start in range(0, size + 50, 37)]
    assert [page for cut in cuts for page in cut] == list(listed(WEB, 0))
    assert list(listed_slice(WEB, 0, -5, 10)) == list(listed_slice(WEB, 0, 0, 10))
    assert list(listed(WEB, 6)) == [] and local_pages(WEB, 6) == 0
