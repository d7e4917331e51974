"""How URLs end that no fetch has ended: skipped, refused, interrupted. One record each."""

from __future__ import annotations

from crawler.model.outcome import Failed, Final, Kind, Redirect, Skipped
from crawler.model.request import Request
from crawler.model.url import InvalidUrl, Seed

_BY_CHOICE = frozenset({Kind.ROBOTS, Kind.THROTTLED, Kind.TRAP})
"""Why a URL was not even tried, by choice; other kinds are failures of its host."""

_INTERRUPTED = frozenset({Kind.INTERRUPTED, Kind.CANCELLED})


def unusable(seed: Seed, invalid: InvalidUrl) -> Skipped:
    """An entry of the list that is no URL."""
    kind = Kind.UNSUPPORTED_SCHEME if invalid.unsupported_scheme else Kind.INVALID_URL
    return Skipped(
        url=invalid.text, input=seed.input, kind=kind, reason=invalid.reason, source=seed.source
    )


def skipped(request: Request, kind: Kind, reason: str) -> Skipped:
    """A request that is not made, by choice."""
    return Skipped(
        url=request.seed,
        input=request.input,
        kind=kind,
        reason=reason,
        depth=request.depth,
        found_on=request.found_on,
        source=request.source,
        purpose=request.purpose,
    )


def interrupted(request: Request) -> Skipped:
    """A request that waited when the crawl was stopped, and had never been made."""
    return skipped(request, Kind.INTERRUPTED, "stopped before it began")


def is_interrupted(final: Final) -> bool:
    """Return whether the end of the run, and nothing else, has ended a URL."""
    return isinstance(final, Failed | Skipped) and final.kind in _INTERRUPTED


def refused(redirect: Redirect, kind: Kind, reason: str) -> Failed:
    """A redirect that is not followed."""
    return Failed(request=redirect.request, kind=kind, reason=reason, exchange=redirect.exchange)


def unasked(request: Request, kind: Kind, reason: str) -> Final:
    """The outcome of a request that waited and is not asked for any more."""
    if request.attempts == 1 and kind in _BY_CHOICE:
        return skipped(request, kind, reason)
    return Failed(request=request.unasked(), kind=kind, reason=reason)


def not_started(request: Request) -> Final:
    """What becomes of a request that waited when the crawl was stopped."""
    if request.attempts == 1:
        return interrupted(request)
    reason = f"stopped before fetch {request.attempts}"
    return Failed(request=request.unasked(), kind=Kind.INTERRUPTED, reason=reason)
