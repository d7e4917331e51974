"""Pages that send their visitors on: read as browsers do, shown in the record, a link at least."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import ada_url
import pytest

from crawler.formats.follow import Following
from crawler.formats.page import page
from crawler.formats.refresh import MOST, SOON, Refresh, read
from crawler.model.document import Document, Leads, RawResponse
from crawler.workers.work import _unpacked, pack

HERE = "http://example.test/a/b"
FOLLOWING = Following(drop_params=(), token="crawler")


@pytest.mark.parametrize(
    ("text", "seconds", "url"),
    [
        ("0;url=x", 0, "/a/x"),
        ("0; URL='x'", 0, "/a/x"),
        ('0;url="x" and more', 0, "/a/x"),
        ("0;url='x", 0, "/a/x"),
        ("0; 'x'y", 0, "/a/x"),
        (" \n3 ; uRl \t= x ", 3, "/a/x"),
        ("0 url=x", 0, "/a/x"),
        ("0,x", 0, "/a/x"),
        ("0 x", 0, "/a/x"),
        ("1.9;x", 1, "/a/x"),
        (".5;url=x", 0, "/a/x"),
        ("007;x", 7, "/a/x"),
        ("0;url=a b", 0, "/a/a%20b"),
        ("0;url=?a=1;b=2", 0, "/a/b?a=1;b=2"),
        ("0;url=/x#part", 0, "/x"),
        ("0;urlx", 0, "/a/urlx"),
        ("0;url x", 0, "/a/url%20x"),
        ("0;;x", 0, "/a/;x"),
        ("9" * 5_000 + ";x", 10**9, "/a/x"),
        ("5", 5, ""),
        ("0;", 0, ""),
        ("0;url=", 0, ""),
        ("0;url=''", 0, ""),
    ],
)
def test_the_steps_of_the_standard(text: str, seconds: int, url: str) -> None:
    """WHATWG HTML's shared declarative refresh steps, in every spelling (linkchecker#187)."""
    target = f"http://example.test{url}" if url else ""
    assert read(text, HERE) == Refresh(seconds, target)


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "url=x", "-1;url=x", "+1;x", "0x;url=x", "\u0663;url=x", ";url=x"),
        *(
            "0;url=javascript:alert(1)",
            "0;url=mailto:a@b.c",
            "0;url=data:text/html,x",
            "0;http://[",
        ),
        "0;url=/" + "x" * 3_000,
    ],
)
def test_what_is_no_refresh(text: str) -> None:
    """No time, or a target that no crawler can fetch."""
    assert read(text, HERE) is None


def parsed(markup: str, *, header: str = "", kind: str = "text/html") -> Document:
    response = RawResponse(
        url=HERE, status=200, content_type=kind, body=markup.encode(), refresh=header
    )
    return page(response, FOLLOWING)


def meta(content: str) -> str:
    return f"<meta http-equiv=refresh content='{content}'>"


@pytest.mark.parametrize(
    ("markup", "header", "target"),
    [
        (meta("0;url=1"), "", "1"),
        ('<META CONTENT="0;&#x75;rl=1&amp;2" HTTP-EQUIV="ReFresh">', "", "1&2"),
        (meta("0;url=1"), "0;url=2", "2"),
        (meta("0;url=1"), "x", "1"),
        (meta("x") + meta("0;url=1") + meta("0;url=2"), "", "1"),
        (f"<body><p>{meta('0;url=1')}", "", "1"),
        (f"<base href=/q/>{meta('0;url=1')}", "", "/q/1"),
        ("<base href=/q/>", "0;url=1", "1"),
        (f"<!--{meta('0;url=1')}--><script>{meta('0;url=1')}</script>", "", None),
        (f"<template>{meta('0;url=1')}</template>", "", None),
        (meta("30"), "", None),
        (meta("30") + meta("0;url=1"), "", None),
        ("<meta name=refresh content='0;url=1'>", "", None),
    ],
)
def test_which_refresh_counts(markup: str, header: str, target: str | None) -> None:
    """The header's, else the first valid one of the document."""
    found = parsed(markup, header=header).fields["refresh"]
    url = None if target is None else ada_url.join_url(HERE, target)
    assert found == (None if url is None else {"seconds": 0, "url": url})


@pytest.mark.parametrize(
    ("markup", "redirects"),
    [
        (meta("0;url=1"), True),
        (meta(f"{SOON};url=1"), True),
        (meta(f"{SOON + 1};url=1"), False),
        (f"<noscript>{meta('0;url=1')}</noscript>", False),
        (f"<meta name=robots content=nofollow>{meta('0;url=1')}", False),
    ],
)
def test_what_redirects_and_what_is_a_link(markup: str, redirects: bool) -> None:
    """A short time is a redirect; a long one, and one for browsers without scripts, is a link."""
    document = parsed(markup)
    assert document.leads is not None
    assert document.leads.refresh == ("http://example.test/a/1" if redirects else "")
    assert document.fields["links"] == ["http://example.test/a/1"]


def test_a_header_counts_whatever_the_body_is() -> None:
    """A text or an empty answer sends on, too; its other fields are those of no page."""
    document = parsed("moved", header="0;url=1", kind="text/plain")
    assert document.leads is not None
    assert document.leads.refresh == "http://example.test/a/1"
    fields = document.fields
    assert (fields["charset"], fields["title"]) == (None, None)
    assert fields["links"] == ["http://example.test/a/1"]
    plain: dict[str, Any] = parsed("moved", kind="text/plain").fields
    assert fields["body_hash"] == plain["body_hash"]


@pytest.mark.slow
def test_many_refreshes_are_bounded() -> None:
    """A page of nothing but refreshes has the first few."""
    document = parsed("".join(meta(f"99;url={n}") for n in range(40_000)))
    assert len(document.fields["links"]) == MOST


def test_a_worker_is_told_of_the_header() -> None:
    """What crosses to a worker and back is all there is."""
    response = RawResponse(url=HERE, status=200, content_type="", body=b"", refresh="0;url=x")
    assert _unpacked(pack(response)) == response
    assert _unpacked(pack(replace(response, robots_tag="none"))).refresh == "0;url=x"
    assert Leads(*(b"", 1, 2, 3, "http://x/")).refresh == "http://x/"
