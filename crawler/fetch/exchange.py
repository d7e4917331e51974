"""From a response's status line and headers to an outcome: the part that no library decides.

A fetcher opens a `ExchangeProgress` when it starts, tells it what happens, and ends it once, in a
`Received`, `Redirect` or `Failed`. What HTTP means is decided here, for both fetchers.
"""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import cache
from http import HTTPStatus
from math import inf
from typing import NamedTuple
from urllib.parse import SplitResult, unquote_to_bytes

from crawler.core.cookies import MOST as COOKIES
from crawler.fetch.body import Body
from crawler.fetch.room import Room, Values, admitted, is_text
from crawler.formats import sniff
from crawler.model import media
from crawler.model.config import CrawlConfig
from crawler.model.document import RawResponse
from crawler.model.fault import Fault
from crawler.model.head import Malformed
from crawler.model.media import MediaTypes
from crawler.model.outcome import Failed, Kind, Received, Redirect, status_kind
from crawler.model.proxies import Proxy
from crawler.model.request import Purpose, Request
from crawler.model.transfer import Exchange
from crawler.model.url import Url

CONTENT_TYPE = 1_024
"""Characters of a Content-Type, and of X-Robots-Tags, that are kept; whole ones have about 30."""

REFRESH = 4_096
"""Characters of a Refresh header that are kept; a URL found on a page has 2,048 at the most."""

IDLE_HOSTS = 512
"""Hosts whose unused connections are kept: half of the 1,024 descriptors a process usually has."""

STALE_CONNECTIONS = 2
"""Idle connections that one exchange may find closed by the server before it gives up."""

RETRY_AFTER_MOST = 86_400.0
"""Seconds. Who asks for more than a day is not waited for any longer than that."""

DELIVERING = 0.25
"""Share of an exchange's time, at its end, in which bytes must have come for it not to be stuck."""

