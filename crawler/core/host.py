"""One host, its queue and its rules; and one address, the hosts that share its limits.

A host may be asked when fewer than `width` of its requests are in flight and its time has come.
It is in exactly one place: among the ready, on the heap of those whose time will come, or parked
(nothing to ask, or at its width). A host with nothing left to ask stays on the heap until its time
has come, because until then forgetting it would forget the delay.

Before its first page a host has to pass two gates, each a request of its own that the host makes
when something waits: its address (a proxy looks it up itself), and its robots.txt
(where that is obeyed). Nothing but robots.txt of other hosts, which a redirect sent here, may pass
while a gate is shut.

    ADDRESS -> LOOKED_UP -> ROBOTS -> READ -> OPEN -> ROBOTS, when the rules are a day old

The hosts of one address are kept as the frontier keeps addresses: those that may be asked stand in
a ring and take turns, those that must wait stand on a heap. A thousand host names on one machine
are, to the frontier, one place that may be asked now or later.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from enum import Enum
from heapq import heappop, heappush
from itertools import count

from crawler.core.audit import Audit
from crawler.core.bottleneck import Limit
from crawler.core.breaker import Breaker
from crawler.core.manners import LONGEST_CRAWL_DELAY, Manners
from crawler.core.throttle import Throttle
from crawler.formats.robots import ALLOW_ALL, RobotsRules
from crawler.model.outcome import Kind
from crawler.model.request import Purpose, Request
from crawler.model.url import Url


class QueuePlace(Enum):
    """Where a host is kept."""

    PARKED = "parked"
    READY = "ready"
    TIMED = "timed"


class HostGate(Enum):
    """What has to be known of a host before its pages are asked for."""

    ADDRESS = "address"  # has to be looked up
    LOOKED_UP = "looked up"  # is being looked up
    ROBOTS = "robots"  # its rules have to be read
    READ = "read"  # they are being read
    OPEN = "open"


# An attribute of an enumeration costs as much as a call.
_PARKED, _READY, _TIMED = QueuePlace.PARKED, QueuePlace.READY, QueuePlace.TIMED
_LOOKED_UP, _READ, _OPEN = HostGate.LOOKED_UP, HostGate.READ, HostGate.OPEN


class Host:
    """The requests waiting for one host key, and when the next may start.

    `rules` are those in force, until `rules_until`. `down` is why the host is left alone until
    `down_until`: what waits, and what comes, ends with that. `attempt` counts the attempts at what
    is asked of the host itself. `no_tls`: its port is closed to TLS, or speaks something else.
    """

    __slots__ = (
        "address",
        "attempt",
        "audit",
        "breaker",
        "down",
        "down_until",
        "gate",
        "in_flight",
        "key",
        "manners",
        "no_tls",
        "place",
        "ready_at",
        "rules",
        "rules_until",
        "throttle",
        "urgent",
        "waiting",
    )

    def __init__(self, key: str, manners: Manners, address: Address, *, obeys: bool) -> None:
        self.key = key
        self.manners = manners
        self.gate = HostGate.OPEN
        self.address = address
        self.throttle = Throttle(manners)
        self.breaker = Breaker(manners)
        self.audit = Audit(key)
        self.waiting: deque[Request] = deque()
        self.urgent: deque[Request] = deque()
        self.in_flight = 0
        self.attempt = 1
        self.ready_at = 0.0
        self.rules: RobotsRules = ALLOW_ALL
        self.rules_until = float("-inf") if obeys else float("inf")
        self.no_tls = False
        self.down: tuple[Kind, str] | None = None
        self.down_until = float("-inf")
        self.place = QueuePlace.PARKED

    def __repr__(self) -> str:
        return (
            f"Host({self.key!r}, waiting={len(self.waiting)}, in_flight={self.in_flight}, "
            f"ready_at={self.ready_at:.3f}, {self.gate.value}, {self.place.value})"
        )

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is in flight."""
        return not (self.waiting or self.urgent or self.in_flight)

    @property
    def queued(self) -> int:
        """Requests that wait."""
        return len(self.waiting) + len(self.urgent)

    @property
    def spacing(self) -> float:
        """Seconds from one start to the next."""
        spacing = max(self.manners.delay, self.throttle.spacing)
        return max(spacing, self.asked_delay) if self.rules.crawl_delay else spacing

    @property
    def asked_delay(self) -> float:
        """The Crawl-delay in force: seconds, 0 without one."""
        return min(self.rules.crawl_delay or 0.0, LONGEST_CRAWL_DELAY)

    def place_at(self, now: float) -> QueuePlace:
        """Where the host belongs now. Called a few times for each URL: it is written out."""
        gate = self.gate
        if gate is not _LOOKED_UP and (self.urgent or (self.waiting and gate is not _READ)):
            # One at a time where the host asks for a delay.
            width = 1 if self.rules.crawl_delay else self.throttle.width
            if self.in_flight >= width:
                return _PARKED
        elif self.waiting or self.urgent or self.in_flight or self.ready_at <= now:
            return _PARKED
        return _TIMED if self.ready_at > now else _READY

    def limit(self, now: float) -> Limit:
        """What keeps its next request from being started, other than its address."""
        spacing = self.spacing
        if self.breaker.is_open:
            return Limit.PAUSE
        if self.ready_at > now:
            if self.ready_at > now + spacing or spacing == self.throttle.spacing:
                return Limit.PAUSE
            return Limit.DELAY if spacing == self.manners.delay else Limit.CRAWL_DELAY
        if self.gate is not _OPEN:
            return Limit.SERVERS  # its address or its robots.txt is awaited
        if self.rules.crawl_delay:
            return Limit.CRAWL_DELAY
        return Limit.PER_HOST if self.throttle.width >= self.manners.width else Limit.ADAPT

    def start(self, now: float) -> Request:
        """Take the next request; it is in flight from now on. Only when `place_at` is READY."""
        request = self._next(now)
        self.in_flight += 1
        if request.purpose is not Purpose.ADDRESS:
            self.ready_at = max(self.ready_at, now + self.spacing)
            self.audit.started(now, self.in_flight)
            if self.breaker.is_open:
                self.breaker.probe = request
        return request

    def _next(self, now: float) -> Request:
        if self.gate is _OPEN:
            if now < self.rules_until and not self.urgent:
                return self.waiting.popleft()
            self.opened(now)
        if self.gate is HostGate.ADDRESS:
            self.gate = HostGate.LOOKED_UP
            return self._question(Purpose.ADDRESS, "/", now)
        if self.urgent:
            return self.urgent.popleft()
        if self.gate is HostGate.ROBOTS:
            self.gate = HostGate.READ
            return self._question(Purpose.ROBOTS, "/robots.txt", now)
        return self.waiting.popleft()

    def _question(self, purpose: Purpose, path: str, now: float) -> Request:
        url = Url(self.key + path)
        return Request(
            url=url,
            seed=url.href,
            input=url.href,
            admitted_at=now,
            purpose=purpose,
            owner=self.key,
            attempt=self.attempt,
            attempts=self.attempt,
        )

    def opened(self, now: float) -> None:
        """A gate was passed: go on to the next."""
        self.gate = HostGate.ROBOTS if now >= self.rules_until else HostGate.OPEN

    def reopen(self, now: float) -> None:
        """Give up what is being asked of the host itself; it is asked anew when something comes."""
        self.attempt = 1
        self.gate = HostGate.ADDRESS if self.gate is HostGate.LOOKED_UP else self.gate
        if self.gate is not HostGate.ADDRESS:
            self.opened(now)

    def sent(self, at: float) -> None:
        """A request really left only then: a busy loop or a new connection may hold one up.

        The next comes so much later; unless it left already, as several may be in flight.
        """
        self.ready_at = max(self.ready_at, at + self.spacing)

    def pause(self, until: float) -> None:
        """Start nothing before then."""
        self.ready_at = max(self.ready_at, until)

    def take_if(self, wanted: Callable[[Request], bool]) -> list[Request]:
        """Take those pages that wait and are wanted."""
        taken = [request for request in self.waiting if wanted(request)]
        if taken:
            self.waiting = deque(request for request in self.waiting if not wanted(request))
        return taken

    def take_all(self) -> Iterator[Request]:
        """Take everything that waits."""
        while self.urgent:
            yield self.urgent.popleft()
        while self.waiting:
            yield self.waiting.popleft()


