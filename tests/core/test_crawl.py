"""The core's promises, for every order in which visits may end.

No test here awaits or sleeps: each feeds `now`, reads steps and finishes visits.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.core import backlog
from crawler.core.crawl_core import CrawlCore
from crawler.core.step import BUSY, DONE, Fetch, Recall, Refill, Spill, Step, Wait, WriteRecord
from crawler.core.window import MAX_REFILL
from crawler.model.config import CrawlConfig
from crawler.model.document import Document
from crawler.model.outcome import Exchange, Failed, Final, Kind, Page, Redirect, Skipped
from crawler.model.request import Request
from crawler.model.url import Seed
from tests.top_level import TopLevelDomains

Outcome = Page | Redirect | Failed


PLAIN: dict[str, object] = {
    "robots": "ignore",
    "per_ip": 0,
    "per_host": 8,
    "delay": 0.0,
    "adapt": False,
    "breaker": 0,
}
"""No manners: tests of the order of things alone begin with these options."""


def core(**options: object) -> CrawlCore:
    return CrawlCore(
        CrawlConfig(**{**PLAIN, **options}), random=lambda: 1.0, suffixes=TopLevelDomains()
    )  # type: ignore[arg-type]


def seeds(*texts: str) -> list[Seed]:
    return [Seed.read(text) for text in texts]


def page(request: Request) -> Page:
    exchange = Exchange(status=200, body_bytes=2, wire_bytes=1, total=0.5)
    return Page(request=request, exchange=exchange, document=Document(json=b"{}"))


def redirect(request: Request, location: str) -> Redirect:
    return Redirect(request=request, exchange=Exchange(status=302), location=location)


def failed(request: Request, kind: Kind = Kind.CONNECT) -> Failed:
    return Failed(request=request, kind=kind, reason="refused")


def started(crawl: CrawlCore, now: float = 0.0) -> list[Request]:
    """Everything that may start now."""
    requests = []
    while isinstance(step := crawl.next(now), Fetch):
        requests.append(step.request)
    return requests


def fed(crawl: CrawlCore, *texts: str) -> tuple[Final, ...]:
    """Feed a whole list, and its end."""
    assert isinstance(crawl.next(0.0), Refill)
    finals = crawl.admit(seeds(*texts), 0.0)
    assert isinstance(crawl.next(0.0), Refill)
    crawl.exhausted()
    return finals


def test_a_list_is_asked_for_first_and_only_once() -> None:
    """Refill comes once, until it is answered; then the entry is fetched, then DONE."""
    crawl = core()
    assert crawl.next(0.0) == Refill(MAX_REFILL)
    assert crawl.next(0.0) is BUSY
    crawl.admit(seeds("http://a/"), 0.0)
    assert isinstance(crawl.next(0.0), Refill)
    (request,) = started(crawl)
    crawl.exhausted()
    assert crawl.next(0.0) is BUSY
    assert crawl.finish(request, page(request), 1.0) == (page_of(crawl, request),)
    assert crawl.next(1.0) is DONE


def page_of(crawl: CrawlCore, request: Request) -> Page:
    assert crawl.outstanding() == ()
    return page(request)


def test_an_empty_list_is_done_at_once() -> None:
    """No entries, no steps but Refill and DONE."""
    crawl = core()
    crawl.next(0.0)
    crawl.exhausted()
    assert crawl.next(0.0) is DONE


def test_spellings_of_one_url_are_one_fetch_and_counted_repeats() -> None:
    """Fragment, case of the host, default port and a missing scheme do not make another URL."""
    crawl = core()
    fed(crawl, "https://A.example:443/#x", "a.example", "https://a.example/", "https://a.example/b")
    assert [request.url.href for request in started(crawl)] == [
        "https://a.example/",
        "https://a.example/b",
    ]
    snapshot = crawl.statistics(1.0)
    assert (snapshot.read, snapshot.repeats, snapshot.pending) == (4, 2, 2)


def test_what_is_no_url_is_skipped_with_a_reason() -> None:
    """Bad entries become records at once, and stop nothing."""
    crawl = core()
    finals = fed(crawl, "http:///", "ftp://a/", "http://a/", "http://a:99999/", "http:///")
    assert [(final.kind, final.input) for final in finals if isinstance(final, Skipped)] == [
        (Kind.INVALID_URL, "http:///"),
        (Kind.UNSUPPORTED_SCHEME, "ftp://a/"),
        (Kind.INVALID_URL, "http://a:99999/"),
    ]
    assert len(started(crawl)) == 1


def test_concurrency_and_per_host_bound_what_is_in_flight() -> None:
    """Two a host and three in all: the fourth host's turn comes when something ends."""
    crawl = core(concurrency=3, per_host=2)
    fed(crawl, *(f"http://{host}/{n}" for host in "ab" for n in range(3)))
    first = started(crawl)
    assert Counter(request.url.host_key for request in first) == {"http://a": 2, "http://b": 1}
    assert crawl.next(0.0) is BUSY
    crawl.finish(first[0], page(first[0]), 0.0)
    assert len(started(crawl)) == 1


