"""One HTTP exchange, as recorded in a URL's outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

from crawler.model.former_page import FormerPage
from crawler.model.request import Request
from crawler.model.value import value

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
"""Statuses that lead on where there is a Location (RFC 9110, 15.4)."""

SCHEMA: Final = 2
"""The version of the records that are written; those of version 1 have no field `schema`."""


class ConnectionFacts(NamedTuple):
    """What a response came over; None where unknown.

    `ip` is the server's address, unknown behind a proxy. `tls_version` is None for http and
    `certificate_expires`, RFC 3339, also where certificates are not verified.
    """

    ip: str | None = None
    http_version: str | None = None
    tls_version: str | None = None
    certificate_expires: str | None = None


class Heads(NamedTuple):
    """The heads of an exchange as they went over the line.

    `sent` are the request's header fields, with credentials. `status_line` is the response's, ""
    if unknown. `ip` is the server's address, None behind a proxy.
    """

    sent: tuple[tuple[str, str], ...] = ()
    status_line: str = ""
    ip: str | None = None


class Keep(NamedTuple):
    """What to keep of all responses: their header fields, and the bodies of pages as `sent`."""

    headers: bool = False
    sent: bool = False


@value(frozen=True, slots=True, kw_only=True)
class Particulars:
    """What few exchanges have, or few crawls ask for.

    `etag` and `last_modified` are the validators as sent (RFC 9110, 8.8), "" without. `headers`
    are the values of the fields to keep, by their names in lower case. `former` is the page as
    an earlier crawl recorded it. `heads` is for archives, and kept with all header fields. `sent`
    is the body as it was sent, with its content codings, if archives are wanted and it was read.
    """

    etag: str = ""
    last_modified: str = ""
    headers: Mapping[str, Sequence[str]] | None = None
    connection: ConnectionFacts | None = None
    former: FormerPage | None = None
    heads: Heads | None = field(default=None, repr=False)
    sent: bytes | None = field(default=None, repr=False)

    def record(self) -> dict[str, Any]:
        """Return the fields of a record, without those that are not there."""
        connection = self.connection._asdict() if self.connection is not None else None
        fields = {
            "etag": self.etag or None,
            "last_modified": self.last_modified or None,
            "headers": self.headers,
            "connection": connection,
        }
        return {name: value for name, value in fields.items() if value is not None}


@value(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One HTTP exchange, as far as it got. Times are seconds, sizes bytes.

    `connect` is 0 for a reused connection; `first_byte` is the time from sending to the end of the
    response header; `total` is the time of the whole fetch. `started_at` is the core's clock,
    `fetched_at` Unix time. `wire_bytes` counts the body before, `body_bytes` after decoding.
    `cookies` are Set-Cookie headers as sent, for the redirect chain alone. `truncated`: the body
    was cut. `fields` are the response's headers in order, if anybody may ask for them.
    `particulars` are None without any. `archived`: archives have the response already.
    """

    status: int | None = None
    content_type: str = ""
    wire_bytes: int = 0
    body_bytes: int = 0
    connect: float = 0.0
    first_byte: float | None = None
    total: float = 0.0
    started_at: float = 0.0
    fetched_at: float = 0.0
    cookies: tuple[str, ...] = field(default=(), repr=False)
    truncated: bool = False
    fields: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    particulars: Particulars | None = None
    archived: bool = False

    @property
    def former(self) -> FormerPage | None:
        """The page as an earlier crawl recorded it."""
        return self.particulars.former if self.particulars is not None else None

    @property
    def sent(self) -> bytes | None:
        """The body as it was sent, for archives."""
        return self.particulars.sent if self.particulars is not None else None

    def record(self, request: Request, parse: float | None) -> dict[str, Any]:
        """Return the fields of a record that describe the exchange; `parse` is the parsing time."""
        first_byte = self.first_byte
        fields = {
            "status": self.status,
            "content_type": self.content_type or None,
            "bytes": {"wire": self.wire_bytes, "decoded": self.body_bytes},
            "truncated": self.truncated,
            "timings": {
                "queued": _rounded(self.started_at - request.admitted_at),
                "connect": _rounded(self.connect),
                "first_byte": None if first_byte is None else _rounded(first_byte),
                "total": _rounded(self.total),
                "parse": None if parse is None else _rounded(parse),
            },
            "attempts": request.attempts,
            "fetched_at": timestamp(self.fetched_at),
            "schema": SCHEMA,
        }
        return fields if self.particulars is None else fields | self.particulars.record()


def no_exchange(attempts: int) -> dict[str, Any]:
    """Return the same fields for a URL without an exchange."""
    return {
        "status": None,
        "content_type": None,
        "bytes": {"wire": None, "decoded": None},
        "truncated": False,
        "timings": dict.fromkeys(("queued", "connect", "first_byte", "total", "parse")),
        "attempts": attempts,
        "fetched_at": None,
        "schema": SCHEMA,
    }


def _rounded(seconds: float) -> float:
    """Round to whole microseconds, in a quarter of the time of `round`."""
    return int(seconds * 1e6 + 0.5) / 1e6


def timestamp(at: float) -> str | None:
    """Return RFC 3339 in UTC with milliseconds; None for 0, which means never."""
    if not at:
        return None
    second, millisecond = divmod(int(at * 1000), 1000)
    return f"{_second(second)}{millisecond:03d}Z"


@lru_cache(maxsize=128)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.")