FULL = "no memory for more bodies (--memory)"

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class ExchangeProgress:
    """One exchange under way; times by `time.perf_counter`, which is the core's clock.

    `answered` when the head is here; then either `expect` a body, `take` its pieces and end with
    `received`, or `refuse` it, and end with `settled`. `failed` and `overdue` end it at any time.
    """

    __slots__ = (
        "_arrived",
        "_body",
        "_length",
        "_received",
        "_refusal",
        "_room",
        "_unsure",
        "allowed",
        "connect",
        "content_type",
        "cookies",
        "fetched_at",
        "fields",
        "first_byte",
        "refresh",
        "request",
        "robots_tag",
        "started_at",
        "status",
        "wire_bytes",
    )

    def __init__(self, request: Request) -> None:
        self.request = request
        self.started_at = time.perf_counter()
        self.fetched_at = time.time()
        self.connect = 0.0
        self.first_byte: float | None = None
        self.status: int | None = None
        self.content_type = self.robots_tag = self.refresh = ""
        self.cookies: tuple[str, ...] = ()
        self.fields: tuple[tuple[str, str], ...] = ()
        self.wire_bytes = 0
        self.allowed: float = inf  # bytes of the body that may be held before more are asked for
        self._arrived = -inf  # when the last piece of the body came
        self._body: Body | None = None
        self._length: int | None = None  # of the body as it will be held, where that is told
        self._received: Received | None = None
        self._refusal: Redirect | Failed | None = None
        self._room = Room(0)
        self._unsure: MediaTypes | None = None  # what the type has to be, once it is known

    def answered(self, status: int, values: Values) -> None:
        """The response header is here, whole."""
        self.first_byte = max(0.0, time.perf_counter() - self.started_at - self.connect)
        self.status = status
        self.content_type = ", ".join(dict.fromkeys(values("Content-Type")))[:CONTENT_TYPE]
        if tags := values("X-Robots-Tag"):
            self.robots_tag = ", ".join(tags)[:CONTENT_TYPE]
        self.refresh = (first(values("Refresh")) or "")[:REFRESH]
        if cookies := values("Set-Cookie"):
            self.cookies = tuple(cookies[-COOKIES:])

    def wanted(self, config: CrawlConfig) -> bool:
        """Tell whether the body is to be read: a page's, of a type that is accepted."""
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
        """Prepare for the body; raises `Fault` (TOO_LARGE, ENCODING) for one that is hopeless."""
        self._room = room = Room.of(self.request, config)
        found = admitted(values, room)
        self._body = Body(found.encoding, room.cap, cut=room.cut, strict=room.strict)
        self._length = None if self._body.packed else found.length

    def take(self, data: bytes) -> bool:
        """Take a piece of the body; returns whether more of it is wanted."""
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
        """Whether the body has codings, so that a few bytes may become many."""
        return self._expected.packed

    @property
    def held(self) -> int:
        """Bytes of the body that are in memory."""
        return self._expected.size

    @property
    def need(self) -> int:
        """Bytes of memory that the body needs next: all, or twice of what it has."""
        told = 2 * self.held if self._length is None else self._length
        return min(max(told, self.held), self._room.cap)

    def heard(self) -> float:
        """Return when the last piece of the body came, by `time.perf_counter`."""
        return self._arrived

    def listens(self) -> None:
        """Read on after a pause that was not the server's."""
        self._arrived = time.perf_counter()

    def cut(self) -> None:
        """End the body here, for want of memory; raises `Fault` where only a whole one counts."""
        if not self._room.cut or self._room.strict:
            raise Fault(Kind.TOO_LARGE, f"body of {self.held} bytes and more: {FULL}")
        self._expected.cut()

    @property
    def _expected(self) -> Body:
        if self._body is None:
            raise RuntimeError("no body is expected")
        return self._body

    def _check_type(self, body: bytes) -> None:
        """Judge a body whose header names no type, once its first bytes tell."""
        if self._unsure is None or not body:
            return
        if not self._unsure.match(found := sniff.sniff(body)):
            raise Fault(Kind.NOT_ACCEPTED, f"the body looks like {found}")
        self._unsure = None

    def _check_plain(self, body: bytes) -> None:
        """Raise `Fault` (ENCODING) where a coding that nobody knows has made a text unreadable."""
        foreign = self._expected.foreign
        if foreign and is_text(self.content_type) and sniff.is_binary(body):
            raise Fault(Kind.ENCODING, f"unknown Content-Encoding {foreign[:40]!r}")

    def exchange(self, body_bytes: int = 0, *, truncated: bool = False) -> Exchange:
        """Return the record of the exchange as far as it came."""
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
        )

    def received(self) -> Received:
        """End with a response; raises `Fault` where its body is not what it should be."""
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
        exchange = self.exchange(len(body), truncated=truncated)
        return Received(request=self.request, exchange=exchange, response=response)

    def failed(self, fault: Fault, retry_after: float | None = None) -> Failed:
        """End with a failure; what was read of a broken response is kept.

        A server that was still sending when the time was up would do so again.
        """
        if isinstance(fault, Malformed) and fault.head is not None and self.status is None:
            self.answered(fault.head.status, fault.head.values)
        return Failed(
            request=self.request,
            kind=fault.kind,
            reason=fault.reason,
            exchange=self.exchange(),
            retry_after=retry_after,
            hopeless=self._hopeless(fault.kind),
            kept=self._kept(fault.kind),
            no_tls=fault.no_tls and self.request.url.scheme == "https",
            lost=fault.lost,
        )

    def overdue(self, fault: Fault) -> Redirect | Failed:
        """End because the time is up; where the status has said all, that is what counts."""
        return self.failed(fault) if self._refusal is None else self.settled()

    def _hopeless(self, kind: Kind) -> bool:
        """Tell whether another attempt would end alike: endless, or whole but for its length."""
        if kind is Kind.DISCONNECTED:
            return self._body is not None and self._body.complete
        now = time.perf_counter()
        return kind is Kind.TIMEOUT and now - self._arrived <= DELIVERING * (now - self.started_at)

    def _kept(self, kind: Kind) -> Received | None:
        """Return what came of a body that was cut off, if that is of use.

        Of one without end only the beginning of a page or a sitemap is.
        """
        found = self._beginning() if kind in (Kind.DISCONNECTED, Kind.TIMEOUT) else None
        if found is None or kind is Kind.DISCONNECTED:
            return found
        if self.request.purpose is not Purpose.PAGE:
            return found
        return found if sniff.is_html(self.content_type, found.response.body) else None

    def _beginning(self) -> Received | None:
        """Return what there is of the body; a robots.txt has to be whole but for its length."""
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
        """Learn what the head alone says: the body is at most one of an error page."""
        self._refusal = self._refused(values, proxied=proxied)

    def settled(self) -> Redirect | Failed:
        """End with what the head has said, and with what came of an error page."""
        if self._refusal is None:
            raise RuntimeError("the head has said nothing yet")
        if self._body is None or isinstance(self._refusal, Redirect):
            return self._refusal
        return replace(self._refusal, kept=self._received or self._beginning())

    def _refused(self, values: Values, *, proxied: bool) -> Redirect | Failed:
        status = self.status or 0
        if status in _REDIRECTS:
            return self._redirected(status, first(values("Location")))
        if status < 200:
            return self.failed(Fault(Kind.PROTOCOL, f"HTTP status {status}"))
        if status < 300:
            found = media.read(self.content_type).essence
            return self.failed(Fault(Kind.NOT_ACCEPTED, f"{found} is not among the types to read"))
        kind = Kind.PROXY if proxied and status == 407 else status_kind(status)
        wait = retry_after(first(values("Retry-After")), self.fetched_at)
        return self.failed(Fault(kind, f"HTTP {status} {_phrase(status)}".rstrip()), wait)

    def _redirected(self, status: int, location: str | None) -> Redirect | Failed:
        if not location:
            return self.failed(Fault(Kind.REDIRECT, f"HTTP {status} without Location"))
        return Redirect(request=self.request, exchange=self.exchange(), location=location)


def first(values: Sequence[str]) -> str | None:
    """The first of several values of a header that should have one."""
    return values[0] if values else None


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds that a Retry-After header asks for (RFC 9110, 10.2.3: seconds or a date), or None.

    `now` is Unix time. A date that has passed means 0; what is neither form is ignored.
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


def default_port(parts: SplitResult) -> int:
    """The port of a URL, its scheme's own where it names none."""
    return parts.port or (443 if parts.scheme == "https" else 80)


def request_headers(config: CrawlConfig) -> list[tuple[str, str]]:
    """The headers of every request; one that the user names replaces the default of its name.

    Those that not every server may see are not among them.
    """
    defaults = (
        ("User-Agent", config.network.user_agent),
        ("Accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
        ("Accept-Encoding", "gzip, deflate, br, zstd"),
    )
    own = config.network.headers_for_all
    named = {name.lower() for name, _ in own}
    return [pair for pair in defaults if pair[0].lower() not in named] + list(own)


class FetchTarget(NamedTuple):
    """Where a request goes: the URL without credentials, and the Authorization header for them."""

    href: str
    authorization: str | None


def target(url: Url) -> FetchTarget:
    """Take the credentials out of a URL (Basic, RFC 7617), so that no library ever prints them."""
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
    """Return where requests to an HTTP proxy go, and the credentials for it."""
    return target(Url(proxy.href if proxy.href.endswith("/") else f"{proxy.href}/"))
