"""Find the bottleneck of a crawl: the limit that kept it from starting more, second by second.

If the core has nothing to start, it names the responsible limit; the time until the next start is
attributed to that. `bound` returns the limit that took most of a period. A crawl that always finds
something to start is bound by its CPU instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from crawler.model.value import value


class Limit(StrEnum):
    """A limit that keeps a crawl from starting another request."""

    DELAY = "delay"  # --delay, or the one of --hosts
    CRAWL_DELAY = "crawl_delay"  # the one of robots.txt
    PAUSE = "pause"  # a host's pause, or its wider spacing after a 429
    IP_DELAY = "ip_delay"
    PER_HOST = "per_host"
    ADAPT = "adapt"  # the learned width of a host
    PER_IP = "per_ip"
    CONCURRENCY = "concurrency"
    MACHINE = "machine"  # fewer than --concurrency, as this machine lags
    HAND = "hand"  # somebody has paused the crawl
    RETRY = "retry"  # pauses before retries
    PARSER = "parser"
    SINK = "sink"  # the receiver of records
    LIST = "list"  # the source of URLs
    SERVERS = "servers"  # nothing waits: the last answers are pending


IN_FLIGHT = frozenset({Limit.PER_HOST, Limit.ADAPT, Limit.PER_IP, Limit.CONCURRENCY})
"""Limits of requests in flight: their time may be the exchange's or the parser's."""


@value(frozen=True, slots=True)
class Held:
    """Seconds for which a limit held the crawl, and these times the hosts at work then."""

    seconds: float = 0.0
    host_seconds: float = 0.0


@value(frozen=True, slots=True, kw_only=True)
class Bound:
    """The limit that bound a crawl, and the number of hosts at work then."""

    limit: Limit
    hosts: int


Holding = Mapping[Limit, Held]


class Holds:
    """Adds up the seconds of each limit. `now` is the core's clock."""

    def __init__(self) -> None:
        self._spent: dict[Limit, list[float]] = {}  # seconds, seconds times hosts
        self._current: tuple[Limit, int] | None = None
        self._since = 0.0

    def hold(self, current: tuple[Limit, int] | None, now: float) -> None:
        """Attribute time from now on to a limit, with so many hosts at work; None: to none."""
        if self._current is not None:
            limit, hosts = self._current
            spent = self._spent.get(limit)
            if spent is None:
                spent = self._spent[limit] = [0.0, 0.0]
            seconds = max(now - self._since, 0.0)
            spent[0] += seconds
            spent[1] += seconds * hosts
        # A snapshot's `now` may be slightly later than that of the next step.
        self._current, self._since = current, max(self._since, now)

    def until(self, now: float) -> dict[Limit, Held]:
        """Return the seconds of each limit up to now, the current one included."""
        self.hold(self._current, now)
        return {limit: Held(*spent) for limit, spent in self._spent.items()}


def bound(held: Holding, seconds: float, before: Holding | None = None) -> Bound | None:
    """Return the limit that took more than half of `seconds`, or None.

    before: the times at the start of that period.
    """
    past = before or {}
    spent = {limit: _less(now, past.get(limit, Held())) for limit, now in held.items()}
    limit = max(spent, key=lambda limit: spent[limit].seconds, default=None)
    if limit is None or spent[limit].seconds <= seconds / 2:
        return None
    longest = spent[limit]
    return Bound(limit=limit, hosts=max(1, round(longest.host_seconds / longest.seconds)))


def _less(now: Held, before: Held) -> Held:
    return Held(now.seconds - before.seconds, now.host_seconds - before.host_seconds)
