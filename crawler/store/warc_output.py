"""WARC 1.1 (ISO 28500): the responses of a crawl with their bodies, for archives and replay.

Each outcome with a response becomes a `request` and a `response` record, in that order, and so does
each redirect on the way to it. A body that was stored before makes the latter a `revisit` by
digest. Every record is a gzip member or Zstandard
frame of its own, so that readers can go to any of them.

Header fields are those that the server sent, in their order and spelling, and bodies are stored as
they were sent, content codings included. Only chunks are put together, which no client hands on. A
field that is not true of what is stored, as that of the chunks or the length of a body that was
cut, gets the prefix `X-Crawler-`, as other crawlers do it. Credentials of requests are left out, by
the names of their fields.
"""

from __future__ import annotations

import base64
import hashlib
import re
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from http import HTTPStatus
from typing import NamedTuple
from uuid import uuid4

from crawler.model.command_config import CommandConfig
from crawler.model.outcome import Failed, Final, Page, Redirect, Skipped
from crawler.model.payload import GET
from crawler.model.request import Request
from crawler.model.secrets import is_secret
from crawler.model.transfer import Exchange, Heads, timestamp
from crawler.model.url import masked
from crawler.model.version import VERSION

_BODIES = 1_000_000
"""Bodies that are recognised again: 200 bytes of memory each."""
_RECORD = 1_536  # bytes of two records but for what came from the server, about
_SMALLEST = 64  # bytes of a body that is worth a reference in its place
_PROFILE = "http://netpreserve.org/warc/1.1/revisit/"
_STATUS_LINE = re.compile(r"HTTP/1\.[01] [1-9]\d\d(?: |$)")
"""Those that readers of archives take; an odd one is written in its plain form."""
_HTTP = "application/http;msgtype="

Fields = Sequence[tuple[str, str]]


class WarcRecords:
    """Turns outcomes into records, not packed yet; b"" for one without a response."""

    def __init__(self, config: CommandConfig) -> None:
        self._headers = config.network.request_headers
        self._stored: OrderedDict[bytes, tuple[str, str]] = OrderedDict()
        self._about = (
            f"software: crawler/{VERSION}\r\nformat: WARC File Format 1.1\r\n"
            f"http-header-user-agent: {config.network.user_agent}\r\n"
            f"robots: {config.politeness.robots}\r\n"
        ).encode("utf-8", "replace")

    def head(self, name: str) -> bytes:
        """Return the record that a file of this name begins with."""
        fields = [("WARC-Date", timestamp(time.time()) or "")]
        if name.isprintable() and ".warc" in name.lower():  # not that of a stream
            fields.append(("WARC-Filename", name))
        return _record(
            "warcinfo", (*fields, ("Content-Type", "application/warc-fields")), self._about
        )

    def __call__(self, final: Final) -> bytes:
        """Return the records of an outcome, but of one that `led_on` has had."""
        if isinstance(final, Skipped) or final.exchange is None or final.exchange.status is None:
            return b""
        if final.exchange.archived:
            return b""
        body = final.body if isinstance(final, Page | Failed) else None
        unchanged = isinstance(final, Page) and final.exchange.status == HTTPStatus.NOT_MODIFIED
        return self._records(final.request, final.exchange, body, unchanged=unchanged)

    def led_on(self, left: Redirect | Page) -> bytes:
        """Return the records of a redirect, or of a page that a refresh leads away from."""
        body = left.body if isinstance(left, Page) else None
        return self._records(left.request, left.exchange, body)

    def _records(
        self, request: Request, exchange: Exchange, body: bytes | None, *, unchanged: bool = False
    ) -> bytes:
        href = masked(request.url.href)
        shared = [("WARC-Target-URI", href), ("WARC-Date", timestamp(exchange.fetched_at) or "")]
        heads = _heads(exchange)
        if heads.ip:
            shared.append(("WARC-IP-Address", heads.ip))
        asked = f"<urn:uuid:{uuid4()}>"
        sent = (*shared, ("Content-Type", f"{_HTTP}request"))
        told = (*shared, ("WARC-Concurrent-To", asked), ("Content-Type", f"{_HTTP}response"))
        if unchanged:
            answer = _record("revisit", (*told, *_unchanged(exchange)), _block(_head(exchange)))
        else:
            answer = self._response(told, exchange, body)
        return _record("request", sent, self._request(request, heads.sent), asked) + answer

    def _request(self, request: Request, sent: Fields) -> bytes:
        fields = sent or (("Host", request.url.authority), *self._headers)
        lines = [f"{name}: {value}" for name, value in fields if not is_secret(name)]
        sending = request.sending or GET
        head = _block((f"{sending.method} {request.url.path} HTTP/1.1", *lines), "utf-8")
        return head + sending.body

    def _response(self, told: Fields, exchange: Exchange, body: bytes | None) -> bytes:
        sent = exchange.sent
        stored = body if sent is None else sent
        if stored is None:  # not read: a redirect's, an error page's
            head = _block(_head(exchange, _Stored(0)))
            return _record("response", (*told, ("WARC-Truncated", "unspecified")), head)
        head = _block(_head(exchange, _Stored(len(stored), as_sent=sent is not None)))
        digest = hashlib.sha1(stored, usedforsecurity=False).digest()
        told = (*told, ("WARC-Payload-Digest", f"sha1:{base64.b32encode(digest).decode()}"))
        if body is None or exchange.truncated:  # without the decoded one: as far as it could be
            reason = "unspecified" if body is None else "length"
            return _record("response", (*told, ("WARC-Truncated", reason)), head + stored)
        earlier = self._earlier(digest, told) if len(stored) >= _SMALLEST else None
        if earlier is None:
            return _record("response", told, head + stored)
        url, date = earlier
        told = (
            *told,
            ("WARC-Profile", f"{_PROFILE}identical-payload-digest"),
            ("WARC-Refers-To-Target-URI", url),
        )
        return _record("revisit", (*told, ("WARC-Refers-To-Date", date)), head)

    def _earlier(self, digest: bytes, told: Fields) -> tuple[str, str] | None:
        """Return URL and date of the record with the same body; remember this one without."""
        found = self._stored.get(digest)
        if found is None:
            self._stored[digest] = (told[0][1], told[1][1])
            if len(self._stored) > _BODIES:
                self._stored.popitem(last=False)
        return found


