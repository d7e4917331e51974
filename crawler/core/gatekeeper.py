"""Ask hosts about themselves, and leave those in trouble.

A host's gates (`crawler.core.host`) open with the results of its own requests: its address, its
robots.txt. If these fail for good, or a host fails repeatedly or asks for too long a pause, it is
left for a while: all its waiting URLs end with the reason, and so do new ones until then. Then one
request tests whether it is back.
"""

from __future__ import annotations

from collections.abc import Iterator

from crawler.core.frontier import Frontier, Withdrawal
from crawler.core.host import Host, HostGate
from crawler.core.retry import RetryPolicy
from crawler.core.rules import (
    EXTENSION,
    LIFETIME,
    allowed_by,
    verdict_on,
)
from crawler.core.throttle import asks_for_later, is_trouble
from crawler.formats.robots import RobotsRules
from crawler.model.event import NO_EVENTS, Level
from crawler.model.outcome import Failed, Kind
from crawler.model.politeness_config import PolitenessConfig
from crawler.model.request import Purpose, Request
from crawler.model.transfer import Exchange


class Gatekeeper:
    """Opens gates and leaves hosts; `politeness` is the general one."""

    def __init__(
        self, frontier: Frontier, retry: RetryPolicy, politeness: PolitenessConfig
    ) -> None:
        self._frontier = frontier
        self._retry = retry
        self._politeness = politeness
        self.events = NO_EVENTS

    def __repr__(self) -> str:
        return f"Gatekeeper({self._frontier!r})"

    # -- gates

    def resolved(self, key: str, address: str, now: float) -> None:
        """Take in a host's address."""
        if (host := self._frontier.known(key)) is not None:
            host.attempt = 1
            self._frontier.move(host, address, now)

    def rules(self, key: str, rules: RobotsRules, now: float, lifetime: float = LIFETIME) -> None:
        """Take in a host's rules."""
        if (host := self._frontier.known(key)) is not None:
            host.attempt = 1
            host.rules = rules
            host.rules_until = now + lifetime
            host.pause(now + host.asked_delay)  # its robots.txt was a request, too
            host.opened(now)
            self._frontier.note(host)
            self._frontier.changed(host, now)

    def failed(self, failure: Failed, now: float, *, again: bool) -> list[Withdrawal]:
        """Take in the failure of a host's own question; `again`: it may be repeated."""
        request = failure.request
        host = self._frontier.known(request.owner)
        if host is None:
            return []
        if again:
            host.attempt += 1
            host.gate = HostGate.ADDRESS if request.purpose is Purpose.ADDRESS else HostGate.ROBOTS
            host.pause(now + self._retry.wait(failure))
            self._frontier.changed(host, now)
            return []
        host.attempt = 1
        if request.purpose is Purpose.ADDRESS:
            return self.leave(host, failure.kind, failure.reason, now)
        return self._without_rules(host, failure, now)

    def ask_again(self, request: Request, now: float) -> None:
        """Repeat a host's own question; the attempt before does not count."""
        if (host := self._frontier.known(request.owner)) is not None:
            host.attempt = 1
            host.gate = HostGate.ADDRESS if request.purpose is Purpose.ADDRESS else HostGate.ROBOTS
            self._frontier.changed(host, now)

    def _without_rules(self, host: Host, failure: Failed, now: float) -> list[Withdrawal]:
        allowed = allowed_by(failure)
        if allowed is not None:
            self.rules(host.key, allowed, now)
        elif host.rules_until > 0:  # old rules stay valid a little longer
            self.rules(host.key, host.rules, now, EXTENSION)
        else:
            return self.leave(host, *verdict_on(failure), now)
        return []

    # -- trouble

    def learn(self, host: Host, failure: Failed, now: float) -> list[Withdrawal]:
        """Take in what a failure shows of its host; return its requests if it is left."""
        if failure.request.purpose is Purpose.ADDRESS:
            return []
        exchange = failure.exchange
        if is_trouble(failure):
            if exchange is not None:
                host.sent(exchange.started_at + exchange.connect)
            return self._troubled(host, failure, now)
        if exchange is not None:
            self.answered(host, exchange, now)
        return []

    def answered(self, host: Host, exchange: Exchange, now: float) -> None:
        """Take in an exchange without trouble."""
        host.sent(exchange.started_at + exchange.connect)
        if exchange.status is not None:
            host.throttle.answered(exchange, now)

    def _troubled(self, host: Host, failure: Failed, now: float) -> list[Withdrawal]:
        pause = host.throttle.failed(failure, now)
        if not asks_for_later(failure):
            return []
        host.audit.pauses += 1
        host.pause(now + pause)
        self._frontier.note(host)
        asked = failure.retry_after
        why = "back_off" if asked is None else "retry_after"
        self.events.tell(Level.INFO, "host_paused", host=host.key, seconds=round(pause, 3), why=why)
        if asked is not None and asked > self._politeness.retry_after_max:
            reason = f"its host asked to be left alone for {asked:,.0f} s"
        else:
            reason = host.throttle.exhausted(pause, now)
        return self.leave(host, Kind.THROTTLED, reason, now, pause) if reason else []

    def leave(
        self, host: Host, kind: Kind, reason: str, now: float, seconds: float | None = None
    ) -> list[Withdrawal]:
        """Leave a host alone; return all that waited for it or for its answer."""
        host.down = kind, reason
        host.down_until = now + (self._politeness.breaker_pause if seconds is None else seconds)
        host.reopen(now)
        self._frontier.note(host)
        self.events.tell(Level.WARNING, "host_left", host=host.key, kind=kind.value, reason=reason)
        left = list(self.ended(self._frontier.take_all(host), kind, reason, now))
        self._frontier.changed(host, now)
        return left

    def ended(
        self, requests: list[Request], kind: Kind, reason: str, now: float
    ) -> Iterator[Withdrawal]:
        """Yield the requests that end: these, or those that waited for their robots.txt."""
        for request in requests:
            if request.purpose is not Purpose.ROBOTS:
                yield Withdrawal(request, kind, reason)
            elif (owner := self._frontier.known(request.owner)) is not None:
                failure = Failed(request=request, kind=kind, reason=reason)
                yield from self._without_rules(owner, failure, now)
