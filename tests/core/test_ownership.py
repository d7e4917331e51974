"""The owner of a URL: the same however it is written, and by the fast filter as by the parser."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crawler.core.ownership import Ownership, dealt_out, site_of
from crawler.model.url import Url, parse
from crawler.runtime.suffixes import PublicSuffixes
from crawler.store.entry import seed

SUFFIXES = PublicSuffixes()
PARTITIONS = 1_000


def owner(text: str) -> int:
    """Return the owner of a text as it stands in a list."""
    return Ownership(PARTITIONS, 0, SUFFIXES).of(seed(text).url)


@pytest.mark.parametrize(
    "same",
    [
        (
            "http://a.test/",
            "https://a.test/b?c",
            "a.test",
            "HTTP://A.test:80",
            "https://a.test:80/",
        ),
        ("http://www.example.co.uk/", "https://example.co.uk/x", "//shop.example.co.uk"),
        ("http://127.0.0.1/", "http://127.1/", "http://0x7f.1/a", "http://user:word@127.0.0.1/"),
        ("http://a.test:8080/", "https://a.test:8080/b"),
        ("http://[::1]:81/", "http://[0:0::1]:81/x"),
    ],
)
def test_spellings_of_one_site_have_one_owner(same: tuple[str, ...]) -> None:
    """Scheme, spelling, credentials and subdomain make no difference; a port of its own does."""
    assert len(set(map(owner, same))) == 1
    assert owner("http://b.test/") != owner("http://b.test:8080/")


ORIGINS = (
    *("http://a.test", "https://www.example.org", "http://a.test:8080", "http://127.0.0.1"),
    *("http://[::1]", "http://xn--bcher-kva.test", "http://a_b.test.", "https://a.test:80"),
)
TEXTS = st.text(st.sampled_from("ahtps:/\\?#@.%[]0189 \t\u00e9-_x"), max_size=30)


@pytest.mark.slow
@given(origin=st.sampled_from(ORIGINS), before=TEXTS, after=TEXTS)
@example(origin="http://a.test", before="", after="/@b.test/")
@example(origin="http://a.test", before="", after="\\@b.test/")
@example(origin="http://a.test", before="", after="?/@b.test/")
@example(origin="http://a.test", before="http:///", after="/")
@example(origin="http://a.test", before="", after="/" + "x" * 65_600)
@example(origin="http://[::1]", before="", after="/\udcff")
def test_the_fast_filter_never_disagrees_with_the_parser(
    origin: str, before: str, after: str
) -> None:
    """What it decides of a raw entry is what the URL standard makes of it; it may leave it open."""
    ownership = Ownership(PARTITIONS, 0, SUFFIXES)
    for known in ORIGINS:
        url = parse(f"{known}/")
        assert isinstance(url, Url)
        ownership.of(url)
    for text in (origin + after, before + origin + after):
        decided = ownership.known(text)
        assert decided is None or decided == ownership.of(seed(text).url)


def test_what_is_no_url_is_spread_and_has_one_owner() -> None:
    """As a list that holds nothing else is every partition's to read; each goes by its text."""
    texts = [f"http://no url {n}/" for n in range(200)]
    owners = [Ownership(4, n % 4, SUFFIXES).of(seed(text).url) for n, text in enumerate(texts)]
    assert min(map(owners.count, range(4))) > 25
    assert owners == [Ownership(4, 0, SUFFIXES).of(seed(text).url) for text in texts]


def test_the_filter_decides_plain_lines_of_known_origins() -> None:
    """A line of an origin that was met costs no parsing, and its owner never depends on a salt."""
    ownership = Ownership(8, 0, SUFFIXES)
    assert ownership.known("http://www.example.org/a") is None
    assert ownership.of(Url("http://www.example.org/")) == 5
    assert ownership.known("http://www.example.org/a?b=//c") == 5


@pytest.mark.parametrize("partitions", [2, 3, 5])
@pytest.mark.parametrize("sites", [1, 8, 100, 3_000])
def test_known_sites_are_dealt_out_evenly(sites: int, partitions: int) -> None:
    """No partition has more than the largest site more than another, whatever the hash says."""
    sizes = {f"h{n}.test": 1 + n % 7 for n in range(sites)}
    owners = dealt_out(sizes, partitions)
    assert owners == dealt_out(dict(reversed(sizes.items())), partitions)
    loads = [0] * partitions
    for site, size in sizes.items():
        url = parse(f"http://www.{site}/")
        assert isinstance(url, Url)
        loads[Ownership(partitions, 0, SUFFIXES, owners).of(url)] += size
        assert site_of(url.host_key, SUFFIXES) == site
    assert max(loads) - min(loads) <= 7
