"""The score of crawls of which it is known what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from crawler.mock import MockWeb
from crawler.mock.judge import score as module
from crawler.mock.judge.score import Score, ScoreResult
from crawler.mock.judge.truth import Entry, entries, front
from tests.mock.graph.walk import walk

WEB = MockWeb(seed=31, pages=1200, hosts=5, port=8080, faulty=0.02)
TRUTH = {entry.url: entry for entry in entries(WEB)}
REACHABLE = [entry for entry in TRUTH.values() if entry.reachable]
CLEAN = {
    "repeats": 0, "robots_violations": 0, "nofollow_pages": 0, "sitemap_pages": 0,
    "trap_pages": 0, "strangers": 0, "wrong_status": 0, "wrong_title": 0, "unexpected": (),
}  # fmt: skip


def _plain(entry: Entry) -> dict[str, Any]:
    """A record as a crawler that stores redirects as they are writes it."""
    return {"url": entry.url, "status": entry.status or None, "title": entry.title or None}


def _ours(entry: Entry) -> dict[str, Any]:
    """A record as this project writes it: redirects followed, faults failed."""
    end = TRUTH[entry.location] if entry.location else entry
    hops = [{"url": entry.url, "status": entry.status}] if entry.location else []
    good = end.status == 200
    return {
        "url": entry.url, "input": entry.url, "final_url": end.url, "redirects": hops,
        "outcome": "page" if good else "failed", "kind": None if good else "client_error",
        "status": end.status or None, "title": (end.title or None) if good else None,
    }  # fmt: skip


def _score(records: Iterable[Mapping[str, Any]], **scope: Any) -> ScoreResult:
    score = Score(WEB, **scope)
    for record in records:
        score.add(record)
    return score.result()


def _differs(result: ScoreResult, **expected: object) -> None:
    """All counts of faults are 0 but those given."""
    wanted = CLEAN | expected
    assert {name: getattr(result, name) for name in wanted} == wanted


@pytest.mark.slow
@pytest.mark.parametrize("form", [_plain, _ours, lambda entry: {"url": entry.url}])
def test_a_perfect_crawl_has_a_perfect_score(form: Any) -> None:
    """In any form of record: everything found, nothing else, nothing wrong."""
    result = _score(map(form, REACHABLE))
    _differs(result)
    assert (result.recall, result.precision, result.missing) == (1.0, 1.0, ())
    assert result.records == result.wanted == result.found == len(REACHABLE)
    assert result.duplicates == sum(entry.kind == "duplicate" for entry in REACHABLE) > 0


@pytest.mark.slow
def test_the_independent_walk_scores_perfectly() -> None:
    """A crawl that was really made comes out with recall and precision 1."""
    options = MockWeb(seed=32, pages=400, hosts=3, port=8080)
    score = Score(options)
    for url, seen in walk(options, front(options, 0)).items():
        score.add({"url": url, "status": seen.status, "title": seen.title})
    result = score.result()
    _differs(result)
    assert result.recall == result.precision == 1.0


def test_no_records_at_all() -> None:
    """Recall is 0 and nothing is wrong."""
    result = _score([])
    _differs(result)
    assert (result.recall, result.precision, result.found) == (0.0, 1.0, 0)
    assert result.missing == tuple(entry.url for entry in REACHABLE[:10])


@pytest.mark.slow
def test_what_is_missing_is_named() -> None:
    """Recall falls by exactly what was left out or skipped, and the first are named."""
    left = REACHABLE[100:130]
    records = [_plain(entry) for entry in REACHABLE if entry not in left]
    records += [{"url": entry.url, "outcome": "skipped", "status": None} for entry in left[:5]]
    targets = {entry.location for entry in REACHABLE}
    result = _score(records)
    _differs(result)
    assert result.skipped == 5 and result.found == len(REACHABLE) - 30
    assert result.missing == tuple(entry.url for entry in left[:10]) and targets


@pytest.mark.slow
def test_a_failure_without_a_status_finds_nothing_unless_a_fault_explains_it() -> None:
    """A time-out on a good page is a page not found; on a faulty one it is what there is."""
    failed = {"outcome": "failed", "status": None, "title": None}
    result = _score({"url": entry.url, **failed} for entry in REACHABLE)
    _differs(result)
    assert result.found == sum(entry.kind == "faulty" for entry in REACHABLE) > 0


def test_a_redirect_finds_its_end_and_repeats_nothing() -> None:
    """The end of a redirect counts as found, and a record of its own is no repeat."""
    one = next(entry for entry in REACHABLE if entry.location)
    assert _score([_ours(one)]).found == 2
    assert _score([_ours(one), _ours(TRUTH[one.location])]).repeats == 0
    named = {"url": one.url, "final_url": one.location, "status": 200}
    result = _score([named])
    _differs(result)
    assert result.found == 2
    plain = next(entry for entry in REACHABLE if entry.kind == "plain")
    _differs(_score([{"url": plain.url, "final_url": one.location, "status": 200}]), wrong_status=1)


def test_repeats_are_counted_in_every_spelling() -> None:
    """A second record of a URL is a repeat, spelled as it may be, page or stranger."""
    url = REACHABLE[3].url
    other = "http://127.0.0.1:8080/page/3"
    result = _score({"url": u} for u in (url, f"{url}#x", url.upper()[:4] + url[4:], other, other))
    _differs(result, repeats=3, strangers=1, unexpected=result.unexpected)
    assert other in result.unexpected and f"{url}#x" in result.unexpected
    assert result.precision == 0.5


@pytest.mark.slow
def test_forbidden_and_hidden_pages_are_counted() -> None:
    """Each kind that a perfect crawl leaves alone has its own count; none lowers precision."""
    result = _score({"url": entry.url} for entry in TRUTH.values())
    kinds = [entry.kind for entry in TRUTH.values()]
    _differs(
        result,
        robots_violations=kinds.count("disallowed"),
        nofollow_pages=kinds.count("nofollow"),
        sitemap_pages=kinds.count("sitemap_only"),
        unexpected=tuple(e.url for e in TRUTH.values() if e.disallowed)[:10],
    )
    assert result.recall == result.precision == 1.0


def test_traps_strangers_and_aids() -> None:
    """Trap URLs count apart, each once; robots.txt and sitemaps are no pages and no strangers."""
    host = "http://127.0.0.1:8080"
    result = _score(
        {"url": url}
        for url in (
            f"{host}/trap/next/1", f"{host}/trap/next/2?a=b", f"{host}/robots.txt",
            f"{host}/sitemap-1.xml.gz", f"{host}/status/200", "http://elsewhere.test/trap/x",
            "no url at all",
        )
    )  # fmt: skip
    _differs(result, trap_pages=2, strangers=3, unexpected=result.unexpected)
    assert result.precision == 0.0 and len(result.unexpected) == 3


def test_what_is_forbidden_counts_although_it_is_no_page() -> None:
    """A URL of this web that its host's robots.txt forbids is a violation, once, page or not."""
    urls = [
        "http://127.0.0.1:8080/private/1", "http://127.0.0.1:8080/private/1",
        "http://127.0.0.1:8080/no.print", "http://127.0.0.1:8080/page/1",
        "http://elsewhere.test/private/1",
    ]  # fmt: skip
    result = _score({"url": url} for url in urls)
    assert (result.robots_violations, result.strangers, result.repeats) == (2, 4, 1)


