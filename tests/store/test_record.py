"""Records: one valid line of JSON each, in the documented form, whatever the texts hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from crawler.model.document import PARSED, Document
from crawler.model.outcome import (
    Exchange,
    Failed,
    Final,
    Kind,
    Listing,
    Page,
    Redirected,
    Skipped,
)
from crawler.model.request import Hop, Request
from crawler.model.transfer import ConnectionFacts, Particulars
from crawler.model.url import Url
from crawler.store.record import OPTIONAL, encode, schema

VALIDATOR = Draft202012Validator(schema(), format_checker=Draft202012Validator.FORMAT_CHECKER)
FIELDS: dict[str, Any] = {
    "charset": "utf-8",
    "title": 'A, "title":',
    "description": None,
    "canonical": None,
    "language": "en",
    "robots": ["noindex"],
    "refresh": None,
    "links": ["http://a.example/1"],
    "body_hash": "0" * 64,
}
REQUEST = Request(
    url=Url("http://b.example/"),
    seed="http://a.example/",
    input="http://a.example/#x",
    hops=(Hop(url="http://a.example/", status=301),),
    attempts=3,
    admitted_at=1.5,
)
EXCHANGE = Exchange(
    status=200,
    content_type="text/html",
    wire_bytes=10,
    body_bytes=20,
    connect=0.0000124,
    first_byte=0.25,
    total=0.5,
    started_at=1.75,
    fetched_at=1795426288.1239,
)
PAGE = Page(
    request=REQUEST,
    exchange=EXCHANGE,
    document=Document(json=orjson.dumps(FIELDS), seconds=0.0003126),
)
FAILED = Failed(request=REQUEST, kind=Kind.TIMEOUT, reason="too slow")
SKIPPED = Skipped(url="ftp://x/", input="ftp://x/", kind=Kind.UNSUPPORTED_SCHEME, reason="no")
WIDE = st.text(st.characters(codec=None, exclude_categories=()))


def decoded(final: Final) -> dict[str, Any]:
    """The record, after a check that it is one valid line in the documented form."""
    line = encode(final)
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    line.decode("utf-8")
    record: dict[str, Any] = orjson.loads(line)
    VALIDATOR.validate(record)
    return record


def test_a_page_is_recorded_in_full() -> None:
    """A page's record holds every field of request, exchange and document, in a fixed order."""
    record = decoded(PAGE)
    assert record == {
        "url": "http://a.example/",
        "input": "http://a.example/#x",
        "final_url": "http://b.example/",
        "redirects": [{"url": "http://a.example/", "status": 301}],
        "outcome": "page",
        "kind": None,
        "reason": None,
        "depth": 0,
        "found_on": None,
        "near_duplicate_of": None,
        "status": 200,
        "content_type": "text/html",
        "bytes": {"wire": 10, "decoded": 20},
        "truncated": False,
        "timings": {
            "queued": 0.25,
            "connect": 0.000012,
            "first_byte": 0.25,
            "total": 0.5,
            "parse": 0.000313,
        },
        "attempts": 3,
        "fetched_at": "2026-11-23T09:31:28.123Z",
        "schema": 2,
        **FIELDS,
    }
    assert list(record) == [name for name in schema()["properties"] if name not in OPTIONAL]


def test_particulars_are_recorded_where_there_are_some() -> None:
    """Validators, headers and the connection stand in the documented form; else they are absent."""
    facts = ConnectionFacts("127.0.0.1", "1.1", "TLSv1.3", "2027-01-01T00:00:00.000Z")
    particulars = Particulars(etag='"a"', headers={"server": ["x", "y"]}, connection=facts)
    record = decoded(replace(PAGE, exchange=replace(EXCHANGE, particulars=particulars)))
    assert record["etag"] == '"a"' and "last_modified" not in record
    assert record["headers"] == {"server": ["x", "y"]}
    assert record["connection"] == {
        "ip": "127.0.0.1",
        "http_version": "1.1",
        "tls_version": "TLSv1.3",
        "certificate_expires": "2027-01-01T00:00:00.000Z",
    }
    assert not {"etag", "headers", "connection"} & decoded(PAGE).keys()


def test_what_failed_before_any_response_has_nulls() -> None:
    """A failure without an exchange keeps every field; what is unknown is null."""
    record = decoded(FAILED)
    assert list(record) == list(decoded(PAGE))
    assert (record["outcome"], record["kind"], record["reason"]) == (
        "failed",
        "timeout",
        "too slow",
    )
    assert (record["final_url"], record["attempts"]) == ("http://b.example/", 3)
    assert all(record[name] is None for name in (*PARSED, "status", "content_type", "fetched_at"))
    assert set(record["timings"].values()) | set(record["bytes"].values()) == {None}


