"""Politeness, decided without a clock: the limits of a host, whatever the list and the answers."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from itertools import count, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.core.crawl_core import Ended
from crawler.core.throttle import Throttle
from crawler.model.config import CrawlConfig
from crawler.model.outcome import Exchange, Failed, Kind, Page, Resolved, Skipped
from crawler.model.request import Purpose, Request
from crawler.model.url import Url
from tests.core.play import Answer, Play, always, failed, page, redirect, robots

HOST = "http://a.example"


def pages(number: int, host: str = HOST) -> list[str]:
    return [f"{host}/{n}" for n in range(number)]


def rules(text: str) -> Callable[[Request, float], Ended]:
    """Robots.txt has this text, every other URL is a page."""

    def answer(request: Request, now: float) -> Ended:
        if request.purpose is Purpose.ADDRESS:
            return Resolved(request=request, address="192.0.2.1")
        return robots(request, text) if request.purpose is Purpose.ROBOTS else page(request)

    return answer


# robots.txt


def test_robots_is_asked_for_once_and_before_all_else() -> None:
    """However many URLs wait; no page starts before it is read."""
    play = Play(always)
    play.run(*pages(50), f"{HOST}:8080/x")
    assert play.asked(Purpose.ROBOTS) == [f"{HOST}/robots.txt", f"{HOST}:8080/robots.txt"]
    assert min(play.times()) >= 0.01
    assert len(play.finals) == 51


def test_what_robots_forbids_is_skipped_with_the_line() -> None:
    """No request is made for it, and its record names rule and line."""
    play = Play(rules("User-agent: *\nDisallow: /private/\n"), gates=True)
    finals = play.run(f"{HOST}/private/x", f"{HOST}/open")
    assert play.asked() == [f"{HOST}/open"]
    skipped = next(final for final in finals if isinstance(final, Skipped))
    assert (skipped.kind, skipped.url) == (Kind.ROBOTS, f"{HOST}/private/x")
    assert skipped.reason == "robots.txt line 2: Disallow: /private/"


def test_robots_can_be_ignored() -> None:
    """With `robots: ignore` none is asked for."""
    play = Play(rules("User-agent: *\nDisallow: /\n"), gates=True, robots="ignore")
    play.run(*pages(3))
    assert len(play.asked()) == 3 and not play.asked(Purpose.ROBOTS)


def test_a_redirects_target_obeys_its_own_hosts_rules() -> None:
    """It waits for that host's robots.txt, and is not asked for if that forbids it."""

    def answer(request: Request, now: float) -> Ended:
        if request.purpose is Purpose.ROBOTS:
            forbids = "b.example" in request.owner
            return robots(request, "User-agent: *\nDisallow: /x\n" if forbids else "")
        return redirect(request, "http://b.example/x")

    play = Play(answer, gates=True)
    (final,) = play.run(f"{HOST}/")
    assert play.asked() == [f"{HOST}/"]
    assert isinstance(final, Failed) and final.kind is Kind.ROBOTS
    assert final.request.attempts == 1


@pytest.mark.parametrize(
    ("status", "kind", "allowed"),
    [
        *((status, Kind.CLIENT_ERROR, True) for status in (400, 401, 403, 404, 410, 418, 451)),
        (429, Kind.UNAVAILABLE, True),
        *((status, Kind.UNAVAILABLE, False) for status in (500, 502, 503, 504)),
        (501, Kind.SERVER_ERROR, False),
        (200, Kind.DISCONNECTED, False),
        (200, Kind.TOO_LARGE, False),
        (None, Kind.TIMEOUT, False),
    ],
)
def test_what_a_failing_robots_means(status: int | None, kind: Kind, allowed: bool) -> None:
    """RFC 9309, 2.3.1.3 and 2.3.1.4: 4xx allows all, everything else forbids all for now."""

    def answer(request: Request, now: float) -> Ended:
        if request.purpose is Purpose.ROBOTS:
            return failed(request, kind, status=status)
        return page(request)

    play = Play(answer, gates=True, retries=0, throttle=1.0)
    (final,) = play.run(f"{HOST}/")
    assert isinstance(final, Page) is allowed
    if not allowed:
        assert isinstance(final, Skipped) and final.kind is Kind.ROBOTS


