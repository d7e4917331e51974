"""What both engines say of a visit that did not end as a fetch does."""

from __future__ import annotations

from crawler.model.document import Document
from crawler.model.outcome import Failed, Kind, Page, Parsed, Received
from crawler.model.request import Request


def parsed_as(received: Received, parsed: Parsed) -> Page | Failed:
    """The outcome of a response, once it was parsed."""
    if isinstance(parsed, Document):
        return Page(request=received.request, exchange=received.exchange, document=parsed)
    return Failed(
        request=received.request,
        kind=parsed.kind,
        reason=parsed.reason,
        exchange=received.exchange,
    )


def cancelled(request: Request) -> Failed:
    """The outcome of a visit that the end of the crawl cut off."""
    return Failed(request=request, kind=Kind.CANCELLED, reason="stopped while in flight")


def unforeseen(request: Request, error: Exception) -> Failed:
    """The outcome of a visit in which something raised that should not."""
    reason = f"{type(error).__name__}: {error}".replace("\n", " ")[:200]
    return Failed(request=request, kind=Kind.INTERNAL, reason=reason)