def test_what_failed_after_a_response_tells_of_it() -> None:
    """A failure with an exchange records status, sizes and timings; parsing stays null."""
    record = decoded(replace(FAILED, exchange=replace(EXCHANGE, status=503, first_byte=None)))
    assert (record["status"], record["bytes"]["wire"], record["timings"]["total"]) == (503, 10, 0.5)
    assert record["timings"]["first_byte"] is record["timings"]["parse"] is None


def test_what_was_skipped_was_asked_for_zero_times() -> None:
    """A skipped entry keeps every field, with no final URL and no attempts."""
    record = decoded(SKIPPED)
    assert list(record) == list(decoded(PAGE))
    assert (record["final_url"], record["redirects"], record["attempts"]) == (None, [], 0)
    assert (record["outcome"], record["kind"]) == ("skipped", "unsupported_scheme")


@pytest.mark.parametrize("own", [{}, {"title": 1}, {"a": {"x": 1, "title": "t", "parsed": 2}}])
@pytest.mark.parametrize("fields", [FIELDS, {}])
def test_a_parser_of_ones_own_adds_one_field(own: dict[str, Any], fields: dict[str, Any]) -> None:
    """`parsed` holds what the user's parser found, with and without the package's own fields."""
    document = Document(json=orjson.dumps(fields | {"parsed": own}))
    record = decoded(replace(PAGE, document=document))
    assert record["parsed"] == own
    assert record["title"] == fields.get("title")


@pytest.mark.slow
@given(WIDE, WIDE, WIDE)
def test_any_text_makes_one_valid_line(first: str, second: str, third: str) -> None:
    """Control characters, line ends and lone surrogates in any text leave one valid line."""
    request = replace(REQUEST, seed=first, input=second, hops=(Hop(url=third, status=302),))
    fetched = replace(EXCHANGE, content_type=third)
    decoded(replace(PAGE, request=request, exchange=fetched))
    decoded(replace(FAILED, request=request, exchange=fetched, reason=first))
    decoded(replace(SKIPPED, url=first, input=second, reason=third))


def test_bytes_that_were_no_utf_8_are_shown_as_such() -> None:
    """A lone surrogate becomes U+FFFD, and all else of the text stays."""
    record = decoded(replace(SKIPPED, input="http://b\udce4\xfc\U0001f600.example/"))
    assert record["input"] == "http://b\ufffd\xfc\U0001f600.example/"


@pytest.mark.slow
@given(st.floats(0, 1e5), st.floats(0.001, 4e9))
def test_times_are_rounded_and_dated(seconds: float, at: float) -> None:
    """Durations keep whole microseconds and dates whole milliseconds, at any value."""
    record = decoded(replace(PAGE, exchange=replace(EXCHANGE, total=seconds, fetched_at=at)))
    assert record["timings"]["total"] == pytest.approx(seconds, abs=1e-6)
    assert len(record["fetched_at"]) == len("2026-11-23T09:31:28.123Z")


def test_what_following_adds_is_recorded() -> None:
    """Depth, the page with the link, the earlier page that this one is like: as the schema says."""
    request = replace(REQUEST, depth=2, found_on="http://a.example/0")
    record = decoded(replace(PAGE, request=request, near_duplicate_of=255))
    assert (record["depth"], record["found_on"]) == (2, "http://a.example/0")
    assert record["near_duplicate_of"] == "00000000000000ff"


def test_a_redirect_to_what_is_there_anyway_has_a_record() -> None:
    """It tells its status and where it leads, and is no failure."""
    record = decoded(Redirected(request=REQUEST, exchange=EXCHANGE, target="http://c.example/"))
    assert (record["outcome"], record["kind"], record["status"]) == ("redirect", None, 200)
    assert "http://c.example/" in record["reason"]


def test_a_sitemap_has_a_record() -> None:
    """It counts what it lists, and tells what was wrong with it."""
    final = Listing(request=REQUEST, exchange=EXCHANGE, pages=("http://a/",), problem="cut short")
    record = decoded(final)
    assert (record["outcome"], record["kind"]) == ("sitemap", None)
    assert record["reason"] == "1 pages, 0 sitemaps; cut short"


@pytest.mark.slow
def test_every_field_is_described() -> None:
    """The schema itself is valid and describes each field, inner ones too."""
    Draft202012Validator.check_schema(schema())

    def undescribed(part: dict[str, Any]) -> list[str]:
        inner = part.get("properties", {}) | part.get("items", {}).get("properties", {})
        return [n for n, f in inner.items() if not f.get("description") or undescribed(f)]

    assert undescribed(schema()) == []


@pytest.mark.parametrize("change", [{"kind": "other"}, {"outcome": "redirect"}, {"more": 1}])
def test_the_schema_refuses_what_is_no_record(change: dict[str, Any]) -> None:
    """An unknown kind, outcome or field does not pass, nor does a record that lacks one."""
    record = decoded(FAILED)
    assert not VALIDATOR.is_valid(record | change)
    for name in record:
        assert not VALIDATOR.is_valid({key: record[key] for key in record if key != name})