@pytest.mark.parametrize("kind", [Kind.DNS, Kind.CONNECT, Kind.TLS])
def test_a_host_that_cannot_be_reached_says_so_in_every_record(kind: Kind) -> None:
    """Not that robots.txt is missing: the cause, and once asked for is enough."""
    play = Play(lambda request, now: failed(request, kind), gates=True, retries=0)
    finals = play.run(*pages(5))
    assert {(type(f), f.kind) for f in finals if not isinstance(f, Page)} == {(Failed, kind)}
    assert len(play.starts) == 1
    assert all(final.request.attempts == 0 for final in finals if isinstance(final, Failed))


def test_unreachable_robots_is_asked_for_again_later() -> None:
    """URLs that come after the pause find out anew."""
    answers = iter([Kind.TIMEOUT, None])

    def answer(request: Request, now: float) -> Ended:
        if request.purpose is Purpose.ROBOTS:
            kind = next(answers)
            return robots(request, "") if kind is None else failed(request, kind)
        return page(request)

    play = Play(answer, gates=True, retries=0, breaker_pause=10.0)
    play.run(f"{HOST}/1")
    play.core._window.exhausted = False
    play.now = 5.0
    play.run(f"{HOST}/2")
    play.core._window.exhausted = False
    play.now = 20.0
    play.run(f"{HOST}/3")
    assert [type(final).__name__ for final in play.finals] == ["Skipped", "Skipped", "Page"]


@pytest.mark.parametrize(("hops", "counts"), [(1, True), (5, True), (6, False)])
def test_robots_may_be_elsewhere(hops: int, counts: bool) -> None:
    """Five redirects across hosts lead to the rules of the first host; six allow all."""

    def answer(request: Request, now: float) -> Ended:
        if request.purpose is Purpose.PAGE:
            return page(request)
        if len(request.hops) < hops:
            return redirect(request, f"http://h{len(request.hops)}.example/robots.txt")
        return robots(request, "User-agent: *\nDisallow: /\n")

    play = Play(answer, gates=True)
    (final,) = play.run(f"{HOST}/")
    assert isinstance(final, Skipped) is counts


def test_two_hosts_whose_robots_lead_to_each_other_are_allowed() -> None:
    """A loop has an end, and no host waits for the other for ever."""

    def answer(request: Request, now: float) -> Ended:
        if request.purpose is Purpose.PAGE:
            return page(request)
        other = "b" if request.url.href.startswith(HOST) else "a"
        return redirect(request, f"http://{other}.example/robots.txt")

    play = Play(answer, gates=True)
    finals = play.run(f"{HOST}/", "http://b.example/")
    assert [type(final) for final in finals] == [Page, Page]


def test_rules_are_read_anew_after_a_day() -> None:
    """RFC 9309, 2.4; and old ones count an hour longer if there are no new ones."""
    broken = False

    def answer(request: Request, now: float) -> Ended:
        if request.purpose is not Purpose.ROBOTS:
            return page(request)
        return failed(request, Kind.TIMEOUT) if broken else robots(request, "")

    play = Play(answer, gates=True, retries=0)
    for hours, asked in ((0, 1), (23, 1), (25, 2)):
        play.core._window.exhausted = False
        play.now = hours * 3600.0
        play.run(f"{HOST}/{hours}")
        assert len(play.asked(Purpose.ROBOTS)) == asked
    broken = True
    play.core._window.exhausted = False
    play.now = 50 * 3600.0
    play.run(f"{HOST}/last")
    assert all(isinstance(final, Page) for final in play.finals)


@pytest.mark.parametrize(("asked", "kept"), [("2.5", 2.5), ("86400", 60.0)])
def test_crawl_delay_spaces_requests_one_at_a_time(asked: str, kept: float) -> None:
    """Fractions count, and a minute is the most."""
    play = Play(rules(f"User-agent: *\nCrawl-delay: {asked}\n"), gates=True)
    play.run(*pages(3))
    assert [round(b - a, 3) for a, b in pairwise(play.times())] == [kept, kept]


