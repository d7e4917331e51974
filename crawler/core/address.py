"""The hosts behind one IP address, which share its limits.

The same two levels as the frontier's: hosts that may be asked stand in a ring and take turns, hosts
that must wait stand on a heap. The address itself is a member of the frontier's ring and heap: a
thousand host names on one machine are, to the frontier, one place that may be asked now or later.
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from itertools import count

from crawler.core.host import Host, Place

_number = count()


class Address:
    """Hosts of one address. `width` and `delay` are its limits; inf and 0 for none."""

    __slots__ = ("_ready", "_timed", "delay", "due", "hosts", "in_flight", "ip", "place",
                 "ready_at", "width")  # fmt: skip

    def __init__(self, ip: str, *, width: float, delay: float) -> None:
        self.ip = ip
        self.width = width
        self.delay = delay
        self.hosts = 0
        self.in_flight = 0
        self.ready_at = 0.0
        self.due = 0.0
        self.place = Place.PARKED
        self._ready: deque[Host] = deque()
        self._timed: list[tuple[float, int, Host]] = []

    def __repr__(self) -> str:
        return (
            f"Address({self.ip!r}, hosts={self.hosts}, ready={len(self._ready)}, "
            f"timed={len(self._timed)}, in_flight={self.in_flight})"
        )

    def settle(self, host: Host, now: float) -> None:
        """Put a host that is in no place where it belongs."""
        host.place = host.place_at(now)
        if host.place is Place.READY:
            self._ready.append(host)
        elif host.place is Place.TIMED:
            heappush(self._timed, (host.ready_at, next(_number), host))

    @property
    def has_timed(self) -> bool:
        """Whether hosts wait for their time."""
        return bool(self._timed)

    def pop_timed(self, now: float) -> Host | None:
        """A host whose time has come; it is in no place then."""
        if not self._timed or self._timed[0][0] > now:
            return None
        host = heappop(self._timed)[2]
        host.place = Place.PARKED
        return host

    def pop_ready(self) -> Host | None:
        """The host whose turn it is; it is in no place then, and may have to wait after all."""
        if not self._ready:
            return None
        host = self._ready.popleft()
        host.place = Place.PARKED
        return host

    def place_at(self, now: float) -> Place:
        """Where the address belongs in the frontier, with `due` as the time of its turn."""
        if self.in_flight >= self.width or not (self._ready or self._timed):
            return Place.PARKED
        soonest = now if self._ready else self._timed[0][0]
        self.due = max(soonest, self.ready_at)
        return Place.READY if self.due <= now else Place.TIMED

    def started(self, now: float) -> None:
        """A request to it starts."""
        self.in_flight += 1
        self.ready_at = now + self.delay

    def clear(self) -> None:
        """Forget the order of its hosts; each has to be settled anew."""
        self._ready.clear()
        self._timed.clear()
        self.place = Place.PARKED
