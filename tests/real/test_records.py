"""The judge of `make real`: it must see every difference but those of the clock."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.real import independent
from tests.real.records import BrokenOutput, differences, link_differences, load

URLS = ["http://h/1", "http://h/2"]


def _write(path: Path, urls: list[str]) -> Path:
    path.write_text("".join(json.dumps({"url": url}) + "\n" for url in urls))
    return path


@pytest.mark.parametrize(
    ("urls", "complaint"),
    [
        (URLS[:1], "without a record"),
        ([*URLS, URLS[0]], "recorded twice"),
        ([*URLS, "http://h/3"], "not in the list"),
    ],
)
def test_anything_but_one_record_a_url_is_refused(
    tmp_path: Path, urls: list[str], complaint: str
) -> None:
    """A missing, a repeated and an unasked-for record are each named."""
    with pytest.raises(BrokenOutput, match=complaint):
        load(_write(tmp_path / "out.jsonl", urls), URLS)


def test_only_the_clock_may_differ() -> None:
    """Timings are ignored; a field that one side lacks is a difference."""
    left = {"url": "u", "timings": {"total": 1}, "title": "a"}
    assert list(differences(left, {**left, "timings": {"total": 2}})) == []
    assert list(differences(left, {"url": "u"})) == ['title: "a" != null']


@pytest.mark.parametrize(
    ("found", "complaint"),
    [(["a"], "missing"), (["a", "b", "c"], "too many"), (["b", "a"], "another order")],
)
def test_links_must_be_the_same_in_the_same_order(found: list[str], complaint: str) -> None:
    """Missing, surplus and misplaced links are told apart."""
    (line,) = link_differences(found, ["a", "b"])
    assert complaint in line


@pytest.mark.parametrize("rule", [independent.links, independent.reference_links])
def test_both_independent_parsers_follow_the_same_rule(rule: independent.LinkRule) -> None:
    """First base, areas, fragments, repeats, other schemes, broken URLs: as the rule says."""
    page = (
        b"<base href='/q/'><base href='/z/'><a href='x#f'>1</a><area href=' HTTP://E.com:80/a '>"
        b"<a href='x'>2</a><a href='mailto:a@b'>3</a><a href='http://['>4</a><a>5</a>"
        b"<a href=''>6</a>"
    )
    assert rule(page, "http://h/p") == ["http://h/q/x", "http://e.com/a", "http://h/q/"]
