"""Derive the rules of a host from the outcome of its robots.txt (RFC 9309, 2.3.1).

| outcome | meaning |
|---|---|
| a text | its rules |
| 4xx | all is allowed, for 429 only after retries and pauses |
| more than five redirects, a loop, a broken target | all is allowed |
| 5xx, no answer, half an answer | nothing is allowed for now; an old copy stays valid |
| no connection | the same; records name the connection's failure |
"""

from __future__ import annotations

from crawler.formats.robots import RobotsRules
from crawler.model.outcome import Failed, Kind, Listing, Page, Redirect, Resolved
from crawler.model.request import Request
from crawler.model.transfer import Exchange
from crawler.model.value import value

LIFETIME = 86_400.0
"""Seconds that rules are valid (RFC 9309, 2.4)."""
EXTENSION = 3_600.0
"""Seconds that old rules stay valid if new ones cannot be fetched."""
MAX_REDIRECTS = 5

_UNCONNECTED = frozenset(
    {Kind.DNS, Kind.DNS_TEMPORARY, Kind.CONNECT, Kind.CONNECT_TIMEOUT, Kind.TLS, Kind.PROXY,
     Kind.BLOCKED_ADDRESS}
)  # fmt: skip


@value(frozen=True, slots=True, kw_only=True)
class RobotsRead:
    """The outcome of a robots.txt that was fetched and read, for the core only."""

    request: Request
    exchange: Exchange
    rules: RobotsRules


Succeeded = Page | Redirect | RobotsRead | Resolved | Listing
Ended = Succeeded | Failed
"""The result of a visit."""


def allowed_by(failure: Failed) -> RobotsRules | None:
    """Return the rules of a failure that allows everything; None for one that forbids it."""
    status = failure.exchange.status if failure.exchange else None
    if status is not None and 400 <= status < 500:
        return RobotsRules.allow_all(f"robots.txt answered HTTP {status}")
    if failure.kind is Kind.REDIRECT:
        return RobotsRules.allow_all("robots.txt redirects to nowhere")
    return None


def verdict_on(failure: Failed) -> tuple[Kind, str]:
    """Return the failure of a host's URLs if its robots.txt cannot be fetched."""
    if failure.kind in _UNCONNECTED:
        return failure.kind, f"{failure.reason} (asked for robots.txt)"
    return Kind.ROBOTS, f"robots.txt cannot be fetched, so nothing is allowed: {failure.reason}"
