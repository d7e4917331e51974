"""What a crawl that is continued knows of the run before: hosts, waits, counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf

import pytest

from crawler.core.changes import Changes, Earlier, Lasting
from crawler.core.crawl_core import Ended
from crawler.core.crawl_tables import CrawlTables
from crawler.core.host_state import BreakerState, HostState
from crawler.core.refusal import Refusal
from crawler.model.outcome import Kind, Page
from crawler.model.request import Listed, Postponed, Purpose, Request
from crawler.model.url import Url
from tests.core.play import Play, always, failed, page, robots

HOST = "http://a.example"


class Notes(Changes):
    """The last state of each host, the waits of retries, and the pages that were taken up."""

    def __init__(self) -> None:
        self.hosts: dict[str, HostState] = {}
        self.waits_of: dict[str, float] = {}
        self.hosts_of_pages: list[str] = []

    def host(self, state: HostState) -> None:
        self.hosts[state.key] = state

    def waits(self, request: Request | Listed, wait: float = 0.0) -> None:
        self.waits_of[request.url.href] = wait

    def taken(self, host: str) -> None:
        self.hosts_of_pages.append(host)

    def earlier(self, **known: object) -> Earlier:
        return Earlier(resumed=True, hosts=self.hosts.get, **known)  # type: ignore[arg-type]


def left(*hrefs: str) -> list[Request]:
    return [Request(url=Url(href), seed=href, input=href) for href in hrefs]


def answers(request: Request, now: float) -> Ended:
    if request.purpose is Purpose.ROBOTS:
        return robots(request, "User-agent: *\nCrawl-delay: 5\nDisallow: /private/")
    return page(request)


def noted(**options: object) -> Notes:
    """What a run has noted that crawled one page of a host with a Crawl-delay."""
    notes = Notes()
    Play(answers, gates=True, lasting=Lasting(notes, Earlier()), **options).run(f"{HOST}/1")
    return notes


def continued(notes: Notes, **options: object) -> Play:
    play = Play(answers, gates=True, lasting=Lasting(Changes(), notes.earlier()), **options)
    play.now = 1_000.0
    return play


def test_robots_txt_is_not_asked_for_again_before_it_expires() -> None:
    """Its rules hold in the next run: what they forbid is skipped without a request."""
    play = continued(noted())
    finals = play.run(left=left(f"{HOST}/2", f"{HOST}/private/3"))
    assert play.asked(Purpose.ROBOTS) == []
    assert play.asked() == [f"{HOST}/2"]
    assert [final.kind for final in finals if final.url.endswith("3")] == [Kind.ROBOTS]


def test_rules_that_have_expired_are_asked_for() -> None:
    """What is left of their time counts, not when they were read."""
    notes = noted()
    notes.hosts[HOST] = replace(notes.hosts[HOST], rules_for=-1.0)
    play = continued(notes)
    play.run(left=left(f"{HOST}/2"))
    assert play.asked(Purpose.ROBOTS) == [f"{HOST}/robots.txt"]


def test_each_host_waits_its_full_spacing_after_a_restart() -> None:
    """Nobody knows how late the earlier run asked it: its delay begins with the new run."""
    play = continued(noted(), delay=2.0)
    play.run(left=left(f"{HOST}/2", f"{HOST}/3", "http://b.example/"))
    assert play.times(Purpose.PAGE, "a.example")[0] == 1_005.0  # its Crawl-delay
    assert play.times(Purpose.ROBOTS, "b.example") == [1_002.0]


def test_an_address_waits_its_full_spacing_after_a_restart() -> None:
    """The delay between requests to one address begins with the new run, too."""
    play = Play(
        always,
        lasting=Lasting(Changes(), Notes().earlier()),
        per_ip=1,
        ip_delay=3.0,
        robots="ignore",
    )
    play.now = 1_000.0
    play.run(left=left(f"{HOST}/2"))
    assert play.times()[0] == 1_003.0


def test_a_pause_after_a_429_outlasts_a_restart() -> None:
    """What is left of it is waited for; it doubles as if there had been one run."""
    notes = Notes()
    answer = iter([429])

    def busy(request: Request, now: float) -> Ended:
        status = next(answer, 200)
        return page(request) if status == 200 else failed(request, Kind.UNAVAILABLE, status=429)

    Play(busy, lasting=Lasting(notes, Earlier()), retries=0, throttle=60.0).run(f"{HOST}/1")
    state = notes.hosts[HOST]
    assert state.pause > 30.0
    play = continued(notes, robots="ignore", throttle=60.0)
    play.run(left=left(f"{HOST}/2"))
    assert play.times() == [round(1_000.0 + state.pause, 6)]


def test_a_host_that_was_away_is_probed_when_its_time_has_come() -> None:
    """Its breaker is open in the next run, and the time that it was waited for counts."""
    breaker = BreakerState(worked=True, failures=2, probes=3, unreached=True, open_for=50.0)
    notes = Notes()
    notes.hosts[HOST] = HostState(key=HOST, pause=4.0, breaker=breaker)
    options = {"retries": 0, "breaker": 2, "breaker_give_up": 60.0, "breaker_pause": 4.0}
    options |= {"robots": "ignore"}
    play = Play(
        lambda request, now: failed(request), lasting=Lasting(Changes(), notes.earlier()), **options
    )
    play.now = 1_000.0
    finals = play.run(left=left(*(f"{HOST}/{n}" for n in range(9))))
    assert play.times() == [1_004.0, 1_008.01, 1_010.0]  # the last when 60 s are over
    assert {final.kind for final in finals} == {Kind.HOST_DOWN}
    assert play.core.statistics(play.now).hosts_away == 0


def test_a_host_that_opens_its_breaker_is_noted() -> None:
    """That it is away, and since when, is recorded as it is found out."""
    states: list[HostState] = []

    class History(Notes):
        def host(self, state: HostState) -> None:
            states.append(state)

    Play(
        lambda request, now: page(request) if now < 0.1 else failed(request),
        lasting=Lasting(History(), Earlier()),
        robots="ignore",
        retries=0,
        breaker=2,
        breaker_give_up=5.0,
        delay=0.1,
        per_host=1,
    ).run(*(f"{HOST}/{n}" for n in range(12)))
    away = [state.breaker.open_for for state in states if state.breaker and state.pause]
    assert away[0] == 0.0 and any(0 < seconds <= 5.0 for seconds in away if seconds != inf)
    assert states[-1].down is not None and states[-1].down[0] is Kind.HOST_DOWN


@pytest.mark.parametrize("seconds", [7.0, 0.0])
def test_a_retry_keeps_its_time_and_its_attempts(seconds: float) -> None:
    """It waits for the rest of its time, and fails for good after as many attempts as ever."""
    notes = Notes()
    again = replace(left(f"{HOST}/1")[0], attempt=2, attempts=2)
    play = Play(
        lambda request, now: failed(request),
        lasting=Lasting(notes, Notes().earlier()),
        robots="ignore",
        retries=2,
        backoff=1.0,
        breaker=0,
    )
    play.now = 1_000.0
    [final] = play.run(left=[Postponed(again, seconds)])
    assert play.times()[0] == 1_000.0 + seconds
    assert final.request.attempts == 3  # type: ignore[union-attr]
    assert 0 < notes.waits_of[f"{HOST}/1"] <= 2.0  # of the last retry, as it was recorded


@pytest.mark.parametrize(
    ("options", "known", "more"),
    [
        ({"max_pages": 10}, {"taken": 7, "found": 9}, 3),
        ({"max_per_host": 5}, {"taken": 7, "by_host": {HOST: 3}}, 2),
        ({}, {"taken": 7}, 20),
    ],
)
def test_limits_of_pages_count_those_of_earlier_runs(
    options: dict[str, int], known: dict[str, object], more: int
) -> None:
    """--max-pages and --max-per-host hold for the whole crawl; sitemaps are not pages."""
    notes = Notes()
    links = [f"{HOST}/{n}" for n in range(20)]
    play = Play(
        lambda request, now: page(request, *(links if request.url.path == "/start" else ())),
        lasting=Lasting(notes, notes.earlier(**known)),
        follow=True,
        **options,
    )
    play.run(f"{HOST}/start")
    assert len(play.asked()) == more + 1
    assert notes.hosts_of_pages == [HOST if "max_per_host" in options else ""] * more


def test_a_run_that_is_stopped_notes_what_it_has_learned_of_its_hosts() -> None:
    """The width that a host was given is that of the next run's start."""
    notes = Notes()
    play = Play(always, lasting=Lasting(notes, Earlier()), adapt=True, per_host=8)
    play.run(*(f"{HOST}/{n}" for n in range(60)))
    play.core.stop()
    play.core.remember(play.now)
    throttle = notes.hosts[HOST].throttle
    assert throttle is not None and throttle.width == 8.0


def test_what_was_learned_of_pages_is_that_of_the_next_run() -> None:
    """Traps, near-duplicates and counts of refusals go on where the last run ended."""

    class Learning(Notes):
        def learns(self, tables: Callable[[], CrawlTables]) -> None:
            self.tables = tables

    notes = Learning()
    options = {"follow": True, "max_queries": 3, "depth": 0}
    links = [f"{HOST}/list?page={n}" for n in range(9)]

    def answer(request: Request, now: float) -> Ended:
        return page(request, *(links if request.url.path == "/start" else ()), words=0xF0F)

    Play(answer, lasting=Lasting(notes, Earlier()), **options).run(f"{HOST}/start")
    tables = notes.tables()
    assert len(tables.signatures) == 1 and tables.refused == {Refusal.QUERIES: 6}
    earlier = Earlier(resumed=True, tables=tables)
    again = Learning()
    play = Play(answer, lasting=Lasting(again, earlier), **options)
    [*_, last] = play.run(f"{HOST}/start")
    assert play.asked() == [f"{HOST}/start"]  # its links are beyond the cap already
    assert isinstance(last, Page) and last.near_duplicate_of is not None
    assert again.tables().refused == {Refusal.QUERIES: 15}