def test_hosts_take_turns() -> None:
    """A host with a long queue does not keep the others waiting."""
    crawl = core(per_host=9)
    fed(crawl, "http://a/1", "http://a/2", "http://a/3", "http://b/1", "http://c/1")
    order = [request.url.href for request in started(crawl)]
    assert order[:3] == ["http://a/1", "http://b/1", "http://c/1"]


def test_a_delay_spaces_the_starts_at_one_host() -> None:
    """With a delay of 2 s starts come at 0, 2 and 4, and Wait says how long exactly."""
    crawl = core(delay=2.0)
    fed(crawl, "http://a/1", "http://a/2", "http://a/3")
    assert len(started(crawl, 0.0)) == 1
    assert crawl.next(0.5) == Wait(1.5)
    assert len(started(crawl, 2.0)) == 1
    assert crawl.next(2.0) == Wait(2.0)
    assert len(started(crawl, 4.0)) == 1


def test_the_delay_outlives_an_empty_queue() -> None:
    """A host whose queue ran empty is not asked early when a further URL of it comes in."""
    crawl = core(delay=10.0)
    crawl.next(0.0)
    crawl.admit(seeds("http://a/1"), 0.0)
    crawl.next(0.0)
    (request,) = started(crawl, 0.0)
    crawl.finish(request, page(request), 1.0)
    crawl.admit(seeds("http://a/2"), 2.0)
    crawl.next(2.0)
    assert crawl.next(2.0) == Wait(8.0)
    assert len(started(crawl, 10.0)) == 1


def test_a_failure_that_may_pass_is_tried_again_after_its_back_off() -> None:
    """Two retries at 0.5 and 1 s, then the failure is final and counts all three attempts."""
    crawl = core(retries=2, backoff=0.5)
    fed(crawl, "http://a/")
    now, finals = 0.0, tuple[Final, ...]()
    for wait in (0.5, 1.0):
        (request,) = started(crawl, now)
        assert crawl.finish(request, failed(request), now) == ()
        assert crawl.next(now) == Wait(wait)
        now += wait
    (request,) = started(crawl, now)
    finals = crawl.finish(request, failed(request), now)
    assert [final.request.attempts for final in finals if isinstance(final, Failed)] == [3]
    assert crawl.next(now) is DONE
    assert crawl.statistics(now).retries == 2


def test_what_cannot_pass_is_not_tried_again() -> None:
    """A 404 is final at once."""
    crawl = core(retries=5)
    fed(crawl, "http://a/")
    (request,) = started(crawl)
    assert len(crawl.finish(request, failed(request, Kind.CLIENT_ERROR), 0.0)) == 1


def test_a_redirect_goes_through_the_target_hosts_queue() -> None:
    """The target waits for its host like any URL, before the host's own queue."""
    crawl = core(per_host=1)
    fed(crawl, "http://a/", "http://b/1", "http://b/2")
    a, b1 = started(crawl)
    assert crawl.finish(a, redirect(a, "http://b/x"), 0.0) == ()
    assert started(crawl) == []
    crawl.finish(b1, page(b1), 0.0)
    (followed,) = started(crawl)
    assert followed.url.href == "http://b/x"
    assert followed.seed == "http://a/"
    assert [(hop.url, hop.status) for hop in followed.hops] == [("http://a/", 302)]


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("http://a/", "redirect loop"),
        ("ftp://a/", "unsupported scheme"),
        ("http://[", "not a valid URL"),
    ],
)
def test_a_redirect_that_cannot_be_followed_is_a_failure(location: str, said: str) -> None:
    """Loops, other schemes and broken targets end as one record with the reason."""
    crawl = core()
    fed(crawl, "http://a/")
    (request,) = started(crawl)
    (final,) = crawl.finish(request, redirect(request, location), 0.0)
    assert isinstance(final, Failed)
    assert final.kind is Kind.REDIRECT
    assert said in final.reason


def test_redirects_are_followed_up_to_the_limit_and_no_further() -> None:
    """With a limit of 3 the fourth redirect is the failure."""
    crawl = core(max_redirects=3)
    fed(crawl, "http://a/0")
    finals: tuple[Final, ...] = ()
    for number in range(1, 5):
        assert finals == ()
        (request,) = started(crawl)
        finals = crawl.finish(request, redirect(request, f"/{number}"), 0.0)
    (final,) = finals
    assert isinstance(final, Failed)
    assert "more than 3 redirects" in final.reason


