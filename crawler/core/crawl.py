"""The core: decides what to fetch next and what an outcome means. No I/O, no clock, no tasks.

    admit(seeds, now)             entries of the list; answers Refill
    exhausted()                   the list has ended; answers Refill
    recalled(requests, now)       what was spilled comes back; answers Recall
    next(now) -> Step             what to do now
    finish(request, outcome, now) what became of a Fetch: exactly once for each
    stop()                        start nothing more

`admit`, `recalled`, `finish` and `stop` return the outcomes that are final, to be written as they
are. Each entry of the list is counted as a repeat or returned as final exactly once, and each URL
that was found and taken up is returned as final exactly once, so nothing is lost:

    admitted -> waiting -> in flight -> final
                   ^           |
                   +-----------+   a redirect, or a failure that may pass, after its back-off

Hosts are asked for their address and their robots.txt by requests like any other, which leave no
record; `crawler.core.gatekeeper` reads what comes of them.

The core is not thread-safe: its engine calls it from one thread at a time. It holds about
`config.window` URLs, apart from the fingerprints of those seen; `Refill` and `Recall` ask for more,
`Spill` hands out what was found and has no room.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from heapq import heappop, heappush
from itertools import count
from typing import assert_never

from crawler.core import ends, redirects
from crawler.core.audit import Audit, Totals
from crawler.core.bound import Limit
from crawler.core.discovery import Discovery
from crawler.core.fallback import falls_back, plain
from crawler.core.frontier import Frontier, Refused
from crawler.core.gatekeeper import Gatekeeper
from crawler.core.host import Host
from crawler.core.manners import Manners
from crawler.core.outages import Outages
from crawler.core.retry import RetryPolicy
from crawler.core.rules import Ended, RobotsRead
from crawler.core.seen import FingerprintSet
from crawler.core.statistics import Snapshot, Statistics
from crawler.core.step import BUSY, DONE, Fetch, Notice, Recall, Record, Refill, Spill, Step, Wait
from crawler.model.config import CrawlConfig
from crawler.model.outcome import (
    Exchange,
    Failed,
    Fetched,
    Final,
    Kind,
    Listing,
    Page,
    Redirect,
    Redirected,
    Resolved,
)
from crawler.model.proxies import Proxies
from crawler.model.request import Purpose, Request
from crawler.model.url import InvalidUrl, Seed, Url, masked

LOOK_UPS = 256
"""Names that are looked up at once, at the least: a thread each, and half a minute for a dead one.
As many as `concurrency` where that is more."""

MAX_REFILL = 500
"""Entries asked for at once: reading and parsing them holds the interpreter for 2 ms."""


def unaudited(_audit: Audit) -> None:
    """The audit where nobody asked for one."""


def unlisted(_repeat: Seed) -> None:
    """The list of repeats where nobody asked for one."""


class Crawl:
    """One crawl's decisions. `random` returns a float in [0, 1).

    audit: told of each host once it is forgotten, and of the others by `close`. repeated: told of
    each entry of the list that is there for a second time. look_ups: look each host up before it is
    asked for anything, even where its address makes no difference, so that a fetch never waits for
    a name server. proxies: those of the options unless given.
    """

    def __init__(
        self,
        config: CrawlConfig,
        *,
        random: Callable[[], float],
        audit: Callable[[Audit], None] = unaudited,
        look_ups: bool = False,
        proxies: Proxies | None = None,
        repeated: Callable[[Seed], None] = unlisted,
    ) -> None:
        asks = look_ups or config.per_ip > 0
        self._config = config
        self._retry = RetryPolicy(
            retries=config.retries,
            backoff=config.backoff,
            backoff_max=config.backoff_max,
            random=random,
        )
        manners = Manners.of(config, random)
        self._audit = audit
        self._repeated = repeated
        self._forgotten = Totals()
        self._frontier = Frontier(
            lambda key: manners.overridden(config.hosts.limits(key)),
            robots=config.robots == "obey",
            per_address=config.per_ip,
            address_delay=config.ip_delay,
            look_ups=max(LOOK_UPS, config.concurrency) if asks else 0,
            proxied=(proxies or Proxies(config.proxy)).looks_up,
            veto=self._barren,
            on_rest=self._forget,
        )
        self._gates = Gatekeeper(self._frontier, self._retry, manners)
        self.collector = Statistics()
        retried = self.collector.add_retry
        self._outages = Outages(self._frontier, self._gates, self._retry, manners, retried)
        self._seen = FingerprintSet()
        self._discovery = Discovery(config, self._seen)
        self._later: list[tuple[float, int, Request]] = []  # retries, by the time they are due
        self._number = count()
        self._in_flight: dict[Request, float] = {}  # since when
        self._overflow: list[Request] = []
        self._spilled = 0
        self._refilling = False
        self._recalling = False
        self._exhausted = False
        self._stopped = False

    def __repr__(self) -> str:
        return (
            f"Crawl({self._frontier!r}, later={len(self._later)}, "
            f"in_flight={len(self._in_flight)}, exhausted={self._exhausted}, "
            f"stopped={self._stopped})"
        )

    def begin(self, now: float) -> None:
        """The crawl starts now, with the sitemaps that the options name."""
        self.collector.begin(now)
        given = (self._discovery.given(href, now) for href in self._config.sitemap)
        self._entered([request for request in given if request is not None], now)

    def statistics(self, now: float) -> Snapshot:
        """A frozen snapshot; may be asked for from any thread."""
        return self._outages.counted(self.collector.snapshot(now), now)

    def totals(self) -> Totals:
        """What was done to all hosts so far."""
        totals = replace(self._forgotten)
        for audit in self._frontier.audits():
            totals.add(audit)
        return totals

    def close(self) -> None:
        """Tell `audit` of the hosts that are still known."""
        for audit in self._frontier.audits():
            self._audit(audit)

    def _barren(self, request: Request) -> str | None:
        return self._discovery.barren(request.url)

    def _forget(self, audit: Audit) -> None:
        self._forgotten.add(audit)
        self._audit(audit)

    # -- what comes in

    def admit(self, seeds: Sequence[Seed], now: float) -> tuple[Final, ...]:
        """Take entries of the list; returns the outcomes of those that are no URL."""
        self._refilling = False
        new = [seed for seed in seeds if self._is_new(seed)]
        self.collector.add_read(len(seeds), len(seeds) - len(new))
        finals: list[Final] = []
        for seed in new:
            match seed.url:
                case InvalidUrl() as invalid:
                    finals.append(ends.unusable(seed, invalid))
                case Url() as url if self._stopped:
                    finals.append(ends.interrupted(_request(seed, url, now)))
                case Url() as url:
                    self._discovery.add_seed(url)
                    finals += self._push(_request(seed, url, now), now)
        return self._recorded(finals)

    def _is_new(self, seed: Seed) -> bool:
        if new := self._seen.add(self._key(seed)):
            return new
        self._repeated(seed)
        return False

    def _key(self, seed: Seed) -> int:
        url = seed.url
        return self._discovery.key(url) if isinstance(url, Url) else url.fingerprint

    def exhausted(self) -> None:
        """The list has ended."""
        self._refilling = False
        self._exhausted = True

    def recalled(self, requests: Sequence[Request], now: float) -> tuple[Final, ...]:
        """Take back what was spilled."""
        self._recalling = False
        self._spill(-len(requests))
        return self._recorded(self._entered(requests, now))

    def _take_up(self, requests: Sequence[Request], now: float) -> list[Final]:
        """What was found joins the frontier, or what was spilled before it, so that order holds."""
        room = 0 if self._spilled else max(0, self._config.window - self._held())
        if self._stopped:
            room = 0
        self._overflow += requests[room:]
        self._spill(len(requests[room:]))
        return self._entered(requests[:room], now)

    def _spill(self, number: int) -> None:
        self._spilled += number
        self.collector.add_spilled(number)

    def _entered(self, requests: Sequence[Request], now: float) -> list[Final]:
        self.collector.add_found(len(requests))
        finals: list[Final] = []
        for request in requests:
            if self._stopped:
                finals.append(ends.interrupted(request))
            else:
                finals += self._push(request, now)
        return finals

    def _push(self, request: Request, now: float, *, first: bool = False) -> list[Final]:
        """Let a request wait at its host; returns its outcome, if that host is left alone."""
        if falls_back(request) and self._frontier.refuses_tls(request.url.host_key):
            return self._fall_back(request.unasked(), now)
        refused = self._frontier.push(request, now, first=first)
        if refused is None:
            return []
        return [ends.unasked(*each) for each in self._gates.ended([request], *refused, now)]

    # -- what to do

    def next(self, now: float) -> Step:
        """What to do now. Called again and again, it never hands out one request twice."""
        step = self._next(now)
        if step is BUSY or type(step) is Wait:
            self.collector.hold(self._limit(now), self._frontier.at_work, now)
        else:
            self.collector.go(now)
        return step

    def hold(self, limit: Limit, now: float) -> None:
        """An engine asks for nothing because of `limit`, which the core cannot know of."""
        self.collector.hold(limit, self._frontier.at_work, now)

    def _limit(self, now: float) -> Limit:
        """Why nothing can be started now."""
        if self._fetching >= self._config.concurrency:
            return Limit.CONCURRENCY
        if self._outages.network.gone:
            return Limit.PAUSE
        if len(self._frontier):
            return self._frontier.limit(now)
        if self._later:
            return Limit.RETRY
        return Limit.SERVERS if self._exhausted else Limit.LIST

    def _next(self, now: float) -> Step:
        if (step := self._before(now)) is not None:
            return step
        while self._later and self._later[0][0] <= now:
            if finals := self._push(heappop(self._later)[2], now, first=True):
                return Record(self._recorded(finals))
        match self._frontier.pop(now):
            case Request() as request:
                self._in_flight[request] = now
                self._outages.network.started(request)
                self.collector.add_started()
                return Fetch(request)
            case Refused(request, kind, reason):
                self._outages.rest(request.url.host_key, now)
                return Record(self._recorded([ends.unasked(request, kind, reason)]))
        if not (self._in_flight or self._later) and self._outages.idle(now):
            return Record(self._recorded(self._decided(now)))
        return self._idle(now)

    @property
    def _fetching(self) -> int:
        """Requests in flight, but for names that are being looked up."""
        return len(self._in_flight) - self._frontier.looking_up

    def _before(self, now: float) -> Step | None:
        """What comes before a request may start, or why none may."""
        if self._overflow:
            spilled, self._overflow = tuple(self._overflow), []
            return Spill(spilled)
        if (more := self._more()) is not None:
            return more
        network = self._outages.network
        if network.notices:
            return Notice(network.notices.pop(0))
        if self._fetching >= self._config.concurrency:
            return BUSY
        if network.gone and self._held() and (wait := network.wait(now)) != 0:
            return BUSY if wait is None else Wait(wait)
        return None

    def _held(self) -> int:
        return len(self._frontier) + len(self._later) + self._outages.held

    def _more(self) -> Step | None:
        """Ask for more when half of the window is free, so that entries come in good portions."""
        if self._stopped or self._held() > self._config.window // 2:
            return None
        room = min(self._config.window - self._held(), MAX_REFILL)
        if not (self._refilling or self._exhausted):
            self._refilling = True
            return Refill(room)
        if self._spilled and not self._recalling:
            self._recalling = True
            return Recall(room)
        return None

    def _idle(self, now: float) -> Step:
        if not self._held():
            nothing_comes = self._stopped or (self._exhausted and not self._spilled)
            return DONE if nothing_comes and not self._in_flight else BUSY
        times = [self._later[0][0]] if self._later else []
        if (ready_at := self._frontier.next_time()) is not None:
            times.append(ready_at)
        return Wait(max(min(times) - now, 0.0)) if times else BUSY

    # -- what became of it

    def finish(self, request: Request, outcome: Ended, now: float) -> tuple[Final, ...]:
        """A fetch came to its end. Raises ValueError for a request that is not in flight."""
        if request not in self._in_flight:
            raise ValueError(f"not in flight: {request!r}")
        started = self._in_flight.pop(request)
        host = self._frontier.release(request, now)
        finals = self._without_tls(host, outcome, now)
        left = self._gates.learn(host, request, outcome, now)
        again, kept = None, False
        if not self._stopped:
            if not self._plain_instead(outcome):
                again = self._outages.again(host, outcome, now)
            kept = self._outages.learn(host, outcome, started, now, again=again is not None)
        self.collector.add_fetched(outcome, now, again=again is not None and not kept)
        finals += [] if kept else self._ended(outcome, now, again)
        finals += (ends.unasked(*each) for each in left)
        finals += self._decided(now)
        if host.breaker.is_open:
            self._outages.rest(host.key, now)
        self._frontier.changed(host, now)
        return self._recorded(finals)

    def usable(self, fetched: Fetched) -> Fetched:
        """Return a fetch, or what it kept of a response if it failed and nothing is left to try."""
        if not isinstance(fetched, Failed) or fetched.kept is None:
            return fetched
        host = self._frontier.host(fetched.request.url.host_key)
        again = not self._stopped and self._outages.again(host, fetched, 0.0) is not None
        return fetched if again or self._outages.waits(host, fetched) else fetched.kept

    def _plain_instead(self, outcome: Ended) -> bool:
        """Whether a failure lets its URL be asked for by http: unless https worked before."""
        if not isinstance(outcome, Failed) or not outcome.no_tls or self._stopped:
            return False
        worked = self._frontier.host(outcome.request.url.host_key).breaker.worked
        return not worked and falls_back(outcome.request)

    def _without_tls(self, host: Host, outcome: Ended, now: float) -> list[Final]:
        """Note whether a host's port is closed to TLS, and let what may be asked for by http go."""
        if outcome.exchange is not None and outcome.exchange.status is not None:
            host.no_tls = False
        if not isinstance(outcome, Failed) or not outcome.no_tls or host.breaker.worked:
            return []
        host.no_tls = True
        waiting = self._frontier.take_if(host, falls_back)
        return [each for request in waiting for each in self._fall_back(request.unasked(), now)]

    def _fall_back(self, request: Request, now: float) -> list[Final]:
        """Ask for a URL by http."""
        onward = plain(request, now)
        if self._config.follow:
            self._discovery.add_seed(onward.url)
            if not self._discovery.claimed(onward):
                target = onward.url.href
                return [
                    Redirected(request=request, exchange=Exchange(started_at=now), target=target)
                ]
        return self._push(onward, now, first=True)

    def _decided(self, now: float) -> list[Final]:
        """Failures that were held until now, and what waited at hosts that are given up."""
        failures, left = self._outages.take()
        finals = [ends.unasked(*each) for each in left]
        for failure in failures:
            finals += self._failed(failure, now, None)
        return finals

    def _ended(self, outcome: Ended, now: float, again: Request | None) -> list[Final]:
        match outcome:
            case Page():
                return self._visited(outcome, now)
            case Resolved() | RobotsRead():
                return self._opened(outcome, now)
            case Listing():
                return [outcome, *self._take_up(self._discovery.listed(outcome, now), now)]
            case Redirect():
                return self._redirected(outcome, now)
            case Failed():
                return self._failed(outcome, now, again)
        assert_never(outcome)

    def _opened(self, outcome: Resolved | RobotsRead, now: float) -> list[Final]:
        request = outcome.request
        if isinstance(outcome, Resolved):
            self._gates.resolved(request.owner, outcome.address, now)
            return []
        self._gates.rules(request.owner, outcome.rules, now)
        if not self._config.sitemaps or self._stopped:
            return []
        named = self._discovery.sitemaps(outcome.rules.sitemaps, request, now)
        return self._take_up(list(named), now)

    def _visited(self, page: Page, now: float) -> list[Final]:
        if not self._config.follow:
            return [page]
        if (moved := self._moved(page, now)) is not None:
            return moved
        if self._discovery.taken(page):
            target = page.final_url
            return [Redirected(request=page.request, exchange=page.exchange, target=target)]
        twin = self._discovery.twin(page)
        if twin is not None:
            page = page.like(twin)
        found = self._discovery.links(page, now)
        self.collector.add_refused(self._discovery.refused)
        return [page, *self._take_up(found, now)]

    def _moved(self, page: Page, now: float) -> list[Final] | None:
        """Follow a page that sends its visitors on; None if it does not, or leads nowhere.

        Then it is kept: unlike a redirect it has something to read.
        """
        redirect = redirects.of(page)
        if redirect is None or self._stopped:
            return None
        onward = self._onward(redirect, now)
        found = bool(page.request.found_on)
        if isinstance(onward, str) or (found and self._discovery.refusal(onward.url)):
            return None
        return self._follow(redirect, onward, now)

    def _failed(self, failure: Failed, now: float, again: Request | None) -> list[Final]:
        match failure.request.purpose:
            case Purpose.ADDRESS | Purpose.ROBOTS:
                left = self._gates.failed(failure, now, again=again is not None)
                return [ends.unasked(*each) for each in left]
            case _ if self._plain_instead(failure):
                return self._fall_back(failure.request, now)
            case _ if again is not None:
                due = now + self._retry.wait(failure)
                heappush(self._later, (due, next(self._number), again))
                return []
            case _:
                return [failure]

    def _redirected(self, redirect: Redirect, now: float) -> list[Final]:
        """Send the target through the frontier like any URL, or say why not."""
        if self._stopped:
            return self._not_followed(redirect, "stopped before the redirect was followed", now)
        onward = self._onward(redirect, now)
        if isinstance(onward, str):
            return self._not_followed(redirect, onward, now)
        return self._follow(redirect, onward, now)

    def _onward(self, redirect: Redirect, now: float) -> Request | str:
        most = self._gates.redirects(redirect.request, self._config.max_redirects)
        return redirects.onward(redirect, most, now)

    def _follow(self, redirect: Redirect, onward: Request, now: float) -> list[Final]:
        request, target = redirect.request, onward.url
        if request.purpose is Purpose.PAGE and self._config.follow:
            if not request.found_on:
                self._discovery.add_seed(target)  # a site that has moved, to www or to https
            elif (out := self._discovery.refusal(target)) is not None:
                reason = f"redirects to {masked(target.href)[:200]}: {out}"
                return [ends.refused(redirect, Kind.OUT_OF_SCOPE, reason)]
            if not self._discovery.claimed(onward):
                return [Redirected(request=request, exchange=redirect.exchange, target=target.href)]
        return self._push(onward, now, first=True)

    def _not_followed(self, redirect: Redirect, reason: str, now: float) -> list[Final]:
        kind = Kind.INTERRUPTED if self._stopped else Kind.REDIRECT
        return self._failed(ends.refused(redirect, kind, reason), now, None)

    # -- the end

    def stop(self) -> tuple[Final, ...]:
        """Start nothing more. Returns the outcomes of all that waited; what is in flight drains."""
        if self._stopped:
            return ()
        self._stopped = True
        waiting = [*self._frontier.drain(), *(request for _, _, request in self._later)]
        self._later.clear()
        asked = (Purpose.PAGE, Purpose.SITEMAP)
        held = [each for each in self._outages.stop() if each.request.purpose in asked]
        skipped = [ends.not_started(each) for each in waiting if each.purpose in asked]
        return self._recorded([*skipped, *held])

    def outstanding(self) -> tuple[Request, ...]:
        """What is in flight: an engine that ends before its visits finishes these itself."""
        return tuple(self._in_flight)

    def _recorded(self, finals: Iterable[Final]) -> tuple[Final, ...]:
        finals = tuple(finals)
        for final in finals:
            self.collector.add_record(final)
        return finals


def _request(seed: Seed, url: Url, now: float) -> Request:
    given = url.href if seed.input == url.href else seed.input  # one string where they are equal
    return Request(url=url, seed=url.href, input=given, admitted_at=now, source=seed.source)
