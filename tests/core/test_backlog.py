"""What a host has beyond its share of the window waits outside of memory, and blocks nobody."""

from __future__ import annotations

import random
from collections import Counter
from itertools import groupby
from unittest import mock

import pytest

from crawler.core import backlog
from crawler.core.backlog import Backlog
from crawler.core.crawl_core import RECORDS
from crawler.core.rules import Ended
from crawler.core.step import BUSY, DONE, Fetch, Refill, Spill, WriteRecord
from crawler.model.outcome import Failed, Kind, Page, Skipped
from crawler.model.request import Listed, Purpose, Request
from crawler.model.url import Seed, Url
from tests.core.play import Play, always, failed, page


def listed(hosts: int, urls: int, name: str = "http://h{}") -> list[str]:
    """A list sorted by host."""
    return [f"{name.format(host)}.example/{n}" for host in range(hosts) for n in range(urls)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hosts", "urls", "window"), [(10, 50, 50), (50, 40, 200), (200, 10, 500), (30, 20, 8)]
)
def test_a_list_sorted_by_host_is_as_quick_as_a_shuffled_one(
    hosts: int, urls: int, window: int
) -> None:
    """Whatever the list's order, each host is asked at its pace (krawler#11, crawler4j#141)."""
    entries = listed(hosts, urls)
    shuffled = random.Random(2).sample(entries, len(entries))
    times = []
    for order in (shuffled, entries):
        play = Play(always, window=window, delay=0.5)
        assert len(play.run(*order)) == len(entries)
        times.append(play.now)
    assert times[1] < 1.1 * times[0]


@pytest.mark.slow
def test_a_host_is_asked_in_the_order_of_the_list() -> None:
    """What was spilled comes back behind what was in memory, and before what is read later."""
    entries = random.Random(1).sample(listed(7, 300), 2_100)
    play = Play(always, window=20, delay=0.01)
    play.run(*entries)
    for host in range(7):
        of_host = f"http://h{host}.example/"
        expected = [entry for entry in entries if entry.startswith(of_host)]
        assert [href for href in play.asked() if href.startswith(of_host)] == expected


@pytest.mark.slow
def test_the_window_is_kept_to() -> None:
    """One host with a long list takes half of the window, and the rest no memory.

    Reading far ahead is cheap: a request is made only of what comes back.
    """
    play = Play(always, window=100, delay=1.0)
    play.core.begin(0.0)
    entries = iter(listed(1, 5_000))
    spilled = 0
    while (step := play.core.next(0.0)) is not BUSY:
        match step:
            case Refill(room):
                taken = [Seed.read(entry) for _, entry in zip(range(room), entries, strict=False)]
                play.core.admit(taken, 0.0) if taken else play.core.exhausted()
            case Spill(parts):
                spilled += sum(len(kept) for _, kept in parts)
                assert all(isinstance(each, Listed) for _, kept in parts for each in kept)
            case Fetch():
                pass
            case _:
                break
    assert (play.core._window.held, spilled) == (50, 5_000 - 50)
    snapshot = play.core.statistics(0.0)
    assert (snapshot.read, snapshot.pending, snapshot.spilled) == (5_000, 50, 4_950)


@pytest.mark.slow
def test_the_list_is_read_ahead_only_so_far() -> None:
    """Reading ends with `read_ahead` URLs on disk, and goes on as they come back."""
    most = 0

    def answer(request: Request, now: float) -> Ended:
        nonlocal most
        most = max(most, play.core.statistics(now).spilled)
        return page(request)

    play = Play(answer, window=100, delay=0.1, read_ahead=1_000)
    assert len(play.run(*listed(1, 2_000))) == 2_000
    assert 1_000 < most <= 1_000 + 100  # a portion of the window's size