# One host's limits.


def test_hosts_can_have_limits_of_their_own() -> None:
    """The table of hosts goes before the limits for all."""
    play = Play(always, robots="ignore", delay=1.0, hosts="b.example: delay=5, per_host=1")
    play.run(*pages(2), *pages(2, "http://b.example"))
    assert play.times(host="a.example") == [0.0, 1.0]
    assert play.times(host="b.example") == [0.0, 5.0]


def test_a_thousand_names_on_one_address_share_its_limits() -> None:
    """Never more than `per_ip` in flight, never closer than `ip_delay`, robots.txt included."""
    play = Play(always, per_ip=2, ip_delay=0.004)
    play.run(*(f"http://h{n}.example/" for n in range(200)))
    asks = sorted(at for at, r in play.starts if r.purpose is not Purpose.ADDRESS)
    assert len(asks) == 400
    assert all(b - a >= 0.004 - 1e-9 for a, b in pairwise(asks))
    assert all(asks[n + 2] - asks[n] >= 0.01 - 1e-9 for n in range(len(asks) - 2))


def test_an_address_in_the_url_needs_no_look_up() -> None:
    """Hosts named by one address share it without being asked for it."""
    play = Play(always, per_ip=1, ip_delay=0.0, robots="ignore")
    play.run(*(f"http://192.0.2.7:{port}/" for port in range(8000, 8005)))
    assert not play.asked(Purpose.ADDRESS)
    assert [round(b - a, 3) for a, b in pairwise(play.times())] == [0.01] * 4


def test_a_name_that_has_no_address_fails_all_its_urls() -> None:
    """One look-up, one record each, with the look-up's kind."""
    play = Play(lambda request, now: failed(request, Kind.DNS), gates=True, per_ip=4)
    finals = play.run(*pages(4))
    assert [(type(f), f.kind) for f in finals if isinstance(f, Failed)] == [(Failed, Kind.DNS)] * 4
    assert len(play.starts) == 1


# Back-off.


def test_a_429_stops_the_host_for_as_long_as_it_says() -> None:
    """Not the URL alone: nothing starts at that host before, and other hosts go on."""
    troubled = [True]

    def answer(request: Request, now: float) -> Ended:
        if request.url.href == f"{HOST}/0" and troubled.pop():
            troubled.append(False)
            return failed(request, Kind.UNAVAILABLE, status=429, retry_after=7.0)
        return page(request)

    play = Play(answer, robots="ignore", per_host=1)
    play.run(*pages(4), *pages(4, "http://b.example"))
    first, second, *_ = play.times(host="a.example")
    assert second - first >= 7.0 + 0.01
    assert max(play.times(host="b.example")) < 1.0
    assert len(play.finals) == 8


def test_a_503_with_a_time_stops_the_host_and_one_without_only_the_url() -> None:
    """A single page may be out of order; a host that names a time means itself."""
    for retry_after, stopped in ((5.0, True), (None, False)):
        answers = {f"{HOST}/0": True}

        def answer(request: Request, now: float, left: dict[str, bool] = answers) -> Ended:
            if left.pop(request.url.href, False):
                return failed(request, Kind.UNAVAILABLE, status=503, retry_after=retry_after)  # noqa: B023
            return page(request)

        play = Play(answer, robots="ignore", per_host=1, backoff=0.5)
        play.run(*pages(3))
        assert (play.times()[1] >= 5.0) is stopped


def test_pauses_without_a_time_double_up_to_the_cap_and_are_forgiven() -> None:
    """60, 120, 240, ... s with jitter; after a quiet time they begin anew."""
    throttle = _throttle(throttle=60.0, throttle_max=200.0, forgive=600.0, random=0.0)
    now, pauses = 0.0, []
    for _ in range(3):
        pauses.append(throttle.failed(_refusal(now), now))
        now += 300.0
    assert pauses == [30.0, 60.0, 100.0]
    assert throttle.failed(_refusal(now + 1_000), now + 1_000) == 30.0


