"""The canonical form drops what only says where a visitor came from, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.model.errors import ConfigurationError
from crawler.model.url import TRACKING, Tracking, Url, canonical, join, parse

PAGE = "https://a.example/x"


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("", ""),
        ("?", ""),
        ("??", "??"),
        ("?utm_source=a", ""),
        ("?UTM_Source=a&b=1", "?b=1"),
        ("?b=1&gclid=x&c=2", "?b=1&c=2"),
        ("?gclid", ""),
        ("?fbclid=1&msclkid=2&utm_campaign=3&id=4", "?id=4"),
        ("?gclidx=1&xgclid=2&utm=3", "?gclidx=1&xgclid=2&utm=3"),
        ("?b=gclid=1", "?b=gclid=1"),
        ("?next=/y?utm_source=1", "?next=/y?utm_source=1"),
        ("?a=1&&b=2&", "?a=1&&b=2&"),
        ("?b=2&a=1", "?b=2&a=1"),
        ("?utm_source=a&", ""),
        ("?utm%5fsource=a&b=1", "?b=1"),
        ("?sid=1&ref=2&source=3", "?sid=1&ref=2&source=3"),
    ],
)
def test_one_query(query: str, left: str) -> None:
    """Whole names go, in any case; order, empty parts and look-alikes stay."""
    assert canonical(Url(PAGE + query)) == PAGE + left


def test_the_list_is_the_users() -> None:
    """Another list drops other names, and an empty one none."""
    url = Url(f"{PAGE}?utm_source=a&sid=1&view=2")
    assert canonical(url, Tracking(["sid", "v*"])) == f"{PAGE}?utm_source=a"
    assert canonical(url, Tracking([])) == url.href


@pytest.mark.parametrize("name", ["", "*", "a b", "a=b", "a&b", "a*b", "a#", "a?"])
def test_what_is_no_name(name: str) -> None:
    """A name that no parameter can have is one clear line."""
    with pytest.raises(ConfigurationError, match="tracking parameter"):
        Tracking([name])


NAMES = st.sampled_from(["utm_source", "gclid", "a", "b", "utm", "", "gclid2"])
PAIRS = st.lists(st.tuples(NAMES, st.sampled_from(["", "=", "=1", "=/?x", "=gclid"])), max_size=6)


@pytest.mark.slow
@given(PAIRS)
def test_equals_its_definition(pairs: list[tuple[str, str]]) -> None:
    """What is left are the other parameters, as they were; doing it twice changes nothing."""
    query = "&".join(name + value for name, value in pairs)
    kept = [name + value for name, value in pairs if name not in ("utm_source", "gclid")]
    found = canonical(Url(f"{PAGE}?{query}"))
    left = query if len(kept) == len(pairs) else "&".join(kept)
    assert found == (f"{PAGE}?{left}" if left else PAGE)
    assert TRACKING.without(found) == found


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        ("/%62ob", "/bob", True),
        ("/%7euser/%2Da%5f%2E", "/~user/-a_.", True),
        ("/a%2fb", "/a%2Fb", True),
        ("/caf%c3%a9", "/café", True),
        ("/x?", "/x", True),
        ("/x?#a", "/x#b", True),
        ("/?", "", True),
        ("/x?a=%41", "/x?a=A", True),
        ("//%75:p@h.example/", "//u:p@h.example/", True),
        ("//h.example:443/x", "//h.example/x", True),
        ("/a%2Fb", "/a/b", False),
        ("/a%3Fb", "/a?b", False),
        ("/x??", "/x?", False),
        ("/x?a", "/x?a=", False),
        ("/x/", "/x", False),
        ("/A", "/a", False),
        ("/%2541", "/%41", False),
        ("/%%34%31", "/%41", False),
        ("/%4%31", "/%41", False),
        ("/%%41B", "/%AB", False),
        ("/a+b", "/a%20b", False),
        ("//h.example./x", "//h.example/x", False),
        ("//u@h.example/", "//h.example/", False),
    ],
)
def test_equivalent_spellings(one: str, two: str, same: bool) -> None:
    """RFC 3986, 6.2.2.1 and 6.2.2.2, and an empty query: one URL (Norconex#480, loopover#2826)."""
    start = Url("https://a.example/")
    first, second = join(start, one), join(start, two)
    assert isinstance(first, Url) and isinstance(second, Url)
    assert (canonical(first) == canonical(second)) is same
    assert (first.fingerprint == second.fingerprint) is same


PIECES = st.lists(st.sampled_from(["%", "%4", "1", "%41", "%c3", "%2f", "a", "B", "/", "?", "#"]))


@pytest.mark.slow
@given(PIECES)
def test_a_canonical_form_is_its_own(pieces: list[str]) -> None:
    """Doing it twice changes nothing, however escapes are cut or nested."""
    url = join(Url("https://a.example/"), "/x" + "".join(pieces))
    assert isinstance(url, Url)
    assert canonical(Url(canonical(url))) == canonical(url)


@pytest.mark.slow
@given(st.text())
def test_the_canonical_form_is_a_url(text: str) -> None:
    """Of any URL it is one that the standard serialises as it stands."""
    found = parse(text)
    if isinstance(found, Url):
        assert parse(canonical(found)) == Url(canonical(found))
