"""Globs match as their definition says, in linear time, and a bad one is told at once."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.model.errors import ConfigurationError
from crawler.model.glob import Globs
from crawler.model.url import Url


@pytest.mark.parametrize(
    ("pattern", "href", "matches"),
    [
        ("https://a.example/*", "https://a.example/x?y", True),
        ("https://a.example/*", "http://a.example/x", False),
        ("http*://a.example/*", "http://a.example/x", True),
        ("https://A.Example/*", "https://a.example/x", True),
        ("https://*.Example/x", "https://a.example/x", True),
        ("https://bücher.example/ä*", "https://xn--bcher-kva.example/%C3%A4", True),
        ("https://a.example:443/*", "https://a.example/x", True),
        ("https://a.example", "https://a.example/", False),
        ("https://a.example*", "https://a.example/", True),
        ("/x/*", "https://a.example/x/y", True),
        ("/x/*", "https://a.example/y/x/y", False),
        ("/x", "https://a.example/x?y", False),
        ("/a b", "https://a.example/a%20b", True),
        ("*.pdf", "https://a.example/x.pdf", True),
        ("*.pdf", "https://a.example/x.PDF", False),
        ("*?sort=*", "https://a.example/x?sort=a", True),
        ("*?sort=*", "https://a.example/xsort=a", False),
        ("*/a/*/a/*", "https://x.example/a/b", False),
        ("*/a/*/a/*", "https://x.example/a/b/a/", True),
        ("*aba*aba", "https://x.example/ababa", False),
        ("*", "https://x.example/", True),
        ("/raw/{id}", "https://a.example/raw/%7Bid%7D", True),
        ("/raw/%7bid%7d", "https://a.example/raw/%7Bid%7D", True),
        ('*"*', "https://a.example/%22", True),
        ("/it's?*'", "https://a.example/it's?x=%27", True),
        ("/~me/*", "https://a.example/%7eme/x", True),
        ("/caf%c3%a9", "https://a.example/caf%C3%A9", True),
        ("/a/b", "https://a.example/a%2Fb", False),
        ("/x?", "https://a.example/x", False),
    ],
)
def test_one_pattern(pattern: str, href: str, matches: bool) -> None:
    """Only `*` is special, the whole has to match, and hosts and escapes read as in a URL."""
    assert Globs([pattern]).match(Url(href)) is matches


@pytest.mark.parametrize(
    "pattern",
    ["", "a.example/*", "?", "ftp://a.example/*", "http://a b/*", "*" * 3_000, "https://[::1/*"],
)
def test_a_bad_pattern_is_one_clear_line(pattern: str) -> None:
    """What could never match is refused when it is given, in one line that names it."""
    with pytest.raises(ConfigurationError, match=r"\Apattern .*\Z"):
        Globs([pattern])


@pytest.mark.slow
@given(st.text(st.sampled_from("ab*/"), max_size=8), st.text(st.sampled_from("ab/"), max_size=12))
def test_globs_equal_their_definition(pattern: str, path: str) -> None:
    """For any pattern and path the answer is that of the regular expression it stands for."""
    expression = ".*".join(map(re.escape, f"/{pattern}".split("*")))
    wanted = re.fullmatch(expression, f"/{path}") is not None
    assert Globs([f"/{pattern}"]).match(Url(f"https://a.example/{path}")) is wanted


def test_no_pattern_hangs() -> None:
    """A thousand stars against 64,000 letters come to an end: no place is looked at twice."""
    url = Url("https://a.example/" + "a" * 64_000)
    assert not Globs(["*a" * 1_000 + "b"]).match(url)
    assert not Globs(["*a" * 1_000 + "*b*"]).match(url)
