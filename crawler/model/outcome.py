"""The outcome of a URL: `Page`, `Redirected`, `Listing`, `Failed` or `Skipped`, a closed set.

Consume it with `match` and `assert_never`. Failure is data: `Failed.kind` classifies it, `reason`
describes it, and the kind alone decides whether a retry makes sense.

An outcome gives its record (the form is in `crawler.store.record`) in two halves: the fields
of the request and the exchange, and those of the document, which come as JSON from where the page
was parsed and are spliced in, so that long lists of links are encoded once.
"""

from __future__ import annotations

from dataclasses import field, replace
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Any, cast

import orjson

from crawler.model.document import NO_DOCUMENT, Document, RawResponse, completed, spliced
from crawler.model.former_page import FormerPage
from crawler.model.headers import Headers
from crawler.model.payload import Payload
from crawler.model.request import Purpose, Request, sent_fields, source_field
from crawler.model.transfer import Exchange, no_exchange
from crawler.model.url import masked
from crawler.model.value import value


class Kind(StrEnum):
    """The reason why a URL did not become a page."""

    INVALID_URL = "invalid_url"
    UNSUPPORTED_SCHEME = "unsupported_scheme"
    INTERRUPTED = "interrupted"  # not started before the crawl was stopped
    DNS = "dns"
    DNS_TEMPORARY = "dns_temporary"
    BLOCKED_ADDRESS = "blocked_address"  # no address on the open web; see --allow-private
    CONNECT = "connect"
    CONNECT_TIMEOUT = "connect_timeout"
    PROXY = "proxy"
    TLS = "tls"
    DISCONNECTED = "disconnected"  # reset or closed before the response was whole
    TIMEOUT = "timeout"
    PROTOCOL = "protocol"  # not HTTP, or broken HTTP
    ENCODING = "encoding"  # Content-Encoding unknown or its data broken
    TOO_LARGE = "too_large"
    NOT_CACHED = "not_cached"  # --offline, and the cache lacks it
    NOT_ACCEPTED = "not_accepted"  # a media type that --accept leaves out
    REDIRECT = "redirect"  # Location missing or invalid, a loop, too many
    CLIENT_ERROR = "client_error"  # HTTP 4xx (and 3xx that do not redirect)
    SERVER_ERROR = "server_error"  # permanent HTTP 5xx (501, 505, ...), and 600 to 999
    UNAVAILABLE = "unavailable"  # HTTP 408, 425, 429, 500, 502, 503, 504: transient
    PARSE = "parse"  # the parser raised
    PARSE_TIMEOUT = "parse_timeout"
    PARSE_CRASH = "parse_crash"  # the parser crashed its worker
    ROBOTS = "robots"  # robots.txt forbids it, or could not be had
    TRAP = "trap"  # too many similar pages
    THROTTLED = "throttled"  # its host asks for a longer pause than is allowed
    HOST_DOWN = "host_down"  # its host never answered, or not again in time
    EXCLUDED = "excluded"  # a person had its host skipped while the crawl ran
    OUT_OF_SCOPE = "out_of_scope"  # it redirects out of scope
    UNCERTAIN = "uncertain"  # not to be repeated, and sent before the crawl was killed
    CANCELLED = "cancelled"  # in flight when the drain deadline ended
    INTERNAL = "internal"  # a bug in the crawler itself; --debug shows where

    @property
    def retryable(self) -> bool:
        """Tell whether a retry of the same request may succeed."""
        return self in _RETRYABLE

    @property
    def may_pass(self) -> bool:
        """Tell whether the URL may succeed in another crawl: `crawler retry` takes these."""
        return self in _RETRYABLE or self in _PASSING


class Lost(Enum):
    """The extent of a lost connection."""

    HOST = "host"  # only this host, as far as is known
    NETWORK = "network"  # any: no route, no network, no proxy


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

_PASSING = frozenset(
    {
        *(Kind.INTERRUPTED, Kind.CANCELLED, Kind.PROXY, Kind.THROTTLED, Kind.HOST_DOWN),
        Kind.NOT_CACHED,
    }
)
"""Reasons in the state of a host or of a crawl, which no retry within the crawl has cured."""

_UNAVAILABLE = frozenset({408, 425, 429, 500, 502, 503, 504})


def status_kind(status: int) -> Kind:
    """Return the kind of failure for an HTTP status of 300 and above.

    A number above 599 is invalid and counts as a server error (RFC 9110, 15).
    """
    if status in _UNAVAILABLE:
        return Kind.UNAVAILABLE
    return Kind.SERVER_ERROR if status >= 500 else Kind.CLIENT_ERROR


@value(frozen=True, slots=True, kw_only=True)
class Received:
    """A response not yet parsed, as a fetcher hands it to the parser."""

    request: Request
    exchange: Exchange
    response: RawResponse


@value(frozen=True, slots=True, kw_only=True)
class ParseFault:
    """A page whose parsing failed: `kind` is PARSE, PARSE_TIMEOUT or PARSE_CRASH."""

    kind: Kind
    reason: str


Halves = tuple[dict[str, Any], bytes]
"""The two parts of a record: fields, and the document's fields as JSON."""


