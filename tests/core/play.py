"""Plays an engine to a core, with a clock of its own: for tests of manners and of following."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import replace
from heapq import heappop, heappush

import orjson

from crawler.core.changes import Lasting
from crawler.core.crawl_core import CrawlCore, Ended
from crawler.core.rules import RobotsRead
from crawler.core.step import DONE, Fetch, Notice, Recall, Refill, Spill, Wait, WriteRecord
from crawler.formats.robots import RobotsRules
from crawler.model.config import CrawlConfig
from crawler.model.document import Document, Leads
from crawler.model.outcome import Exchange, Failed, Final, Kind, Page, Redirect, Resolved
from crawler.model.request import Listed, Postponed, Purpose, Request
from crawler.model.url import Seed, Url, canonical, fingerprint
from tests.top_level import TopLevelDomains

Answer = Callable[[Request, float], Ended]

LATENCY = 0.01


def exchange(status: int = 200, *, at: float = 0.0) -> Exchange:
    """One that took 10 ms."""
    return Exchange(
        status=status, started_at=at, first_byte=LATENCY, total=LATENCY, wire_bytes=1, body_bytes=1
    )


def page(request: Request, *links: str, words: int = 0, at: float = 0.0) -> Page:
    """A page with these links, whose text is like that of others with the same `words`."""
    keys = array("Q", [fingerprint(canonical(Url(link))) for link in links])
    document = Document(
        json=orjson.dumps({"links": list(links)}),
        leads=Leads(keys.tobytes(), simhash=words, digest=words, skeleton=words),
    )
    return Page(request=request, exchange=exchange(at=at), document=document)


def robots(request: Request, text: str, *, at: float = 0.0) -> RobotsRead:
    """A robots.txt."""
    rules = RobotsRules.parse(text.encode(), "crawler/1.0")
    return RobotsRead(request=request, exchange=exchange(at=at), rules=rules)


def failed(
    request: Request,
    kind: Kind = Kind.CONNECT,
    *,
    status: int | None = None,
    retry_after: float | None = None,
    at: float = 0.0,
) -> Failed:
    """A failure, with an answer if it has a status."""
    seen = None if status is None else exchange(status, at=at)
    return Failed(
        request=request, kind=kind, reason="it failed", exchange=seen, retry_after=retry_after
    )


def redirect(request: Request, location: str) -> Redirect:
    """A redirect to `location`."""
    return Redirect(request=request, exchange=exchange(301), location=location)


class Play:
    """A crawl whose every exchange takes `latency` seconds and ends as `answer` says.

    `starts` has the time and the request of everything that was asked, `finals` the outcomes and
    `notices` what a person is told.
    Hosts that are looked up are at 192.0.2.1, robots.txt is empty unless `answer` says else: it is
    asked for PAGE and SITEMAP requests, and for the others if `gates`.
    """

    def __init__(
        self,
        answer: Answer,
        *,
        gates: bool = False,
        latency: Callable[[Request, float], float] = lambda _request, _now: LATENCY,
        lasting: Lasting | None = None,
        **options: object,
    ) -> None:
        plain: dict[str, object] = {"per_host": 8, "delay": 0.0, "per_ip": 0, "adapt": False}
        self.config = CrawlConfig(**{**plain, **options})  # type: ignore[arg-type]
        self.core = CrawlCore(
            self.config, random=lambda: 0.5, suffixes=TopLevelDomains(), lasting=lasting
        )
        self.now = 0.0
        self.starts: list[tuple[float, Request]] = []
        self.finals: list[Final] = []
        self.spilled: dict[str, list[Request | Listed]] = {}
        self.notices: list[str] = []
        self._answer = answer
        self._gates = gates
        self._latency = latency
        self._flying: list[tuple[float, int, float, Request]] = []  # end, number, start

    def run(
        self, *entries: str, limit: int = 100_000, left: Sequence[Request | Postponed] = ()
    ) -> list[Final]:
        """Crawl a list to the end, or what an earlier run has `left`; fails if it has none."""
        waiting = [Seed.read(entry) for entry in entries]
        self.core.begin(self.now)
        for _ in range(limit):
            match self.core.next(self.now):
                case Fetch(request):
                    self.starts.append((self.now, request))
                    end = self.now + self._latency(request, self.now)
                    heappush(self._flying, (end, len(self.starts), self.now, request))
                case Refill(room):
                    taken, waiting = waiting[:room], waiting[room:]
                    self.finals += self._fed(taken, left)
                    left = ()
                case Spill() as spill:
                    self._spill(spill)
                case Recall() as recall:
                    self.finals += self.core.recalled(self._recall(recall), self.now)
                case WriteRecord(finals):
                    self.finals += finals
                case Notice(text):
                    self.notices.append(text)
                case Wait(seconds):
                    self._pass(self.now + seconds)
                case step if step is DONE:
                    return self.finals
                case _:
                    assert self._flying, "busy with nothing in flight would wait for ever"
                    self._pass(None)
        raise AssertionError(f"no end: {self.core!r}")

    def times(self, purpose: Purpose = Purpose.PAGE, host: str = "") -> list[float]:
        """When requests of a purpose started, to one host or to all."""
        return [
            round(at, 6)
            for at, request in self.starts
            if request.purpose is purpose and host in request.url.host_key
        ]

    def asked(self, purpose: Purpose = Purpose.PAGE) -> list[str]:
        """The URLs of a purpose that were asked for."""
        return [request.url.href for _, request in self.starts if request.purpose is purpose]

    def _spill(self, spill: Spill) -> None:
        for shelf, requests in spill.parts:
            self.spilled.setdefault(shelf, []).extend(requests)

    def _recall(self, recall: Recall) -> list[Request]:
        back: list[Request] = []
        for shelf, number in recall.parts:
            kept = self.spilled[shelf]
            assert 0 < number <= len(kept), "what is asked for is there"
            back += [each.request() if isinstance(each, Listed) else each for each in kept[:number]]
            del kept[:number]
        return back

    def _fed(self, seeds: list[Seed], left: Sequence[Request | Postponed]) -> Sequence[Final]:
        finals = self.core.resumed(left, self.now) if left else ()
        if seeds:
            return (*finals, *self.core.admit(seeds, self.now))
        if not left:
            self.core.exhausted()
        return finals

    def _pass(self, until: float | None) -> None:
        """Let time pass to the next end of an exchange, or to `until` if that is sooner."""
        if not self._flying or (until is not None and until < self._flying[0][0]):
            assert until is not None
            self.now = until
            return
        self.now, _, started, request = heappop(self._flying)
        outcome = self._outcome(request, started)
        self.finals += self.core.finish(request, outcome, self.now)

    def _outcome(self, request: Request, started: float) -> Ended:
        if not self._gates and request.purpose is Purpose.ADDRESS:
            return Resolved(request=request, address="192.0.2.1")
        if not self._gates and request.purpose is Purpose.ROBOTS:
            return robots(request, "")
        outcome = self._answer(request, self.now)
        if outcome.exchange is not None:
            seen = replace(outcome.exchange, started_at=started, total=self.now - started)
            outcome = replace(outcome, exchange=seen)
        return outcome


def always(request: Request, now: float) -> Page:
    """Every URL is a page without links."""
    return page(request)
