"""What holds a crawl back: the limit that kept it from starting more, second by second.

Whenever the core has nothing to start it says which limit that is due to; the time until the next
start is that limit's. `bound` names the limit that took most of a stretch of time. A crawl that
always finds something to start is bound by none of them: it is as quick as its CPU.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Limit(StrEnum):
    """What keeps a crawl from starting another request."""

    DELAY = "delay"  # --delay, or the one of --hosts
    CRAWL_DELAY = "crawl_delay"  # the one of robots.txt
    PAUSE = "pause"  # a host that is left alone for a while, or asked more slowly after a 429
    IP_DELAY = "ip_delay"
    PER_HOST = "per_host"
    ADAPT = "adapt"  # the width that a host has shown to bear
    PER_IP = "per_ip"
    CONCURRENCY = "concurrency"
    MACHINE = "machine"  # fewer than --concurrency, as this machine is late with everything
    RETRY = "retry"  # pauses before further attempts
    PARSER = "parser"
    SINK = "sink"  # whoever takes the records
    LIST = "list"  # whoever brings the URLs
    SERVERS = "servers"  # nothing waits: the last answers are awaited


IN_FLIGHT = frozenset({Limit.PER_HOST, Limit.ADAPT, Limit.PER_IP, Limit.CONCURRENCY})
"""Limits of requests in flight: what takes long there may be the exchange or the parser."""


@dataclass(frozen=True, slots=True)
class Held:
    """Seconds for which a limit held the crawl, and the same times the hosts at work then."""

    seconds: float = 0.0
    host_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """The limit that a crawl was bound by, and how many hosts were at work while it was."""

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
        """From now on this limit holds the crawl, with so many hosts at work; None: nothing."""
        if self._current is not None:
            limit, hosts = self._current
            spent = self._spent.get(limit)
            if spent is None:
                spent = self._spent[limit] = [0.0, 0.0]
            seconds = max(now - self._since, 0.0)
            spent[0] += seconds
            spent[1] += seconds * hosts
        # A snapshot may have been asked for a moment before a step that came first.
        self._current, self._since = current, max(self._since, now)

    def until(self, now: float) -> dict[Limit, Held]:
        """All up to now, with what goes on."""
        self.hold(self._current, now)
        return {limit: Held(*spent) for limit, spent in self._spent.items()}


def bound(held: Holding, seconds: float, before: Holding | None = None) -> Bound | None:
    """Return the limit that took more than half of `seconds`, if one did.

    before: what was held when those seconds began.
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