def test_a_burst_of_429_counts_once() -> None:
    """What was in flight together when the first one came teaches nothing new."""
    throttle = _throttle(throttle=60.0, random=0.0, adapt=True, per_host=64)
    throttle.failed(_refusal(0.0), 1.0)
    width, pause = throttle.width, throttle.failed(_refusal(0.5), 1.1)
    assert (throttle.width, pause) == (width, 30.0)


def test_a_host_that_asks_for_too_long_is_left() -> None:
    """Its URLs end with the reason at once instead of waiting for a week."""

    def answer(request: Request, now: float) -> Ended:
        return failed(request, Kind.UNAVAILABLE, status=429, retry_after=604_800.0)

    play = Play(answer, robots="ignore", per_host=1, retries=0, retry_after_max=60.0)
    finals = play.run(*pages(4))
    assert len(play.starts) == 1
    kinds = [final.kind for final in finals if isinstance(final, Failed | Skipped)]
    assert kinds == [Kind.UNAVAILABLE] + 3 * [Kind.THROTTLED]


def refusing(*, retry_after: float | None = None, good: int = 0) -> Answer:
    """429 to all, but a page to each `good`-th request."""
    asked = count(1)

    def answer(request: Request, now: float) -> Ended:
        if good and next(asked) % good == 0:
            return page(request)
        return failed(request, Kind.UNAVAILABLE, status=429, retry_after=retry_after)

    return answer


def test_a_host_that_only_says_later_does_not_hold_the_crawl() -> None:
    """lychee#1873: at the defaults 30 URLs of such a host took a day; they end as throttled."""
    play = Play(refusing(), robots="ignore", per_host=4)
    finals = play.run(*pages(30), *pages(5, "http://b.example"))
    kinds = Counter(final.kind for final in finals if isinstance(final, Failed | Skipped))
    assert len(finals) == 35 and kinds[Kind.THROTTLED] >= 25 and not kinds[Kind.HOST_DOWN]
    assert play.now <= 1_800.0


@pytest.mark.parametrize("pauses", [1, 3, 8])
def test_pauses_in_a_row_are_bounded(pauses: int) -> None:
    """So many are waited for; the next one ends all of the host's URLs."""
    play = Play(
        refusing(), robots="ignore", per_host=1, throttle=1.0, retries=9, host_pauses=pauses
    )
    (final, *_rest) = finals = play.run(*pages(9))
    assert len(play.starts) == pauses + 1
    assert {each.kind for each in finals if isinstance(each, Failed | Skipped)} == {Kind.THROTTLED}
    assert len(finals) == 9 and isinstance(final, Failed | Skipped)
    assert final.reason == f"its host asked for {pauses} pauses in a row, and then for one more"


@pytest.mark.parametrize(("patience", "asked"), [(250.0, 3), (90.0, 1)])
def test_the_time_that_pauses_may_take_is_bounded(patience: float, asked: int) -> None:
    """The pause that would go beyond it is not waited for at all, and be it the first."""
    play = Play(
        refusing(retry_after=100.0), robots="ignore", per_host=1, retries=9, host_patience=patience
    )
    finals = play.run(*pages(9))
    assert len(play.starts) == asked and play.now < patience + 61.0
    assert {each.kind for each in finals if isinstance(each, Failed | Skipped)} == {Kind.THROTTLED}


def test_an_answer_begins_patience_anew() -> None:
    """A host that is slow on purpose, and serves, is served with patience for ever."""
    play = Play(
        refusing(retry_after=30.0, good=3), robots="ignore", per_host=1, retries=9, forgive=1.0,
        host_patience=100.0, host_pauses=3,
    )  # fmt: skip
    assert all(isinstance(final, Page) for final in play.run(*pages(40)))
    assert play.now > 2_000.0


