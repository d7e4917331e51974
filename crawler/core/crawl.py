"""The core: decides what to fetch next and what an outcome means. No I/O, no clock, no tasks.

    admit(seeds, now)             entries of the list; answers Refill
    exhausted()                   the list has ended; answers Refill
    next(now) -> Step             what to do now
    finish(request, outcome, now) what became of a Fetch: exactly once for each
    stop()                        start nothing more

`admit`, `finish` and `stop` return the outcomes that are final, to be written as they are. Each
entry of the list is counted as a repeat or returned as final exactly once, so nothing is lost:

    admitted -> waiting -> in flight -> final
                   ^           |
                   +-----------+   a redirect, or a failure that may pass, after its back-off

The core is not thread-safe: its engine calls it from one thread at a time. It holds at most
`config.window` URLs, apart from the fingerprints of those seen; `Refill` asks for more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from itertools import count
from typing import assert_never

from crawler.core.frontier import Frontier
from crawler.core.retry import RetryPolicy
from crawler.core.seen import FingerprintSet
from crawler.core.statistics import Snapshot, Statistics
from crawler.core.step import BUSY, DONE, Fetch, Refill, Step, Wait
from crawler.model.config import CrawlConfig
from crawler.model.outcome import Failed, Final, Kind, Page, Redirect, Skipped
from crawler.model.request import Hop, Request
from crawler.model.url import InvalidUrl, Seed, Url, join

MAX_REFILL = 500
"""Entries asked for at once: reading and parsing them holds the interpreter for 2 ms."""


class Crawl:
    """One crawl's decisions. `random` returns a float in [0, 1)."""

    def __init__(self, config: CrawlConfig, *, random: Callable[[], float]) -> None:
        self._config = config
        self._retry = RetryPolicy(
            retries=config.retries,
            backoff=config.backoff,
            backoff_max=config.backoff_max,
            random=random,
        )
        self._frontier = Frontier(width=config.per_host, delay=config.delay)
        self._seen = FingerprintSet()
        self._later: list[tuple[float, int, Request]] = []  # retries, by the time they are due
        self._number = count()
        self._in_flight: set[Request] = set()
        self._refilling = False
        self._exhausted = False
        self._stopped = False
        self.collector = Statistics()

    def __repr__(self) -> str:
        return (
            f"Crawl({self._frontier!r}, later={len(self._later)}, "
            f"in_flight={len(self._in_flight)}, exhausted={self._exhausted}, "
            f"stopped={self._stopped})"
        )

    def begin(self, now: float) -> None:
        """The crawl starts now."""
        self.collector.begin(now)

    def statistics(self, now: float) -> Snapshot:
        """A frozen snapshot; may be asked for from any thread."""
        return self.collector.snapshot(now)

    # -- what comes in

    def admit(self, seeds: Sequence[Seed], now: float) -> tuple[Final, ...]:
        """Take entries of the list; returns the outcomes of those that are no URL."""
        self._refilling = False
        new = [seed for seed in seeds if self._seen.add(seed.url.fingerprint)]
        self.collector.add_read(len(seeds), len(seeds) - len(new))
        finals: list[Final] = []
        for seed in new:
            match seed.url:
                case InvalidUrl() as invalid:
                    finals.append(_unusable(seed, invalid))
                case Url() if self._stopped:
                    finals.append(_interrupted(seed.url.href, seed.input))
                case Url() as url:
                    self._frontier.push(_request(seed.input, url, now), now)
        return self._recorded(finals)

    def exhausted(self) -> None:
        """The list has ended."""
        self._refilling = False
        self._exhausted = True

    # -- what to do

    def next(self, now: float) -> Step:
        """What to do now. Called again and again, it never hands out one request twice."""
        if self._wants_more():
            self._refilling = True
            room = self._config.window - self._held()
            return Refill(min(room, MAX_REFILL))
        if len(self._in_flight) >= self._config.concurrency:
            return BUSY
        while self._later and self._later[0][0] <= now:
            self._frontier.push(heappop(self._later)[2], now, first=True)
        request = self._frontier.pop(now)
        if request is not None:
            self._in_flight.add(request)
            self.collector.add_started()
            return Fetch(request)
        return self._idle(now)

    def _held(self) -> int:
        return len(self._frontier) + len(self._later)

    def _wants_more(self) -> bool:
        """Ask for more when half of the window is free, so that entries come in good portions."""
        open_ended = not (self._refilling or self._exhausted or self._stopped)
        return open_ended and self._held() <= self._config.window // 2

    def _idle(self, now: float) -> Step:
        if not self._held():
            nothing_comes = self._stopped or self._exhausted
            return DONE if nothing_comes and not self._in_flight else BUSY
        times = [self._later[0][0]] if self._later else []
        if (ready_at := self._frontier.next_time()) is not None:
            times.append(ready_at)
        return Wait(max(min(times) - now, 0.0)) if times else BUSY

    # -- what became of it

    def finish(
        self, request: Request, outcome: Page | Redirect | Failed, now: float
    ) -> tuple[Final, ...]:
        """A fetch came to its end. Raises ValueError for a request that is not in flight."""
        if request not in self._in_flight:
            raise ValueError(f"not in flight: {request!r}")
        self._in_flight.remove(request)
        self._frontier.release(request, now)
        again = isinstance(outcome, Failed) and not self._stopped and self._retry.allows(outcome)
        self.collector.add_fetched(outcome, again=again)
        match outcome:
            case Failed() if again:
                self._try_again(outcome, now)
                return ()
            case Page() | Failed():
                return self._recorded((outcome,))
            case Redirect():
                return self._recorded(self._redirected(outcome, now))
        assert_never(outcome)

    def _try_again(self, failure: Failed, now: float) -> None:
        request = failure.request
        due = now + self._retry.wait(failure)
        again = Request(
            url=request.url,
            seed=request.seed,
            input=request.input,
            hops=request.hops,
            attempt=request.attempt + 1,
            attempts=request.attempts + 1,
            admitted_at=now,
        )
        heappush(self._later, (due, next(self._number), again))

    def _redirected(self, redirect: Redirect, now: float) -> tuple[Final, ...]:
        """Send the target through the frontier like any URL, or say why not."""
        request = redirect.request
        hops = (*request.hops, Hop(url=request.url.href, status=redirect.exchange.status or 0))
        match join(request.url, redirect.location):
            case InvalidUrl(text, reason):
                return (self._not_followed(redirect, f"redirect to {text[:200]!r}: {reason}"),)
            case Url() as target if refusal := self._refusal(target, hops):
                return (self._not_followed(redirect, refusal),)
            case Url() as target:
                self._follow(request, target, hops, now)
        return ()

    def _follow(self, request: Request, target: Url, hops: tuple[Hop, ...], now: float) -> None:
        followed = Request(
            url=target,
            seed=request.seed,
            input=request.input,
            hops=hops,
            attempts=request.attempts + 1,
            admitted_at=now,
        )
        self._frontier.push(followed, now, first=True)

    def _refusal(self, target: Url, hops: tuple[Hop, ...]) -> str:
        """Why a redirect is not followed; empty if it is."""
        if self._stopped:
            return "stopped before the redirect was followed"
        if any(hop.url == target.href for hop in hops):
            return f"redirect loop back to {target.href[:200]}"
        if len(hops) > self._config.max_redirects:
            return f"more than {self._config.max_redirects} redirects"
        return ""

    def _not_followed(self, redirect: Redirect, reason: str) -> Failed:
        kind = Kind.INTERRUPTED if self._stopped else Kind.REDIRECT
        return Failed(
            request=redirect.request, kind=kind, reason=reason, exchange=redirect.exchange
        )

    # -- the end

    def stop(self) -> tuple[Final, ...]:
        """Start nothing more. Returns the outcomes of all that waited; what is in flight drains."""
        if self._stopped:
            return ()
        self._stopped = True
        waiting = [*self._frontier.drain(), *(request for _, _, request in self._later)]
        self._later.clear()
        return self._recorded(map(_not_started, waiting))

    def outstanding(self) -> tuple[Request, ...]:
        """What is in flight: an engine that ends before its visits finishes these itself."""
        return tuple(self._in_flight)

    def _recorded(self, finals: Iterable[Final]) -> tuple[Final, ...]:
        finals = tuple(finals)
        for final in finals:
            self.collector.add_record(final)
        return finals


def _request(given: str, url: Url, now: float) -> Request:
    given = url.href if given == url.href else given  # one string where they are equal
    return Request(url=url, seed=url.href, input=given, admitted_at=now)


def _unusable(seed: Seed, invalid: InvalidUrl) -> Skipped:
    kind = Kind.UNSUPPORTED_SCHEME if invalid.unsupported_scheme else Kind.INVALID_URL
    return Skipped(url=invalid.text, input=seed.input, kind=kind, reason=invalid.reason)


def _interrupted(url: str, given: str) -> Skipped:
    return Skipped(url=url, input=given, kind=Kind.INTERRUPTED, reason="stopped before it began")


def _not_started(request: Request) -> Final:
    """What becomes of a request that waited when the crawl was stopped."""
    if request.attempts == 1:
        return _interrupted(request.seed, request.input)
    reason = f"stopped before fetch {request.attempts}"
    return Failed(request=request, kind=Kind.INTERRUPTED, reason=reason)
