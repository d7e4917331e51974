"""Outcomes of visits, for both engines."""

from __future__ import annotations

from dataclasses import replace

from crawler.core.rules import RobotsRead
from crawler.formats.robots import RobotsRules
from crawler.formats.sitemap_listing import sitemap
from crawler.model.document import Document
from crawler.model.outcome import Failed, Fetched, Kind, Listing, Page, Parsed, Received
from crawler.model.request import Purpose, Request

AT_ONCE = 16_384
"""Bytes of a robots.txt or sitemap that are read on the event loop: about a millisecond."""


def read(received: Received, agent: str) -> RobotsRead | Listing:
    """Return the outcome of a robots.txt or sitemap; `agent` names the crawler. Never raises."""
    request, exchange, response = received.request, received.exchange, received.response
    if request.purpose is Purpose.ROBOTS:
        rules = RobotsRules.parse(response.body, agent)
        return RobotsRead(request=request, exchange=exchange, rules=rules)
    found = sitemap(response)
    return Listing(
        request=request,
        exchange=exchange,
        pages=found.pages,
        sitemaps=found.sitemaps,
        problem=found.problem,
    )


def parsed_as(
    fetched: Fetched, received: Received, parsed: Parsed, *, keep_body: bool = False
) -> Page | Failed:
    """Return the outcome of a response that was parsed; an error page remains a failure."""
    body = received.response.body if keep_body else None
    if isinstance(fetched, Failed) and not 200 <= received.response.status < 300:
        found = parsed if isinstance(parsed, Document) else None
        return replace(fetched, exchange=received.exchange, kept=None, document=found, body=body)
    if isinstance(parsed, Document):
        return Page.parsed(received.request, received.exchange, parsed, body)
    return Failed(
        request=received.request,
        kind=parsed.kind,
        reason=parsed.reason,
        exchange=received.exchange,
        body=body,
    )


def cancelled(request: Request) -> Failed:
    """Return the outcome of a visit that the end of the crawl cut short."""
    return Failed(request=request, kind=Kind.CANCELLED, reason="stopped while in flight")


def unforeseen(request: Request, error: Exception) -> Failed:
    """Return the outcome of a visit with an unexpected exception."""
    reason = f"{type(error).__name__}: {error}".replace("\n", " ")[:200]
    return Failed(request=request, kind=Kind.INTERNAL, reason=reason)
