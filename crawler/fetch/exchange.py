"""Turn a response's status, headers and body into an outcome, for both fetchers.

A fetcher opens a `ExchangeProgress` when it starts, reports events to it, and ends it once, in a
`Received`, `Redirect` or `Failed`.
"""

from __future__ import annotations

import ssl
import time
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import cache
from http import HTTPStatus
from math import inf
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from crawler.core.cookies import MOST as COOKIES
from crawler.fetch.body import Body
from crawler.fetch.response_cache import CachedResponse
from crawler.fetch.room import Room, Values, admitted, is_text
from crawler.formats import sniff
from crawler.model import media
from crawler.model.config import CrawlConfig
from crawler.model.document import RawResponse
from crawler.model.fault import Fault
from crawler.model.former_page import FormerPage
from crawler.model.head import Malformed
from crawler.model.media import MediaTypes
from crawler.model.outcome import Failed, Kind, Page, Received, Redirect, status_kind
from crawler.model.proxies import Proxy
from crawler.model.request import Purpose, Request
from crawler.model.transfer import (
    REDIRECTS,
    ConnectionFacts,
    Exchange,
    Heads,
    Particulars,
    timestamp,
)
from crawler.model.url import Url

CONTENT_TYPE = 1_024
"""Characters kept of a Content-Type, and of X-Robots-Tags; usual ones have about 30."""

VALIDATOR = 1_024
"""Maximum characters of an ETag or a Last-Modified; a longer one is none, as a cut one is another.
"""

REFRESH = 4_096
"""Characters kept of a Refresh header; a URL found on a page has at most 2,048."""

IDLE_HOSTS = 512
"""Hosts whose unused connections are kept: half of the 1,024 descriptors a process usually has."""

IDLE_SECONDS = 15.0
"""Seconds that an unused connection is kept."""

STALE_CONNECTIONS = 2
"""Idle connections that one exchange may find closed by the server before it gives up."""

RETRY_AFTER_MOST = 86_400.0
"""Maximum seconds taken from a Retry-After header: a day."""

DELIVERING = 0.25
"""Final share of an exchange's time: bytes that come then show that the server is not stuck."""

FULL = "no memory for more bodies (--memory)"


