"""One host, its queue and rules; and one address, whose hosts share its limits.

A host may be asked when fewer than `width` of its requests are in flight and its time has come.
It is in exactly one place: among the ready, on the heap of those whose time will come, or parked
(nothing to ask, or at its width). A host with nothing left to ask stays on the heap until its time
has come, because forgetting it would forget the delay.

Before its first page a host passes two gates, each a request that the host makes itself when
something waits: its address (unless a proxy resolves it) and its robots.txt (if it is obeyed). Only
the robots.txt of another host that redirected here may pass a shut gate.

    ADDRESS -> LOOKED_UP -> ROBOTS -> READ -> OPEN -> ROBOTS, when the rules are a day old

An address keeps its hosts as the frontier keeps addresses: those that may be asked stand in a ring
and take turns, those that must wait stand on a heap. A thousand host names on one machine are, to
the frontier, one place that may be asked now or later.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from enum import Enum
from heapq import heappop
from math import inf

from crawler.core.audit import Audit
from crawler.core.bottleneck import Limit
from crawler.core.breaker import Breaker
from crawler.core.host_state import HostState
from crawler.core.throttle import Throttle
from crawler.core.waiting import WaitReason
from crawler.formats.robots import ALLOW_ALL, RobotsRules
from crawler.model.outcome import Kind
from crawler.model.politeness_config import PolitenessConfig
from crawler.model.request import Purpose, Request
from crawler.model.url import Url

LONGEST_CRAWL_DELAY = 60.0
"""Maximum Crawl-delay in seconds. It is not part of RFC 9309; larger values are often mistakes."""


class QueuePlace(Enum):
    """The place of a host or address in its queue."""

    PARKED = "parked"
    READY = "ready"
    TIMED = "timed"


class HostGate(Enum):
    """The state of a host's questions before its pages are fetched."""

    ADDRESS = "address"  # has to be looked up
    LOOKED_UP = "looked up"  # is being looked up
    ROBOTS = "robots"  # its rules have to be read
    READ = "read"  # they are being read
    OPEN = "open"


# Looking up an enumeration's member costs as much as a call.
PARKED, READY, TIMED = QueuePlace.PARKED, QueuePlace.READY, QueuePlace.TIMED
_LOOKED_UP, _READ, OPEN = HostGate.LOOKED_UP, HostGate.READ, HostGate.OPEN
_ADDRESS, _ROBOTS = Purpose.ADDRESS, Purpose.ROBOTS
_NOTHING: deque[Request] = deque()  # what is urgent at nearly every host; nothing is put there


