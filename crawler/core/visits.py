"""Take in the end of a fetch: its record, a retry, a redirect, links to follow."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from crawler.core import ends, redirects
from crawler.core.collector import StatisticsCollector
from crawler.core.discovery import Discovery
from crawler.core.domain import SuffixList
from crawler.core.fallback import falls_back
from crawler.core.frontier import Frontier
from crawler.core.gatekeeper import Gatekeeper
from crawler.core.host import Host
from crawler.core.retry import RetryPolicy
from crawler.core.rules import MAX_REDIRECTS, RobotsRead, Succeeded
from crawler.core.window import Window
from crawler.model.config import CrawlConfig
from crawler.model.outcome import (
    Failed,
    Final,
    Kind,
    Listing,
    Page,
    Redirect,
    Redirected,
    Resolved,
)
from crawler.model.request import Arrivals, Purpose, Request
from crawler.model.url import Url, masked


class Visits:
    """Takes in ended fetches and returns final outcomes to be recorded."""

    def __init__(
        self,
        config: CrawlConfig,
        *,
        frontier: Frontier,
        gates: Gatekeeper,
        discovery: Discovery,
        window: Window,
        retry: RetryPolicy,
        collector: StatisticsCollector,
        suffixes: SuffixList,
    ) -> None:
        self._config = config
        self._frontier = frontier
        self._gates = gates
        self._discovery = discovery
        self._window = window
        self._retry = retry
        self._collector = collector
        self._suffixes = suffixes

    def plain_instead(self, failure: Failed) -> bool:
        """Tell whether a failed URL may be tried by http: unless https worked before."""
        if not failure.no_tls or self._window.stopped:
            return False
        worked = self._frontier.host(failure.request.url.host_key).breaker.worked
        return not worked and falls_back(failure.request)

    def without_tls(self, host: Host, failure: Failed, now: float) -> list[Final]:
        """Note whether a host refuses TLS, and release URLs that may be tried by http."""
        if failure.status is not None:
            host.no_tls = False
        if not failure.no_tls or host.breaker.worked:
            return []
        host.no_tls = self._frontier.tls_refused = True
        self._frontier.note(host)
        waiting = self._frontier.take_if(host, falls_back)
        fallen = (self._window.fall_back(request.unasked(), now, new=True) for request in waiting)
        return [final for finals in fallen for final in finals]

    def ended(self, outcome: Succeeded, now: float) -> list[Final]:
        """Take in the outcome of a fetch that did not fail."""
        match outcome:
            case Page():
                return self._visited(outcome, now)
            case Resolved() | RobotsRead():
                return self._opened(outcome, now)
            case Listing():
                return self._listed(outcome, now)
            case Redirect():
                return self._redirected(outcome, now)
        assert_never(outcome)

    def _opened(self, outcome: Resolved | RobotsRead, now: float) -> list[Final]:
        request = outcome.request
        if isinstance(outcome, Resolved):
            self._gates.resolved(request.owner, outcome.address, now)
            return []
        self._gates.rules(request.owner, outcome.rules, now)
        if not self._config.following.sitemaps or self._window.stopped:
            return []
        named = self._discovery.sitemaps(outcome.rules.sitemaps, request, now)
        return self._window.take_up(list(named), now)

    def _listed(self, listing: Listing, now: float) -> list[Final]:
        if self._window.stopped:
            return [listing]
        return [listing, *self._window.take_up(self._discovery.listed(listing, now), now)]

    def _visited(self, page: Page, now: float) -> list[Final]:
        if not self._config.following.follow:
            return [page]
        if (moved := self._moved(page, now)) is not None:
            return moved
        if self._discovery.taken(page):
            target = page.final_url
            return [Redirected(request=page.request, exchange=page.exchange, target=target)]
        twin = self._discovery.twin(page)
        if twin is not None:
            page = page.like(twin)
        if self._window.stopped:
            return [page]
        found = self._discovery.links(page, now)
        self._collector.add_refused(self._discovery.refused)
        return [page, *self._window.take_up(found, now)]

    def _moved(self, page: Page, now: float) -> list[Final] | None:
        """Follow the refresh of a page; None without one, or if it leads nowhere.

        Then the page is kept: unlike a redirect it has something to read.
        """
        redirect = redirects.of(page)
        if redirect is None or self._window.stopped:
            return None
        onward = self._onward(redirect, now)
        found = bool(page.request.found_on)
        if isinstance(onward, str) or (found and self._discovery.refusal(onward.url)):
            return None
        return self._follow(redirect, onward, now)

    def failed(self, failure: Failed, now: float, again: Request | None) -> list[Final]:
        """Take in a failure that counts; `again` is the request that retries it, if one is due."""
        match failure.request.purpose:
            case Purpose.ADDRESS | Purpose.ROBOTS:
                left = self._gates.failed(failure, now, again=again is not None)
                return [ends.unasked(*each) for each in left]
            case _ if self.plain_instead(failure):
                return self._window.fall_back(failure.request, now)
            case _ if again is not None:
                self._window.retry(again, self._retry.wait(failure), now)
                return []
            case _:
                return [failure]

    def _redirected(self, redirect: Redirect, now: float) -> list[Final]:
        """Send the target through the frontier like any URL, or return why not."""
        if self._window.stopped:
            return self._not_followed(redirect, "stopped before the redirect was followed", now)
        onward = self._onward(redirect, now)
        if isinstance(onward, str):
            return self._not_followed(redirect, onward, now)
        return self._follow(redirect, onward, now)

    def _onward(self, redirect: Redirect, now: float) -> Request | str:
        robots = redirect.request.purpose is Purpose.ROBOTS
        most = MAX_REDIRECTS if robots else self._config.network.max_redirects
        return redirects.onward(redirect, most, now, self._suffixes)

    def _follow(self, redirect: Redirect, onward: Request, now: float) -> list[Final]:
        owner = self._discovery.owner(onward)
        if owner is not None:
            self._window.hand_over(onward, owner)
            return []
        return self._led_on(redirect, onward, now)

    def arrived(self, arrivals: Arrivals, now: float) -> list[Final]:
        """Take in what another partition has handed over: it has removed repeats, and no more."""
        self._window.answered()
        if self._window.stopped:
            return []  # not received: it is there for the next run
        self._window.taken_over(arrivals)
        finals: list[Final] = []
        found: list[Request] = []
        for each in arrivals:
            if isinstance(each, Url):
                self._discovery.add_seed(each)
            elif each.hops:
                onward = replace(each, admitted_at=now)
                finals += self._led_on(redirects.before(onward, now), onward, now)
            elif self._discovery.arrived(each):
                found.append(replace(each, admitted_at=now))
        self._collector.add_refused(self._discovery.refused)
        return [*finals, *self._window.take_up(found, now)]

    def _led_on(self, redirect: Redirect, onward: Request, now: float) -> list[Final]:
        request, target = redirect.request, onward.url
        if request.purpose is Purpose.PAGE and self._config.following.follow:
            if not request.found_on:
                self._discovery.widen(target)  # a site that has moved, to www or to https
            elif (out := self._discovery.refusal(target)) is not None:
                reason = f"redirects to {masked(target.href)[:200]}: {out}"
                return [ends.refused(redirect, Kind.OUT_OF_SCOPE, reason)]
            if not self._discovery.claimed(onward):
                return [Redirected(request=request, exchange=redirect.exchange, target=target.href)]
        return self._window.send_on(onward, now)

    def _not_followed(self, redirect: Redirect, reason: str, now: float) -> list[Final]:
        kind = Kind.INTERRUPTED if self._window.stopped else Kind.REDIRECT
        return self.failed(ends.refused(redirect, kind, reason), now, None)