class ExchangeProgress:
    """One exchange in flight; times by `time.perf_counter`, which is the core's clock.

    Call `answered` when the head is complete; then either `expect` a body, `take` its pieces and
    end with `received`, or `refuse` it and end with `settled`. `failed` and `overdue` end the
    exchange at any time.
    """

    __slots__ = (
        "_arrived", "_body", "_length", "_received", "_refusal", "_room", "_unsure", "allowed",
        "cached", "connect", "connection", "content_type", "cookies", "etag", "fetched_at",
        "fields", "first_byte", "former", "headers", "heads", "keep_sent", "last_modified",
        "refresh", "request", "robots_tag", "started_at", "status", "wire_bytes",
    )  # fmt: skip

    def __init__(self, request: Request) -> None:
        self.request = request
        self.started_at = time.perf_counter()
        self.fetched_at = time.time()
        self.connect = 0.0
        self.first_byte: float | None = None
        self.status: int | None = None
        self.content_type = self.robots_tag = self.refresh = ""
        self.etag = self.last_modified = ""
        self.headers: Mapping[str, Sequence[str]] | None = None
        self.connection: ConnectionFacts | None = None
        self.former: FormerPage | None = None
        self.heads: Heads | None = None
        self.keep_sent = False  # the body as it was sent, for archives
        self.cached: CachedResponse | None = None  # what is asked for on condition of a change
        self.cookies: tuple[str, ...] = ()
        self.fields: tuple[tuple[str, str], ...] = ()
        self.wire_bytes = 0
        self.allowed: float = inf  # bytes of the body that may be held without asking for more
        self._arrived = -inf  # time of the last piece of the body
        self._body: Body | None = None
        self._length: int | None = None  # of the decoded body, if known
        self._received: Received | None = None
        self._refusal: Redirect | Failed | Page | None = None
        self._room = Room(0)
        self._unsure: MediaTypes | None = None  # accepted types, while the body's is unknown

    def answered(self, status: int, values: Values) -> None:
        """Take the complete response header."""
        self.first_byte = max(0.0, time.perf_counter() - self.started_at - self.connect)
        self.status = status
        self.content_type = ", ".join(dict.fromkeys(values("Content-Type")))[:CONTENT_TYPE]
        if tags := values("X-Robots-Tag"):
            self.robots_tag = ", ".join(tags)[:CONTENT_TYPE]
        self.refresh = (first(values("Refresh")) or "")[:REFRESH]
        if etag := values("ETag"):
            self.etag = etag[0] if len(etag[0]) <= VALIDATOR else ""
        if modified := values("Last-Modified"):
            self.last_modified = modified[0] if len(modified[0]) <= VALIDATOR else ""
        if cookies := values("Set-Cookie"):
            self.cookies = tuple(cookies[-COOKIES:])

    def wanted(self, config: CrawlConfig) -> bool:
        """Return True if the body should be read: a page's, of an accepted type."""
        status = self.status or 0
        if 200 <= status < 300:
            return self._accepted(config)
        asked = config.parsing.error_pages and self.request.purpose is Purpose.PAGE
        return asked and status >= 400 and self._accepted(config)

    def _accepted(self, config: CrawlConfig) -> bool:
        if not config.network.accept or self.request.purpose is not Purpose.PAGE:
            return True
        types, found = _types(config.network.accept), media.read(self.content_type).essence
        if found in sniff.UNKNOWN:
            self._unsure = types
            return True
        return types.match(found)

    def expect(self, values: Values, config: CrawlConfig) -> None:
        """Prepare for the body; raise `Fault` (TOO_LARGE, ENCODING) if it cannot be accepted."""
        self._room = room = Room.of(self.request, config)
        found = admitted(values, room)
        self._body = Body(
            found.encoding,
            room.cap,
            cut=room.cut,
            strict=room.strict,
            keep_sent=self.keep_sent,
        )
        self._length = None if self._body.packed else found.length

    def take(self, data: bytes) -> bool:
        """Take a piece of the body; return False if no more of it is wanted."""
        body = self._expected
        if data:
            self._arrived = time.perf_counter()
        try:
            body.feed(data)
        finally:
            self.wire_bytes = body.wire_bytes
        if self._unsure is not None and len(body.content()) >= sniff.HEADER:
            self._check_type(body.content())
        return not body.full

    @property
    def packed(self) -> bool:
        """True if the body has codings, so that a few bytes may become many."""
        return self._expected.packed

    @property
    def held(self) -> int:
        """Bytes of the body in memory."""
        return self._expected.held

    @property
    def need(self) -> int:
        """Bytes of memory that the body needs next: its length, or twice its size so far."""
        told = 2 * self.held if self._length is None else self._length
        return min(max(told, self.held), self._expected.most)

    def heard(self) -> float:
        """Return the time of the last piece of the body, by `time.perf_counter`."""
        return self._arrived

    def listens(self) -> None:
        """Restart the stall clock after a pause that the server did not cause."""
        self._arrived = time.perf_counter()

    def cut(self) -> None:
        """End the body here for lack of memory; raise `Fault` if only a complete one counts."""
        if not self._room.cut or self._room.strict:
            raise Fault(Kind.TOO_LARGE, f"body of {self.held} bytes and more: {FULL}")
        self._expected.cut()

    @property
    def _expected(self) -> Body:
        if self._body is None:
            raise RuntimeError("no body is expected")
        return self._body

    def _check_type(self, body: bytes) -> None:
        """Judge a body without a declared type by its first bytes; raise `Fault` if refused."""
        if self._unsure is None or not body:
            return
        if not self._unsure.match(found := sniff.sniff(body)):
            raise Fault(Kind.NOT_ACCEPTED, f"the body looks like {found}")
        self._unsure = None

    def _check_plain(self, body: bytes) -> None:
        """Raise `Fault` (ENCODING) if an unknown coding has made a text unreadable."""
        foreign = self._expected.foreign
        if foreign and is_text(self.content_type) and sniff.is_binary(body):
            raise Fault(Kind.ENCODING, f"unknown Content-Encoding {foreign[:40]!r}")

    def exchange(
        self, body_bytes: int = 0, *, truncated: bool = False, sent: bytes | None = None
    ) -> Exchange:
        """Return the record of the exchange so far."""
        return Exchange(
            status=self.status,
            content_type=self.content_type,
            wire_bytes=self.wire_bytes,
            body_bytes=body_bytes,
            connect=self.connect,
            first_byte=self.first_byte,
            total=time.perf_counter() - self.started_at,
            started_at=self.started_at,
            fetched_at=self.fetched_at,
            cookies=self.cookies,
            truncated=truncated,
            fields=self.fields,
            particulars=self._particulars(sent),
        )

    def _sent(self) -> bytes | None:
        """Return the body so far as it was sent, if an archive may ask for it."""
        return self._body.sent() if self.keep_sent and self._body is not None else None

    def _particulars(self, sent: bytes | None) -> Particulars | None:
        parts = self.etag, self.last_modified, self.headers, self.connection, self.former
        if not any(parts) and self.heads is None and sent is None:
            return None
        return Particulars(
            etag=self.etag,
            last_modified=self.last_modified,
            headers=self.headers,
            connection=self.connection,
            former=self.former,
            heads=self.heads,
            sent=sent,
        )

    @property
    def conditions(self) -> tuple[tuple[str, str], ...]:
        """The headers that ask for the page only if it has changed."""
        return self.former.conditions(self.request.url.href) if self.former is not None else ()

    def received(self) -> Received:
        """End with a response; raise `Fault` if its body is unreadable or of another type."""
        data = self._expected.finish()
        self._received = self._with(data, truncated=self._expected.truncated)
        return self._received

    def _with(self, body: bytes, *, truncated: bool) -> Received:
        self._check_plain(body)
        self._check_type(body)
        response = RawResponse(
            url=self.request.url.href,
            status=self.status or 0,
            content_type=self.content_type,
            body=body,
            robots_tag=self.robots_tag,
            refresh=self.refresh,
            fields=self.fields,
        )
        exchange = self.exchange(len(body), truncated=truncated, sent=self._sent())
        return Received(request=self.request, exchange=exchange, response=response)

    def failed(self, fault: Fault, retry_after: float | None = None) -> Failed:
        """End with a failure; keep the part of a broken response that was read."""
        if isinstance(fault, Malformed) and fault.head is not None and self.status is None:
            self.answered(fault.head.status, fault.head.values)
        return Failed(
            request=self.request,
            kind=fault.kind,
            reason=fault.reason,
            # What cannot be decoded is of use to archives alone.
            exchange=self.exchange(sent=self._sent() if fault.kind is Kind.ENCODING else None),
            retry_after=retry_after,
            hopeless=self._hopeless(fault.kind),
            kept=self._kept(fault.kind),
            no_tls=fault.no_tls and self.request.url.scheme == "https",
            lost=fault.lost,
        )

    def overdue(self, fault: Fault) -> Redirect | Failed | Page:
        """End because the time is up, with the refusal if the head has already decided."""
        return self.failed(fault) if self._refusal is None else self.settled()

    def _hopeless(self, kind: Kind) -> bool:
        """Return True if a retry would end alike: an endless body, or one of the wrong length."""
        if kind is Kind.DISCONNECTED:  # the codings ended, so only the declared length is wrong
            return self._body is not None and self._body.complete
        now = time.perf_counter()
        return kind is Kind.TIMEOUT and now - self._arrived <= DELIVERING * (now - self.started_at)

    def _kept(self, kind: Kind) -> Received | None:
        """Return the beginning of a body that was cut off, if it is of use.

        An endless body is of use only if it is a page or a sitemap.
        """
        found = self._beginning() if kind in (Kind.DISCONNECTED, Kind.TIMEOUT) else None
        if found is None or kind is Kind.DISCONNECTED:
            return found
        if self.request.purpose is not Purpose.PAGE:
            return found
        # An endless body may be a stream of sound or pictures: keep it only if it is HTML.
        return found if sniff.is_html(self.content_type, found.response.body) else None

    def _beginning(self) -> Received | None:
        """Return the body so far; None for a robots.txt whose codings are incomplete."""
        body = self._body
        if body is None or not body.content():
            return None
        whole = self.request.purpose is Purpose.ROBOTS and body.complete
        if self._room.strict and not whole:
            return None
        try:
            return self._with(body.content(), truncated=True)
        except Fault:
            return None

    def refuse(self, values: Values, *, proxied: bool) -> None:
        """Decide the outcome by the head alone; the body can only be that of an error page."""
        self._refusal = self._refused(values, proxied=proxied)

    def settled(self) -> Redirect | Failed | Page:
        """End with the outcome that the head decided, and with the body of an error page."""
        if self._refusal is None:
            raise RuntimeError("the head has decided nothing yet")
        if self._body is None or not isinstance(self._refusal, Failed):
            return self._refusal
        return replace(self._refusal, kept=self._received or self._beginning())

    def _refused(self, values: Values, *, proxied: bool) -> Redirect | Failed | Page:
        status = self.status or 0
        if status == HTTPStatus.NOT_MODIFIED and self.former is not None and self.conditions:
            self.etag = self.etag or self.former.etag
            self.last_modified = self.last_modified or self.former.last_modified
            return Page.not_modified(self.request, self.exchange(), self.former)
        if status in REDIRECTS:
            return self._redirected(status, first(values("Location")))
        if status < 200:
            return self.failed(Fault(Kind.PROTOCOL, f"HTTP status {status}"))
        if status < 300:
            found = media.read(self.content_type).essence
            return self.failed(Fault(Kind.NOT_ACCEPTED, f"{found} is not among the types to read"))
        # Only an HTTP proxy that forwards may send 407 in its own name.
        kind = Kind.PROXY if proxied and status == 407 else status_kind(status)
        wait = retry_after(first(values("Retry-After")), self.fetched_at)
        return self.failed(Fault(kind, f"HTTP {status} {_phrase(status)}".rstrip()), wait)

    def _redirected(self, status: int, location: str | None) -> Redirect | Failed:
        if not location:
            return self.failed(Fault(Kind.REDIRECT, f"HTTP {status} without Location"))
        return Redirect(request=self.request, exchange=self.exchange(), location=location)


