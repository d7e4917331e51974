"""URLs follow the WHATWG URL standard, and a list's spellings are read as people mean them."""

from __future__ import annotations

from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.model.url import MAX_LENGTH, InvalidUrl, Url, _parse, parse

_ORIGINS = ("http://a.example", "https://a.example:8443", "http://[::1]:80", "http://1.2.3.4:5")


@pytest.mark.parametrize(
    ("text", "href"),
    [
        ("http://a.example", "http://a.example/"),
        ("HTTP://A.Example:80/x y#f", "http://a.example/x%20y"),
        ("a.example", "https://a.example/"),
        ("a.example/x?y", "https://a.example/x?y"),
        ("a.example:8080/x", "https://a.example:8080/x"),
        ("localhost:8080", "https://localhost:8080/"),
        ("127.0.0.1:9/x", "https://127.0.0.1:9/x"),
        ("//a.example/x", "https://a.example/x"),
        ("  https://a.example/ \t", "https://a.example/"),
        ("http://bücher.example/ä", "http://xn--bcher-kva.example/%C3%A4"),
        ("http://[::1]:8080/", "http://[::1]:8080/"),
        ("http://0x7f.1/", "http://127.0.0.1/"),
    ],
)
def test_a_list_entry_is_read_as_meant(text: str, href: str) -> None:
    """Schemes may be missing, spellings are normalised, fragments are dropped."""
    assert parse(text) == Url(href)


@pytest.mark.parametrize(
    ("text", "unsupported"),
    [
        ("", False),
        ("http://", False),
        ("http:///", False),
        ("http://a:99999/", False),
        ("http://a b/", False),
        ("http://\ufdd0zyx.com/", False),
        ("http://a.example/" + "x" * MAX_LENGTH, False),
        ("javascript:alert(1)", True),
        ("mailto:a@b.example", True),
        ("ftp://a.example/", True),
        ("tel:5", True),
        ("data:text/html,x", True),
    ],
)
def test_what_is_no_url_says_why(text: str, unsupported: bool) -> None:
    """The reason is there, and another scheme is told apart from nonsense."""
    found = parse(text)
    assert isinstance(found, InvalidUrl)
    assert found.reason
    assert found.unsupported_scheme is unsupported


@pytest.mark.parametrize(
    ("href", "key"),
    [
        ("http://a.example/x@y", "http://a.example"),
        ("https://u:p@a.example:8443/", "https://a.example:8443"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
    ],
)
def test_the_host_key_is_scheme_host_and_port(href: str, key: str) -> None:
    """Credentials are no part of it, and an @ in the path is none."""
    assert Url(href).host_key == key


@given(st.text())
def test_no_text_raises(text: str) -> None:
    """Any text, lone surrogates too, is read as a URL or as none."""
    found = parse(text)
    assert isinstance(found.fingerprint, int)
    if isinstance(found, Url):
        assert parse(found.href) == found
        assert found.host_key


_PIECES = [
    *"/.%?#&=;:@!$'()*+,~-_|^`{}[]<>\"\\ \t\n",
    "..",
    "%2e",
    "%2F",
    "a",
    "B9",
    "\u00e4",
    "//",
]


@pytest.mark.slow
@given(st.sampled_from(_ORIGINS), st.lists(st.sampled_from(_PIECES), max_size=8).map("".join))
def test_what_is_taken_as_it_stands_is_what_the_standard_makes_of_it(origin: str, end: str) -> None:
    """The short way for plain URLs of a known host never shows: all is as ada reads it."""
    parse(f"{origin}/")
    text = f"{origin}{end}"
    assert parse(text) == _parse(text)


def test_plain_urls_of_a_known_host_are_taken_as_they_stand() -> None:
    """The standard is asked once a host: of a million URLs, that is most of reading them."""
    parse("http://plain.example:8080/")
    with mock.patch("ada_url.normalize_url", side_effect=AssertionError):
        assert parse("http://plain.example:8080/a/b.html?x=1&y=%20") == Url(
            "http://plain.example:8080/a/b.html?x=1&y=%20"
        )


@pytest.mark.parametrize(
    ("href", "parts"),
    [
        ("http://example.com/", ("http", "example.com", 80, "/")),
        ("https://u:p@example.com/a/b?q=1", ("https", "example.com", 443, "/a/b?q=1")),
        ("http://[::1]:8080/x", ("http", "[::1]", 8080, "/x")),
        ("https://[::1]/", ("https", "[::1]", 443, "/")),
        ("http://127.0.0.1:81/?a@b:c", ("http", "127.0.0.1", 81, "/?a@b:c")),
    ],
)
def test_a_url_knows_its_parts(href: str, parts: tuple[str, str, int, str]) -> None:
    """Scheme, host, port and path come from the URL, not from slices of its text elsewhere."""
    url = Url(href)
    assert (url.scheme, url.host, url.port, url.path) == parts