def weight(outcome: Final | Redirect) -> int:
    """Return the bytes that an outcome and its records take, about, and not fewer."""
    if isinstance(outcome, Skipped) or (exchange := outcome.exchange) is None:
        return 0
    body = outcome.body if isinstance(outcome, Page | Failed) else None
    heads = sum(len(name) + len(value) for name, value in exchange.fields)
    sent = exchange.sent or b""
    held = len(sent) if sent is body else len(sent) + len(body or b"")
    return held + heads + 2 * len(outcome.request.url.href) + _RECORD


def _heads(exchange: Exchange) -> Heads:
    found = exchange.particulars
    if found is None:
        return Heads()
    heads = found.heads or Heads()
    return heads._replace(ip=heads.ip or (found.connection.ip if found.connection else None))


def _unchanged(exchange: Exchange) -> Fields:
    """Return the fields of a revisit of what an earlier crawl has (WARC 1.1, 6.7.3)."""
    fields = [("WARC-Profile", f"{_PROFILE}server-not-modified")]
    if (former := exchange.former) is None:
        return fields
    fields.append(("WARC-Refers-To-Target-URI", masked(former.final_url)))
    return [*fields, ("WARC-Refers-To-Date", former.fetched_at)] if former.fetched_at else fields


class _Stored(NamedTuple):
    """The body of a record: its size, and whether it has the content codings that it came with."""

    size: int
    as_sent: bool = False

    def bears_out(self, name: str, value: str) -> bool:
        """Return whether a header field, its name in lower case, is true of it."""
        match name:
            case "transfer-encoding":
                return False
            case "content-encoding":
                return self.as_sent
            case "content-length":
                return value == str(self.size)
        return True


def _head(exchange: Exchange, stored: _Stored | None = None) -> Iterator[str]:
    """Yield status line and fields of a response, those that are not true of its body renamed."""
    yield _status_line(exchange)
    length = stored is None
    for name, value in exchange.fields:
        key = name.lower()
        true = stored is None or stored.bears_out(key, value)
        length = length or (true and key == "content-length")
        yield f"{'' if true else 'X-Crawler-'}{name}: {value}"
    if stored is not None and not length:
        yield f"Content-Length: {stored.size}"


def _status_line(exchange: Exchange) -> str:
    line, status = _heads(exchange).status_line, exchange.status or 0
    if _STATUS_LINE.match(line):
        return line
    try:
        return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"HTTP/1.1 {status} "


def _block(lines: Iterable[str], coding: str = "latin-1") -> bytes:
    return "\r\n".join((*lines, "", "")).encode(coding, "replace")


def _record(kind: str, fields: Fields, block: bytes, name: str = "") -> bytes:
    lines = [f"WARC/1.1\r\nContent-Length: {len(block)}", f"WARC-Type: {kind}"]
    lines.append(f"WARC-Record-ID: {name or f'<urn:uuid:{uuid4()}>'}")
    lines += [f"{key}: {value}" for key, value in fields]
    head = "\r\n".join((*lines, "", "")).encode("utf-8", "replace")
    return b"%b%b\r\n\r\n" % (head, block)


def records_in(data: bytes) -> Iterator[bytes]:
    """Yield each of some whole records, of those that are made here."""
    at = 0
    while at < len(data):
        line = data.index(b"Content-Length: ", at)
        length = int(data[line + 16 : data.index(b"\r\n", line)])
        end = data.index(b"\r\n\r\n", line) + 4 + length + 4
        yield data[at:end]
        at = end
