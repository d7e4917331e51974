"""The window: admits URLs, keeps its size, and asks for more.

Entries of the list and found URLs join the frontier here, or the backlog if their host has its
share (`crawler.core.backlog`). The list is read to fill half of the window, and beyond that, up to
`read_ahead` URLs, while nothing that waits can be started: other hosts may stand further down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from heapq import heappop, heappush
from itertools import compress, count

from crawler.core import ends
from crawler.core.backlog import COMMON, PORTION, Backlog
from crawler.core.changes import Changes
from crawler.core.collector import StatisticsCollector
from crawler.core.discovery import Discovery
from crawler.core.fallback import falls_back, plain
from crawler.core.frontier import Frontier
from crawler.core.gatekeeper import Gatekeeper
from crawler.core.outages import Outages
from crawler.core.step import Recall, Refill, Spill
from crawler.model.config import CrawlConfig
from crawler.model.outcome import Final, Redirected
from crawler.model.request import Arrivals, Listed, ListShare, Postponed, Request
from crawler.model.transfer import Exchange
from crawler.model.url import InvalidUrl, Seed

MAX_REFILL = PORTION
"""Maximum entries asked for at once, as parsing them holds the interpreter."""


class Window:
    """Waiting URLs and their room. Immediate outcomes are returned, to be recorded.

    repeated: called with each entry of the list that occurs again.
    """

    def __init__(
        self,
        config: CrawlConfig,
        *,
        frontier: Frontier,
        gates: Gatekeeper,
        outages: Outages,
        discovery: Discovery,
        collector: StatisticsCollector,
        repeated: Callable[[Seed], None],
        changes: Changes,
    ) -> None:
        self._config = config
        self._frontier = frontier
        self._backlog = frontier.backlog = Backlog(config.window)
        self._gates = gates
        self._outages = outages
        self._discovery = discovery
        self._collector = collector
        self.repeated = repeated
        self._changes = changes
        self._lasting = type(changes) is not Changes
        self._later: list[tuple[float, int, Request]] = []  # retries, by the time they are due
        self._number = count()
        self._ahead = 0  # entries of the list in the backlog
        self._refilling = False
        self.exhausted = False
        self.stopped = False
        self._abandoned = False

    def __repr__(self) -> str:
        return (
            f"Window(held={self.held}, later={len(self._later)}, {self._backlog!r}, "
            f"exhausted={self.exhausted}, stopped={self.stopped})"
        )

    @property
    def held(self) -> int:
        """The number of URLs in memory that are not in flight."""
        return self._frontier.queued + len(self._later) + self._outages.held

    @property
    def outside(self) -> bool:
        """Tell whether URLs are to come from the list or the backlog."""
        if self.stopped:
            return self._backlog.count > 0 and not self._abandoned
        return self._backlog.count > 0 or not self.exhausted

    # -- what comes in

    def admit(self, seeds: Sequence[Seed], now: float) -> list[Final]:
        """Take entries of the list; each is a repeat, ends at once, or waits."""
        self._refilling = False
        new = self._new(seeds)
        self._collector.add_read(len(seeds), len(seeds) - len(new))
        self._changes.read(seeds, len(seeds) - len(new))
        for place in seeds.places if isinstance(seeds, ListShare) else ():
            self._discovery.add_seed(place)
        backlog, scoped = self._backlog, self._discovery.scoped
        finals: list[Final] = []
        behind = 0
        room = self._config.window // 2 - self.held  # as nothing else joins meanwhile
        for seed in new:
            url = seed.url
            if isinstance(url, InvalidUrl):
                self._changes.unusable(seed)
                finals.append(ends.unusable(seed, url))
                continue
            listed = Listed(url, seed, now)
            if self._lasting:
                self._changes.waits(listed)
            if self.stopped:
                finals.append(ends.interrupted(listed.request()))
                continue
            if scoped:
                self._discovery.add_seed(url)
            if backlog.count and backlog.keep_behind(url.host_key, listed):
                behind += 1  # most of a long list, with no other cost
            elif room > 0 and not backlog.count:
                room -= 1
                finals += self.push(listed.request(), now)
            else:
                finals += self._placed(listed, now)
        self._ahead += behind
        self._collector.add_spilled(behind)
        return finals

    def resumed(self, left: Sequence[Request | Seed | Postponed], now: float) -> list[Final]:
        """Take back URLs that an earlier run counted and left."""
        self._refilling = False
        finals: list[Final] = []
        requests: list[Request] = []
        for each in left:
            if isinstance(each, Request):
                requests.append(replace(each, admitted_at=now))
            elif isinstance(each, Postponed):
                if not self.stopped:
                    again = replace(each.request, admitted_at=now)
                    self._postpone(again, each.seconds, now)
            elif isinstance(each.url, InvalidUrl):
                finals.append(ends.unusable(each, each.url))
        return finals + self._entered(requests, now)

    def _new(self, seeds: Sequence[Seed]) -> Sequence[Seed]:
        """Take up entries that were not listed or found before."""
        told = self._discovery.admitted(seeds)
        if all(told):
            return seeds
        for seed, new in zip(seeds, told, strict=True):
            if not new:
                self.repeated(seed)
        return list(compress(seeds, told))

    def end_of_list(self) -> None:
        """Take note of the end of the list."""
        self.answered()
        self.exhausted = True
        self._discovery.knows_scope = True

    def answered(self) -> None:
        """Take note that what was asked for has come."""
        self._refilling = False

    def take_up(self, requests: Sequence[Request], now: float) -> list[Final]:
        """Let found URLs wait."""
        self._collector.add_found(len(requests))
        self._changes.found(len(requests))
        for request in requests:
            self._changes.waits(request)
        return self._entered(requests, now)

    def recalled(self, entries: Sequence[Request | Listed], now: float) -> list[Final]:
        """Let spilled URLs wait, as ordered."""
        requests = [each.request() if isinstance(each, Listed) else each for each in entries]
        order = self._backlog.returned()
        self._collector.add_spilled(-len(requests))
        self._ahead -= sum(not request.found_on for request in requests)
        own = len(requests) - order.get(COMMON, 0)
        finals = self._entered(requests[:own], now, own=True)
        finals += self._entered(requests[own:], now, moved=True)
        for key in order:
            self._short(key)
        return finals

    def _short(self, key: str) -> None:
        host = self._frontier.known(key)
        self._backlog.shrunk(key, host.queued if host is not None else 0, self._frontier.queued)

    def _entered(
        self, requests: Iterable[Request], now: float, *, own: bool = False, moved: bool = False
    ) -> list[Final]:
        """Let requests wait. own: from their hosts' shelves, moved: from the common one."""
        if self.stopped:
            return [ends.interrupted(request) for request in requests]
        finals: list[Final] = []
        for request in requests:
            finals += self.push(request, now) if own else self._placed(request, now, moved=moved)
        return finals

    def _placed(self, request: Request | Listed, now: float, *, moved: bool = False) -> list[Final]:
        """Let a request wait in memory, or in the backlog if its host has its share."""
        backlog, held = self._backlog, self.held
        if backlog.count or 2 * held >= self._config.window:
            key = request.url.host_key
            host = self._frontier.known(key)
            queued = host.queued if host is not None else 0
            if not backlog.has_place(key, queued, held, moved=moved):
                self._ahead += isinstance(request, Listed) or not request.found_on
                self._collector.add_spilled(1)
                backlog.keep(key, request, moved=moved)
                backlog.shrunk(key, queued, held)
                return []
        return self.push(request.request() if isinstance(request, Listed) else request, now)

    def push(self, request: Request, now: float, *, first: bool = False) -> list[Final]:
        """Let a request wait at its host; return its outcome if the host is left alone."""
        frontier = self._frontier
        if (
            frontier.tls_refused
            and falls_back(request)
            and frontier.refuses_tls(request.url.host_key)
        ):
            return self.fall_back(request.unasked(), now, new=not first)
        refused = frontier.push(request, now, first=first)
        if refused is None:
            return []
        return [ends.unasked(*each) for each in self._gates.ended([request], *refused, now)]

    def hand_over(self, onward: Request, owner: int) -> None:
        """Let another partition end a redirect's target."""
        self._collector.add_moved(1)
        self._changes.handed_over(onward, owner)

    def taken_over(self, arrivals: Arrivals) -> None:
        """Take note of what another partition has handed over, which is in `arrivals`."""
        self._collector.add_moved(-sum(isinstance(r, Request) and bool(r.hops) for r in arrivals))
        self._changes.received(arrivals)

    def send_on(self, onward: Request, now: float) -> list[Final]:
        """Let a redirect's target wait, first at its host."""
        self._changes.waits(onward)
        return self.push(onward, now, first=True)

    def fall_back(self, request: Request, now: float, *, new: bool = False) -> list[Final]:
        """Ask for a URL by http. new: it was not in memory before, and needs a place there."""
        onward = plain(request, now)
        if self._config.following.follow:
            self._discovery.add_seed(onward.url)
            if not self._discovery.claimed(onward):
                target = onward.url.href
                return [
                    Redirected(request=request, exchange=Exchange(started_at=now), target=target)
                ]
        return self._placed(onward, now) if new else self.push(onward, now, first=True)

    # -- retries

    def retry(self, request: Request, wait: float, now: float) -> None:
        """Let a request wait for `wait` seconds, and then come first at its host."""
        self._changes.waits(request, wait)
        self._postpone(request, wait, now)

    def _postpone(self, request: Request, wait: float, now: float) -> None:
        heappush(self._later, (now + wait, next(self._number), request))

    def due(self, now: float) -> Request | None:
        """Return a retry whose time has come, or None."""
        if self._later and self._later[0][0] <= now:
            return heappop(self._later)[2]
        return None

    @property
    def next_retry(self) -> float | None:
        """The time of the next retry, or None."""
        return self._later[0][0] if self._later else None

    # -- what is asked for

    def more(self) -> Spill | Recall | Refill | None:
        """Return the step that keeps the window full, but not overfull; None if there is none."""
        if self._backlog.count:
            if (spill := self._backlog.spilled()) is not None:
                return spill
            if self.stopped:
                return None if self._abandoned else self._backlog.recall_any()
            if (recall := self._backlog.recall(self.held)) is not None:
                return recall
        if self.exhausted or self._refilling or self.stopped:
            return None  # the usual case: nothing to ask for, or already asked
        half = self._config.window // 2
        if self.held <= half - min(MAX_REFILL, half // 2):  # ask in large portions
            return self._refill(max(1, half - self.held))
        return None

    def ahead(self) -> Refill | None:
        """Return the step that reads on without room, as nothing here can be started."""
        return self._refill(self._config.window) if self._backlog.has_shelves else None

    def _refill(self, room: int) -> Refill | None:
        if self.stopped or self._refilling or self.exhausted:
            return None
        if self._ahead > self._config.read_ahead:
            return None
        self._refilling = True
        return Refill(min(room, MAX_REFILL))

    # -- the end

    def stop(self) -> list[Request]:
        """Let nothing wait from now on; return what waited in memory."""
        self.stopped = True
        waiting = [*self._frontier.drain(), *(request for _, _, request in self._later)]
        self._later.clear()
        return waiting

    def abandon(self) -> None:
        """Leave the backlog without records."""
        self._abandoned = True