class Host:
    """The requests waiting for one host key, and the time of the next.

    `rules` are in force until `rules_until`. `down` is the reason why the host is left alone until
    `down_until`: waiting and new URLs end with it. `attempt` counts the attempts at the host's own
    question. `no_tls`: its port is closed or does not speak TLS.
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
        "no_tls",
        "place",
        "politeness",
        "ready_at",
        "rules",
        "rules_until",
        "throttle",
        "urgent",
        "waiting",
    )

    def __init__(
        self,
        key: str,
        politeness: PolitenessConfig,
        address: Address,
        random: Callable[[], float],
    ) -> None:
        self.key = key
        self.politeness = politeness
        self.gate = OPEN
        self.address = address
        self.throttle = Throttle(politeness, random)
        self.breaker = Breaker(politeness)
        self.audit = Audit(key)
        self.waiting: deque[Request] = deque()
        self.urgent = _NOTHING
        self.in_flight = 0
        self.attempt = 1
        self.ready_at = 0.0
        self.rules: RobotsRules = ALLOW_ALL
        self.rules_until = -inf if politeness.robots == "obey" else inf
        self.no_tls = False
        self.down: tuple[Kind, str] | None = None
        self.down_until = -inf
        self.place = PARKED

    def __repr__(self) -> str:
        return (
            f"Host({self.key!r}, waiting={len(self.waiting)}, in_flight={self.in_flight}, "
            f"ready_at={self.ready_at:.3f}, {self.gate.value}, {self.place.value})"
        )

    @property
    def idle(self) -> bool:
        """Tell whether nothing waits and nothing is in flight."""
        return not (self.waiting or self.urgent or self.in_flight)

    @property
    def queued(self) -> int:
        """The number of waiting requests."""
        return len(self.waiting) + len(self.urgent)

    def queue(self, purpose: Purpose) -> deque[Request]:
        """Return the queue for a request."""
        if purpose is not _ROBOTS:
            return self.waiting
        if self.urgent is _NOTHING:
            self.urgent = deque()
        return self.urgent

    @property
    def spacing(self) -> float:
        """The seconds from one start to the next."""
        spacing, learned = self.politeness.delay, self.throttle.spacing
        if learned > spacing:
            spacing = learned
        return max(spacing, self.asked_delay) if self.rules.crawl_delay else spacing

    @property
    def asked_delay(self) -> float:
        """The Crawl-delay in force: seconds, 0 without one."""
        return min(self.rules.crawl_delay or 0.0, LONGEST_CRAWL_DELAY)

    def state(self, now: float) -> HostState:
        """Return what is to be remembered of the host."""
        known = self.politeness.robots == "obey" and self.rules_until > now
        return HostState(
            key=self.key,
            pause=max(0.0, self.ready_at - now),
            down=self.down if self.down_until > now else None,
            down_for=max(0.0, self.down_until - now),
            rules=self.rules if known else None,
            rules_for=self.rules_until - now if known else 0.0,
            no_tls=self.no_tls,
            throttle=self.throttle.state(now),
            breaker=self.breaker.state(now),
        )

    def restore(self, state: HostState, now: float) -> None:
        """Continue from a state that an earlier run has left; before anything waits."""
        if state.down is not None:
            self.down, self.down_until = state.down, now + state.down_for
        if state.rules is not None and self.politeness.robots == "obey":
            self.rules, self.rules_until = state.rules, now + state.rules_for
        self.no_tls = state.no_tls
        if state.throttle is not None:
            self.throttle.restore(state.throttle, now)
        if state.breaker is not None:
            self.breaker.restore(state.breaker, now)
            if self.breaker.is_open:
                self.throttle.probing()
        self.pause(now + state.pause)

    def place_at(self, now: float) -> QueuePlace:
        """Return the host's place. Called several times per URL, so it is written out."""
        gate = self.gate
        if gate is not _LOOKED_UP and (self.urgent or (self.waiting and gate is not _READ)):
            # One at a time if the host asks for a delay.
            width = 1 if self.rules.crawl_delay else self.throttle.width
            if self.in_flight >= width:
                return PARKED
        elif self.waiting or self.urgent or self.in_flight or self.ready_at <= now:
            return PARKED
        # A host without work stays on the heap for its delay; see the module.
        return TIMED if self.ready_at > now else READY

    def limit(self, now: float) -> Limit:
        """Return what holds its next request, other than its address."""
        spacing = self.spacing
        if self.breaker.is_open:
            return Limit.PAUSE
        if self.ready_at > now:
            # Later than its spacing explains: somebody called `pause`.
            if self.ready_at > now + spacing or spacing == self.throttle.spacing:
                return Limit.PAUSE
            return Limit.DELAY if spacing == self.politeness.delay else Limit.CRAWL_DELAY
        if self.gate is not OPEN:
            return Limit.SERVERS  # waiting for its address or robots.txt
        if self.rules.crawl_delay:
            return Limit.CRAWL_DELAY
        return Limit.PER_HOST if self.throttle.width >= self.politeness.per_host else Limit.ADAPT

    def wait_reason(self, now: float) -> WaitReason:
        """Return why its next request does not start; from any thread, which may see it change."""
        if self.breaker.is_open:
            return WaitReason.BREAKER
        spacing = self.spacing
        if self.ready_at > now + spacing:  # later than its spacing explains, as in `limit`
            return WaitReason.RETRY_AFTER if self.throttle.named else WaitReason.BACK_OFF
        if self.gate in (HostGate.ADDRESS, _LOOKED_UP):
            return WaitReason.ADDRESS
        if self.gate is not OPEN:
            return WaitReason.ROBOTS
        if self.ready_at > now:
            if spacing == self.throttle.spacing:
                return WaitReason.BACK_OFF
            return WaitReason.DELAY if spacing == self.politeness.delay else WaitReason.CRAWL_DELAY
        if self.address.in_flight >= self.address.width or self.address.ready_at > now:
            return WaitReason.SHARED
        return WaitReason.IN_FLIGHT if self.in_flight else WaitReason.TURN

    def start(self, now: float) -> Request:
        """Take the next request, which is then in flight. Only when `place_at` is READY."""
        request = self._next(now)
        self.in_flight += 1
        if request.purpose is not _ADDRESS:
            if spacing := self.spacing:
                self.pause(now + spacing)
            self.audit.started(now, self.in_flight)
            if self.breaker.is_open:
                self.breaker.probe = request
        return request

    def _next(self, now: float) -> Request:
        if self.gate is OPEN:
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
        """Go on to the next gate."""
        self.gate = HostGate.ROBOTS if now >= self.rules_until else OPEN

    def reopen(self, now: float) -> None:
        """Give up the host's own question; it is repeated when a request comes."""
        self.attempt = 1
        self.gate = HostGate.ADDRESS if self.gate is HostGate.LOOKED_UP else self.gate
        if self.gate is not HostGate.ADDRESS:
            self.opened(now)

    def sent(self, at: float) -> None:
        """Take in when a request really left: a busy loop or a new connection may delay it.

        The next comes so much later, unless it left already, as several may be in flight.
        """
        if spacing := self.spacing:
            self.pause(at + spacing)

    def pause(self, until: float) -> None:
        """Start nothing before `until`."""
        if until > self.ready_at:
            self.ready_at = until

    def take_if(self, wanted: Callable[[Request], bool]) -> list[Request]:
        """Take the waiting pages that are wanted."""
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
    """The hosts of one address. `width` and `delay` are its limits; inf and 0 for none.

    `ready` is the ring of hosts that may be asked, `timed` the heap of those that must wait. The
    frontier puts hosts there.
    """

    __slots__ = ("delay", "due", "hosts", "in_flight", "ip", "place", "ready", "ready_at", "timed",
                 "width")  # fmt: skip

    def __init__(self, ip: str, *, width: float, delay: float) -> None:
        self.ip = ip
        self.width = width
        self.delay = delay
        self.hosts = 0
        self.in_flight = 0
        self.ready_at = 0.0
        self.due = 0.0
        self.place = PARKED
        self.ready: deque[Host] = deque()
        self.timed: list[tuple[float, int, Host]] = []

    def __repr__(self) -> str:
        return (
            f"Address({self.ip!r}, hosts={self.hosts}, ready={len(self.ready)}, "
            f"timed={len(self.timed)}, in_flight={self.in_flight})"
        )

    def pop_timed(self, now: float) -> Host | None:
        """Return a host whose time has come, now parked."""
        if not self.timed or self.timed[0][0] > now:
            return None
        host = heappop(self.timed)[2]
        host.place = PARKED
        return host

    def place_at(self, now: float) -> QueuePlace:
        """Return the address's place in the frontier; set `due` to the time of its turn."""
        if self.in_flight >= self.width or not (self.ready or self.timed):
            return PARKED
        soonest = now if self.ready else self.timed[0][0]
        self.due = due = soonest if soonest > self.ready_at else self.ready_at
        return READY if due <= now else TIMED

    def clear(self) -> None:
        """Forget the order of its hosts; each has to be settled again."""
        self.ready.clear()
        self.timed.clear()
        self.place = PARKED