def test_patience_can_be_without_bound() -> None:
    """With 0 and 0 only the URLs' own attempts count."""
    play = Play(refusing(), robots="ignore", per_host=1, host_patience=0.0, host_pauses=0)
    finals = play.run(*pages(10))
    assert [final.kind for final in finals if isinstance(final, Failed)] == [Kind.UNAVAILABLE] * 10


def test_a_429_is_no_failure_of_the_host() -> None:
    """However many come at once: the host is there, and its breaker stays shut."""
    play = Play(refusing(), robots="ignore", per_host=8, breaker=5, throttle=1.0)
    finals = play.run(*pages(40))
    assert not any(isinstance(f, Failed) and f.kind is Kind.HOST_DOWN for f in finals)


@pytest.mark.slow
@given(st.lists(st.sampled_from([None, 0.0, 0.5, 2.0]), min_size=1, max_size=6), st.integers(0, 99))
def test_nothing_starts_inside_a_window_that_was_asked_for(
    waits: list[float | None], seed: int
) -> None:
    """Whatever the host says and when, no request leaves before its Retry-After has passed."""
    chance = random.Random(seed)
    shut = [float("-inf")]

    def answer(request: Request, now: float) -> Ended:
        if waits and chance.random() < 0.3:
            wait = waits.pop()
            shut.append(max(shut[-1], now + (wait or 0.0)))
            return failed(request, Kind.UNAVAILABLE, status=429, retry_after=wait)
        return page(request)

    play = Play(answer, robots="ignore", per_host=3, throttle=1.0, retries=9)
    run_start = play.core.next

    def checked(now: float) -> object:
        step = run_start(now)
        assert type(step).__name__ != "Fetch" or now >= shut[-1] - 1e-9
        return step

    play.core.next = checked  # type: ignore[assignment,method-assign]
    assert len(play.run(*pages(12))) == 12


# Width.


def test_the_width_grows_while_all_is_well_and_never_above_the_limit() -> None:
    """Slow start to `per_host`, and not beyond."""
    throttle = _throttle(per_host=20, adapt=True)
    widths = []
    for n in range(100):
        throttle.answered(_exchange(n, 0.01), n)
        widths.append(throttle.width)
    assert throttle.width == 20 and max(widths) == 20 and widths[0] < 6


def test_trouble_halves_the_width_once_a_round() -> None:
    """A failure of what was asked before the last cut does not cut again."""
    throttle = _throttle(per_host=32, adapt=True)
    for n in range(100):
        throttle.answered(_exchange(n, 0.01), n)
    for started in (100.0, 100.1, 100.2):
        throttle.failed(_trouble(started), 101.0)
    assert throttle.width == 16
    throttle.failed(_trouble(102.0), 103.0)
    assert throttle.width == 8


def test_answers_that_become_slow_narrow_the_width() -> None:
    """Ten times the latency, and above half a second, is a host at its limit."""
    throttle = _throttle(per_host=32, adapt=True)
    for n in range(100):
        throttle.answered(_exchange(n, 0.1), n)
    for n in range(100, 130):
        throttle.answered(_exchange(n, 2.0), n)
    assert throttle.width < 16


# The breaker.


def test_a_host_that_only_fails_is_left_and_its_urls_have_the_reason() -> None:
    """After so many failures in a row it is but probed, for a moment; every URL has its record."""
    play = Play(
        lambda request, now: failed(request), robots="ignore", per_host=1, retries=0, breaker=5
    )
    finals = play.run(*pages(50))
    assert len(play.starts) == 5 + 5 and len(finals) == 50  # probes after 1, 3, 7, 15 and 30 s
    assert all(isinstance(each, Failed) and each.kind is Kind.HOST_DOWN for each in finals)


