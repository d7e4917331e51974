"""One list of scenarios, run over both engines and both loops."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from crawler.model.errors import CrawlerError
from crawler.model.outcome import Failed, Final, Kind, Page
from crawler.model.url import Seed
from tests.engine.harness import ENGINES, ListSink, ListSource, Run
from tests.patience import PATIENCE

pytestmark = pytest.mark.parametrize("kind", ENGINES)


def outcomes(finals: list[Final]) -> Counter[str]:
    return Counter("page" if isinstance(final, Page) else final.kind.value for final in finals)


def held(run: Run, count: int) -> None:
    """Wait until `count` fetches are being held."""
    for _ in range(count):
        assert run.web.held.acquire(timeout=PATIENCE)


class SignallingSink(ListSink):
    """Has a permit for each outcome."""

    def __init__(self) -> None:
        super().__init__()
        self.came = threading.Semaphore(0)

    def put(self, final: Final) -> None:
        super().put(final)
        self.came.release()


def test_every_entry_has_one_record(kind: str) -> None:
    """Pages, redirects, failures, repeats and bad lines: one record each, and the sums agree."""
    urls = [f"http://h{n % 5}.example/{n}" for n in range(200)]
    urls += ["http://a.example/redirect", "http://a.example/refused", "ftp://x/", urls[0]]
    run = Run(kind, ListSource(urls))
    finals = run.end()
    assert outcomes(finals) == {"page": 201, "connect": 1, "unsupported_scheme": 1}
    assert Counter(final.url for final in finals).most_common(1)[0][1] == 1
    snapshot = run.core.statistics(1.0)
    assert (snapshot.read, snapshot.repeats, snapshot.records) == (204, 1, 203)
    assert (snapshot.in_flight, snapshot.redirects) == (0, 1)


def test_one_visit_lets_several_start(kind: str) -> None:
    """When the one request that all waited for has ended, all that may start do, at once."""
    urls = [f"http://gate.example/held{n}" for n in range(8)]
    run = Run(kind, ListSource(urls, portion=8), robots="obey", per_host=6)
    held(run, 1)
    run.web.release("/gate")
    held(run, 6)
    run.web.release()
    assert outcomes(run.end()) == {"page": 8}
    assert run.web.peak == 6


def test_an_empty_list_ends_at_once(kind: str) -> None:
    """Nothing to do is no reason to wait."""
    assert Run(kind, ListSource([])).end() == []


def test_the_limits_hold(kind: str) -> None:
    """With 16 slots, 3 a host and 2 hosts never more than 6 fetches run at once."""
    urls = [f"http://{host}.example/{n}" for n in range(60) for host in "ab"]
    run = Run(kind, ListSource(urls), concurrency=16, per_host=3)
    assert len(run.end()) == 120
    assert run.web.peak <= 6


def test_slots_work_at_once(kind: str) -> None:
    """Four held fetches are in flight together, not one after another."""
    run = Run(kind, ListSource([f"http://a.example/held{n}" for n in range(4)]))
    held(run, 4)
    run.web.release()
    assert outcomes(run.end()) == {"page": 4}
    assert run.web.peak == 4


def test_a_dead_name_holds_no_slot(kind: str) -> None:
    """While names are looked up that nobody answers for, the one slot there is fetches the rest.

    open-webui#27440, twisted#2132, aiohttp#3549, img2dataset#452.
    """
    urls = [f"http://held{n}.example/" for n in range(5)]
    urls += [f"http://good{n}.example/gate" for n in range(3)]
    sink = SignallingSink()
    run = Run(kind, ListSource(urls, portion=8), sink=sink, concurrency=1, per_ip=16)
    held(run, 6)  # five names, and a page in the one slot
    run.web.release("/gate")
    for _ in range(3):
        assert sink.came.acquire(timeout=PATIENCE)
    assert outcomes(sink.finals) == {"page": 3}
    run.web.release()
    assert outcomes(run.end()) == {"page": 8}


def test_a_bug_costs_its_own_page(kind: str) -> None:
    """A fetcher that raises leaves one INTERNAL record that says what, and the rest goes on."""
    run = Run(kind, ListSource(["http://a.example/bug", "http://a.example/1"]))
    finals = run.end()
    assert outcomes(finals) == {"internal": 1, "page": 1}
    assert [f.reason for f in finals if isinstance(f, Failed)] == [
        "RuntimeError: nobody foresaw this"
    ]


def test_pages_may_be_parsed_elsewhere(kind: str) -> None:
    """What is not parsed at once is handed over, and comes back as a page."""
    urls = ["http://a.example/elsewhere", "http://a.example/elsewhere/2"]
    run = Run(kind, ListSource(urls))
    assert outcomes(run.end()) == {"page": 2}
    assert run.parser.handed_over == 2


def test_stop_drains_what_is_in_flight(kind: str) -> None:
    """After stop the held fetches end as pages, and what waited is recorded as interrupted."""
    urls = [f"http://a.example/held{n}" for n in range(10)]
    run = Run(kind, ListSource(urls, portion=100), concurrency=2, per_host=2)
    held(run, 2)
    run.tell("stop")
    run.web.release()
    assert outcomes(run.end()) == {"page": 2, "interrupted": 8}


@pytest.mark.slow
def test_the_drain_has_a_deadline(kind: str) -> None:
    """Fetches that do not end within the drain timeout are recorded as cancelled."""
    urls = [f"http://a.example/held{n}" for n in range(3)]
    run = Run(kind, ListSource(urls), drain_timeout=0.05)
    held(run, 3)
    run.tell("stop")
    assert outcomes(run.end()) == {"cancelled": 3}


@pytest.mark.parametrize("verb", ["stop", "cancel"])
def test_an_end_before_the_end_forgets_no_host(kind: str, verb: str) -> None:
    """T9: every host that was asked is in the totals and the audit, whatever waited for it."""
    urls = [f"http://h{host}.example/{n}" for n in range(2) for host in range(10)]
    source, sink = ListSource([*urls, "http://last.example/held"], portion=100), SignallingSink()
    run = Run(kind, source, sink=sink, delay=3_600)
    for _ in range(10):
        assert sink.came.acquire(timeout=PATIENCE)
    held(run, 1)
    run.tell(verb)
    run.web.release()
    run.end()
    totals = run.core.totals()
    assert (totals.hosts, totals.requests) == (11, 11)


def test_cancel_ends_at_once(kind: str) -> None:
    """Cancelling waits for nothing, and still every entry read has its record."""
    urls = [f"http://a.example/held{n}" for n in range(10)]
    run = Run(kind, ListSource(urls, portion=100), concurrency=3, drain_timeout=1_000)
    held(run, 3)
    run.tell("cancel")
    assert outcomes(run.end()) == {"cancelled": 3, "interrupted": 7}


@pytest.mark.slow
def test_a_sink_that_gives_way_ends_the_crawl(kind: str) -> None:
    """A full disk is raised as what it is; nothing hangs, nothing more is fetched for long."""
    urls = [f"http://a.example/{n}" for n in range(5_000)]
    run = Run(kind, ListSource(urls, portion=500), sink=ListSink(broken_after=5))
    with pytest.raises(CrawlerError, match="the disk is full"):
        run.end()
    assert len(run.web.fetched) < 2_000


def test_a_sink_that_fails_later_ends_a_crawl_that_has_nothing_for_it(kind: str) -> None:
    """Records are written after they were taken; meanwhile all may wait for a list, or a host."""
    source, sink = SlowSource(), ListSink()
    run = Run(kind, source, sink=sink)  # type: ignore[arg-type]
    sink.wait_for(1)
    sink.failure = CrawlerError("the disk is full")
    sink.on_room()
    with pytest.raises(CrawlerError, match="the disk is full"):
        run.end()
    source.go_on.set()


def test_a_list_that_gives_way_loses_nothing_read_before(kind: str) -> None:
    """What was read is crawled to its end; then the error is raised."""
    source = ListSource(["http://a.example/1"], error=CrawlerError("broken archive"))
    run = Run(kind, source)
    with pytest.raises(CrawlerError, match="broken archive"):
        run.end()
    assert outcomes(run.sink.finals) == {"page": 1}


def test_without_room_nothing_starts(kind: str) -> None:
    """A sink that lags holds the crawl back, until it says that it has room again."""
    sink = ListSink()
    sink.has_room = False
    run = Run(kind, ListSource([f"http://a.example/{n}" for n in range(20)]), sink=sink)
    run.tell("wake")
    assert run.web.fetched == []
    sink.has_room = True
    sink.on_room()
    assert len(run.end()) == 20


class SlowSource:
    """Gives one entry, then blocks until it is let go: a pipe whose writer takes its time."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self._portions: Iterator[list[Seed]] = iter([[Seed.read("http://a.example/1")]])

    def read(self, most: int) -> list[Seed]:
        for portion in self._portions:
            return portion
        self.go_on.wait(PATIENCE)
        return []

    def close(self) -> None:
        self.go_on.set()


def test_a_slow_list_holds_nothing_up(kind: str) -> None:
    """The first entry of a pipe is crawled while the pipe stays open."""
    source = SlowSource()
    sink = ListSink()
    arrived = threading.Event()
    put = sink.put
    sink.put = lambda final: (put(final), arrived.set())[0]  # type: ignore[method-assign]
    run = Run(kind, source, sink=sink)  # type: ignore[arg-type]
    assert arrived.wait(PATIENCE)
    source.go_on.set()
    assert len(run.end()) == 1


def test_stop_does_not_wait_for_a_slow_list(kind: str) -> None:
    """A pipe that stays open does not keep a stopped crawl from ending."""
    source = SlowSource()
    run = Run(kind, source)  # type: ignore[arg-type]
    run.tell("stop")
    run.end()
    source.go_on.set()


def test_a_retry_comes_after_its_back_off(kind: str) -> None:
    """A refused connection is tried again, by whoever is idle then."""
    run = Run(kind, ListSource(["http://a.example/refused"]), retries=2, backoff=0.002)
    (final,) = run.end()
    assert isinstance(final, Failed)
    assert final.kind is Kind.CONNECT
    assert len(run.web.fetched) == 3