@pytest.mark.slow
def test_what_can_be_started_comes_before_reading_ahead() -> None:
    """A crawl that has enough to do asks for no more than its window: nothing goes to disk."""
    play = Play(always, window=1_000, concurrency=4)
    play.run(*random.Random(3).sample(listed(50, 50), 2_500))
    assert not play.spilled


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "status", "after"),
    [(Kind.CONNECT, None, None), (Kind.UNAVAILABLE, 503, None), (Kind.CLIENT_ERROR, 429, 50.0)],
)
@pytest.mark.parametrize("worked", [True, False])
def test_a_host_in_trouble_does_not_fill_the_window(
    kind: Kind, status: int | None, after: float | None, worked: bool
) -> None:
    """Hosts that are away, or ask for pauses, come first in the list and hold nobody up."""

    def answer(request: Request, now: float) -> Ended:
        if "bad" not in request.url.href or (worked and request.url.href.endswith("/0")):
            return page(request)
        return failed(request, kind, status=status, retry_after=after)

    bad = [f"http://bad{host}.example/{n}" for host in range(3) for n in range(200)]
    play = Play(answer, window=60, delay=0.1, retries=1)
    finals = play.run(*bad, *listed(5, 40))
    assert Counter(final.url for final in finals) == Counter([*bad, *listed(5, 40)])
    well = [at for at, request in play.starts if "bad" not in request.url.href]
    assert max(well) < 40 * 0.1 + 1.0


def test_a_host_that_is_given_up_gives_up_what_it_spilled() -> None:
    """The URLs on disk of a host that is down end as those in memory do, each with its record."""

    def answer(request: Request, now: float) -> Ended:
        return failed(request)

    play = Play(answer, window=20, delay=0.01, retries=0)
    finals = play.run(*listed(1, 500))
    assert len(finals) == 500 and len(play.asked()) < 100
    assert {final.kind for final in finals if isinstance(final, Failed)} <= {
        Kind.HOST_DOWN,
        Kind.CONNECT,
    }


@pytest.mark.slow
def test_many_hosts_share_a_shelf() -> None:
    """The hosts that are known by name are bounded; beyond that order is kept all the same."""
    entries = listed(60, 12)
    with mock.patch.object(backlog, "MOST_SHELVES", 5):
        play = Play(always, window=30, delay=0.2, robots="ignore")
        most = 0

        def spill(spilled: Spill) -> None:
            nonlocal most
            most = max(most, len(play.core._frontier.backlog.shelves))
            spill_as_usual(spilled)

        spill_as_usual, play._spill = play._spill, spill  # type: ignore[method-assign]
        finals = play.run(*entries)
    assert Counter(final.url for final in finals) == Counter(entries)
    assert play.spilled[backlog.COMMON] == [] and most <= 5 + 30
    hosts = {key: list(of) for key, of in groupby(sorted(play.starts, key=_host), key=_host)}
    for of in hosts.values():
        asked = [request.url.href for _, request in sorted(of, key=lambda each: each[0])]
        assert asked == [entry for entry in entries if entry in asked]


def _host(start: tuple[float, Request]) -> str:
    return start[1].url.host_key


def test_hosts_without_a_shelf_are_told_by_their_fingerprint() -> None:
    """A host with something on the common shelf gets nothing in memory before that is back."""
    kept = Backlog(10)
    one, other = (Request(url=seed.url, seed="", input="") for seed in _seeds("http://a/", "b.c"))
    with mock.patch.object(backlog, "MOST_SHELVES", 0):
        kept.keep("http://a", one)
        assert not kept.has_place("http://a", 0, 0)
        assert kept.has_place("http://a", 0, 0, moved=True)
        assert kept.has_place("https://b.c", 0, 0)
        assert kept.recall(0) is None  # there is no shelf for it
    kept.keep("https://b.c", other)
    order = kept.recall(0)
    assert order is not None and order.parts == (("", 1),)
    kept.returned()
    assert kept.has_place("http://a", 0, 0)


def _seeds(*texts: str) -> list[Seed]:
    return [Seed.read(text) for text in texts]


