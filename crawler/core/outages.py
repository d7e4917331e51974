"""Outages of hosts and networks: their URLs wait instead of failing.

A final failure is held if it may be the host's fault and not the URL's:

    held  ->  asked again    its host's breaker opens, or the network is found gone, or the host
                             answers again after a connection had failed
          ->  final          its host answers later requests; or, if nothing more can be learned of
                             the host, the network shows life, or nothing else goes on

Once the breaker is open, or the network gone, no such failure counts: its request goes to the end
of its host's queue, so that probes take turns. Attempts that failed before that was known are given
back (`Request.doubtful`). URLs wait only for a host that has worked or, for a moment, for one with
many URLs. A failed connection means that the host is away; a broken one, or the error of a gateway,
means it if nothing else comes. A page's own error (500) counts against its URL: the host is there,
and is then asked once a second.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf

from crawler.core.breaker import HeldHost
from crawler.core.collector import Snapshot
from crawler.core.frontier import Frontier, Withdrawal
from crawler.core.gatekeeper import Gatekeeper
from crawler.core.host import Host, HostGate
from crawler.core.network import Network, Sign, sign
from crawler.core.retry import RetryPolicy
from crawler.core.rules import Ended, Succeeded
from crawler.core.throttle import asks_for_later, is_trouble
from crawler.model.event import NO_EVENTS, Level
from crawler.model.outcome import Failed, Kind, Resolved
from crawler.model.politeness_config import PolitenessConfig
from crawler.model.request import Purpose, Request

_TOLD = 5
"""Maximum hosts whose outages are reported individually; the others are counted."""

_UNCONNECTED = frozenset({Kind.DNS_TEMPORARY, Kind.CONNECT, Kind.CONNECT_TIMEOUT})
_LATE = frozenset({Kind.DNS_TEMPORARY, Kind.CONNECT_TIMEOUT, Kind.TIMEOUT})
_CUT = frozenset({Kind.DISCONNECTED, Kind.TIMEOUT})
_GATEWAY = frozenset({502, 503, 504})  # a server is there, and nobody behind it


def unreached(failure: Failed) -> bool:
    """Tell whether the host could not be connected to, so that its URL is not the cause."""
    return failure.kind in _UNCONNECTED or failure.lost is not None


def doubtful(failure: Failed) -> bool:
    """Tell whether a failure may be its host's or the network's fault."""
    if failure.hopeless or failure.sent:
        return False
    if failure.kind is Kind.UNAVAILABLE:
        return failure.status in _GATEWAY and not asks_for_later(failure)
    return cut_off(failure)


def cut_off(failure: Failed) -> bool:
    """Tell whether a connection failed or broke; a stopped process loses its connections."""
    return unreached(failure) or failure.kind in _CUT


def _silent(failure: Failed) -> bool:
    return failure.kind in _LATE or failure.lost is not None


class Outages:
    """Hosts that are away, and what waits for them. `retried` is called for each repeated request.

    `held` counts held failures.
    """

    def __init__(
        self,
        frontier: Frontier,
        gates: Gatekeeper,
        retry: RetryPolicy,
        politeness: PolitenessConfig,
        retried: Callable[[], None],
    ) -> None:
        self._frontier = frontier
        self._gates = gates
        self._retry = retry
        self._politeness = politeness
        self._retried = retried
        self._doubted: dict[str, Host] = {}  # hosts that hold something
        self._own: list[Failed] = []
        self._left: list[Withdrawal] = []
        self._told = 0
        self.held = 0
        self.away = 0
        self.outages = 0
        self.events = NO_EVENTS
        frontier.on_away = self._away_before
        self.network = Network(politeness.breaker_give_up if politeness.breaker else 0.0)

    def __repr__(self) -> str:
        return f"Outages(away={self.away}, held={self.held}, {self.network!r})"

    def _away_before(self) -> None:
        """Count a host that was away already when an earlier run ended."""
        self.away += 1

    def settled(self, host: Host, request: Request) -> Request:
        """Return a request without the attempts that are given back."""
        known_at = max(host.breaker.opened_at, self.network.gone_at)
        if not request.doubtful or known_at < request.admitted_at:
            return request
        return replace(request, attempt=request.attempt - request.doubtful, doubtful=0)

    def again(self, host: Host, failure: Failed, now: float) -> Request | None:
        """Return the request that retries a failure, if one is due."""
        request = self.settled(host, failure.request)
        settled = failure if request is failure.request else replace(failure, request=request)
        if not self._retry.allows(settled):
            return None
        return request.again(now, doubtful=doubtful(failure))

    def excuse(self, host: Host, failure: Failed, now: float) -> None:
        """Repeat a request whose failure was not the fault of its host or the network."""
        host.breaker.unprobed(failure.request)
        self.network.probed(failure.request, now, silent=True)
        self._resume(host, failure, now)

    def waits(self, host: Host, failure: Failed) -> bool:
        """Tell whether a failure does not count because its host or the network is away."""
        away = self.network.gone or host.breaker.is_open
        return away and host.breaker.used and doubtful(failure)

    def answered(self, host: Host, outcome: Succeeded, started: float, now: float) -> None:
        """Take in the success of a request that left at `started`."""
        breaker = host.breaker
        if isinstance(outcome, Resolved):  # says nothing: an address may come from a file or cache
            if breaker.used:
                self.network.probed(outcome.request, now, silent=False)
            return
        breaker.silent_since = inf
        self._lives(host, outcome, started, now)
        if breaker.failures or breaker.held or not breaker.worked:
            self._answered(host, started, now)

    def learn(
        self, host: Host, failure: Failed, started: float, now: float, *, again: bool
    ) -> bool:
        """Take in the failure of a request that left at `started`; `again`: it would be retried.

        Returns whether it is kept here: its request is repeated, or `take` returns the failure.
        """
        told = sign(
            failure,
            worked=host.breaker.worked or self.network.gone,
            lived=self.network.life_at > -inf,
        )
        if told is Sign.LIFE:
            host.breaker.silent_since = inf
            self._lives(host, failure, started, now)
        kept = self._keeps(host, failure, now, again=again)
        if failure.request.purpose is not Purpose.ADDRESS:
            self._breaker(host, failure, started, now)
        if told is not Sign.LIFE and host.breaker.used:
            self._quiet(host, failure, started, now, silent=told is Sign.SILENCE)
        if kept:
            self._decide(host, now)
        return kept

    def idle(self, now: float) -> bool:
        """Decide held failures, if possible, once nothing is in flight and nothing returns."""
        before = self.held
        for host in list(self._doubted.values()):
            if self._stands_still(host):
                self._decide(host, now)
                self._judge(host, now)
        return self.held < before

    def rest(self, key: str, now: float) -> None:
        """Close the breaker of a host that is away if its waiting URLs ended otherwise."""
        host = self._frontier.host(key)
        if host.breaker.is_open and host.idle and not self._frontier.left(host):
            self._shut(host, now)
            host.breaker.is_open = False
        self._frontier.changed(host, now)

    @property
    def decided(self) -> bool:
        """Tell whether `take` returns something."""
        return bool(self._own or self._left)

    def take(self) -> tuple[list[Failed], list[Withdrawal]]:
        """Return what has become final: held failures, and the requests of hosts given up."""
        own, self._own = self._own, []
        left, self._left = self._left, []
        return own, left

    def stop(self) -> list[Failed]:
        """Give up everything held."""
        for host in list(self._doubted.values()):
            self._judge(host, inf)
        return self.take()[0]

    def counted(self, snapshot: Snapshot, now: float) -> Snapshot:
        """Add the outages to a snapshot; thread-safe."""
        network = self.network
        return replace(
            snapshot,
            hosts_away=self.away,
            outages=self.outages,
            network_pauses=network.pauses,
            network_paused=network.paused + (now - network.gone_at if network.gone else 0.0),
        )

    # -- one host

    def _breaker(self, host: Host, failure: Failed, started: float, now: float) -> None:
        breaker = host.breaker
        if _answers(failure):
            if breaker.failures or breaker.held or not breaker.worked:
                self._answered(host, started, now)
        elif is_trouble(failure) or failure.lost is not None:
            if self.network.gone:  # says nothing of the host
                breaker.unprobed(failure.request)
            else:
                self._failed(host, failure, now)
        else:
            breaker.unprobed(failure.request)

    def _answered(self, host: Host, started: float, now: float) -> None:
        breaker = host.breaker
        host.throttle.back()
        if breaker.is_open:
            self._shut(host, now)
            away = now - breaker.opened_at
            self.events.tell(Level.INFO, "breaker_closed", host=host.key, seconds=round(away, 3))
            self._tell(f"{host.key} answers again after {away:,.0f} s")
        if breaker.unreached:  # it was away for a moment
            self._release(host, now, before=started)
        breaker.answered()
        if breaker.held:
            self._judge(host, started)

    def _failed(self, host: Host, failure: Failed, now: float) -> None:
        breaker = host.breaker
        breaker.failed(unreached=unreached(failure))
        if failure.request is breaker.probe:
            self._probed(host, failure, now)
        elif breaker.full and not breaker.is_open:
            if self._patient(host):
                self._open(host, failure.reason, now)
            else:
                reason = (
                    f"its host failed {self._politeness.breaker} times in a row: {failure.reason}"
                )
                self._leave(host, reason, now)

    def _patient(self, host: Host) -> bool:
        """Tell whether a host's URLs wait for it: if it worked, or has many of them."""
        breaker = host.breaker
        if not breaker.used or self.network.given_up:
            return False
        return breaker.worked or (
            self._frontier.left(host) >= self._politeness.breaker and not breaker.lost
        )

    def _open(self, host: Host, reason: str, now: float) -> None:
        probe_at = host.breaker.open(now)
        host.throttle.probing()
        host.pause(probe_at)
        host.audit.pauses += 1
        self._frontier.note(host)
        self.away += 1
        self.outages += 1
        self._release(host, now)
        self.events.tell(Level.WARNING, "breaker_opened", host=host.key, reason=reason)
        self._tell(
            f"{host.key} does not answer{' any more' * host.breaker.worked} ({reason}): "
            f"its URLs wait, for {host.breaker.patience:,.0f} s at most",
            new=True,
        )

    def _shut(self, host: Host, now: float) -> None:
        self.away -= 1
        self._frontier.note(host)
        host.audit.away += now - host.breaker.opened_at

    def _probed(self, host: Host, failure: Failed, now: float) -> None:
        deadline = host.breaker.deadline(self.network.back_at)
        if now < deadline and not self.network.given_up:
            own = not doubtful(failure)
            host.pause(host.breaker.next_probe(now, deadline, first=own))
            self._frontier.note(host)
            return
        self._shut(host, now)
        away = now - host.breaker.opened_at
        host.breaker.given_up()
        self._leave(host, f"its host was down for {away:,.0f} s: {failure.reason}", now)

    def exclude(self, key: str, now: float) -> None:
        """Leave a host alone for good; `take` returns what waited for it."""
        kind, reason = Kind.EXCLUDED, "its host was skipped by hand"
        self._frontier.excluded[key] = kind, reason
        host = self._frontier.known(key)
        if host is None:  # it may come
            return
        if host.breaker.is_open:
            self._shut(host, now)
            host.breaker.given_up()
        self._judge(host, now)
        self._left += self._gates.leave(host, kind, reason, now, inf)

    def _leave(self, host: Host, reason: str, now: float) -> None:
        self._judge(host, now)
        self._left += self._gates.leave(host, Kind.HOST_DOWN, reason, now)

    def _tell(self, line: str, *, new: bool = False) -> None:
        self._told += new
        if self._told <= _TOLD:
            self.network.notices.append(line)

    # -- the network

    def _lives(self, host: Host, outcome: Ended, started: float, now: float) -> None:
        exchange = outcome.exchange
        ended = started if exchange is None else exchange.started_at + exchange.total
        self.network.lives(started, ended, now)
        for other in list(self._doubted.values()) if self._doubted else ():
            waiting = other.breaker.worked or self._patient(other)
            # The network lives: decide on hosts that nothing waits for, or shows no more of.
            if other is not host and (not waiting or self._stands_still(other)):
                self._decide(other, now)
                self._judge(other, started)

    def _quiet(
        self, host: Host, failure: Failed, started: float, now: float, *, silent: bool
    ) -> None:
        network = self.network
        network.probed(failure.request, now, silent=silent)
        if silent:
            since = host.breaker.silent_since = min(host.breaker.silent_since, started)
            before = network.gone
            network.silent(failure, since, now, worked=host.breaker.worked)
            if network.gone and not before:
                for doubted in list(self._doubted.values()):
                    self._release(doubted, now)

    def _stands_still(self, host: Host) -> bool:
        """Tell whether nothing more can be learned of a host for now."""
        asks = self._frontier.left(host) and host.gate not in (HostGate.LOOKED_UP, HostGate.READ)
        return not host.in_flight and not asks

    # -- what is held

    def _keeps(self, host: Host, failure: Failed, now: float, *, again: bool) -> bool:
        if not host.breaker.used or not doubtful(failure):
            return False
        if self.waits(host, failure):
            self._resume(host, failure, now)
            return True
        # Silence may be the network's fault; any other failure only that of a host that worked.
        asked = failure.request.purpose in (Purpose.PAGE, Purpose.SITEMAP)
        holds = _silent(failure) or (asked and host.breaker.worked)
        if not host.breaker.worked and unreached(failure):
            holds = holds or self._patient(host)
        if again or self.network.given_up or not holds:
            return False
        host.breaker.held.append(HeldHost(failure, now))
        self._doubted[host.key] = host
        self.held += 1
        return True

    def _decide(self, host: Host, now: float) -> None:
        """Open the breaker of an unreached host of which nothing more can be learned."""
        if host.breaker.is_open or not self._stands_still(host) or not self._patient(host):
            return
        held = [each.failure for each in host.breaker.held]
        away = [each for each in held if unreached(each) and not _looked_up(each)]
        if away:
            self._open(host, away[-1].reason, now)

    def _judge(self, host: Host, since: float) -> None:
        """Make held failures final whose host answered later requests."""
        held = host.breaker.held
        self._own += (each.failure for each in held if each.at <= since)
        self._keep_held(host, [each for each in held if each.at > since])

    def _release(self, host: Host, now: float, *, before: float = inf) -> None:
        """Repeat held requests that failed before then."""
        held = host.breaker.held
        self._keep_held(host, [each for each in held if each.at > before])
        for each in held:
            if each.at <= before:
                self._resume(host, each.failure, now)

    def _keep_held(self, host: Host, held: list[HeldHost]) -> None:
        self.held += len(held) - len(host.breaker.held)
        host.breaker.held = held
        if not held:
            self._doubted.pop(host.key, None)

    def _resume(self, host: Host, failure: Failed, now: float) -> None:
        self._retried()
        if failure.request.purpose in (Purpose.ADDRESS, Purpose.ROBOTS):
            self._gates.ask_again(failure.request, now)
            return
        back = self.settled(host, failure.request).resumed(now)
        if (refused := self._frontier.push(back, now)) is not None:
            self._left += self._gates.ended([back], *refused, now)


def _looked_up(failure: Failed) -> bool:
    return failure.request.purpose is Purpose.ADDRESS  # concerns the network, not the host


def _answers(failure: Failed) -> bool:
    """Tell whether a failure shows that its host is there."""
    return failure.status is not None and (not is_trouble(failure) or asks_for_later(failure))
