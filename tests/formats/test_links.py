"""From hrefs to URLs: every short cut ends where the WHATWG URL standard does."""

from __future__ import annotations

import ada_url
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.formats import links

BASE = "https://example.com/a/b/c.html?q=1"
PIECES = [
    *("a", "b.html", "..", ".", "/", "//", "?", "#", ":", "http:", "https://", "HTTP://", "ex.com"),
    *("xn--a", "1.2", "0x1", "%2e", "%41", "\\", "\t", "\n", " ", "é", "日", "_", "-", "~", "x=1"),
    *("&", "@", "user", "8080", "'", '"', "<", "javascript:", "foo-bar", "A", "C:", "a..b", ".a"),
    *("a.", "[::1]", "\x00", "\ud800", ";", "+", "$", "com", "www.", "../", "../../", "index.html"),
    *("{", "^", "`"),
]
BASES = [
    ada_url.normalize_url(url)
    for url in (
        "http://h.com",
        "http://h.com/a/b/c.html",
        "https://h.com:81/a//b/?q#f",
        "http://u:p@h/x/..y/z",
        "http://127.0.0.1:80/x/%2e%2e/y/",
        "http://h.com/a/?x/y/z",
        "http://[::1]:8080/a/b",
    )
]

hrefs = st.lists(st.sampled_from(PIECES), max_size=6).map("".join)


def by_the_standard(hrefs: list[str], base: str) -> list[str]:
    """Every href through ada on its own, as USVString, nothing dropped beforehand."""
    found: dict[str, None] = {}
    for href in hrefs:
        scalars = href.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        try:
            url = ada_url.join_url(base, scalars)
        except ValueError:
            continue
        if url.startswith(("http://", "https://")):
            found[url.partition("#")[0]] = None
    return list(found)


@pytest.mark.slow
@settings(max_examples=300)
@given(st.lists(hrefs, max_size=5), st.sampled_from(BASES))
def test_short_cuts_equal_the_standard(found: list[str], base: str) -> None:
    """For any hrefs the result is what the WHATWG algorithm gives for each, in order, once."""
    assert links.absolute(found, base) == by_the_standard(found, base)


@pytest.mark.slow
@settings(max_examples=100)
@given(st.lists(st.text(max_size=12), max_size=4), st.sampled_from(BASES))
def test_any_text_equals_the_standard(found: list[str], base: str) -> None:
    """Text of any script, with controls and lone surrogates, is treated as the standard has it."""
    assert links.absolute(found, base) == by_the_standard(found, base)


@pytest.mark.parametrize(
    ("href", "url"),
    [
        ("d.html", "https://example.com/a/b/d.html"),
        ("d.html#part", "https://example.com/a/b/d.html"),
        ("../d/", "https://example.com/a/d/"),
        ("../../../../d", "https://example.com/d"),
        ("/d?x=1&y", "https://example.com/d?x=1&y"),
        ("?r", "https://example.com/a/b/c.html?r"),
        ("", "https://example.com/a/b/c.html?q=1"),
        ("#part", "https://example.com/a/b/c.html?q=1"),
        ("//other.org", "https://other.org/"),
        (" \n d.html\t", "https://example.com/a/b/d.html"),
        ("d\n.html", "https://example.com/a/b/d.html"),
        ("d #x", "https://example.com/a/b/d%20"),
        ("d\\e", "https://example.com/a/b/d/e"),
        ("HTTP://Bücher.DE:80/x/../y", "http://xn--bcher-kva.de/y"),
        ("http://0x7f.1/", "http://127.0.0.1/"),
        ("é", "https://example.com/a/b/%C3%A9"),
        ("..//d", "https://example.com/a//d"),
    ],
)
def test_one_href(href: str, url: str) -> None:
    """Each form of reference resolves as a browser resolves it."""
    assert links.absolute([href], BASE) == [url]


@pytest.mark.parametrize(
    "href",
    [
        *("javascript:void(0)", " JavaScript:x", "java\nscript:x", "mailto:a@b.c", "tel:1"),
        *("data:,x", "ftp://h/", "about:blank", "http://", "http://a b/", "http://h:99999/"),
        *("http://a%00b/", "https://[::1", "//"),
    ],
)
def test_what_is_no_page(href: str) -> None:
    """Other schemes and what is no URL lead nowhere and raise nothing."""
    assert links.absolute([href], BASE) == []


def test_order_and_repeats() -> None:
    """A URL stands once, where it is first linked, whichever spellings it has."""
    spellings = ["z.html", "y.html#1", "y.html#2", "./z.html", "../b/y.html", "x.html"]
    assert links.absolute(spellings, BASE) == [
        "https://example.com/a/b/z.html",
        "https://example.com/a/b/y.html",
        "https://example.com/a/b/x.html",
    ]
