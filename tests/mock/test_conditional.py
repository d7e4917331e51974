"""Validators and 304, by RFC 9110."""

from __future__ import annotations

import http.client
from contextlib import closing
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.mock import Served
from crawler.mock.reply import Answer, BodyFraming, Lazy, content
from crawler.mock.server.conditional import is_fresh, not_modified, with_validators
from tests.patience import PATIENCE

PAGE = with_validators(content(b"a page", "text/html"))
TAG = dict(PAGE.headers)["ETag"]
DATE = dict(PAGE.headers)["Last-Modified"]


def test_validators_follow_from_the_body() -> None:
    """The same body has the same ones in whatever pieces, another body others."""
    pieces = with_validators(replace(content(b"a page", "text/html"), pieces=(b"a ", b"page")))
    assert dict(pieces.headers)["ETag"] == TAG
    assert DATE.endswith(" GMT")
    assert dict(with_validators(content(b"another", "text/html")).headers)["ETag"] != TAG


@pytest.mark.parametrize(
    "answer",
    [
        content(b"gone", "text/plain", status=404),
        Answer(pieces=Lazy(make=lambda: iter((b"x",)))),
        Answer(pieces=(b"raw",), framing=BodyFraming.RAW),
        Answer(pieces=(b"half",), length=8),
        content(b"tagged", "text/plain", headers=(("etag", '"own"'),)),
    ],
)
def test_what_has_no_validators_is_left_alone(answer: Answer) -> None:
    """Errors, bodies without an end, faults and what has a tag of its own."""
    assert with_validators(answer) == answer


@pytest.mark.parametrize(
    ("value", "fresh"),
    [
        (TAG, True), (f"W/{TAG}", True), ("*", True), (f'"x", {TAG}', True), (f'"x,{TAG}', False),
        (f'W/"x",W/{TAG},"y"', True), ('"x"', False), (TAG.strip('"'), False), ("", False),
    ],
)  # fmt: skip
def test_if_none_match(value: str, fresh: bool) -> None:
    """Section 13.1.2: a list, compared weakly; a star is any."""
    assert is_fresh(PAGE, (("If-None-Match", value),)) is fresh


def test_if_none_match_in_two_fields() -> None:
    """Two fields of one name are one list."""
    assert is_fresh(PAGE, (("If-None-Match", '"x"'), ("if-none-match", TAG)))


@pytest.mark.parametrize(
    ("value", "fresh"),
    [
        (DATE, True), ("Thu, 01 Jan 2099 00:00:00 GMT", True),
        ("Mon, 01 Jan 2001 00:00:00 GMT", False), ("yesterday", False), ("", False),
        ("Thu, 01 Jan 2099 00:00:00", False), ("Thu, 99 Jan 2099 00:00:00 GMT", False),
    ],
)  # fmt: skip
def test_if_modified_since(value: str, fresh: bool) -> None:
    """Section 13.1.3: fresh if nothing changed after the date; what is no date is passed over."""
    assert is_fresh(PAGE, (("If-Modified-Since", value),)) is fresh


def test_the_tag_decides_over_the_date() -> None:
    """With If-None-Match there, If-Modified-Since is not looked at."""
    assert not is_fresh(PAGE, (("If-None-Match", '"x"'), ("If-Modified-Since", DATE)))


def test_not_modified() -> None:
    """A 304 has the validators, no body and no type."""
    reply = not_modified(PAGE)
    assert (reply.status, reply.pieces) == (304, ())
    assert dict(reply.headers) == {"ETag": TAG, "Last-Modified": DATE}
    assert not_modified(replace(PAGE, pieces=())) == reply


@pytest.mark.slow
@given(st.text(max_size=60), st.text(max_size=60))
def test_nothing_raises(tag: str, date: str) -> None:
    """Any field values are taken."""
    assert is_fresh(PAGE, (("If-None-Match", tag),)) in (True, False)
    assert is_fresh(PAGE, (("If-Modified-Since", date),)) in (True, False)


@pytest.mark.parametrize("target", ["/page/3", "/robots.txt", "/etag/name", "/"])
def test_over_a_socket(web: Served, target: str) -> None:
    """A client that sends back what it got is told that nothing changed, on one connection."""
    with closing(http.client.HTTPConnection("127.0.0.1", web.port, timeout=PATIENCE)) as client:
        client.request("GET", target)
        first = client.getresponse()
        assert (first.status, bool(first.read())) == (200, True)
        for name, value in (
            ("If-None-Match", first.headers["ETag"]),
            ("If-Modified-Since", first.headers["Last-Modified"]),
        ):
            client.request("GET", target, headers={name: value})
            second = client.getresponse()
            assert (second.status, second.read()) == (304, b"")
            assert second.headers["ETag"] == first.headers["ETag"]
