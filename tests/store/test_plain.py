"""Plain lists as people keep them: further columns, comments, quotes, invisible characters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.model.url import InvalidUrl
from crawler.store.plain import plain
from tests.store.test_entries import read

A = "http://a.example/"


@pytest.mark.parametrize(
    ("line", "url"),
    [
        (f"{A}one\tshop", f"{A}one"),
        (f"  {A}one \t shop\t7", f"{A}one"),
        (f"a.example/one\t{A}two", "https://a.example/one"),
        (f"{A}one\r\n{A}two", f"{A}one"),
        (f"<{A}one>", f"{A}one"),
        (f'"{A}one"\t"shop"', f"{A}one"),
        (f"' {A}one '", f"{A}one"),
        (f"{A}one # the first", f"{A}one"),
        (f"{A}one#part", f"{A}one"),
        (f"\ufeff{A}one", f"{A}one"),
        (f"\u00a0{A}one\u200b", f"{A}one"),
        (f"\x0b{A}one\x0c", f"{A}one"),
        (f"{A}M\u00fcnchen", f"{A}M%C3%BCnchen"),
        (f"{A}one,shop", f"{A}one,shop"),
    ],
)
def test_the_url_of_a_line(line: str, url: str) -> None:
    """A tab ends it (aria2#372), a blank and # as well; marks around it go (RFC 3986, C)."""
    found = read(line + "\n", "list.txt")[0]
    assert not isinstance(found.url, InvalidUrl) and found.url.href == url


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f"{A}one shop", "a blank inside; write it as %20"),
        (f"{A}one  shop  7", "a blank inside"),
        (f"{A}one\u00a0shop", "a blank inside"),
        (f"{A}one\u3000shop", "a blank inside"),
        (f"{A}one {A}two", "a blank inside"),
        (f"see {A}one", "a blank inside"),
        (f"- [one]({A}one)", "a blank inside"),
        (f"   3 {A}one", "a blank inside"),
        (f"7\t{A}one", "a number"),
        (f"shop\t{A}one", "no dot in 'shop'"),
        (f"{A}one\x0bshop", "a blank inside"),
        (f"{A}one\x01shop", "contains a control character (U+0001)"),
        ("9.99", "a number"),
        ("2130706433", "a number"),
        ("0x7f.1", "a number"),
        ("010.0.0.1", "a number"),
        ("off", "no dot in 'off'"),
        ("intranet/page", "no dot in 'intranet'"),
        ("me@a.example", "a mail address"),
        ("/a/b", "no host"),
        ("///a/b", "no host"),
        ("\\\\a\\b", "no host"),
        ("?a=b", "no host"),
        ("../a", "no host"),
        ("</div>", "no host"),
        ("<a b>", "a blank inside"),
    ],
)
def test_a_line_that_could_mean_two_things_is_refused(line: str, reason: str) -> None:
    """Nothing is fetched that nobody meant: the line becomes a record that says why (aria2#372)."""
    (found,) = read(line + "\n", "list.txt")
    assert isinstance(found.url, InvalidUrl) and reason in found.url.reason, found


@pytest.mark.parametrize(
    "text", ["localhost", "LOCALHOST/x", "off:8080", "10.0.0.1", "[::1]/", "//off/x"]
)
def test_a_host_without_a_scheme(text: str) -> None:
    """What can only be a host is one: localhost, a port, an address (FO5)."""
    assert not isinstance(read(text + "\n", "list.txt")[0].url, InvalidUrl)


@pytest.mark.parametrize("form", ["csv", "jsonl"])
@pytest.mark.parametrize(
    ("text", "reason"),
    [(f"{A}one\\n{A}two", "a line end"), (f"{A}one\\tshop", "a tab"), (f"{A}a\\u007fb", "U+007F")],
)
def test_controls_glue_nothing_together(form: str, text: str, reason: str) -> None:
    """Two URLs in a cell or a field are not fetched as one, as the URL standard would have it."""
    if form == "csv":
        data = f'url\n{A}\n"{text.encode().decode("unicode_escape")}"\n'
    else:
        data = f'{{"url":"{A}"}}\n{{"url":"{text}"}}\n'
    found = read(data, "-", input_format=form)[1]
    assert isinstance(found.url, InvalidUrl) and reason in found.url.reason


def test_a_blank_in_a_field_is_part_of_the_url() -> None:
    """Where a field is the URL alone, a blank in it is what it is for browsers: %20."""
    found = read(f'{{"url":" {A}a b "}}\n', "list.jsonl")[0]
    assert not isinstance(found.url, InvalidUrl) and found.url.href == f"{A}a%20b"


def test_long_columns_do_no_harm() -> None:
    """A line that is too long because of its columns has a URL all the same."""
    (found,) = read(f"{A}one\t{'x' * 200_000}\n", "list.txt", size=1_000)
    assert not isinstance(found.url, InvalidUrl) and found.input == f"{A}one"


@pytest.mark.slow
@given(st.lists(st.text("a/#<>\"' \t\x00\u00e9\u2028\x7f", max_size=3), max_size=4))
def test_lines_of_a_block_are_read_as_each_by_itself(block: list[str]) -> None:
    """A block that is taken over as it stands, as most are, has what each of its lines has."""
    alone = [entry for line in block for part in plain(iter([[line]]), None) for entry in part]
    assert [entry for part in plain(iter([block]), None) for entry in part] == alone