def test_a_host_that_was_left_is_tried_by_one_request() -> None:
    """After the pause one failure leaves it again, one answer takes it back."""
    healthy = False

    def answer(request: Request, now: float) -> Ended:
        return page(request) if healthy else failed(request)

    play = Play(
        answer, robots="ignore", per_host=8, adapt=True, retries=0, breaker=5, breaker_pause=100.0
    )
    play.run(*pages(20))
    before = len(play.starts)
    play.core._window.exhausted, play.now = False, 200.0
    play.run(*pages(20, f"{HOST}/again"))
    assert len(play.starts) == before + 1
    healthy = True
    play.core._window.exhausted, play.now = False, 400.0
    play.run(*pages(20, f"{HOST}/third"))
    assert sum(isinstance(final, Page) for final in play.finals) == 20


def test_an_answer_of_any_kind_resets_the_breaker() -> None:
    """A host with many 404s is alive."""

    def answer(request: Request, now: float) -> Ended:
        odd = int(request.url.href.rpartition("/")[2]) % 3
        if odd:
            return failed(request, Kind.DISCONNECTED)
        return failed(request, Kind.CLIENT_ERROR, status=404)

    play = Play(answer, robots="ignore", per_host=1, retries=0, breaker=4)
    play.run(*pages(40))
    assert len(play.starts) == 40


# All together.


@pytest.mark.slow
@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(0, 3), st.sampled_from([0.0, 0.3]))
def test_every_url_ends_once_whatever_hosts_do(
    seed: int, per_host: int, per_ip: int, delay: float
) -> None:
    """Robots, look-ups, pauses and breakers in any order: limits hold, and nothing is lost."""
    chance = random.Random(seed)

    def answer(request: Request, now: float) -> Ended:
        if chance.random() < 0.3:
            status = chance.choice([None, 404, 429, 500, 503])
            kind = Kind.TIMEOUT if status is None else Kind.UNAVAILABLE
            if status == 404:
                kind = Kind.CLIENT_ERROR
            wait = chance.choice([None, 0.2, 1e6])
            return failed(request, kind, status=status, retry_after=wait)
        if request.purpose is not Purpose.ADDRESS and chance.random() < 0.2:
            return redirect(request, chance.choice(entries))
        match request.purpose:
            case Purpose.ADDRESS:
                return Resolved(request=request, address=chance.choice(["192.0.2.1", "192.0.2.2"]))
            case Purpose.ROBOTS:
                return robots(request, "User-agent: *\nDisallow: /3\n")
        return page(request)

    entries = [f"http://h{host}.example/{n}" for host in range(4) for n in range(6)]
    play = Play(
        answer, gates=True, per_host=per_host, per_ip=per_ip, delay=delay, breaker=6, adapt=True,
        throttle=0.5, backoff=0.1,
    )  # fmt: skip
    finals = play.run(*entries)
    assert sorted(final.url for final in finals) == sorted(entries)
    for host in range(4):
        times = sorted(
            at
            for at, request in play.starts
            if f"h{host}." in request.url.href and request.purpose is not Purpose.ADDRESS
        )
        assert all(b - a >= delay - 1e-9 for a, b in pairwise(times))
        late = [times[n + per_host] - times[n] for n in range(len(times) - per_host)]
        assert all(gap >= 0.01 - 1e-9 for gap in late)
    snapshot = play.core.statistics(play.now)
    assert (snapshot.pending, snapshot.in_flight) == (0, 0)


def _throttle(*, random: float = 0.5, **options: object) -> Throttle:
    config = CrawlConfig(**{"adapt": False, **options})  # type: ignore[arg-type]
    return Throttle(config.politeness, lambda: random)


def _exchange(started_at: float, latency: float) -> Exchange:
    return Exchange(status=200, started_at=started_at, first_byte=latency, total=latency)


def _refusal(started_at: float) -> Failed:
    seen = Exchange(status=429, started_at=started_at)
    return Failed(request=_request(), kind=Kind.UNAVAILABLE, reason="429", exchange=seen)


def _trouble(started_at: float) -> Failed:
    seen = Exchange(started_at=started_at)
    return Failed(request=_request(), kind=Kind.TIMEOUT, reason="late", exchange=seen)


def _request() -> Request:
    return Request(url=Url(f"{HOST}/"), seed=f"{HOST}/", input=f"{HOST}/")