def test_a_target_that_the_list_names_too_gets_its_own_record() -> None:
    """Each entry of the list has its record, even if another one redirects to it."""
    crawl = core()
    fed(crawl, "http://a/", "http://b/")
    a, b = started(crawl)
    crawl.finish(a, redirect(a, "http://b/"), 0.0)
    (followed,) = started(crawl)
    finals = crawl.finish(followed, page(followed), 0.0) + crawl.finish(b, page(b), 0.0)
    assert [final.url for final in finals] == ["http://a/", "http://b/"]


def test_finishing_twice_is_refused() -> None:
    """A visit ends exactly once; a second end is a bug and raises."""
    crawl = core()
    fed(crawl, "http://a/")
    (request,) = started(crawl)
    crawl.finish(request, page(request), 0.0)
    with pytest.raises(ValueError, match="not in flight"):
        crawl.finish(request, page(request), 0.0)


def test_stop_starts_nothing_more_and_loses_nothing() -> None:
    """What waited is recorded as interrupted, what was in flight as what it became."""
    crawl = core(per_host=1)
    fed(crawl, "http://a/1", "http://a/2", "http://b/1", "http://b/2")
    a, b = started(crawl)
    crawl.finish(b, failed(b), 0.0)  # b/1 waits for its retry
    finals = crawl.stop()
    assert {(final.url, final.kind) for final in finals if not isinstance(final, Page)} == {
        ("http://a/2", Kind.INTERRUPTED),
        ("http://b/2", Kind.INTERRUPTED),
        ("http://b/1", Kind.INTERRUPTED),
    }
    assert crawl.next(0.0) is BUSY
    assert len(crawl.finish(a, failed(a), 0.0)) == 1
    assert crawl.next(0.0) is DONE
    assert crawl.statistics(0.0).pending == 0
    assert crawl.stop() == ()


@pytest.mark.slow
def test_hosts_are_forgotten() -> None:
    """A crawl of ten thousand hosts holds none of them when it has ended, delay or not."""
    for delay in (0.0, 1.0):
        crawl = core(delay=delay, window=10)
        now, left = 0.0, 2_000
        while (step := crawl.next(now)) is not DONE:
            match step:
                case Refill(room):
                    taken = min(room, left)
                    new = [Seed.read(f"http://h{left - n}/") for n in range(taken)]
                    left -= taken
                    crawl.admit(new, now) if new else crawl.exhausted()
                case Fetch(request):
                    crawl.finish(request, page(request), now)
                case Wait(seconds):
                    now += seconds
                case _:
                    raise AssertionError(step)
            now += 0.01
            assert len(crawl._frontier._hosts) <= 10 + 1 / 0.01 * delay


URLS = [f"http://{host}/{path}" for host in "abcd" for path in range(8)] + ["ftp://x/", "http://["]


class Driver:
    """Plays an engine with a clock of its own and checks every limit at every step.

    What is recalled comes at any time later, as from a slow disk.
    """

    def __init__(self, crawl: CrawlCore, config: CrawlConfig, choose: Callable[[int], int]) -> None:
        self.crawl, self.config, self.choose = crawl, config, choose
        self.now = 0.0
        self.in_flight: list[Request] = []
        self.last_start: dict[str, float] = {}
        self.finals: list[Final] = []
        self.spool: dict[str, list[Request]] = {}
        self.ordered: Recall | None = None
        self.first_starts: list[str] = []

    def run(self, entries: list[str]) -> None:
        waiting = seeds(*entries)
        for _ in range(10_000):
            assert self.crawl._window.held <= 2 * self.config.window + self.config.concurrency
            if self.ordered is not None and not self.choose(3):
                self._recalled()
            match self.crawl.next(self.now):
                case Refill(room):
                    portion, waiting = waiting[: min(room, 3)], waiting[min(room, 3) :]
                    self._feed(portion)
                case Fetch(request):
                    self._start(request)
                case Wait(seconds):
                    assert seconds > 0
                    if self.in_flight and self.choose(2):
                        self._end_one()
                    else:
                        self.now += seconds
                case step if step is DONE:
                    return
                case step:
                    self._other(step)
        raise AssertionError("no end")

    def _other(self, step: Step) -> None:
        match step:
            case Spill(parts):
                for shelf, requests in parts:
                    self.spool.setdefault(shelf, []).extend(requests)
            case Recall():
                assert self.ordered is None, "one order at a time"
                self.ordered = step
            case WriteRecord(finals):
                self.finals += finals
            case _ if self.in_flight:
                assert step is BUSY
                self._end_one()
            case _:
                assert step is BUSY
                self._recalled()

    def _recalled(self) -> None:
        assert self.ordered is not None, "busy with nothing under way would wait for ever"
        back: list[Request] = []
        for shelf, number in self.ordered.parts:
            assert 0 < number <= len(self.spool[shelf]), "what is asked for is there"
            back += self.spool[shelf][:number]
            del self.spool[shelf][:number]
        self.ordered = None
        self.finals += self.crawl.recalled(back, self.now)

    def _feed(self, portion: list[Seed]) -> None:
        if portion:
            self.finals += self.crawl.admit(portion, self.now)
        else:
            self.crawl.exhausted()

    def _start(self, request: Request) -> None:
        key = request.url.host_key
        assert self.now >= self.last_start.get(key, -1e9) + self.config.politeness.delay - 1e-9
        self.last_start[key] = self.now
        if request.attempts == 1:
            self.first_starts.append(request.seed)
        self.in_flight.append(request)
        assert len(self.in_flight) <= self.config.concurrency
        assert sum(r.url.host_key == key for r in self.in_flight) <= self.config.politeness.per_host

    def _end_one(self) -> None:
        request = self.in_flight.pop(self.choose(len(self.in_flight)))
        outcomes: list[Outcome] = [
            page(request),
            failed(request),
            failed(request, Kind.TLS),
            redirect(request, URLS[self.choose(len(URLS))]),
        ]
        outcome = outcomes[self.choose(len(outcomes))]
        self.finals += self.crawl.finish(request, outcome, self.now)
        if not self.choose(40):
            self.finals += self.crawl.stop()


