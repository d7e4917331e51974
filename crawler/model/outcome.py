"""What became of a URL: `Page`, `Redirect`, `Failed` or `Skipped`, a closed set.

Consume it with `match` and `assert_never`. Failure is data: `Failed.kind` says what, `reason` says
it in words, and whether another attempt makes sense follows from the kind, here and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from crawler.model.document import Document, Response
from crawler.model.request import Request


class Kind(StrEnum):
    """Why a URL did not become a page."""

    INVALID_URL = "invalid_url"
    UNSUPPORTED_SCHEME = "unsupported_scheme"
    INTERRUPTED = "interrupted"  # read from the list, not started before the crawl was stopped
    DNS = "dns"
    DNS_TEMPORARY = "dns_temporary"
    CONNECT = "connect"
    CONNECT_TIMEOUT = "connect_timeout"
    PROXY = "proxy"
    TLS = "tls"
    DISCONNECTED = "disconnected"  # reset or closed before the response was whole
    TIMEOUT = "timeout"
    PROTOCOL = "protocol"  # not HTTP, or broken HTTP
    ENCODING = "encoding"  # Content-Encoding unknown or its data broken
    TOO_LARGE = "too_large"
    REDIRECT = "redirect"  # Location missing or no URL, a loop, too many
    CLIENT_ERROR = "client_error"  # HTTP 4xx (and 3xx that are no redirects)
    SERVER_ERROR = "server_error"  # HTTP 5xx that will not pass (501, 505, ...)
    UNAVAILABLE = "unavailable"  # HTTP 408, 425, 429, 500, 502, 503, 504: may pass
    PARSE = "parse"  # the parser raised
    PARSE_TIMEOUT = "parse_timeout"
    PARSE_CRASH = "parse_crash"  # the parser took its worker down
    CANCELLED = "cancelled"  # in flight when the drain deadline ended
    INTERNAL = "internal"  # a bug in the crawler itself; --debug shows where

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed when it is made again a little later."""
        return self in _RETRYABLE


_RETRYABLE = frozenset(
    {
        Kind.DNS_TEMPORARY,
        Kind.CONNECT,
        Kind.CONNECT_TIMEOUT,
        Kind.DISCONNECTED,
        Kind.TIMEOUT,
        Kind.UNAVAILABLE,
    }
)

_UNAVAILABLE = frozenset({408, 425, 429, 500, 502, 503, 504})


def status_kind(status: int) -> Kind:
    """The kind of failure that an HTTP status of 300 and above stands for (RFC 9110, 15)."""
    if status in _UNAVAILABLE:
        return Kind.UNAVAILABLE
    return Kind.SERVER_ERROR if status >= 500 else Kind.CLIENT_ERROR


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One HTTP exchange, as far as it came. Times are seconds, sizes bytes.

    `connect` is 0 where a connection was reused; `first_byte` is the time from sending to the whole
    response header; `total` is everything from the start of the fetch to its end.
    `started_at` is the core's clock, `fetched_at` Unix time. `wire_bytes` counts the body before,
    `body_bytes` after decoding.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A 2xx response, whole and not yet parsed: what a fetcher hands to the parser."""

    request: Request
    exchange: Exchange
    response: Response


@dataclass(frozen=True, slots=True, kw_only=True)
class ParseFault:
    """A page whose parsing failed: `kind` is PARSE, PARSE_TIMEOUT or PARSE_CRASH."""

    kind: Kind
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A response with a 2xx status, parsed."""

    request: Request
    exchange: Exchange
    document: Document

    @property
    def url(self) -> str:
        """The URL as the list had it, in its WHATWG form."""
        return self.request.seed

    @property
    def final_url(self) -> str:
        """Where the redirects ended."""
        return self.request.url.href

    @property
    def fields(self) -> dict[str, Any]:
        """What the parser found: title, links and the rest."""
        return self.document.fields

    @property
    def title(self) -> str | None:
        """The page's title, if it has one."""
        title: str | None = self.fields.get("title")
        return title

    @property
    def links(self) -> list[str]:
        """Absolute URLs that the page links to, without repeats and fragments."""
        links: list[str] = self.fields.get("links", [])
        return links


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """A response that points elsewhere; `location` is the header as sent."""

    request: Request
    exchange: Exchange
    location: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A URL that did not become a page. `retry_after` is what the server asked for, in seconds."""

    request: Request
    kind: Kind
    reason: str
    exchange: Exchange | None = None
    retry_after: float | None = None

    @property
    def url(self) -> str:
        """The URL as the list had it, in its WHATWG form."""
        return self.request.seed


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A URL that was never asked for, and why."""

    url: str
    input: str
    kind: Kind
    reason: str


Final = Page | Failed | Skipped
"""What a URL of the list ends as: exactly one of these, exactly once."""

Outcome = Page | Redirect | Failed | Skipped

Fetched = Received | Redirect | Failed
"""What a fetcher returns."""

Parsed = Document | ParseFault
"""What a parser returns."""
