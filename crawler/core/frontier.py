"""The frontier: every URL known and not yet started, host by host.

Hosts that may be asked stand in a ring and take turns; hosts that must wait stand on a heap by the
time at which they may be asked (BUbiNG's workbench). A step costs O(log hosts). A host with nothing
to do is forgotten as soon as its delay has passed, so memory goes with the URLs that wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from heapq import heappop, heappush

from crawler.core.host import Host, Place
from crawler.model.request import Request


class Frontier:
    """Requests waiting by host. `width` and `delay` are each host's limits."""

    def __init__(self, *, width: int, delay: float) -> None:
        self._width = width
        self._delay = delay
        self._hosts: dict[str, Host] = {}
        self._ready: deque[Host] = deque()
        self._timed: list[tuple[float, str]] = []
        self._waiting = 0

    def __len__(self) -> int:
        """Requests that wait."""
        return self._waiting

    def __repr__(self) -> str:
        return (
            f"Frontier(waiting={self._waiting}, hosts={len(self._hosts)}, "
            f"ready={len(self._ready)}, timed={len(self._timed)})"
        )

    def push(self, request: Request, now: float, *, first: bool = False) -> None:
        """Let `request` wait at its host: at the end of the queue, or at its head."""
        key = request.url.host_key
        host = self._hosts.get(key)
        if host is None:
            host = self._hosts[key] = Host(key)
        if first:
            host.waiting.appendleft(request)
        else:
            host.waiting.append(request)
        self._waiting += 1
        if host.place is Place.PARKED:
            self._settle(host, now)

    def pop(self, now: float) -> Request | None:
        """The next request that may start now; None if there is none."""
        while self._timed and self._timed[0][0] <= now:
            self._settle(self._hosts[heappop(self._timed)[1]], now)
        if not self._ready:
            return None
        host = self._ready.popleft()
        request = host.start(now, self._delay)
        self._waiting -= 1
        self._settle(host, now)
        return request

    def release(self, request: Request, now: float) -> None:
        """`request`, popped earlier, is no longer in flight."""
        host = self._hosts[request.url.host_key]
        host.in_flight -= 1
        if host.place is Place.PARKED:
            self._settle(host, now)

    def next_time(self) -> float | None:
        """When the next host that must wait may be asked; None if no host waits for its time."""
        return self._timed[0][0] if self._timed else None

    def drain(self) -> Iterator[Request]:
        """Take everything that waits; hosts with requests in flight stay known."""
        for host in self._hosts.values():
            yield from host.waiting
            host.waiting.clear()
            host.place = Place.PARKED
        self._hosts = {key: host for key, host in self._hosts.items() if host.in_flight}
        self._ready.clear()
        self._timed.clear()
        self._waiting = 0

    def _settle(self, host: Host, now: float) -> None:
        """Put a host that is in no place where it belongs."""
        host.place = host.place_at(now, self._width)
        if host.place is Place.READY:
            self._ready.append(host)
        elif host.place is Place.TIMED:
            heappush(self._timed, (host.ready_at, host.key))
        elif host.idle:
            del self._hosts[host.key]