def picked(fields: Sequence[tuple[str, str]], names: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """Return the values of the header fields with these names in lower case, or `all`."""
    found: dict[str, list[str]] = {}
    for name, value in fields:
        if (key := name.lower()) in names or "all" in names:
            found.setdefault(key, []).append(value)
    return found


def connection_facts(peer: tuple[Any, ...] | None, tls: Any) -> ConnectionFacts:
    """Return what there is to say of an open connection.

    `peer` is the address of its other end as sockets have it, None behind a proxy; `tls` the
    `ssl.SSLSocket` or `ssl.SSLObject`, if any.
    """
    facts = ConnectionFacts(ip=peer[0] if peer else None)
    if tls is None:
        return facts
    until = (tls.getpeercert() or {}).get("notAfter")
    expires = timestamp(ssl.cert_time_to_seconds(until)) if until else None
    return facts._replace(tls_version=tls.version(), certificate_expires=expires)


def first(values: Sequence[str]) -> str | None:
    """Return the first value of a header, None if it is absent."""
    return values[0] if values else None


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def retry_after(value: str | None, now: float) -> float | None:
    """Return the seconds of a Retry-After header (RFC 9110, 10.2.3), None if it is invalid.

    `now` is Unix time. A date in the past means 0.
    """
    if not value:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:12]), RETRY_AFTER_MOST)
    try:
        when = parsedate_to_datetime(value)
        seconds = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() - now
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return min(max(seconds, 0.0), RETRY_AFTER_MOST)


@cache
def _types(accept: tuple[str, ...]) -> MediaTypes:
    return MediaTypes(",".join(accept))


class FetchTarget(NamedTuple):
    """The target of a request: the URL without credentials, and their Authorization header."""

    href: str
    authorization: str | None


def target(url: Url) -> FetchTarget:
    """Take the credentials out of a URL (Basic, RFC 7617), so that no library can print them."""
    href = url.href
    if "@" not in href:
        return FetchTarget(href, None)
    start = href.index("//") + 2
    at = href.rfind("@", start, href.index("/", start))
    if at < 0:
        return FetchTarget(href, None)
    user, _, password = href[start:at].partition(":")
    token = b64encode(unquote_to_bytes(user) + b":" + unquote_to_bytes(password)).decode()
    return FetchTarget(href[:start] + href[at + 1 :], f"Basic {token}")


def forwarding(proxy: Proxy) -> FetchTarget:
    """Return the target for requests to an HTTP proxy, with its credentials."""
    return target(Url(proxy.href if proxy.href.endswith("/") else f"{proxy.href}/"))
