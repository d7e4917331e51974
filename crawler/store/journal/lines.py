"""Waiting URLs as lines of a journal, and the keys that match lines with records."""

from __future__ import annotations

import json
import time
from typing import Any

import orjson

from crawler.core.collector import UNCHANGED
from crawler.model.outcome import Failed, Final, Listing, Page, Redirected, Skipped
from crawler.model.payload import marked
from crawler.model.request import Listed, Postponed, Purpose, Request
from crawler.model.url import InvalidUrl, Seed, fingerprint
from crawler.store.request_line import lined, request_of

_WORDS = {Redirected: "redirect", Listing: "sitemap"}


def key_of(final: Final) -> int:
    """Return the key of the URL that a record is for."""
    if isinstance(final, Skipped):
        return _key(marked(final.url, final.payload), final.purpose)
    return request_key(final.request)


def word_of(final: Final) -> str:
    """Return the outcome by which a record is counted: `page`, `unchanged`, ..., or a kind."""
    if isinstance(final, (Failed, Skipped)):  # a union would be built on each call
        return final.kind.value
    if isinstance(final, Page):
        return UNCHANGED if final.unchanged else "page"
    return _WORDS[type(final)]


def request_key(request: Request) -> int:
    """Return the key of the URL that a request is for: the same through redirects and retries."""
    return _key(marked(request.seed, request.payload), request.purpose)


def sent_key(request: Request) -> int:
    """Return the key of one fetch of a request."""
    return fingerprint(f"{request_key(request)} {request.attempts} {request.url.href}")


def unusable_key(seed: Seed) -> int:
    """Return the key of an entry that is not a URL."""
    return _key(seed.url.text if isinstance(seed.url, InvalidUrl) else seed.input, Purpose.PAGE)


def _key(text: str, purpose: Purpose) -> int:
    return fingerprint(text if purpose is Purpose.PAGE else f"{purpose.value} {text}")


def unusable_line(seed: Seed, invalid: InvalidUrl) -> bytes:
    """Return the line of an entry that is not a URL, with its line end."""
    values = {
        "input": seed.input,
        "text": invalid.text,
        "reason": invalid.reason,
        "scheme": invalid.unsupported_scheme,
        "source": seed.source.decode(),
    }
    try:
        return orjson.dumps(values) + b"\n"
    except TypeError:  # lone surrogates: bytes of the list that were not UTF-8
        return json.dumps(values).encode() + b"\n"


def waiting_line(request: Request | Listed, wait: float = 0.0) -> bytes:
    """Return the line of a request that waits, for its turn or first for so many seconds.

    The wait has its end as Unix time and its length, to which it is clamped when it is read.
    """
    if not wait:
        return lined(request)
    return b"@%.3f %.3f %b" % (time.time() + wait, wait, lined(request))


def waiting_of(line: bytes) -> Request | Seed | Postponed:
    """Return what a line stands for."""
    if line.startswith(b"@"):
        until, length, rest = line[1:].split(b" ", 2)
        left = min(float(until) - time.time(), float(length))
        return Postponed(request_of(rest), max(0.0, left))
    if not line.startswith(b"{"):
        return request_of(line)
    try:
        values: dict[str, Any] = orjson.loads(line)
    except orjson.JSONDecodeError:
        values = json.loads(line)
    invalid = InvalidUrl(values["text"], values["reason"], values["scheme"])
    return Seed(values["input"], invalid, values["source"].encode())