class Outcome:
    """Base of the outcomes: `Page`, `Redirected`, `Listing`, `Failed` and `Skipped`."""

    __slots__ = ()

    if TYPE_CHECKING:  # a field of `Skipped`, which must not take a default from here

        @property
        def url(self) -> str:
            """The URL as the list had it, in its WHATWG form."""

    @property
    def ok(self) -> bool:
        """Tell whether the response has a 2xx status and was read as intended."""
        return False

    @property
    def status(self) -> int | None:
        """The HTTP status; None if no response came."""
        exchange = self._exchange()
        return exchange.status if exchange is not None else None

    @property
    def headers(self) -> Headers:
        """The response's header fields by name, in any case; empty if no response came."""
        exchange = self._exchange()
        return Headers(exchange.fields if exchange is not None else ())

    def halves(self) -> Halves:
        """Return the fields of the request and the exchange, and the document's fields as JSON."""
        raise NotImplementedError

    def record(self) -> dict[str, Any]:
        """Return the record that `crawler crawl` writes as one line of JSON."""
        return cast("dict[str, Any]", orjson.loads(spliced(*self.halves())))

    def __repr__(self) -> str:
        words = [str(self.status or ""), _brief(self.url, 90), _brief(self._summary(), 60)]
        return f"<{type(self).__name__} {' '.join(word for word in words if word)}>"

    def _exchange(self) -> Exchange | None:
        return cast("Exchange | None", getattr(self, "exchange", None))

    def _summary(self) -> str:
        return ""


def _brief(text: str, most: int) -> str:
    """Return `text` as printable ASCII, cut to `most` characters."""
    shown = ascii(text)[1:-1]
    return shown if len(shown) <= most else f"{shown[: most - 3]}..."


class _Requested(Outcome):
    """Base of the outcomes of a URL that was to be requested."""

    __slots__ = ()
    request: Request

    @property
    def url(self) -> str:
        """The URL as it was listed or found, in its WHATWG form."""
        return self.request.seed


class _Explained(Outcome):
    """Base of the outcomes with a reason, whose URLs are shown without credentials."""

    __slots__ = ()
    kind: Kind
    reason: str

    def __post_init__(self) -> None:
        if "@" in self.reason:
            object.__setattr__(self, "reason", masked(self.reason))

    def _summary(self) -> str:
        return f"{self.kind}: {self.reason}"


@value(frozen=True, slots=True, kw_only=True, repr=False)
class Page(_Requested):
    """A parsed response with a 2xx status.

    `near_duplicate_of` is the fingerprint of the URL of an earlier page with nearly the same text.
    `changed` names what differs from the record of an earlier crawl; None without one.
    `body` is decoded, and only kept where somebody wants it; `saved` is the file that has it.
    """

    request: Request
    exchange: Exchange
    document: Document
    near_duplicate_of: int | None = None
    changed: tuple[str, ...] | None = None
    body: bytes | None = field(default=None, repr=False)
    saved: str | None = None

    @classmethod
    def not_modified(cls, request: Request, exchange: Exchange, former: FormerPage) -> Page:
        """Return the page of an earlier crawl, as the server says that it has not changed."""
        document = Document(json=completed(former.document()))
        return cls(request=request, exchange=exchange, document=document, changed=())

    @classmethod
    def parsed(
        cls,
        request: Request,
        exchange: Exchange,
        document: Document,
        body: bytes | None = None,
    ) -> Page:
        """Return a page that was parsed, compared with that of an earlier crawl if there is one."""
        former, changed = exchange.former, None
        if former is not None:
            found = document.fields
            now = {name: found.get(name) for name in ("title", "body_hash", "text_hash")}
            now |= {"status": exchange.status, "bytes": exchange.body_bytes}
            changed = former.changed(now | {"final_url": request.url.href})
            if former.body_hash is None and not changed:
                changed = None  # there is nothing that would tell
        return cls(
            request=request, exchange=exchange, document=document, changed=changed, body=body
        )

    @property
    def unchanged(self) -> bool:
        """Tell whether it is as an earlier crawl recorded it."""
        return self.changed == ()

    def like(self, earlier: int) -> Page:
        """Return the same page, marked as a near-duplicate."""
        return replace(self, near_duplicate_of=earlier)

    @property
    def final_url(self) -> str:
        """The URL at the end of the redirects."""
        return self.request.url.href

    @property
    def fields(self) -> dict[str, Any]:
        """The fields found by the parser: title, links and the rest."""
        return self.document.fields

    @property
    def truncated(self) -> bool:
        """Tell whether the body was cut, so that fields may be incomplete."""
        return self.exchange.truncated

    @property
    def title(self) -> str | None:
        """The page's title, or None."""
        return cast("str | None", self.fields.get("title"))

    @property
    def links(self) -> list[str]:
        """The absolute URLs that the page links to, without repeats and fragments."""
        return cast("list[str]", self.fields.get("links", []))

    @property
    def ok(self) -> bool:
        """Tell whether the response was read: always."""
        return True

    @property
    def text(self) -> str | None:
        """The main text; None unless it was asked for (`text=True`) and there is one."""
        return cast("str | None", self.fields.get("text"))

    @property
    def markdown(self) -> str | None:
        """The main text as Markdown; None unless it was asked for and there is one."""
        return cast("str | None", self.fields.get("markdown"))

    def halves(self) -> Halves:
        """Return the record's halves."""
        fields = self.request.fields("unchanged" if self.unchanged else "page", None, None)
        fields |= self.exchange.record(self.request, self.document.seconds)
        if self.changed is not None:
            fields["changed"] = self.changed
        if self.saved is not None:
            fields["saved"] = self.saved
        if self.near_duplicate_of is not None:
            fields["near_duplicate_of"] = f"{self.near_duplicate_of:016x}"
        return fields, self.document.json

    def _summary(self) -> str:
        return self.title or ""


