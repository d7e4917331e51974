"""What a person asks of a running crawl: pause, resume, slower, faster, skip a host, stop."""

from __future__ import annotations

import pytest

from crawler.core.by_hand import Command, CrawlControl, in_force
from crawler.core.crawl_core import CrawlCore
from crawler.core.step import BUSY, Fetch, Wait
from crawler.model.outcome import Failed, Kind, Page, Skipped
from crawler.model.request import Request
from crawler.model.url import Seed
from tests.core.play import Ended, Play, always, failed, page
from tests.core.test_outages import HOST, kinds, pages

PAUSE, RESUME = CrawlControl(Command.PAUSE), CrawlControl(Command.RESUME)
SLOWER, FASTER = CrawlControl(Command.SLOWER), CrawlControl(Command.FASTER)


def full(*entries: str, **options: object) -> CrawlCore:
    """A core that has its list, without robots.txt."""
    core = Play(always, robots="ignore", **options).core
    core.begin(0.0)
    core.admit([Seed.read(entry) for entry in entries], 0.0)
    core.exhausted()
    return core


def started(core: CrawlCore) -> list[Request]:
    """What may start now."""
    found = []
    while isinstance(step := core.next(0.0), Fetch):
        found.append(step.request)
    return found


def test_a_paused_crawl_starts_nothing_and_goes_on() -> None:
    """What is in flight ends and is recorded; after that everything that waited starts."""
    core = full(*pages(20), per_host=8)
    running = started(core)
    assert core.control(PAUSE, 0.0) == () and core.statistics(0.0).paused
    for request in running:
        core.finish(request, page(request), 0.0)
    assert core.next(0.0) is BUSY and core.statistics(0.0).records == 8
    assert core.statistics(0.0).held and core.waiting(1, 0.0)[0].why == "hand"
    core.control(RESUME, 0.0)
    assert len(started(core)) == 8 and not core.statistics(0.0).paused


def test_a_paused_crawl_can_be_stopped() -> None:
    """A run always ends; and what has been stopped is not paused any more."""
    core = full(*pages(20), per_host=8)
    core.control(PAUSE, 0.0)
    ended = core.control(CrawlControl(Command.STOP), 0.0)
    assert len(ended) == 20 and {each.kind for each in ended} == {Kind.INTERRUPTED}
    core.control(PAUSE, 0.0)
    assert core.next(0.0).name == "DONE" and not core.statistics(0.0).paused


def test_slower_and_faster_keep_within_the_options() -> None:
    """A third fewer, at least one; half as many again, at most `concurrency`; never the machine."""
    core = full(*pages(99), per_host=90, concurrency=30)
    limits = []
    for control in (SLOWER, SLOWER, FASTER, *[FASTER] * 3, *[SLOWER] * 12):
        core.control(control, 0.0)
        limits.append(core.statistics(0.0).concurrency)
    assert limits[:6] == [20, 13, 20, 30, 30, 30] and limits[-1] == 1
    assert len(started(core)) == 1 and core.statistics(0.0).lowered_to == 0
    assert core.statistics(1.0).bound() is not None and core._limit(0.0) == "concurrency"


def test_a_skipped_host_is_left_for_good() -> None:
    """What waits and what comes ends as `excluded`, what is in flight as it ends; others go on."""
    other = "http://b.example/1"
    core = full(*pages(5), other, per_host=2)
    third, first, second = sorted(started(core), key=lambda each: each.url.host == "a.example")
    assert third.url.href == other
    ended = core.control(CrawlControl(Command.SKIP, HOST), 0.0)
    assert {type(each) for each in ended} == {Skipped}
    assert [each.kind for each in ended] == [Kind.EXCLUDED] * 3
    (done,) = core.finish(first, page(first), 0.0)
    assert isinstance(done, Page)
    core.finish(second, failed(second, Kind.TIMEOUT), 0.0)
    step = core.next(0.0)
    assert isinstance(step, Wait)  # for its retry
    core.next(step.seconds + 1.0)
    core.finish(third, page(third), 0.0)
    snapshot = core.statistics(10.0)
    assert snapshot.outcomes["excluded"] == 4 and snapshot.pending == 0
    assert (snapshot.failed, snapshot.skipped) == (1, 3)


def test_a_host_that_comes_later_is_skipped_too() -> None:
    """Also one that was not known, or was forgotten, when it was skipped."""
    play = Play(always)
    play.core.control(CrawlControl(Command.SKIP, HOST), 0.0)
    assert kinds(play.run(*pages(3), "http://b.example/")) == {Kind.EXCLUDED: 3, None: 1}
    assert not play.asked()[1:]


def test_a_host_that_is_away_can_be_skipped() -> None:
    """Its URLs wait for it no longer, and it does not count as away any more."""

    def away(request: Request, now: float) -> Ended:
        return failed(request) if now > 1.0 else page(request)

    play = Play(away, delay=0.01, retries=0)
    answer = play._answer

    def skipping(request: Request, now: float) -> Ended:
        if now > 20.0:
            play.finals += play.core.control(CrawlControl(Command.SKIP, HOST), now)
        return answer(request, now)

    play._answer = skipping
    ended = kinds(play.run(*pages(300)))
    assert ended[Kind.EXCLUDED] > 100 and sum(ended.values()) == 300
    assert play.core.statistics(play.now).hosts_away == 0 and play.now < 60.0
    assert not any(isinstance(f, Failed) and f.kind is Kind.HOST_DOWN for f in play.finals)


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        ([PAUSE, RESUME], []),
        ([PAUSE, PAUSE, RESUME, RESUME], []),
        ([SLOWER, SLOWER, FASTER], [SLOWER]),
        ([FASTER, RESUME], []),
        ([CrawlControl(Command.SKIP, "a")] * 2 + [PAUSE], [CrawlControl(Command.SKIP, "a"), PAUSE]),
    ],
)
def test_a_process_that_starts_again_is_told_what_is_in_force(
    asked: list[CrawlControl], left: list[CrawlControl]
) -> None:
    """Opposites cancel out, and what was asked twice is told once."""
    found: list[CrawlControl] = []
    for control in asked:
        found = in_force(found, control)
    assert found == left


def test_hosts_are_shown_to_whoever_wants_to_see_them() -> None:
    """With what waits, is in flight, and why; nobody pays for it otherwise."""
    core = full(*pages(9), per_host=2)
    started(core)
    assert core.statistics(0.0).hosts == ()
    core.show_hosts()
    (host,) = core.statistics(0.0).hosts
    assert (host.host, host.waiting, host.in_flight, host.requests) == (HOST, 7, 2, 2)