def test_wrong_statuses_and_titles_are_counted() -> None:
    """By record, in redirects too; white space around a title does not matter."""
    page = next(e for e in REACHABLE if e.kind == "plain" and e.charset == "windows-1251")
    gone = next(e for e in REACHABLE if e.kind == "error")
    moved = next(e for e in REACHABLE if e.location)
    wrong_hop = _ours(moved) | {"redirects": [{"url": moved.url, "status": 399}]}
    _differs(_score([_plain(page) | {"status": 404}]), wrong_status=1)
    _differs(_score([_plain(page) | {"status": "200", "title": f" {page.title}\n"}]))
    _differs(_score([_plain(page) | {"title": "Ïðèâåò"}]), wrong_title=1)
    _differs(_score([_plain(page) | {"title": None}]), wrong_title=1)
    _differs(_score([{"url": gone.url, "status": 200, "title": "x"}]), wrong_status=1)
    _differs(_score([wrong_hop]), wrong_status=1)


def test_the_scope_says_what_is_wanted() -> None:
    """Sitemaps, nofollow and a choice of hosts change what recall is measured against."""
    kinds = [entry.kind for entry in TRUTH.values()]
    wanted = len(REACHABLE)
    assert _score([], sitemaps=True).wanted == wanted + kinds.count("sitemap_only")
    assert _score([], nofollow=True).wanted == wanted + kinds.count("nofollow")
    on_one = [entry for entry in REACHABLE if entry.host == 1]
    result = _score(map(_plain, on_one), hosts={1})
    assert result.recall == result.precision == 1.0 and result.wanted == len(on_one)


@pytest.mark.parametrize("record", [{}, {"url": 3}, {"url": "http://x/", "status": "fine"}])
def test_a_record_that_is_none_is_refused(record: dict[str, Any]) -> None:
    """Without a URL or with a status that is no number a record raises, and counts for nothing."""
    score = Score(WEB)
    with pytest.raises(ValueError, match=r"url|status"):
        score.add(record)
    assert score.result().records == 0


def test_memory_for_strangers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the limit strangers still count, only their repeats are no longer noticed."""
    monkeypatch.setattr(module, "MAX_STRANGERS", 10)
    result = _score({"url": f"http://x.test/{number}"} for number in [*range(20), 3, 15])
    assert (result.strangers, result.repeats) == (21, 1)
