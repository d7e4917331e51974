"""The canonical form drops what only says where a visitor came from, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.model.errors import ConfigurationError
from crawler.model.url import TRACKING, Tracking, Url, canonical, parse

PAGE = "https://a.example/x"


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("", ""),
        ("?", "?"),
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
        ("?utm_source=a&", "?"),
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


@given(PAIRS)
def test_equals_its_definition(pairs: list[tuple[str, str]]) -> None:
    """What is left are the other parameters, as they were; doing it twice changes nothing."""
    query = "&".join(name + value for name, value in pairs)
    kept = [name + value for name, value in pairs if name not in ("utm_source", "gclid")]
    found = canonical(Url(f"{PAGE}?{query}"))
    if len(kept) == len(pairs):
        assert found == f"{PAGE}?{query}"
    else:
        assert found == (f"{PAGE}?{'&'.join(kept)}" if kept else PAGE)
    assert TRACKING.without(found) == found


@given(st.text())
def test_the_canonical_form_is_a_url(text: str) -> None:
    """Of any URL it is one that the standard serialises as it stands."""
    found = parse(text)
    if isinstance(found, Url):
        assert parse(canonical(found)) == Url(canonical(found))