@pytest.mark.slow
def test_names_without_a_scheme_fall_back_from_disk_too() -> None:
    """Of a host whose port is closed to TLS all is asked by http, in the list's order."""

    def answer(request: Request, now: float) -> Ended:
        if request.url.href.startswith("https:"):
            return Failed(request=request, kind=Kind.CONNECT, reason="refused", no_tls=True)
        return page(request)

    entries = [f"old.example/{n}" for n in range(300)]
    play = Play(answer, window=20, delay=0.1, retries=0, robots="ignore")
    finals = play.run(*entries)
    assert all(isinstance(final, Page) and final.request.hops for final in finals)
    inputs = [final.request.input for final in finals if isinstance(final, Page)]
    assert inputs[2:] == entries[2:]  # the failure that found it out is held for a moment
    assert play.core._frontier.backlog.count == 0


def stopped_at(number: int, **options: object) -> Play:
    """A crawl of 5,000 URLs of two hosts that is stopped with its `number`-th answer."""
    play: Play

    def answer(request: Request, now: float) -> Ended:
        if len(play.starts) >= number and not play.core._window.stopped:
            first = play.core.stop()
            assert len(first) <= RECORDS
            play.finals += first
        return page(request)

    play = Play(answer, delay=0.1, robots="ignore", **options)
    return play


@pytest.mark.slow
@pytest.mark.parametrize("window", [50, 20_000])
def test_what_waits_is_ended_in_portions(window: int) -> None:
    """At the end each URL that was read has its record, in memory or on disk, 500 at a time."""
    play = stopped_at(10, window=window)
    portions: list[int] = []
    as_usual = play.core.next

    def next_(now: float) -> object:
        step = as_usual(now)
        if isinstance(step, WriteRecord):
            portions.append(len(step.finals))
        return step

    play.core.next = next_  # type: ignore[method-assign, assignment]
    entries = listed(2, 2_500)
    finals = play.run(*entries)
    assert Counter(final.url for final in finals) == Counter(entries)
    kinds = Counter(final.kind for final in finals if isinstance(final, Skipped))
    assert kinds[Kind.INTERRUPTED] == 5_000 - len(play.starts)
    assert max(portions, default=0) <= RECORDS and (window == 50 or len(portions) >= 8)
    snapshot = play.core.statistics(play.now)
    assert (snapshot.pending, snapshot.spilled) == (0, 0)


@pytest.mark.slow
def test_what_there_is_no_time_for_is_counted() -> None:
    """After `abandon` nothing is recalled: what is on disk has no record, and is told."""
    play = stopped_at(10, window=50)
    as_usual = play.core.stop

    def stop() -> tuple[object, ...]:
        finals = as_usual()
        play.core.abandon()
        return finals

    play.core.stop = stop  # type: ignore[method-assign, assignment]
    finals = play.run(*listed(2, 2_500))
    snapshot = play.core.statistics(play.now)
    assert snapshot.pending == 0 and snapshot.spilled > 4_000
    assert snapshot.read == len(finals) + snapshot.spilled
    assert play.core.next(play.now) is DONE


@pytest.mark.slow
def test_a_host_with_many_urls_ends_in_portions() -> None:
    """A host that is left with thousands of URLs in memory does not have them recorded at once."""

    def answer(request: Request, now: float) -> Ended:
        if request.purpose is Purpose.ADDRESS:
            return failed(request, Kind.DNS)
        return page(request)

    play = Play(answer, window=10_000, gates=True, per_ip=4, robots="ignore", retries=0)
    portions: list[int] = []
    as_usual = play.core.finish

    def finish(request: Request, outcome: Ended, now: float) -> object:
        finals = as_usual(request, outcome, now)
        portions.append(len(finals))
        return finals

    play.core.finish = finish  # type: ignore[method-assign, assignment]
    assert len(play.run(*listed(1, 3_000))) == 3_000
    assert max(portions) <= RECORDS


def test_what_is_read_goes_behind_what_shares_the_common_shelf() -> None:
    """A host that has a shelf of its own and older URLs on the common one keeps their order."""
    kept = Backlog(10)
    (seed,) = _seeds("http://a/1")
    entry = Listed(Url("http://a/1"), seed, 0.0)
    with mock.patch.object(backlog, "MOST_SHELVES", 0):
        kept.keep("http://a", entry)
    kept.keep("http://a", entry, moved=True)
    assert not kept.keep_behind("http://a", entry)
    assert not kept.keep_behind("http://b", entry)
