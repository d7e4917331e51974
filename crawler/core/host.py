"""One host: its queue and its manners.

A host may be asked when fewer than `width` of its requests are in flight and `delay` seconds have
passed since the last one started. It is in exactly one place: among the ready, on the heap of those
whose time will come, or parked (nothing to ask, or at its width). A host with nothing left to ask
stays on the heap until its delay has passed, because until then forgetting it would forget the
delay.
"""

from __future__ import annotations

from collections import deque
from enum import Enum

from crawler.model.request import Request


class Place(Enum):
    """Where the frontier keeps a host."""

    PARKED = "parked"
    READY = "ready"
    TIMED = "timed"


class Host:
    """The requests waiting for one host key, and when the next may start."""

    __slots__ = ("in_flight", "key", "place", "ready_at", "waiting")

    def __init__(self, key: str) -> None:
        self.key = key
        self.waiting: deque[Request] = deque()
        self.in_flight = 0
        self.ready_at = 0.0
        self.place = Place.PARKED

    def __repr__(self) -> str:
        return (
            f"Host({self.key!r}, waiting={len(self.waiting)}, in_flight={self.in_flight}, "
            f"ready_at={self.ready_at:.3f}, {self.place.value})"
        )

    def place_at(self, now: float, width: int) -> Place:
        """Where the host belongs now."""
        if not self.waiting:
            return Place.PARKED if self.in_flight or self.ready_at <= now else Place.TIMED
        if self.in_flight >= width:
            return Place.PARKED
        return Place.TIMED if self.ready_at > now else Place.READY

    def start(self, now: float, delay: float) -> Request:
        """Take the next request; it is in flight from now on."""
        self.in_flight += 1
        self.ready_at = now + delay
        return self.waiting.popleft()

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is in flight."""
        return not self.waiting and not self.in_flight
