"""From a response's status line and headers to an outcome: the part that no library decides.

A fetcher opens a `Progress` when it starts, tells it what happens, and ends it once, in a
`Received`, `Redirect` or `Failed`. What HTTP means is decided here, for both fetchers.
"""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Callable, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import SplitResult, unquote_to_bytes

from crawler.core import robots, sitemap
from crawler.core.cookies import MOST as COOKIES
from crawler.fetch.body import too_large
from crawler.fetch.fault import Fault
from crawler.fetch.head import Malformed
from crawler.model.config import SECRET_HEADERS, CrawlConfig
from crawler.model.document import Response
from crawler.model.errors import ConfigurationError
from crawler.model.outcome import Exchange, Failed, Kind, Received, Redirect, status_kind
from crawler.model.request import Purpose, Request
from crawler.model.url import InvalidUrl, Url, parse

CONTENT_TYPE = 1_024
"""Characters of a Content-Type, and of X-Robots-Tags, that are kept; whole ones have about 30."""

REFRESH = 4_096
"""Characters of a Refresh header that are kept; a URL found on a page has 2,048 at the most."""

DROPPED_BODY = 65_536
"""Bytes of an unwanted body that are read to keep its connection; beyond, a new one is cheaper."""

WHOLE = 65_536
"""Bytes up to which a coded body is decoded in one go (about 1 ms); a thread reads so much."""

IDLE_HOSTS = 512
"""Hosts whose unused connections are kept: half of the 1,024 descriptors a process usually has."""

STALE_CONNECTIONS = 2
"""Idle connections that one exchange may find closed by the server before it gives up."""

RETRY_AFTER_MOST = 86_400.0
"""Seconds. Who asks for more than a day is not waited for any longer than that."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})

Values = Callable[[str], Sequence[str]]
"""All values of a response header, by its name."""


class Progress:
    """One exchange under way; times by `time.perf_counter`, which is the core's clock."""

    __slots__ = (
        "connect",
        "content_type",
        "cookies",
        "fetched_at",
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
        self.wire_bytes = 0

    def answered(self, status: int, values: Values) -> None:
        """The response header is here, whole."""
        self.first_byte = max(0.0, time.perf_counter() - self.started_at - self.connect)
        self.status = status
        self.content_type = (first(values("Content-Type")) or "")[:CONTENT_TYPE]
        if tags := values("X-Robots-Tag"):
            self.robots_tag = ", ".join(tags)[:CONTENT_TYPE]
        self.refresh = (first(values("Refresh")) or "")[:REFRESH]
        if cookies := values("Set-Cookie"):
            self.cookies = tuple(cookies[-COOKIES:])

    def exchange(self, body_bytes: int = 0) -> Exchange:
        """The record of the exchange as far as it came."""
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
        )

    def received(self, body: bytes, wire_bytes: int) -> Received:
        """End with a whole 2xx response."""
        self.wire_bytes = wire_bytes
        response = Response(
            url=self.request.url.href,
            status=self.status or 0,
            content_type=self.content_type,
            body=body,
            robots_tag=self.robots_tag,
            refresh=self.refresh,
        )
        exchange = self.exchange(len(body))
        return Received(request=self.request, exchange=exchange, response=response)

    def failed(self, fault: Fault, retry_after: float | None = None) -> Failed:
        """End with a failure; what was read of a broken response is kept."""
        if isinstance(fault, Malformed) and fault.head is not None and self.status is None:
            self.answered(fault.head.status, fault.head.values)
        return Failed(
            request=self.request,
            kind=fault.kind,
            reason=fault.reason,
            exchange=self.exchange(),
            retry_after=retry_after,
        )

    def refused(self, values: Values, *, proxied: bool) -> Redirect | Failed:
        """End with what a status other than 2xx says; the body, if read, is of no interest."""
        status = self.status or 0
        if status in _REDIRECTS:
            return self._redirected(status, first(values("Location")))
        if not 200 <= status < 600:
            return self.failed(Fault(Kind.PROTOCOL, f"HTTP status {status}"))
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


class Framing(NamedTuple):
    """How a body comes: its Content-Encoding ("" without) and its length where that is known."""

    encoding: str
    length: int | None


def framing(values: Values) -> Framing:
    """Return a response's framing, which `crawler.fetch.head` has settled."""
    lengths, encodings = values("Content-Length"), values("Content-Encoding")
    return Framing(", ".join(encodings), int(lengths[0]) if lengths else None)


class Room(NamedTuple):
    """Bytes that a body may have, on the wire and decoded; `cut`: more is left off, no fault."""

    cap: int
    cut: bool = False

    @classmethod
    def of(cls, request: Request, config: CrawlConfig) -> Room:
        """For what the request is for: the two that standards speak of have room of their own."""
        if request.purpose is Purpose.ROBOTS:
            return cls(robots.MAX_BYTES + 1, cut=True)  # one more tells that there is more
        if request.purpose is Purpose.SITEMAP:
            return cls(max(sitemap.MAX_BYTES, config.max_body))
        return cls(config.max_body)


def admitted(values: Values, room: Room) -> Framing:
    """The framing of a body that is wanted; raises `Fault` (TOO_LARGE) if it announces too much."""
    found = framing(values)
    if found.length is not None and found.length > room.cap and not room.cut:
        raise too_large(room.cap, found.length)
    return found


def fits(framing: Framing, room: Room) -> bool:
    """Whether a body may be read in one go: it has a length, and that is small or is the text's."""
    if framing.length is None or framing.length > room.cap:
        return False
    return not framing.encoding or framing.length <= WHOLE


def default_port(parts: SplitResult) -> int:
    """The port of a URL, its scheme's own where it names none."""
    return parts.port or (443 if parts.scheme == "https" else 80)


def worth_reading(values: Values) -> bool:
    """Whether an unwanted body should be read off, so that its connection can be used again."""
    length = framing(values).length
    return length <= DROPPED_BODY if length is not None else bool(values("Transfer-Encoding"))


def request_headers(config: CrawlConfig) -> list[tuple[str, str]]:
    """The headers of every request; one that the user names replaces the default of its name.

    Those that not every server may see are not among them.
    """
    defaults = (
        ("User-Agent", config.user_agent),
        ("Accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
        ("Accept-Encoding", "gzip, deflate, br, zstd"),
    )
    own = [pair for pair in config.headers if pair[0].lower() not in SECRET_HEADERS]
    named = {name.lower() for name, _ in own}
    return [pair for pair in defaults if pair[0].lower() not in named] + own


class Target(NamedTuple):
    """Where a request goes: the URL without credentials, and the Authorization header for them."""

    href: str
    authorization: str | None


def target(url: Url) -> Target:
    """Take the credentials out of a URL (Basic, RFC 7617), so that no library ever prints them."""
    href = url.href
    if "@" not in href:
        return Target(href, None)
    start = href.index("//") + 2
    at = href.rfind("@", start, href.index("/", start))
    if at < 0:
        return Target(href, None)
    user, _, password = href[start:at].partition(":")
    token = b64encode(unquote_to_bytes(user) + b":" + unquote_to_bytes(password)).decode()
    return Target(href[:start] + href[at + 1 :], f"Basic {token}")


def proxy(config: CrawlConfig) -> Target | None:
    """The proxy and its credentials; raises `ConfigurationError` if it is no http(s) URL."""
    if not config.proxy:
        return None
    url = parse(config.proxy)
    if isinstance(url, InvalidUrl):
        raise ConfigurationError(f"proxy: {url.reason}; write 'http://host:port'")
    return target(url)
