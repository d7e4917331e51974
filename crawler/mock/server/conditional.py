"""Validators and conditional requests (RFC 9110 sections 8.8 and 13).

Both validators follow from the body: the `ETag` is strong, and the date is a moment of the two
years before 2026. Answers without validators are never 304.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from email.utils import formatdate, parsedate_to_datetime
from hashlib import blake2b

from crawler.mock.reply import Answer, BodyFraming, Headers, field_value

# 2024-01-01T00:00:00Z, and the seconds of two years.
_FIRST = 1_704_067_200
_SPAN = 2 * 365 * 86_400
_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')
_KEPT_BY_304 = ("etag", "last-modified", "cache-control", "vary", "expires", "content-location")


def with_validators(answer: Answer) -> Answer:
    """Add `ETag` and `Last-Modified` to a 200 whose body is in memory."""
    pieces = answer.pieces
    framed = answer.framing is not BodyFraming.RAW
    if answer.status != 200 or not framed or not isinstance(pieces, tuple):
        return answer
    if answer.length is not None or field_value(answer.headers, "etag"):
        return answer  # a wrong length is a fault; an ETag is there already
    digest = blake2b(digest_size=8)
    for piece in pieces:
        digest.update(piece)
    date = _FIRST + int.from_bytes(digest.digest()[:4], "big") % _SPAN
    validators = (
        ("ETag", f'"{digest.hexdigest()}"'),
        ("Last-Modified", formatdate(date, usegmt=True)),
    )
    return replace(answer, headers=(*answer.headers, *validators))


def is_fresh(answer: Answer, fields: Headers) -> bool:
    """Return True if a request's fields say that the client has this answer already.

    `If-None-Match` decides if present, by weak comparison; otherwise `If-Modified-Since`, ignored
    if invalid (section 13.1.3). Only the status and headers of `answer` count.
    """
    tag, date = field_value(answer.headers, "etag"), field_value(answer.headers, "last-modified")
    if answer.status != 200 or not tag:
        return False
    asked = [value for name, value in fields if name.lower() == "if-none-match"]
    if asked:
        listed = ", ".join(asked).strip()
        return listed == "*" or tag.removeprefix("W/") in _TAG.findall(listed)
    since, changed = _date(field_value(fields, "if-modified-since")), _date(date)
    return since is not None and changed is not None and changed <= since


def not_modified(answer: Answer) -> Answer:
    """Return the 304 for an answer, with the fields of section 15.4.5."""
    kept = tuple((name, value) for name, value in answer.headers if name.lower() in _KEPT_BY_304)
    return replace(
        answer,
        status=304,
        headers=kept,
        pieces=(),
        framing=BodyFraming.LENGTH,
        length=None,
        trailers=(),
    )


def _date(value: str) -> datetime | None:
    """Return an HTTP date; None if it is invalid or has no zone and cannot be compared."""
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo is not None else None