@pytest.mark.slow
@settings(max_examples=100)
@given(
    st.lists(st.sampled_from(URLS), max_size=40),
    st.integers(1, 5),
    st.integers(1, 3),
    st.sampled_from([0.0, 0.5]),
    st.integers(0, 2),
    st.integers(1, 8),
    st.integers(0, 3),
    st.integers(0, 2**32),
)
def test_every_entry_ends_exactly_once_within_all_limits(
    entries: list[str],
    concurrency: int,
    per_host: int,
    delay: float,
    retries: int,
    window: int,
    shelves: int,
    seed: int,
) -> None:
    """For any list, limits and order of endings: no limit broken, one outcome each, an end."""
    options = {"per_host": per_host, "delay": delay, "retries": retries, "window": window}
    config = CrawlConfig(**{**PLAIN, **options, "concurrency": concurrency})  # type: ignore[arg-type]
    chance = random.Random(seed)
    crawl = CrawlCore(config, random=chance.random, suffixes=TopLevelDomains())
    driver = Driver(crawl, config, chance.randrange)
    with mock.patch.object(backlog, "MOST_SHELVES", shelves):
        driver.run(entries)
    stopped = crawl._window.stopped
    ended = Counter(final.url for final in driver.finals)
    expected = {getattr(s.url, "href", None) or getattr(s.url, "text", "") for s in seeds(*entries)}
    assert all(count == 1 for count in ended.values())
    assert set(ended) <= expected if stopped else set(ended) == expected
    snapshot = crawl.statistics(driver.now)
    assert (snapshot.pending, snapshot.in_flight, snapshot.spilled) == (0, 0, 0)
    for host in "abcd":
        listed = [entry for entry in dict.fromkeys(entries) if entry.startswith(f"http://{host}/")]
        asked = [seed for seed in driver.first_starts if seed.startswith(f"http://{host}/")]
        assert asked == listed[: len(asked)], "a host's URLs are asked for in their order"
    assert snapshot.read == snapshot.repeats + snapshot.records


def test_snapshots_of_steps_can_be_read() -> None:
    """Steps and the core show their state in their repr."""
    step: Step = Wait(1.5)
    assert repr(step) == "Wait(seconds=1.5)"
    assert "in_flight=0" in repr(core())


def test_no_reason_holds_a_password_however_long() -> None:
    """Credentials are masked before a reason is cut."""
    crawl = core(max_redirects=0)
    secret = "s3cret" * 100
    fed(crawl, f"http://me:{secret}@a/")
    (request,) = started(crawl)
    (final,) = crawl.finish(request, redirect(request, f"http://me:{secret}@b/"), 0.0)
    assert isinstance(final, Failed) and "s3cret" not in final.reason
    crawl = core()
    fed(crawl, f"http://me:{secret}@a/")
    (request,) = started(crawl)
    (final,) = crawl.finish(request, redirect(request, f"http://me:{secret}@a/"), 0.0)
    assert isinstance(final, Failed) and "loop" in final.reason and "s3cret" not in final.reason
