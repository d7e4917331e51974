"""The core: decides what to fetch next and what an outcome means. No I/O, no clock, no tasks.

    admit(seeds, now)             take entries of the list; answers Refill
    exhausted()                   end the list; answers Refill
    recalled(requests, now)       take spilled URLs back; answers Recall
    next(now) -> Step             decide what to do now
    finish(request, outcome, now) take in the outcome of a Fetch, exactly once for each
    stop()                        start nothing more

`admit`, `recalled`, `finish` and `stop` return final outcomes, to be written as they are. Each
entry of the list is counted as a repeat or returned as final exactly once, and each found URL that
was taken up is returned as final exactly once, so nothing is lost:

    admitted -> waiting -> in flight -> final
                   ^           |
                   +-----------+   a redirect, or a transient failure after its backoff

Hosts are asked for their address and their robots.txt by ordinary requests without records;
`crawler.core.gatekeeper` takes their outcomes.

The core is not thread-safe: its engine calls it from one thread at a time. It holds about
`config.window` URLs, apart from the fingerprints of those seen; `Refill` and `Recall` ask for more,
`Spill` hands out found URLs without room.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from math import ceil, inf
from typing import assert_never

from crawler.core import ends
from crawler.core.audit import Audit, Totals
from crawler.core.bottleneck import Limit
from crawler.core.by_hand import Command, CrawlControl
from crawler.core.capacity import Capacity
from crawler.core.changes import Changes, Earlier, Lasting
from crawler.core.collector import Snapshot, StatisticsCollector
from crawler.core.discovery import Discovery
from crawler.core.domain import SuffixList
from crawler.core.frontier import Frontier, Withdrawal
from crawler.core.gatekeeper import Gatekeeper
from crawler.core.host import Host
from crawler.core.outages import Outages, cut_off
from crawler.core.retry import RetryPolicy
from crawler.core.rules import Ended, Succeeded
from crawler.core.step import BUSY, DONE, Fetch, Notice, Step, Wait, WriteRecord
from crawler.core.visits import Visits
from crawler.core.waiting import WaitingHost, WaitReason
from crawler.core.window import Window
from crawler.formats.robots import RobotsRules
from crawler.model.config import CrawlConfig
from crawler.model.event import NO_EVENTS, Events, Level, told_url
from crawler.model.outcome import Failed, Fetched, Final, Kind
from crawler.model.proxies import Proxies
from crawler.model.request import Arrivals, Listed, Postponed, Purpose, Request
from crawler.model.url import Seed

LOOK_UPS = 256
"""Minimum concurrent name lookups; `concurrency` if that is larger. Each takes a thread, for half a
minute if no server answers.
"""

RECORDS = 500
"""Maximum outcomes handed out at once, so that writing them does not block for long."""


def ignore(_told: object) -> None:
    """Ignore an audit or a repeat."""


_UNSENT = frozenset({Kind.DNS_TEMPORARY, Kind.CONNECT, Kind.CONNECT_TIMEOUT})
"""Kinds of failures before a request has left."""

_ADDRESS = Purpose.ADDRESS  # looking up an enumeration's member costs as much as a call


class CrawlCore:
    """Decides for one crawl. `random` returns a float in [0, 1), `suffixes` are the public ones.

    audit: called with a host's counts when it is forgotten; `close` reports the rest. look_ups:
    look up each host before any request, even where its address makes no difference, so that a
    fetch never waits for a name server. proxies: those of the options by default. link_filter:
    called with each found URL in scope, returns whether to follow it. lasting: the receiver of
    changes for a journal, and the results of earlier runs of this crawl.
    """

    def __init__(
        self,
        config: CrawlConfig,
        *,
        random: Callable[[], float],
        suffixes: SuffixList,
        audit: Callable[[Audit], None] = ignore,
        look_ups: bool = False,
        proxies: Proxies | None = None,
        link_filter: Callable[[str], bool] | None = None,
        lasting: Lasting | None = None,
    ) -> None:
        politeness = config.politeness
        asks = look_ups or politeness.per_ip > 0
        self._config = config
        retry = RetryPolicy(
            retries=config.network.retries,
            backoff=config.network.backoff,
            backoff_max=config.network.backoff_max,
            random=random,
        )
        self._audit = audit
        self._forgotten = Totals()
        self._frontier = Frontier(
            politeness,
            random,
            look_ups=max(LOOK_UPS, config.concurrency) if asks else 0,
            proxied=(proxies or Proxies(config.network.proxy)).looks_up,
            veto=self._barren,
            on_rest=self._forget,
        )
        gates = Gatekeeper(self._frontier, retry, politeness)
        self.collector = StatisticsCollector()
        self.capacity = Capacity(config.concurrency)
        retried = self.collector.add_retry
        self._outages = Outages(self._frontier, gates, retry, politeness, retried)
        self._gates = gates
        self._lasting = lasting is not None
        self._continued = lasting is not None and lasting.continued
        lasting = lasting or Lasting(Changes(), Earlier())
        self._changes, earlier = lasting.changes, lasting.earlier
        self._earlier = earlier
        self.collector.resume(earlier)
        self._discovery = Discovery(config, earlier.seen, suffixes, link_filter, lasting)
        self._discovery.resume(earlier)
        if config.following.follow:
            self._changes.learns(self._discovery.tables)
        self._window = Window(
            config,
            frontier=self._frontier,
            gates=gates,
            outages=self._outages,
            discovery=self._discovery,
            collector=self.collector,
            repeated=ignore,
            changes=self._changes,
        )
        self._visits = Visits(
            config,
            frontier=self._frontier,
            gates=gates,
            discovery=self._discovery,
            window=self._window,
            retry=retry,
            collector=self.collector,
            suffixes=suffixes,
        )
        self._in_flight: dict[Request, float] = {}  # and its start
        self._fetching = 0  # without name lookups
        self._ending: deque[Iterator[Final]] = deque()  # outcomes still to be recorded
        self._events = NO_EVENTS
        self._paused = False
        self._shows_hosts = False

    def tell_repeats(self, repeated: Callable[[Seed], None]) -> None:
        """Call `repeated` with each entry of the list that occurs again."""
        self._window.repeated = repeated

    def tell_events(self, events: Events) -> None:
        """Tell `events` of pauses, outages and retries."""
        self._events = self._gates.events = self.capacity.events = events
        self._outages.events = self._outages.network.events = events

    def __repr__(self) -> str:
        return f"CrawlCore({self._frontier!r}, {self._window!r}, in_flight={len(self._in_flight)})"

    def begin(self, now: float) -> None:
        """Start the crawl, with the sitemaps that the options name."""
        self.collector.begin(now)
        if self._earlier.resumed:
            self._frontier.resume(self._earlier.hosts, now)
        given = (self._discovery.given(href, now) for href in self._config.following.sitemap)
        self._window.take_up([request for request in given if request is not None], now)
        self._changes.publish()

    def statistics(self, now: float) -> Snapshot:
        """Return a frozen snapshot; thread-safe."""
        taken = self._outages.counted(self.collector.snapshot(now), now)
        capacity = self.capacity
        lowest = capacity.lowest if capacity.lowest < self._config.concurrency else 0
        return replace(
            taken,
            in_flight=len(self._in_flight),
            lowered_to=lowest,
            stood_still=capacity.stood_still,
            concurrency=capacity.limit,
            paused=self._paused,
            hosts=tuple(self._frontier.shown(now)) if self._shows_hosts else (),
        )

    def show_hosts(self) -> None:
        """Have `statistics` show hosts."""
        self._shows_hosts = True

    def waiting(self, most: int, now: float) -> tuple[WaitingHost, ...]:
        """Return the hosts with the most waiting URLs, and why they wait; thread-safe."""
        found = self._frontier.waiting(most, now)
        if self._outages.network.gone:
            found = [replace(host, why=WaitReason.NETWORK) for host in found]
        if self._paused:
            found = [replace(host, why=WaitReason.HAND) for host in found]
        return tuple(found)

    def totals(self) -> Totals:
        """Return the totals of all hosts so far."""
        totals = replace(self._forgotten)
        for audit in self._frontier.audits():
            totals.add(audit)
        return totals

    def rules(self, key: str) -> RobotsRules | None:
        """Return the rules that a host's robots.txt gave; None if it was not read."""
        return self._frontier.rules(key)

    def remember(self, now: float) -> None:
        """Record the state of every host that is known, for a run that continues this one."""
        if self._continued and self._window.stopped:
            self._frontier.note_all()
            self._note_hosts(now)
            self._changes.publish()

    def _note_hosts(self, now: float) -> None:
        noted, self._frontier.noted = self._frontier.noted, {}
        if self._lasting:
            for host in noted.values():
                self._changes.host(host.state(now))

    def close(self) -> None:
        """Call `audit` with the hosts that are still known."""
        for audit in self._frontier.audits():
            self._audit(audit)

    def _barren(self, request: Request) -> str | None:
        return self._discovery.barren(request.url)

    def _forget(self, audit: Audit) -> None:
        self._forgotten.add(audit)
        self._audit(audit)

    # -- what comes in

    def admit(self, seeds: Sequence[Seed], now: float) -> tuple[Final, ...]:
        """Take entries of the list; return the outcomes of invalid ones."""
        return self._recorded(self._window.admit(seeds, now))

    def resumed(self, left: Sequence[Request | Seed | Postponed], now: float) -> tuple[Final, ...]:
        """Take back URLs that an earlier run of this crawl left without a record."""
        return self._recorded(self._window.resumed(left, now))

    def arrived(self, arrivals: Arrivals, now: float) -> tuple[Final, ...]:
        """Take in what another partition of the crawl has handed over."""
        return self._recorded(self._visits.arrived(arrivals, now))

    def exhausted(self) -> None:
        """Take note of the end of the list."""
        self._window.end_of_list()

    def recalled(self, requests: Sequence[Request | Listed], now: float) -> tuple[Final, ...]:
        """Take back spilled URLs as ordered by `Recall`, shelf by shelf."""
        return self._recorded(self._window.recalled(requests, now))

    # -- what to do

    def next(self, now: float) -> Step:
        """Return the next step. No request is handed out twice."""
        step = self._next(now)
        if step is BUSY or type(step) is Wait:
            self.collector.hold(self._limit(now), self._frontier.at_work, now)
        elif self.collector.holding is not None:
            self.collector.go(now)
        return step

    def hold(self, limit: Limit, now: float) -> None:
        """Attribute time to a limit of the engine, which the core cannot know of."""
        self.collector.hold(limit, self._frontier.at_work, now)

    def _limit(self, now: float) -> Limit:
        """Return the limit that lets nothing start now."""
        if self._paused:
            return Limit.HAND
        if self._fetching >= self.capacity.limit:
            lowered = self.capacity.limit < self.capacity.most
            return Limit.MACHINE if lowered else Limit.CONCURRENCY
        if self._outages.network.gone:
            return Limit.PAUSE
        if self._frontier.queued:
            return self._frontier.limit(now)
        if self._window.next_retry is not None:
            return Limit.RETRY
        return Limit.LIST if self._window.outside else Limit.SERVERS

    def _next(self, now: float) -> Step:
        if (step := self._before(now)) is not None:
            return step
        while (retry := self._window.due(now)) is not None:
            if finals := self._window.push(retry, now, first=True):
                return WriteRecord(self._recorded(finals))
        match self._frontier.pop(now):
            case Request() as request:
                self._in_flight[request] = now
                self._fetching += request.purpose is not _ADDRESS
                if self._outages.network.gone:
                    self._outages.network.started(request)
                return Fetch(request)
            case Withdrawal(request, kind, reason):
                self._outages.rest(request.url.host_key, now)
                return WriteRecord(self._recorded([ends.unasked(request, kind, reason)]))
        if not self._in_flight and self._window.next_retry is None and self._outages.idle(now):
            return WriteRecord(self._recorded(self._decided(now)))
        return self._window.ahead() or self._idle(now)

    def _before(self, now: float) -> Step | None:
        """Return the step that comes before or instead of a request, or None."""
        if self._ending:
            return WriteRecord(self._recorded(self._ending.popleft()))
        if (more := self._window.more()) is not None:
            return more
        network = self._outages.network
        if network.notices:
            return Notice(network.notices.pop(0))
        if self._paused or self._fetching >= self.capacity.limit:
            return BUSY
        if network.gone and self._window.held and (wait := network.wait(now)) != 0:
            return BUSY if wait is None else Wait(wait)
        return None

    def _idle(self, now: float) -> Step:
        if not self._window.held:
            if self._in_flight:
                return BUSY
            self._changes.rests()
            return BUSY if self._window.outside else DONE
        times = (self._window.next_retry, self._frontier.next_time())
        known = [time for time in times if time is not None]
        return Wait(max(min(known) - now, 0.0)) if known else BUSY

    # -- what became of it

    def finish(self, request: Request, outcome: Ended, now: float) -> tuple[Final, ...]:
        """Take in the outcome of a fetch. Raises ValueError for a request that is not in flight."""
        started = self._in_flight.pop(request, None)
        if started is None:
            raise ValueError(f"not in flight: {request!r}")
        self._fetching -= request.purpose is not _ADDRESS
        host = self._frontier.release(request, now)
        if isinstance(outcome, Failed):
            failure = self._put_off(self._sent(outcome))
            finals = self._failed(host, failure, started, now)
        else:
            finals = self._succeeded(host, outcome, started, now)
        if self._outages.decided:
            finals += self._decided(now)
        if host.breaker.is_open:
            self._outages.rest(host.key, now)
        self._frontier.changed(host, now)
        if self._frontier.noted:
            self._note_hosts(now)
        return self._recorded(finals)

    def _succeeded(self, host: Host, outcome: Succeeded, started: float, now: float) -> list[Final]:
        exchange = outcome.exchange
        if exchange is not None:
            if exchange.status is not None:
                host.no_tls = False
            self._gates.answered(host, exchange, now)
        if not self._window.stopped:
            self._outages.answered(host, outcome, started, now)
        self.collector.add_fetched(outcome, now, again=False)
        return self._visits.ended(outcome, now)

    def _failed(self, host: Host, failure: Failed, started: float, now: float) -> list[Final]:
        if self._excused(failure, started):
            self._outages.excuse(host, failure, now)
            self.collector.add_fetched(failure, now, again=False)
            return []
        finals = self._visits.without_tls(host, failure, now)
        left = self._gates.learn(host, failure, now)
        again, kept = None, False
        if not self._window.stopped:
            if not self._visits.plain_instead(failure):
                again = self._outages.again(host, failure, now)
            kept = self._outages.learn(host, failure, started, now, again=again is not None)
        self.collector.add_fetched(failure, now, again=again is not None and not kept)
        if again is not None and not kept:
            self._tell(Level.INFO, "retry", failure, attempt=again.attempt)
        finals += [] if kept else self._visits.failed(failure, now, again)
        return finals + [ends.unasked(*each) for each in left]

    def _tell(self, level: Level, name: str, failure: Failed, **fields: int) -> None:
        if level >= self._events.level:
            url = told_url(failure.request.url.href)
            kind, reason = failure.kind.value, failure.reason
            self._events.tell(level, name, url=url, kind=kind, reason=reason, **fields)

    def _tell_failures(self, finals: Iterable[Final]) -> None:
        for final in finals:
            if isinstance(final, Failed):
                self._tell(Level.DEBUG, "failed", final)

    def _put_off(self, failure: Failed) -> Failed:
        """Leave a failure that a retry could mend to a later run, if this one is stopped."""
        stopped = self._continued and self._window.stopped
        if not (stopped and failure.kind.retryable) or failure.sent:
            return failure
        return replace(failure, kind=Kind.CANCELLED)

    def _sent(self, failure: Failed) -> Failed:
        """Mark a failure after which a repetition may do something twice."""
        if failure.kind in _UNSENT or not self._once(failure.request):
            return failure
        return replace(failure, sent=True)

    def _once(self, request: Request) -> bool:
        return request.once and not self._config.network.repeat_unsafe

    def _excused(self, failure: Failed, started: float) -> bool:
        """Tell whether a failure coincided with a standstill of this process."""
        if self._window.stopped or failure.hopeless or failure.sent:
            return False
        return started < self.capacity.still_at and cut_off(failure)

    def usable(self, fetched: Fetched) -> Fetched:
        """Return a fetch, or the partial response that a failure kept if no retry is left."""
        if not isinstance(fetched, Failed) or (kept := fetched.kept) is None:
            return fetched
        fetched = self._sent(fetched)
        if self._excused(fetched, self._in_flight.get(fetched.request, inf)):
            return fetched
        host = self._frontier.host(fetched.request.url.host_key)
        again = not self._window.stopped and self._outages.again(host, fetched, 0.0) is not None
        return fetched if again or self._outages.waits(host, fetched) else kept

    def _decided(self, now: float) -> Iterable[Final]:
        """Return failures that were held until now, and requests of hosts given up."""
        failures, left = self._outages.take()
        finals = [each for failed in failures for each in self._visits.failed(failed, now, None)]
        return chain(finals, (ends.unasked(*each) for each in left))

    # -- by hand

    def control(self, control: CrawlControl, now: float) -> tuple[Final, ...]:
        """Do what a person asks; return the first outcomes of a host that is skipped."""
        self._events.tell(Level.INFO, control.command.value, host=control.host)
        most = self.capacity.most
        match control.command:
            case Command.PAUSE:
                self._paused = not self._window.stopped
            case Command.RESUME:
                self._paused = False
            case Command.SLOWER:
                self.capacity.ask(most * 2 // 3)
            case Command.FASTER:
                self.capacity.ask(min(self._config.concurrency, ceil(most * 1.5)))
            case Command.SKIP:
                self._outages.exclude(control.host, now)
                return self._recorded(self._decided(now))
            case Command.STOP:
                return self.stop()
            case never:
                assert_never(never)
        return ()

    # -- the end

    def stop(self) -> tuple[Final, ...]:
        """Start nothing more: waiting URLs end as interrupted, those in flight drain.

        Returns the first outcomes; `next` has the others, including those of spilled URLs.
        """
        self._paused = False
        if self._window.stopped:
            return ()
        asked = (Purpose.PAGE, Purpose.SITEMAP)
        waiting = self._window.stop()
        if self._continued:
            self.abandon()
        failed = (each for each in self._outages.stop() if each.request.purpose in asked)
        held = map(self._put_off, failed)
        skipped = (ends.not_started(each) for each in waiting if each.purpose in asked)
        return self._recorded(chain(skipped, held))

    def abandon(self) -> None:
        """Leave spilled URLs without a record, as there is no more time."""
        self._window.abandon()

    def outstanding(self) -> tuple[Request, ...]:
        """Return the requests in flight, which an engine that ends early finishes itself."""
        return tuple(self._in_flight)

    def _recorded(self, finals: Iterable[Final]) -> tuple[Final, ...]:
        """Count outcomes, up to `RECORDS`; the others are left to `next`.

        Where a later run continues this one, an interruption is not an outcome.
        """
        portion = self._portion(finals) if finals else ()
        if self._lasting:
            self._changes.publish()
        return portion

    def _portion(self, finals: Iterable[Final]) -> tuple[Final, ...]:
        if self._continued:
            finals = (each for each in finals if not ends.is_interrupted(each))
        if isinstance(finals, list) and len(finals) < RECORDS:
            portion = tuple(finals)  # one page, nearly always
        else:
            portion = tuple(islice(finals := iter(finals), RECORDS))
        if portion:
            self.collector.add_records(portion)
            if self._events.level <= Level.DEBUG:
                self._tell_failures(portion)
            if len(portion) == RECORDS:
                self._ending.append(iter(finals))
        return portion