@value(frozen=True, slots=True, kw_only=True)
class Redirect:
    """A response that points elsewhere; `location` is the header as sent."""

    request: Request
    exchange: Exchange
    location: str


@value(frozen=True, slots=True, kw_only=True, repr=False)
class Redirected(_Requested):
    """A URL that redirects to one that the crawl visits anyway; only where links are followed."""

    request: Request
    exchange: Exchange
    target: str

    def halves(self) -> Halves:
        """Return the record's halves."""
        reason = f"redirects to {self.target}, which has its own record"
        fields = self.request.fields("redirect", None, reason)
        return fields | self.exchange.record(self.request, None), NO_DOCUMENT

    def _summary(self) -> str:
        return f"to {self.target}"


@value(frozen=True, slots=True, kw_only=True, repr=False)
class Listing(_Requested):
    """A sitemap's URLs; `problem` says what was wrong with it, "" if nothing."""

    request: Request
    exchange: Exchange
    pages: tuple[str, ...]
    sitemaps: tuple[str, ...] = ()
    problem: str = ""

    @property
    def ok(self) -> bool:
        """Tell whether the sitemap had no problem."""
        return not self.problem

    def halves(self) -> Halves:
        """Return the record's halves."""
        fields = self.request.fields("sitemap", None, self._summary())
        return fields | self.exchange.record(self.request, None), NO_DOCUMENT

    def _summary(self) -> str:
        found = f"{len(self.pages)} pages, {len(self.sitemaps)} sitemaps"
        return f"{found}; {self.problem}" if self.problem else found


@value(frozen=True, slots=True, kw_only=True)
class Resolved:
    """The address of a host to connect to first."""

    request: Request
    address: str
    exchange: Exchange | None = None


@value(frozen=True, slots=True, kw_only=True, repr=False)
class Failed(_Requested, _Explained):
    """A URL that did not become a page. `retry_after` is the server's request, in seconds.

    The reason contains no credentials of URLs. `hopeless`: a retry would end alike, whatever the
    kind says. `sent`: the request may have reached the server, and must not be repeated. `kept` is
    a partial response, used once no retry is left. `document` holds the fields of an error page,
    `body` what they were found in, if somebody wants it. `no_tls`: the port of an https URL is
    closed or does not speak TLS. `lost` is what could not be reached.
    """

    request: Request
    kind: Kind
    reason: str
    exchange: Exchange | None = None
    retry_after: float | None = None
    hopeless: bool = False
    sent: bool = False
    kept: Received | None = field(default=None, repr=False)
    document: Document | None = None
    body: bytes | None = field(default=None, repr=False)
    no_tls: bool = False
    lost: Lost | None = None

    def halves(self) -> Halves:
        """Return the record's halves; an error page may have a document."""
        request, found = self.request, self.document
        fields = request.fields("failed", self.kind, self.reason)
        if self.exchange is None:
            fields |= no_exchange(request.attempts)
        else:
            fields |= self.exchange.record(request, found.seconds if found else None)
            former, now = self.exchange.former, {"status": self.exchange.status}
            if former is not None and (changed := former.changed(now)):
                fields["changed"] = changed
        return fields, found.json if found else NO_DOCUMENT


@value(frozen=True, slots=True, kw_only=True, repr=False)
class Skipped(_Explained):
    """A URL that was never requested, and the reason."""

    url: str
    input: str
    kind: Kind
    reason: str
    depth: int = 0
    found_on: str = ""
    source: bytes = b""
    purpose: Purpose = Purpose.PAGE
    payload: Payload | None = None

    def halves(self) -> Halves:
        """Return the record's halves."""
        fields: dict[str, Any] = {
            "url": self.url,
            "input": self.input,
            **sent_fields(self.payload),
            **source_field(self.source),
            "final_url": None,
            "redirects": [],
            "outcome": "skipped",
            "kind": self.kind,
            "reason": self.reason,
            "depth": self.depth,
            "found_on": self.found_on or None,
            "near_duplicate_of": None,
        }
        return fields | no_exchange(0), NO_DOCUMENT


Final = Page | Redirected | Listing | Failed | Skipped
"""The outcome of a URL: exactly one of these, exactly once."""

Fetched = Received | Redirect | Resolved | Failed | Page
"""The result of a fetcher; a page is one that has not been modified."""


Parsed = Document | ParseFault
"""The result of a parser."""
