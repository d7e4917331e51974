"""The scope follows from the seeds and the patterns, and from nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.core import scope as module
from crawler.core.domain import registrable
from crawler.core.refusal import Refusal
from crawler.core.scope import Mode, Scope
from crawler.model.url import Url, parse
from crawler.runtime.suffixes import PublicSuffixes

SUFFIXES = PublicSuffixes()
OUT = Refusal.OUT_OF_SCOPE


def url(text: str) -> Url:
    found = parse(text)
    assert isinstance(found, Url), text
    return found


def scope(mode: Mode, *seeds: str, **patterns: list[str]) -> Scope:
    made = Scope(mode, suffixes=SUFFIXES, **patterns)
    for seed in seeds:
        made.add_seed(url(seed))
    return made


@pytest.mark.parametrize(
    ("mode", "seed", "link", "inside"),
    [
        ("host", "https://a.example/x", "http://a.example:8080/y?z", True),
        ("host", "https://a.example/", "https://www.a.example/", False),
        ("host", "https://a.example/", "https://a.example.evil.test/", False),
        ("host", "https://a.example/", "https://a.example@evil.test/", False),
        ("host", "https://a.example/", "https://u:p@a.example/", True),
        ("host", "http://[::1]:8080/", "http://[::1]/", True),
        ("host", "http://[::1]:8080/", "http://[::2]:8080/", False),
        ("host", "http://bücher.example/", "http://xn--bcher-kva.example/", True),
        ("domain", "https://www.example.co.uk/", "http://shop.example.co.uk:81/", True),
        ("domain", "https://www.example.co.uk/", "https://example.co.uk/", True),
        ("domain", "https://www.example.co.uk/", "https://other.co.uk/", False),
        ("domain", "https://a.github.io/", "https://b.github.io/", False),
        ("domain", "https://github.io/", "https://b.github.io/", False),
        ("domain", "http://1.2.3.4/", "http://9.2.3.4/", False),
        ("domain", "http://127.1/", "http://127.0.0.1:9/", True),
        ("domain", "http://localhost/", "http://localhost:9/", True),
        ("domain", "https://a.bücher.example/", "https://b.xn--bcher-kva.example/", True),
        ("domain", "https://公司.cn.example/", "https://x.cn.example/", True),
        ("domain", "https://x.公司.cn/", "https://y.公司.cn/", False),
        ("domain", "https://a.example/", "https://a.example./", False),
        ("prefix", "https://a.example/docs/index.html", "https://a.example/docs/b/c", True),
        ("prefix", "https://a.example/docs/", "http://a.example/docs/", True),
        ("prefix", "https://a.example/~me/", "https://a.example/%7eme/x", True),
        ("prefix", "https://a.example/caf%c3%a9/", "https://a.example/caf%C3%A9/x", True),
        ("prefix", "https://a.example/a%2Fb/", "https://a.example/a/b/", False),
        ("prefix", "https://a.example/docs", "https://a.example/other", True),
        ("prefix", "https://a.example/docs/", "https://a.example/docs", False),
        ("prefix", "https://a.example/docs/", "https://a.example/docs2/", False),
        ("prefix", "https://a.example/docs/", "https://a.example/docs/../x", False),
        ("prefix", "https://a.example/docs/", "https://a.example:81/docs/", False),
        ("prefix", "https://a.example/a/?x=/b/c/", "https://a.example/a/z", True),
        ("prefix", "https://a.example/a/", "https://a.example/?x=/a/", False),
        ("prefix", "https://a.example/a/", "https://b.example/a/", False),
        ("any", "https://a.example/", "http://127.0.0.1/", True),
    ],
)
def test_one_seed_and_one_link(mode: Mode, seed: str, link: str, inside: bool) -> None:
    """A link is in scope if the seed's host, domain or directory leads to it."""
    assert scope(mode, seed).refusal(url(link)) is (None if inside else OUT)


@pytest.mark.parametrize("mode", ["host", "domain", "prefix"])
def test_without_seeds_nothing_belongs(mode: Mode) -> None:
    """Before a seed is added every URL is out of scope, and its own is in scope afterwards."""
    empty = scope(mode)
    assert empty.refusal(url("https://a.example/b/c")) is OUT
    empty.add_seed(url("https://a.example/b/c"))
    assert empty.refusal(url("https://a.example/b/c")) is None


def test_patterns_narrow_the_scope() -> None:
    """No exclude pattern may match, one include pattern must, and neither widens the mode."""
    made = scope(
        "host",
        "https://a.example/",
        include=["/docs/*", "*.html"],
        exclude=["*?print=*", "/docs/x*"],
    )
    assert made.refusal(url("https://a.example/docs/a")) is None
    assert made.refusal(url("https://a.example/b.html")) is None
    assert made.refusal(url("https://a.example/b.htm")) is Refusal.NOT_INCLUDED
    assert made.refusal(url("https://a.example/docs/a?print=1")) is Refusal.EXCLUDED
    assert made.refusal(url("https://a.example/docs/x.html")) is Refusal.EXCLUDED
    assert made.refusal(url("https://b.example/docs/a")) is OUT


def test_memory_goes_with_seeds_not_with_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many hosts are linked to, no more answers are kept than there is room for."""
    monkeypatch.setattr(module, "_KNOWN", 50)
    made = scope("host", "https://a.example/")
    for number in range(500):
        assert made.refusal(Url(f"https://h{number}.example/")) is OUT
        assert len(made._known) <= 50
    assert made.refusal(Url("https://a.example/")) is None


SEGMENT = st.sampled_from(["a", "b", "c"])
PLACE = st.builds(
    lambda host, path, last: Url(f"https://{host}/{''.join(s + '/' for s in path)}{last}"),
    st.sampled_from(["x.example", "y.example", "a.x.example"]),
    st.lists(SEGMENT, max_size=4),
    st.sampled_from(["", "a", "z?q=/a/b/"]),
)


@pytest.mark.slow
@given(st.lists(PLACE, max_size=6), st.lists(PLACE, max_size=6))
def test_prefixes_equal_their_definition(seeds: list[Url], links: list[Url]) -> None:
    """For any seeds and links, in any order of questions, a prefix is what `startswith` says."""
    made = Scope("prefix", suffixes=SUFFIXES)
    starts: list[str] = []
    for number, link in enumerate([*links, *links]):
        if number < len(seeds):
            made.add_seed(seeds[number])
            path = seeds[number].href.partition("?")[0]
            starts.append(path[: path.rindex("/") + 1])
        inside = link.href.partition("?")[0].startswith(tuple(starts))
        assert made.refusal(link) is (None if inside else OUT)


@given(st.text())
def test_any_url_has_a_host_and_a_domain(text: str) -> None:
    """Whatever is a URL has a host that its host key ends with, and a domain that its host ends."""
    found = parse(text)
    if isinstance(found, Url):
        assert found.host in found.host_key
        assert found.host.endswith(registrable(found.host, SUFFIXES))
        for mode in ("host", "domain", "prefix"):
            made = Scope(mode, suffixes=SUFFIXES)
            made.add_seed(found)
            assert made.refusal(found) is None
