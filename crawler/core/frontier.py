"""The frontier: every URL known and not yet started, by address and host.

Addresses that may be asked stand in a ring and take turns; addresses that must wait stand on a heap
by the time at which they may be asked (BUbiNG's workbench), and within each its hosts do the same.
A step costs O(log hosts). If addresses have no limits, all hosts share one address that may always
be asked. Hosts with an unknown address share one, too, whose width is the number of concurrent
lookups: a name without a responding server takes half a minute, so lookups are not counted among
the fetches and cannot delay them.

A host with nothing to do rests as soon as its time has passed: its state (rules, width, troubles)
is kept for the last `RESTED_HOSTS` of them and 64 MB of rules, and is forgotten after that.

A crawl that is continued takes over what its hosts must not forget. Each host and address then
waits its full spacing from the start: nobody knows how late the earlier run has asked it.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from heapq import heappop, heappush, nlargest
from itertools import count, islice
from math import inf
from typing import NamedTuple

from crawler.core.audit import Audit
from crawler.core.backlog import Backlog
from crawler.core.bottleneck import Limit
from crawler.core.by_hand import SHOWN, ShownHost
from crawler.core.host import OPEN, PARKED, READY, TIMED, Address, Host, HostGate
from crawler.core.host_state import HostState, nothing_known
from crawler.core.waiting import WaitingHost
from crawler.formats.robots import ALLOW_ALL, RobotsRules
from crawler.model.outcome import Kind
from crawler.model.politeness_config import PolitenessConfig
from crawler.model.request import Request

RESTED_HOSTS = 10_000
RESTED_COST = 64 * 2**20
_SPARE_ADDRESSES = 1_000
_LOOKS = 16  # hosts examined to find what holds most of them


class Withdrawal(NamedTuple):
    """A request that waited and will not be made, with the reason."""

    request: Request
    kind: Kind
    reason: str


class Frontier:
    """Requests waiting by host. `backlog` is told of each queue that gets shorter.

    random: returns a float in [0, 1). look_ups: maximum concurrent lookups; 0 for none. proxied:
    tells whether a proxy resolves a host key's name; its address is then unknown and has no
    limits. veto: returns the reason to skip a found request when its turn comes, or None. on_rest:
    called for each forgotten host. on_away: called for each host that was away when an earlier run
    ended. `noted` has the hosts of which something is to be remembered. `queued` counts waiting
    requests. `tls_refused`: there was a host whose port refuses TLS.
    """

    def __init__(
        self,
        politeness: PolitenessConfig,
        random: Callable[[], float],
        *,
        look_ups: int = 0,
        proxied: Callable[[str], bool] = lambda _key: False,
        veto: Callable[[Request], str | None] = lambda _request: None,
        on_rest: Callable[[Audit], None] = lambda _audit: None,
    ) -> None:
        self._politeness = politeness
        self.backlog = Backlog()
        self._random = random
        self._veto = veto
        self._on_rest = on_rest
        self.on_away: Callable[[], None] = lambda: None
        self.noted: dict[str, Host] = {}
        self._continued_at = -inf
        self._remembered: Callable[[str], HostState | None] = nothing_known
        self._look_ups = look_ups
        self._proxied = proxied
        self._unknown = Address("", width=look_ups, delay=0.0)
        self._anywhere = Address("", width=inf, delay=0.0)
        self._addresses: dict[str, Address] = {}
        self._hosts: dict[str, Host] = {}
        self._rested: OrderedDict[str, Host] = OrderedDict()
        self._rested_cost = 0
        self._ready: deque[Address] = deque()
        self._timed: list[tuple[float, int, Address]] = []
        self._number = count()
        self._in_flight: dict[Request, Host] = {}
        self.queued = 0
        self.tls_refused = False
        self.excluded: dict[str, tuple[Kind, str]] = {}  # by host key: left alone for good

    def __repr__(self) -> str:
        return (
            f"Frontier(waiting={self.queued}, hosts={len(self._hosts)}, "
            f"addresses={len(self._addresses)}, rested={len(self._rested)})"
        )

    # -- requests

    def push(self, request: Request, now: float, *, first: bool = False) -> tuple[Kind, str] | None:
        """Let `request` wait at its host: last, or first, unless the host is down.

        Returns the reason if the host is left alone and the request is not taken.
        """
        key = request.url.host_key
        host = self._hosts.get(key) or self.host(key)
        if host.down is not None:
            if now < host.down_until:
                self.changed(host, now)
                return host.down
            host.down = None
            host.throttle.probing()
            host.breaker.doubted()
        queue = host.queue(request.purpose)
        if first and not host.breaker.is_open:
            queue.appendleft(request)
        else:
            queue.append(request)
        self.queued += 1
        if host.place is PARKED:
            self.settle(host, now)
        return None

    def pop(self, now: float) -> Request | Withdrawal | None:
        """Return the next request that may start now, or that is refused; None if there is none.

        It may be a host's own question (`Purpose.ADDRESS`, `Purpose.ROBOTS`).
        """
        # Addresses whose time has come join the ring first.
        while self._timed and (due := self.next_time()) is not None and due <= now:
            address = heappop(self._timed)[2]
            address.place = PARKED
            self._wake(address, now)
            if address.place is not READY:
                self._place(address, now)
        # Each address has one turn: it goes back to the end of the ring, or to its heap.
        while self._ready:
            address = self._ready.popleft()
            address.place = PARKED
            if address.timed:
                self._wake(address, now)
            taken = self._turn(address, now)
            if address.place is PARKED:
                self._place(address, now)
            if taken is not None:
                return taken
        return None

    def _wake(self, address: Address, now: float) -> None:
        """Settle the hosts of an address whose time has come."""
        while (host := address.pop_timed(now)) is not None:
            self.settle(host, now)

    def _turn(self, address: Address, now: float) -> Request | Withdrawal | None:
        ready = address.ready
        while ready:
            host = ready.popleft()
            host.place = PARKED
            if host.place_at(now) is READY:  # it may have to wait after all
                return self._refused(host, now) or self._started(host, now)
            self.settle(host, now)
        return None

    def _started(self, host: Host, now: float) -> Request:
        before = len(host.waiting) + len(host.urgent)
        request = host.start(now)
        if taken := before - len(host.waiting) - len(host.urgent):  # 0: the host's own question
            self._shrunk(host, taken)
        self._in_flight[request] = host
        address = host.address
        address.in_flight += 1
        address.ready_at = now + address.delay
        self.settle(host, now)
        return request

    def _refused(self, host: Host, now: float) -> Withdrawal | None:
        """Return the refusal of the first in the queue, if the host's rules or a veto forbid it."""
        # Without valid rules nothing is judged yet: the host's own question starts first.
        if host.gate is not OPEN or host.urgent or now >= host.rules_until:
            return None
        request = host.waiting[0]
        rules = host.rules
        if rules is not ALLOW_ALL and not (verdict := rules.verdict(request.url.href)).allowed:
            host.audit.skipped += 1
            refused = Withdrawal(request, Kind.ROBOTS, verdict.reason)
        elif request.found_on and (reason := self._veto(request)) is not None:
            refused = Withdrawal(request, Kind.TRAP, reason)
        else:
            return None
        host.waiting.popleft()
        self._shrunk(host, 1)
        self.settle(host, now)
        return refused

    def release(self, request: Request, now: float) -> Host:
        """Return the host of `request`, popped earlier, which is no longer in flight."""
        host = self._in_flight.pop(request)
        host.in_flight -= 1
        address = host.address  # it changes only while nothing is in flight
        address.in_flight -= 1
        if address.width < inf and address.place is not READY:
            self._place(address, now)  # it may have been at its width
        return host

    def next_time(self) -> float | None:
        """Return when the next waiting address may be asked; None if none waits for its time."""
        while self._timed:
            due, _, address = self._timed[0]
            if address.place is TIMED and address.due == due:
                return due
            heappop(self._timed)  # its time or place has changed
        return None

    def limit(self, now: float) -> Limit:
        """Return what keeps waiting requests from starting; if `pop` found none.

        The first host with requests stands for all: the oldest at work takes longest.
        """
        host = next((h for h in islice(self._hosts.values(), _LOOKS) if h.queued), None)
        if host is None:
            return Limit.SERVERS
        address = host.address
        if address.in_flight >= address.width:
            return Limit.PER_IP
        waits = address.ready_at > max(now, host.ready_at) and host.place is not PARKED
        return Limit.IP_DELAY if waits else host.limit(now)

    # -- hosts

    @property
    def at_work(self) -> int:
        """The number of hosts that have requests, or had one a moment ago."""
        return len(self._hosts)

    def waiting(self, most: int, now: float) -> list[WaitingHost]:
        """Return the hosts with the most waiting URLs; from any thread."""
        hosts = list(
            self._hosts.values()
        )  # in one step of the interpreter: it may change meanwhile
        counted = nlargest(most, ((self.left(host), n) for n, host in enumerate(hosts)))
        return [
            WaitingHost(
                host=hosts[n].key,
                waiting=number,
                in_flight=hosts[n].in_flight,
                why=hosts[n].wait_reason(now),
                seconds=max(hosts[n].ready_at - now, hosts[n].address.ready_at - now, 0.0),
            )
            for number, n in counted
            if number
        ]

    def shown(self, now: float) -> list[ShownHost]:
        """Return the hosts that a person wants to see; from any thread."""
        hosts = list(self._hosts.values())  # in one step of the interpreter, as above
        picked: dict[str, Host] = {}
        orders: tuple[Callable[[Host], float], ...] = (
            self.left,
            lambda host: host.throttle.latency,
            lambda host: host.in_flight,
        )
        for order in orders:
            picked.update((host.key, host) for host in nlargest(SHOWN, hosts, key=order))
        return [self._shown(host, now) for host in picked.values()]

    def _shown(self, host: Host, now: float) -> ShownHost:
        return ShownHost(
            host=host.key,
            waiting=self.left(host),
            in_flight=host.in_flight,
            why=host.wait_reason(now),
            seconds=max(host.ready_at - now, host.address.ready_at - now, 0.0),
            requests=host.audit.requests,
            latency=host.throttle.latency,
        )

    def host(self, key: str) -> Host:
        """Return the host of a key: at work, woken from its rest, or new."""
        host = self._hosts.get(key)
        if host is None:
            host = self._rested.pop(key, None)
            if host is None:
                host = self._new(key)
            else:
                self._rested_cost -= host.rules.cost
                host.address = self._at(host.address.ip) if host.address.ip else host.address
            if self.excluded and key in self.excluded:
                host.down, host.down_until = self.excluded[key], inf
            host.address.hosts += 1
            self._hosts[key] = host
        return host

    def resume(self, remembered: Callable[[str], HostState | None], now: float) -> None:
        """Continue an earlier run, of whose hosts `remembered` returns the state, or None."""
        self._remembered = remembered
        self._continued_at = now

    def note(self, host: Host) -> None:
        """Take note that something of a host is to be remembered."""
        self.noted[host.key] = host

    def note_all(self) -> None:
        """Take note of every known host that was asked."""
        for hosts in (self._rested, self._hosts):
            self.noted.update((key, host) for key, host in hosts.items() if host.audit.requests)

    def _new(self, key: str) -> Host:
        proxied = self._proxied(key)
        ip = "" if proxied else literal(key)
        asks = self._look_ups > 0 and not (ip or proxied)
        address = self._unknown if asks else self._at(ip)
        host = Host(key, self._politeness.of_host(key), address, self._random)
        if self._continued_at > -inf:
            self._restore(host)
        if asks:
            host.gate = HostGate.ADDRESS
        else:
            host.opened(0.0)
        return host

    def _restore(self, host: Host) -> None:
        if (state := self._remembered(host.key)) is not None:
            host.restore(state, self._continued_at)
            self.tls_refused = self.tls_refused or host.no_tls
            if host.breaker.is_open:
                self.on_away()
        host.pause(self._continued_at + host.spacing)

    def known(self, key: str) -> Host | None:
        """Return the host of a key, if it is at work."""
        return self._hosts.get(key)

    def settle(self, host: Host, now: float) -> None:
        """Put a parked host where it belongs, or to rest."""
        address = host.address
        place = host.place = host.place_at(now)
        if place is READY:
            address.ready.append(host)
        elif place is TIMED:
            heappush(address.timed, (host.ready_at, next(self._number), host))
        elif not (host.waiting or host.urgent or host.in_flight):
            self._rest(host)
        if address.place is not READY:
            self._place(address, now)

    def changed(self, host: Host, now: float) -> None:
        """Settle a parked host after a change."""
        if host.place is PARKED and host.key in self._hosts:
            self.settle(host, now)

    def move(self, host: Host, ip: str, now: float) -> None:
        """Move a host to its resolved address, whose limits it shares from now on."""
        # A host is parked during its lookup, unless everything was called off.
        if host.place is PARKED:
            host.address.hosts -= 1
            host.address = self._at(ip)
            host.address.hosts += 1
        host.opened(now)
        self.changed(host, now)

    def take_all(self, host: Host) -> list[Request]:
        """Take everything that waits at a host, without moving the host."""
        taken = list(host.take_all())
        self._shrunk(host, len(taken))
        return taken

    def take_if(self, host: Host, wanted: Callable[[Request], bool]) -> list[Request]:
        """Take the wanted requests that wait at a host; the rest keeps its order."""
        taken = host.take_if(wanted)
        self._shrunk(host, len(taken))
        return taken

    def _shrunk(self, host: Host, number: int) -> None:
        """Count requests that no longer wait at a host, which may want spilled ones."""
        self.queued -= number
        if self.backlog.shelves:
            self.backlog.shrunk(host.key, host.queued, self.queued)

    def left(self, host: Host) -> int:
        """Return the number of requests that wait at a host, spilled ones included."""
        return host.queued + self.backlog.left(host.key)

    def refuses_tls(self, key: str) -> bool:
        """Tell whether a host's port is known to refuse TLS."""
        host = self._hosts.get(key) or self._rested.get(key)
        return host is not None and host.no_tls

    def rules(self, key: str) -> RobotsRules | None:
        """Return the rules that a host's robots.txt gave; None if it was not read."""
        host = self._hosts.get(key) or self._rested.get(key)
        return host.rules if host is not None and 0 < host.rules_until < inf else None

    def drain(self) -> Iterator[Request]:
        """Take everything that waits; hosts with requests in flight stay known."""
        for host in self._hosts.values():
            yield from host.take_all()
            host.place = PARKED
        for address in (self._unknown, self._anywhere, *self._addresses.values()):
            address.clear()
        for host in [host for host in self._hosts.values() if not host.in_flight]:
            self._rest(host)
        self._ready.clear()
        self._timed.clear()
        self.queued = 0

    def audits(self) -> Iterator[Audit]:
        """Yield the audits of all known hosts."""
        for hosts in (self._rested, self._hosts):
            yield from (host.audit for host in hosts.values() if host.audit.requests)

    def _rest(self, host: Host) -> None:
        if self._hosts.pop(host.key, None) is None:
            return
        host.address.hosts -= 1
        self._rested[host.key] = host
        self._rested_cost += host.rules.cost
        while len(self._rested) > RESTED_HOSTS or self._rested_cost > RESTED_COST:
            _, forgotten = self._rested.popitem(last=False)
            self._rested_cost -= forgotten.rules.cost
            if forgotten.audit.requests:
                self._on_rest(forgotten.audit)

    def _at(self, ip: str) -> Address:
        if not (ip and self._politeness.per_ip):
            return self._anywhere
        address = self._addresses.get(ip)
        if address is None:
            if len(self._addresses) > 2 * len(self._hosts) + _SPARE_ADDRESSES:
                self._addresses = {ip: a for ip, a in self._addresses.items() if a.hosts}
            address = Address(ip, width=self._politeness.per_ip, delay=self._politeness.ip_delay)
            address.ready_at = max(0.0, self._continued_at + address.delay)
            self._addresses[ip] = address
        return address

    def _place(self, address: Address, now: float) -> None:
        """Put an address where it belongs; an earlier time replaces a later one.

        Not for a ready address: it has its turn.
        """
        before = address.due if address.place is TIMED else inf
        place = address.place = address.place_at(now)
        if place is READY:
            self._ready.append(address)
        elif place is TIMED and address.due != before:
            heappush(self._timed, (address.due, next(self._number), address))


def literal(key: str) -> str:
    """Return the IP address in a host key; "" for a name."""
    if key[-1].isalpha():
        return ""  # nearly every name; an address ends with a digit, as a port does, or with ]
    host = key.partition("//")[2]
    if host.startswith("["):
        return host[1 : host.index("]")]
    name = host.partition(":")[0]
    return name if name.rpartition(".")[2].isdigit() else ""  # an IPv4 address by WHATWG URL
