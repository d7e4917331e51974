"""What must hold of everything that is made of a server's bytes, whatever they are."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from crawler.formats import links
from crawler.model.outcome import Exchange, Failed, Final, Page, Received, Redirect
from crawler.model.request import Request
from crawler.model.url import InvalidUrl, Url, canonical, masked, parse
from crawler.store.record import encode, schema

MOST_RECORD = 8 * 2**20
"""Bytes of a record: what the caps on links and texts come to, with room for escapes."""

_UNSEEN = frozenset(
    (
        *(*range(0x20), *range(0x7F, 0xA0), 0x061C, 0x200E, 0x200F),
        *(*range(0x2028, 0x202F), *range(0x2066, 0x206A), 0xFEFF),
    )
)
"""What moves a terminal's cursor, ends a line for some reader or turns text about."""

_VALID: set[Any] = set()  # shapes: validating takes longer than most targets

START = Url("http://a.example/dir/page?q=1")


def request(url: Url = START) -> Request:
    """A request for `url` as an entry of a list makes it."""
    return Request(url=url, seed=url.href, input=url.href, admitted_at=0.0)


def plain(text: str) -> None:
    """The text holds nothing that a terminal or a reader of lines would act on."""
    assert _UNSEEN.isdisjoint(map(ord, text)), ascii(text)


def whole_url(url: Url) -> None:
    """A `Url` is its own serialisation, in printable ASCII, and so is what stands for it."""
    href = url.href
    assert href.isascii() and href.isprintable() and " " not in href, ascii(href)
    assert parse(href) == url, (href, parse(href))
    assert href.startswith(url.host_key[: url.host_key.index("//")])
    assert (
        "@" not in url.host_key
        and "@" not in masked(href)[: len(url.host_key)].partition("***@")[2]
    )
    stands = Url(canonical(url))
    assert canonical(stands) == stands.href, stands
    assert parse(stands.href) == stands, stands
    assert links.join("", href) == href and links.join(href, href) == href


def rejected(url: InvalidUrl) -> None:
    """A reason is one short line, and the text can be hashed."""
    plain(url.reason)
    assert url.reason and len(url.reason) < 200
    assert 0 <= url.fingerprint < 2**64


def recorded(final: Final) -> dict[str, Any]:
    """The record of `final`: one line of ASCII-safe JSON, in the schema."""
    line = encode(final)
    assert line.endswith(b"\n") and len(line) < MOST_RECORD
    text = line[:-1].decode("utf-8")
    plain(text)
    assert len(text.splitlines()) == 1
    record: dict[str, Any] = json.loads(text)
    if (shape := _shape(record)) not in _VALID:
        error = next(_validator().iter_errors(record), None)
        assert error is None, error
        _VALID.add(shape)
    return record


def _shape(value: Any) -> Any:
    """What the schema sees of a record: types and signs, and the words of its enumerations."""
    if isinstance(value, dict):
        words = (value.get("outcome"), value.get("kind"))
        return words, tuple((name, _shape(item)) for name, item in value.items())
    if isinstance(value, list):
        return frozenset(map(_shape, value))
    return type(value), isinstance(value, int | float) and value >= 0


def ended(outcome: Received | Redirect | Failed) -> None:
    """What a fetcher made of an answer has a record, as far as it is the end."""
    if isinstance(outcome, Failed):
        recorded(outcome)


def page_of(document: Any, exchange: Exchange) -> Page:
    """The page that a document belongs to."""
    return Page(request=request(), exchange=exchange, document=document)


@cache
def _validator() -> Any:
    return Draft202012Validator(schema())
