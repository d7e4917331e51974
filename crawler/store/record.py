"""One outcome as one line of JSON; the line's form is in `crawler.store.schema`.

The fields that a parser found come as JSON already and are spliced in between the others: 700 links
are encoded once, where the page was parsed. So a record costs 3 to 4 us, whatever the page holds.

The line is UTF-8 whatever the text was: lone surrogates (bytes of a list that were no UTF-8) become
U+FFFD, and nothing in it acts on a terminal (`crawler.model.output`).
"""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Any, assert_never

import orjson

from crawler.model.outcome import Exchange, Failed, Final, Listing, Page, Redirected, Skipped
from crawler.model.output import dumps, escaped
from crawler.model.request import Hop, Request
from crawler.store.schema import schema

__all__ = ["PARSED", "dumps", "encode", "schema"]

PARSED = (
    "charset",
    "title",
    "description",
    "canonical",
    "language",
    "robots",
    "refresh",
    "links",
    "body_hash",
)
"""The fields of a `Document`, in its order; `parsed` may follow."""

Halves = tuple[dict[str, Any], bytes]

_NO_DOCUMENT = orjson.dumps(dict.fromkeys(PARSED))
_OURS = b'{"charset":'
_MILLION = 1e6


def encode(final: Final) -> bytes:
    """`final` as one line of JSON in UTF-8, with its line end. Every field is there."""
    return _spliced(*halves(final))


def halves(final: Final) -> Halves:
    """The fields of the request and the exchange, and those of the document as JSON."""
    match final:
        case Page():
            return _page(final)
        case Redirected():
            return _elsewhere(final)
        case Listing():
            return _listing(final)
        case Failed():
            return _failed(final)
        case Skipped():
            return _skipped(final)
        case _:
            assert_never(final)


def _page(page: Page) -> Halves:
    request, exchange = page.request, page.exchange
    fields = _request(request, "page", None, None)
    fields |= _exchange(request, exchange, page.document.seconds)
    if page.near_duplicate_of is not None:
        fields["near_duplicate_of"] = f"{page.near_duplicate_of:016x}"
    return fields, page.document.json


def _elsewhere(final: Redirected) -> Halves:
    reason = f"redirects to {final.target}, which has a record of its own"
    fields = _request(final.request, "redirect", None, reason)
    return fields | _exchange(final.request, final.exchange, None), _NO_DOCUMENT


def _listing(final: Listing) -> Halves:
    found = f"{len(final.pages)} pages, {len(final.sitemaps)} sitemaps"
    reason = f"{found}; {final.problem}" if final.problem else found
    fields = _request(final.request, "sitemap", None, reason)
    return fields | _exchange(final.request, final.exchange, None), _NO_DOCUMENT


def _failed(failed: Failed) -> Halves:
    request, exchange = failed.request, failed.exchange
    fields = _request(request, "failed", failed.kind, failed.reason)
    found = failed.document
    seconds = found.seconds if found else None
    fields |= _exchange(request, exchange, seconds) if exchange else _no_exchange(request.attempts)
    return fields, found.json if found else _NO_DOCUMENT


def _skipped(skipped: Skipped) -> Halves:
    fields: dict[str, Any] = {
        "url": skipped.url,
        "input": skipped.input,
        **_source(skipped.source),
        "final_url": None,
        "redirects": [],
        "outcome": "skipped",
        "kind": skipped.kind,
        "reason": skipped.reason,
        "depth": skipped.depth,
        "found_on": skipped.found_on or None,
        "near_duplicate_of": None,
    }
    return fields | _no_exchange(0), _NO_DOCUMENT


def _request(
    request: Request, outcome: str, kind: str | None, reason: str | None
) -> dict[str, Any]:
    return {
        "url": request.seed,
        "input": request.input,
        **_source(request.source),
        "final_url": request.url.href,
        "redirects": [_hop(hop) for hop in request.hops] if request.hops else [],
        "outcome": outcome,
        "kind": kind,
        "reason": reason,
        "depth": request.depth,
        "found_on": request.found_on or None,
        "near_duplicate_of": None,
    }


def _source(source: bytes) -> dict[str, Any]:
    return {"source": orjson.Fragment(source)} if source else {}


def _exchange(request: Request, exchange: Exchange, parse: float | None) -> dict[str, Any]:
    first_byte = exchange.first_byte
    return {
        "status": exchange.status,
        "content_type": exchange.content_type or None,
        "bytes": {"wire": exchange.wire_bytes, "decoded": exchange.body_bytes},
        "truncated": exchange.truncated,
        "timings": {
            "queued": _rounded(exchange.started_at - request.admitted_at),
            "connect": _rounded(exchange.connect),
            "first_byte": None if first_byte is None else _rounded(first_byte),
            "total": _rounded(exchange.total),
            "parse": None if parse is None else _rounded(parse),
        },
        "attempts": request.attempts,
        "fetched_at": _timestamp(exchange.fetched_at),
    }


def _no_exchange(attempts: int) -> dict[str, Any]:
    return {
        "status": None,
        "content_type": None,
        "bytes": {"wire": None, "decoded": None},
        "truncated": False,
        "timings": dict.fromkeys(("queued", "connect", "first_byte", "total", "parse")),
        "attempts": attempts,
        "fetched_at": None,
    }


def _hop(hop: Hop) -> dict[str, Any]:
    return {"url": hop.url, "status": hop.status or None}


def _spliced(fields: dict[str, Any], document: bytes) -> bytes:
    """The fields of the request and the exchange, then those of the document as they are."""
    if not document.startswith(_OURS):  # not written by this package's parser
        document = _completed(document)
    return b"%b,%b\n" % (dumps(fields)[:-1], document[1:])


def _completed(document: bytes) -> bytes:
    return escaped(orjson.dumps(dict.fromkeys(PARSED) | orjson.loads(document)))


def _rounded(seconds: float) -> float:
    """To whole microseconds; a quarter of the time that `round` takes."""
    return int(seconds * _MILLION + 0.5) / _MILLION


def _timestamp(at: float) -> str | None:
    """RFC 3339 in UTC with milliseconds; None for 0, which stands for never."""
    if not at:
        return None
    second, millisecond = divmod(int(at * 1000), 1000)
    return f"{_second(second)}{millisecond:03d}Z"


@lru_cache(maxsize=128)
def _second(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second))
