"""From what became of a request for robots.txt to the rules of its host (RFC 9309, 2.3.1).

| what came | what it means |
|---|---|
| a text | its rules |
| 4xx | all is allowed, 429 among them: it is tried again before, and the host left alone |
| more than five redirects, a loop, a broken target | all is allowed |
| 5xx, no answer, half an answer | nothing is allowed, for now; a copy that there was still counts |
| no way to connect | the same; records say what kept us from connecting |
"""

from __future__ import annotations

from dataclasses import dataclass

from crawler.formats.robots import RobotsRules
from crawler.model.outcome import Failed, Kind, Listing, Page, Redirect, Resolved
from crawler.model.request import Request
from crawler.model.transfer import Exchange

LIFETIME = 86_400.0
"""Seconds that rules are kept (RFC 9309, 2.4)."""
EXTENSION = 3_600.0
"""Seconds that old rules are kept on when new ones cannot be had."""
MAX_REDIRECTS = 5

_UNCONNECTED = frozenset(
    {Kind.DNS, Kind.DNS_TEMPORARY, Kind.CONNECT, Kind.CONNECT_TIMEOUT, Kind.TLS, Kind.PROXY,
     Kind.BLOCKED_ADDRESS}
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class RobotsRead:
    """A robots.txt was fetched and read: an outcome for the core alone."""

    request: Request
    exchange: Exchange
    rules: RobotsRules


Ended = Page | Redirect | RobotsRead | Resolved | Listing | Failed
"""What a visit ends with."""


def allowed_by(failure: Failed) -> RobotsRules | None:
    """The rules that a failure amounts to where it allows all; None where it forbids all."""
    status = failure.exchange.status if failure.exchange else None
    if status is not None and 400 <= status < 500:
        return RobotsRules.allow_all(f"robots.txt answered HTTP {status}")
    if failure.kind is Kind.REDIRECT:
        return RobotsRules.allow_all("robots.txt redirects to nowhere")
    return None


def verdict_on(failure: Failed) -> tuple[Kind, str]:
    """How the URLs of a host end whose robots.txt cannot be had."""
    if failure.kind in _UNCONNECTED:
        return failure.kind, f"{failure.reason} (asked for robots.txt)"
    return Kind.ROBOTS, f"robots.txt cannot be had, so nothing is allowed: {failure.reason}"
