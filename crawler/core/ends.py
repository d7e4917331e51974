"""Ends of URLs without a final fetch: skipped, refused, interrupted. One record each."""

from __future__ import annotations

from crawler.model.outcome import Failed, Final, Kind, Redirect, Skipped
from crawler.model.request import Request
from crawler.model.url import InvalidUrl, Seed

_BY_CHOICE = frozenset({Kind.ROBOTS, Kind.THROTTLED, Kind.TRAP, Kind.EXCLUDED})
"""Kinds of URLs that are skipped by choice; other kinds are failures of the host."""

_INTERRUPTED = frozenset({Kind.INTERRUPTED, Kind.CANCELLED})


def unusable(seed: Seed, invalid: InvalidUrl) -> Skipped:
    """Return the outcome of an invalid entry of the list."""
    kind = Kind.UNSUPPORTED_SCHEME if invalid.unsupported_scheme else Kind.INVALID_URL
    return Skipped(
        url=invalid.text, input=seed.input, kind=kind, reason=invalid.reason, source=seed.source
    )


def skipped(request: Request, kind: Kind, reason: str) -> Skipped:
    """Return the outcome of a request that is skipped by choice."""
    return Skipped(
        url=request.seed,
        input=request.input,
        kind=kind,
        reason=reason,
        depth=request.depth,
        found_on=request.found_on,
        source=request.source,
        purpose=request.purpose,
        payload=request.payload,
    )


def interrupted(request: Request) -> Skipped:
    """Return the outcome of a request that was never made when the crawl was stopped."""
    return skipped(request, Kind.INTERRUPTED, "stopped before it began")


def is_interrupted(final: Final) -> bool:
    """Tell whether only the end of the run has ended a URL."""
    return isinstance(final, (Failed, Skipped)) and final.kind in _INTERRUPTED


def refused(redirect: Redirect, kind: Kind, reason: str) -> Failed:
    """Return the outcome of a redirect that is not followed."""
    return Failed(request=redirect.request, kind=kind, reason=reason, exchange=redirect.exchange)


def unasked(request: Request, kind: Kind, reason: str) -> Final:
    """Return the outcome of a waiting request that will not be made."""
    if request.attempts == 1 and kind in _BY_CHOICE:
        return skipped(request, kind, reason)
    return Failed(request=request.unasked(), kind=kind, reason=reason)


def not_started(request: Request) -> Final:
    """Return the outcome of a request that waited when the crawl was stopped."""
    if request.attempts == 1:
        return interrupted(request)
    reason = f"stopped before fetch {request.attempts}"
    return Failed(request=request.unasked(), kind=Kind.INTERRUPTED, reason=reason)
