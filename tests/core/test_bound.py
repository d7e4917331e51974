"""What a crawl is bound by, told from what the core could not start, second by second."""

from __future__ import annotations

import pytest

from crawler.core.bottleneck import Bound, Held, Holds, Limit, bound
from crawler.core.collector import Snapshot
from crawler.model.outcome import Failed, Kind, Page
from crawler.model.request import Request
from tests.core.play import Play, failed, page


def ok(request: Request, now: float) -> Page:
    """Every URL is a page."""
    return page(request, at=now)


def urls(number: int, hosts: int = 1) -> list[str]:
    """So many URLs on so many hosts."""
    return [f"http://h{n % hosts}.test/{n}" for n in range(number)]


@pytest.mark.parametrize(
    ("options", "hosts", "limit"),
    [
        ({"delay": 0.25}, 1, Limit.DELAY),
        ({"delay": 1.0}, 5, Limit.DELAY),
        ({"hosts": "h0.test: delay=2"}, 1, Limit.DELAY),
        ({"per_host": 1}, 3, Limit.PER_HOST),
        ({"per_ip": 8, "ip_delay": 0.05}, 3, Limit.IP_DELAY),
        ({"per_ip": 1, "ip_delay": 0.0, "per_host": 8}, 3, Limit.PER_IP),
        ({"concurrency": 2, "per_host": 8}, 5, Limit.CONCURRENCY),
        ({"adapt": True, "per_host": 10_000, "robots": "ignore"}, 1, Limit.ADAPT),
    ],
)
def test_the_limit_that_holds_a_crawl_is_named(
    options: dict[str, object], hosts: int, limit: Limit
) -> None:
    """Each option that keeps a crawl from going faster is told as what binds it (field T3)."""
    play = Play(ok, **options)
    play.run(*urls(30 if limit is Limit.ADAPT else 60, hosts))
    found = play.core.statistics(play.now).bound()
    assert found is not None and found.limit is limit
    assert 1 <= found.hosts <= hosts


def test_pauses_and_retries_are_told_apart() -> None:
    """A host that asked for a pause, and a URL that waits for its next attempt, are named."""
    play = Play(lambda r, now: failed(r, Kind.UNAVAILABLE, status=429, retry_after=50, at=now)
                if r.attempt == 1 and r.url.href.endswith("/0") else ok(r, now))  # fmt: skip
    play.run(*urls(50))
    found = play.core.statistics(play.now).bound()
    assert found == Bound(limit=Limit.PAUSE, hosts=1)
    play = Play(lambda r, now: failed(r, at=now) if r.attempt < 3 else ok(r, now), backoff=5.0)
    play.run(*urls(1))
    found = play.core.statistics(play.now).bound()
    assert found == Bound(limit=Limit.RETRY, hosts=1)


def test_a_host_that_is_down_is_a_pause() -> None:
    """While a host is probed its URLs wait for it, and that is what binds the crawl."""

    def away(request: Request, now: float) -> Page | Failed:
        return failed(request, at=now) if 1.0 < now < 60.0 else ok(request, now)

    play = Play(away, delay=0.1, breaker=3)
    play.run(*urls(40))
    assert play.core.statistics(play.now).bound() == Bound(limit=Limit.PAUSE, hosts=1)


def test_nothing_is_told_without_a_majority() -> None:
    """A limit that held for half of the time or less is not what binds a crawl."""
    held = {Limit.DELAY: Held(5.0, 5.0), Limit.CONCURRENCY: Held(1.0, 1.0)}
    assert bound(held, 10.0) is None
    assert bound(held, 9.0) == Bound(limit=Limit.DELAY, hosts=1)
    assert bound({}, 0.0) is None
    assert Snapshot().bound() is None


def test_only_the_time_since_then_counts() -> None:
    """What binds now is told from two moments, whatever held before."""
    before = {Limit.LIST: Held(100.0, 100.0)}
    now = {**before, Limit.DELAY: Held(4.0, 12.0)}
    assert bound(now, 5.0, before) == Bound(limit=Limit.DELAY, hosts=3)


def test_what_holds_now_counts_up_to_now() -> None:
    """A pause that goes on is part of the account before it has ended."""
    holds = Holds()
    holds.hold((Limit.PAUSE, 2), 10.0)
    assert holds.until(70.0) == {Limit.PAUSE: Held(60.0, 120.0)}
    holds.hold(None, 70.0)
    assert holds.until(99.0) == {Limit.PAUSE: Held(60.0, 120.0)}


def test_requests_that_wait_for_the_parser_are_bound_by_it() -> None:
    """Where a slot is busy, it matters whether with the exchange or with what follows."""
    held = {Limit.CONCURRENCY: Held(10.0, 10.0)}
    assert Snapshot(elapsed=10.0, held=held, parsing=0.9).bound() == Bound(
        limit=Limit.PARSER, hosts=1
    )
    slow = Snapshot(elapsed=10.0, held=held, parsing=0.1).bound()
    assert slow is not None and slow.limit is Limit.CONCURRENCY
