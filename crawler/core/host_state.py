"""What a host must not forget when its crawl is continued, as plain values.

Times are durations from the moment at which the state was taken, or the crawl was continued: how
long something is still in force, or has lasted. So neither a changed clock nor the time between two
runs can make them longer. inf stands for never.
"""

from __future__ import annotations

from math import inf
from typing import NamedTuple

from crawler.formats.robots import RobotsRules
from crawler.model.outcome import Kind
from crawler.model.value import value


class ThrottleState(NamedTuple):
    """The state of a host's `Throttle`: what it has learned, and its pauses."""

    width: float
    ceiling: float
    spacing: float = 0.0
    strikes: int = 0
    pauses: int = 0
    asked_for: float = 0.0
    paused_for: float = inf


class BreakerState(NamedTuple):
    """The state of a host's `Breaker`; `open_for` is inf if it is shut."""

    worked: bool = False
    failures: int = 0
    probes: int = 0
    unreached: bool = False
    lost: bool = False
    open_for: float = inf


@value(frozen=True, slots=True, kw_only=True)
class HostState:
    """The state of one host.

    `pause` is how long it may not be asked, `down` why it is left alone for `down_for`; `rules` are
    those of its robots.txt, in force for `rules_for`.
    """

    key: str
    pause: float = 0.0
    down: tuple[Kind, str] | None = None
    down_for: float = 0.0
    rules: RobotsRules | None = None
    rules_for: float = 0.0
    no_tls: bool = False
    throttle: ThrottleState | None = None
    breaker: BreakerState | None = None


def nothing_known(_key: str) -> None:
    """Return the state of a host in a crawl that has just begun."""
