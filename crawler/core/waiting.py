"""Hosts whose URLs wait, and why: what `crawler status` shows of a running crawl."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from crawler.model.value import value


class WaitReason(StrEnum):
    """The reason why a host's next request does not start now."""

    NETWORK = "network"  # no host can be reached
    HAND = "hand"  # somebody has paused the crawl
    BREAKER = "breaker"  # the host does not answer
    RETRY_AFTER = "retry_after"  # the host named a time
    BACK_OFF = "back_off"  # the host asked for less, and named no time
    CRAWL_DELAY = "crawl_delay"  # of robots.txt
    DELAY = "delay"  # --delay, or the one of --hosts
    SHARED = "shared_address"  # --per-ip and --ip-delay
    ADDRESS = "address"  # its name is looked up
    ROBOTS = "robots"  # its robots.txt is read
    IN_FLIGHT = "in_flight"  # as many requests as it may have at once
    TURN = "turn"  # other hosts come first


@value(frozen=True, slots=True, kw_only=True)
class WaitingHost:
    """A host with `waiting` URLs, and the `seconds` until the next may start (0 if unknown)."""

    host: str
    waiting: int
    in_flight: int
    why: WaitReason
    seconds: float


@value(frozen=True, slots=True, kw_only=True)
class LiveView:
    """A crawl at one moment, for those who ask from outside.

    `elapsed`, `records`, `pages` and `wire_bytes` are those of this run. `expected` is the number
    of entries in the list, None if unknown; `hosts` are the busiest, `hosts_away` counts those that
    do not answer.
    """

    elapsed: float
    records: int
    pages: int
    wire_bytes: int
    in_flight: int
    hosts_away: int
    expected: int | None = None
    hosts: tuple[WaitingHost, ...] = ()


LookAtCrawl = Callable[[], LiveView]
