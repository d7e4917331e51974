"""The pages as pure values."""

from __future__ import annotations

import re

import pytest

from crawler.mock import MockWeb
from crawler.mock.graph.flat_pages import page, targets, title
from crawler.mock.graph.site import MAX_PREFIXES, answer
from crawler.mock.reply import Ask
from crawler.model.errors import ConfigurationError

ORIGIN = "http://mock.test"


def test_a_page_has_the_size_asked_for() -> None:
    """A page is exactly page_bytes long whenever its links leave room."""
    for size in (1024, 1500, 1501, 1507, 1508, 8192, 500_000):
        options = MockWeb(page_bytes=size, links=3)
        assert [len(page(options, number, ORIGIN)) for number in range(5)] == [size] * 5


def test_a_page_has_its_links_in_four_spellings() -> None:
    """Every target is linked once, in order, and all four spellings of a link occur."""
    options = MockWeb(links=8)
    hrefs = re.findall(r'<a href="([^"]*)"', page(options, 3, ORIGIN).decode())
    assert tuple(int(href.rpartition("/")[2]) for href in hrefs) == targets(options, 3)
    assert {href[: -len(href.rpartition("/")[2])] for href in hrefs} == {
        "/page/", "", "../page/", f"{ORIGIN}/page/",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("pages", "links"), [(1, 0), (1, 1), (10, 9), (50, 50), (1000, 20), (9, 4)]
)
def test_targets_are_distinct_pages(pages: int, links: int) -> None:
    """A page links to as many different existing pages as the options say."""
    options = MockWeb(pages=pages, links=links)
    for number in range(min(pages, 100)):
        found = targets(options, number)
        assert len(found) == len(set(found)) == links
        assert all(0 <= target < pages for target in found)


def test_every_page_is_reached_from_page_zero() -> None:
    """Following links from page 0 finds the whole web."""
    options = MockWeb(pages=500, links=3)
    seen, waiting = {0}, [0]
    while waiting:
        fresh = set(targets(options, waiting.pop())) - seen
        seen |= fresh
        waiting.extend(fresh)
    assert len(seen) == 500


def test_another_seed_is_another_web() -> None:
    """Links, text and titles all depend on the seed."""
    one, two = MockWeb(seed=1), MockWeb(seed=2)
    numbers = range(10)
    assert [targets(one, n) for n in numbers] != [targets(two, n) for n in numbers]
    assert [title(one, n) for n in numbers] != [title(two, n) for n in numbers]
    assert page(one, 0, ORIGIN)[-500:] != page(two, 0, ORIGIN)[-500:]


def test_a_page_of_seed_zero_stays_what_it_is() -> None:
    """Pages do not depend on the machine or the Python version: this one is pinned."""
    options = MockWeb()
    assert title(options, 3) == "Page 3: Straße link"
    assert targets(options, 3)[:5] == (4, 823, 984, 267, 35)


@pytest.mark.parametrize(
    "wrong",
    [
        {"pages": 0}, {"page_bytes": -1}, {"links": -1}, {"latency": -0.1}, {"port": 65536},
        {"latency": float("nan")}, {"latency": float("inf")},
    ],
)  # fmt: skip
def test_illegal_options_name_themselves(wrong: dict[str, int]) -> None:
    """An option out of range is an error that begins with the option's name."""
    with pytest.raises(ConfigurationError, match=f"^{next(iter(wrong))}: "):
        MockWeb(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/page/99", 200), ("/page/100", 404), ("/page/07", 404), ("/page/-1", 404),
        ("/page/\u0663", 404), ("/page/" + "9" * 5000, 404), ("/page", 400), ("/page/1/2", 400),
        ("/nothing", 404), ("*", 404), ("", 404), ("//", 404), ("/private/3", 200),
        ("/status/99", 400), ("/status/x", 400), ("/bytes/-1", 400), ("/bytes/" + "9" * 99, 400),
        ("/delay/nan", 400), ("/delay/1e9", 400), ("/delay", 400), ("/fault/none", 400),
        ("/charset/hex", 400), ("/charset/no-such", 400), ("/charset/a%0Ab", 400),
        ("/gzip" * MAX_PREFIXES, 200), ("/gzip" * (MAX_PREFIXES + 1), 400),
        ("/flaky/1", 400), ("/slow/1/x", 400), ("/gzip/page/100", 404),
    ],
)  # fmt: skip
def test_every_path_has_an_answer(target: str, status: int) -> None:
    """Right, wrong and absurd paths all end in an answer with the fitting status."""
    assert answer(Ask(target=target), MockWeb(pages=100)).status == status


def test_flaky_depends_on_the_attempt_alone() -> None:
    """The first K attempts are 503 and all later ones 200, as a pure function."""
    statuses = [
        answer(Ask(target="/flaky/2/a", count=lambda n=n: n), MockWeb()).status for n in range(5)
    ]
    assert statuses == [503, 503, 200, 200, 200]


def test_a_location_cannot_break_out_of_its_header() -> None:
    """A redirect's target with line ends stays one header field."""
    reply = answer(Ask(target="/redirect-to?url=/a%0D%0AX-Evil:%201"), MockWeb())
    assert dict(reply.headers)["Location"] == "/a%0D%0AX-Evil: 1"


@pytest.mark.parametrize(
    ("domain", "canonical"), [("Mock.Test", "mock.test"), ("bücher.test", "xn--bcher-kva.test")]
)
def test_the_domain_is_kept_as_urls_have_it(domain: str, canonical: str) -> None:
    """A domain in capitals or in Unicode is the one that clients will ask for."""
    assert MockWeb(domain=domain).domain == canonical


@pytest.mark.parametrize("domain", ["a b", "a/b", "a:8", "", "u@a", "a?b"])
def test_a_domain_must_be_one(domain: str) -> None:
    """What is more or less than a domain is refused."""
    with pytest.raises(ConfigurationError, match=r"^domain: "):
        MockWeb(domain=domain)
