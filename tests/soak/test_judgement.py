"""The judge of `make soak`: flat passes, what grows does not, and each lost URL is seen."""

from __future__ import annotations

import math

import pytest

from tests.soak.account import Account
from tests.soak.judgement import Bound, Sample, broken
from tests.soak.web import Endless

MB = 1_000_000
BOUNDS = {
    "memory": Bound(share=0.1, slack=20 * MB, most=1_000 * MB),
    "descriptors": Bound(share=0.1, slack=10, most=400),
    "threads": Bound(share=0.1, slack=10, most=100),
}
WARM_UP = 20.0


def run(**grown: float) -> list[Sample]:
    """Two minutes of a crawl that is up after 15 s and wavers; `grown` is what is added each s."""
    return [
        Sample(
            at=float(second),
            memory=round(min(second, 15) * 15 * MB + wave * MB + grown.get("memory", 0) * second),
            descriptors=round(200 + wave + grown.get("descriptors", 0) * second),
            threads=round(40 + wave / 10 + grown.get("threads", 0) * second),
        )
        for second in range(120)
        for wave in (20 * math.sin(second),)
    ]


def test_what_is_flat_passes() -> None:
    """A crawl that grows in its warm-up and wavers from then on breaks no bound."""
    assert broken(run(), BOUNDS, WARM_UP) == []


@pytest.mark.parametrize(
    ("name", "grown"), [("memory", 1.0 * MB), ("descriptors", 0.7), ("threads", 0.4)]
)
def test_what_grows_is_named(name: str, grown: float) -> None:
    """A steady growth that a wave hides at each moment breaks its own bound, and no other."""
    lines = broken(run(**{name: grown}), BOUNDS, WARM_UP)
    assert [line.split()[:2] for line in lines] == [[name, "grew"]]


def test_a_peak_is_named_wherever_it_is() -> None:
    """One sample above the ceiling breaks it though all else is flat, in the warm-up as well."""
    high = Sample(at=5.0, memory=1_001 * MB, descriptors=200, threads=40)
    assert broken([high, *run()], BOUNDS, WARM_UP) == [
        "memory reached 1,001,000,000: at most 1,000,000,000 expected"
    ]


def test_too_little_to_judge_is_no_pass() -> None:
    """A crawl that ended in its warm-up, or was hardly looked at, is not called flat."""
    assert "at least 9 expected" in broken(run()[:25], BOUNDS, WARM_UP)[0]
    assert "at least 9 expected" in broken([], BOUNDS, 0.0)[0]


WEB = Endless(port=8080, graph=(("http://127.0.0.3:8080/a/b.html",), ("http://127.0.0.1:8080/",)))


def account(*recorded: int) -> Account:
    """An account of ten URLs, with records of these numbers."""
    made = Account(WEB.url, WEB.number, 10)
    list(zip(range(10), made.feed(), strict=False))
    for number in recorded:
        made.record(WEB.url(number), "page")
    return made


def test_every_url_of_the_list_is_one_of_its_own() -> None:
    """The list's URLs all differ, are the same each time, and tell their number."""
    urls = [WEB.url(number) for number in range(2_000)]
    assert [WEB.number(url) for url in urls] == list(range(2_000))
    assert urls == [WEB.url(number) for number in range(2_000)]
    kinds = ("/fault/", ".dead.test:", ".ok.test:", "/a/b.html")
    assert all(any(kind in url for url in urls) for kind in kinds)


def test_one_record_each_is_right() -> None:
    """In whatever order they come."""
    assert account(*reversed(range(10))).wrong() == []


def test_what_was_lost_or_came_twice_is_named() -> None:
    """The count and an example of each, though as many records came as URLs were fed."""
    lines = account(0, 1, 2, 3, 3, 4, 5, 6, 7, 8).wrong()
    assert lines == [
        f"1 of 10 URLs lost: {WEB.url(9)}",
        f"1 of 10 URLs recorded twice or more: {WEB.url(3)}",
    ]


@pytest.mark.parametrize("url", ["http://127.0.0.1/", WEB.url(10), WEB.url(3) + "x"])
def test_a_foreign_record_is_named(url: str) -> None:
    """A record of a URL that was never fed is no record of any that was."""
    made = account(*range(10))
    made.record(url, "page")
    assert made.wrong() == [f"records of URLs that were not listed: {url}"]


def test_no_more_is_fed_than_there_is_room_for() -> None:
    """The feeder waits for records once the backlog is full, and ends when it is closed."""
    made = account(0)
    feed = made.feed()
    assert next(feed) == WEB.url(10)
    made.close()
    assert list(feed) == []
    assert made.fed == 11