class Address:
    """Hosts of one address. `width` and `delay` are its limits; inf and 0 for none."""

    __slots__ = ("_number", "_ready", "_timed", "delay", "due", "hosts", "in_flight", "ip", "place",
                 "ready_at", "width")  # fmt: skip

    def __init__(self, ip: str, *, width: float, delay: float) -> None:
        self.ip = ip
        self.width = width
        self.delay = delay
        self.hosts = 0
        self.in_flight = 0
        self.ready_at = 0.0
        self.due = 0.0
        self.place = QueuePlace.PARKED
        self._number = count()
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
        if host.place is QueuePlace.READY:
            self._ready.append(host)
        elif host.place is QueuePlace.TIMED:
            heappush(self._timed, (host.ready_at, next(self._number), host))

    @property
    def has_timed(self) -> bool:
        """Whether hosts wait for their time."""
        return bool(self._timed)

    def pop_timed(self, now: float) -> Host | None:
        """A host whose time has come; it is in no place then."""
        if not self._timed or self._timed[0][0] > now:
            return None
        host = heappop(self._timed)[2]
        host.place = QueuePlace.PARKED
        return host

    def pop_ready(self) -> Host | None:
        """The host whose turn it is; it is in no place then, and may have to wait after all."""
        if not self._ready:
            return None
        host = self._ready.popleft()
        host.place = QueuePlace.PARKED
        return host

    def place_at(self, now: float) -> QueuePlace:
        """Where the address belongs in the frontier, with `due` as the time of its turn."""
        if self.in_flight >= self.width or not (self._ready or self._timed):
            return QueuePlace.PARKED
        soonest = now if self._ready else self._timed[0][0]
        self.due = max(soonest, self.ready_at)
        return QueuePlace.READY if self.due <= now else QueuePlace.TIMED

    def started(self, now: float) -> None:
        """A request to it starts."""
        self.in_flight += 1
        self.ready_at = now + self.delay

    def clear(self) -> None:
        """Forget the order of its hosts; each has to be settled anew."""
        self._ready.clear()
        self._timed.clear()
        self.place = QueuePlace.PARKED
