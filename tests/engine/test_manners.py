"""Manners over real sockets: what servers ask for, and what their own ledger says was done."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest

from crawler.mock import MockWeb, Served, running
from crawler.mock.graph.robots_forms import FORMS, rules
from crawler.model.config import CrawlConfig
from crawler.model.outcome import Failed, Kind, Page

from .whole import ENGINES, audited, crawled, row, scored, url


def assert_spaced(audit: Path, delay: float, took: float) -> None:
    """Every host's requests started `delay` apart, in a crawl of `took` seconds.

    A busy machine makes some arrive late, and the next ones then closer together: gaps are those
    between starts, which the audit has, and no audit can have more of them than the crawl took.
    """
    for line in audited(audit).values():
        assert line["smallest_gap"] >= delay
        assert line["smallest_gap"] * (line["requests"] - 1) <= took


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> dict[str, Any]:
    return ENGINES[request.param]


def test_the_defaults_are_safe_to_point_at_the_open_web() -> None:
    """Without an option robots.txt counts, hosts and addresses are spared, and the guard is on."""
    config = CrawlConfig()
    polite, network = config.politeness, config.network
    assert (polite.robots, polite.per_host, polite.delay) == (
        "obey",
        4,
        0.25,
    )
    assert (
        polite.per_ip,
        polite.ip_delay,
        polite.adapt,
        polite.breaker,
    ) == (16, 0.05, True, 20)
    assert (polite.throttle, polite.retry_after_max) == (60.0, 3_600.0)
    assert not (network.allow_private or network.allow_network or network.allow_port)
    assert not config.following.follow


# What becomes of a URL that answers so, each on a host of its own, and of the page after it.
# A pause that no header names is `throttle`, here a moment; one beyond `retry_after_max` is not
# waited for.
BUSY: dict[str, tuple[Kind, Kind | None]] = {
    "/status/429": (Kind.UNAVAILABLE, None),
    "/status/429?retry-after=1": (Kind.UNAVAILABLE, None),
    "/status/429?retry-after=date:+1": (Kind.UNAVAILABLE, None),
    "/status/429?retry-after=date:-60": (Kind.UNAVAILABLE, None),
    "/status/429?retry-after=soon": (Kind.UNAVAILABLE, None),
    "/status/429?retry-after=-5": (Kind.UNAVAILABLE, None),
    "/status/429?retry-after=99999999": (Kind.UNAVAILABLE, Kind.THROTTLED),
    "/status/429?retry-after=date:+999999": (Kind.UNAVAILABLE, Kind.THROTTLED),
    "/status/503": (Kind.UNAVAILABLE, None),
    "/status/503?retry-after=1": (Kind.UNAVAILABLE, None),
    "/status/503?retry-after=date:+1": (Kind.UNAVAILABLE, None),
    "/status/503?retry-after=never": (Kind.UNAVAILABLE, None),
    "/status/503?retry-after=99999999": (Kind.UNAVAILABLE, Kind.THROTTLED),
}
WAITED = {path for path in BUSY if path.endswith(("=1", "+1"))}


@pytest.fixture
def busy() -> Iterator[Served]:
    with running(MockWeb(hosts=len(BUSY) + 1)) as web:
        yield web


@pytest.mark.slow
def test_what_a_busy_host_asks_for_is_done(
    busy: Served, engine: dict[str, Any], tmp_path: Path
) -> None:
    """Each way to say `later` ends as one record, spares its host, and harms no other."""
    file = tmp_path / "audit.jsonl"
    wanted: dict[str, Kind | None] = {}
    for host, (path, (first, then)) in enumerate(BUSY.items()):
        wanted[url(busy, host, path)] = first
        wanted[url(busy, host, "/page/1")] = then
    calm = [url(busy, len(BUSY), f"/page/{n}") for n in range(20)]
    limits = {"per_host": 1, "throttle": 0.05, "retries": 0, "retry_after_max": 10.0}
    whole = crawled([*wanted, *calm], audit=str(file), **limits, **engine)
    assert whole.kinds == wanted | dict.fromkeys(calm)
    assert not any(row(busy, host).retry_after_violations for host in range(len(BUSY)))
    began = {final.url: final for final in whole.finals if isinstance(final, Page)}
    said = {final.url: final for final in whole.finals if isinstance(final, Failed)}
    for host, path in enumerate(BUSY):
        if path in WAITED:
            asked = said[url(busy, host, path)]
            page = began[url(busy, host, "/page/1")]
            assert asked.exchange is not None and asked.retry_after is not None
            assert page.exchange.started_at - asked.exchange.started_at >= asked.retry_after
    pauses = {name: line["pauses"] for name, line in audited(file).items()}
    assert pauses[url(busy, 0, "")[7:]] and not pauses[url(busy, len(BUSY), "")[7:]]


@pytest.mark.slow
def test_a_retry_waits_for_its_time(busy: Served, engine: dict[str, Any]) -> None:
    """With attempts left, a URL that said when is asked for again then, and not before."""
    (final,) = crawled([url(busy, 0, "/status/503?retry-after=1")], retries=1, **engine).finals
    assert isinstance(final, Failed)
    assert (final.kind, final.request.attempts) == (Kind.UNAVAILABLE, 2)
    assert row(busy, 0).retry_after_violations == 0


@pytest.mark.slow
def test_a_token_bucket_is_learned(engine: dict[str, Any]) -> None:
    """A host that bears 5 requests a second gets no more after its first 429; all are pages."""
    with running(MockWeb(rate=5, burst=2)) as web:
        urls = list(web.urls(10))
        whole = crawled(urls, per_host=1, retries=3, **engine)
        host = row(web, 0)
    assert whole.kinds == dict.fromkeys(urls)
    assert host.retry_after_violations == 0
    assert whole.totals.pauses >= 1
    assert whole.totals.requests == host.requests == len(urls) + 1 + whole.snapshot.retries


# robots.txt

PATHS = ("/", "/page/1", "/private/1", "/members/x", "/members/open/x", "/x.print", "/x.printed")
"""What the default lines allow and forbid, by beginnings, by longer ones, and by a pattern."""


@pytest.fixture(scope="module")
def forms() -> Iterator[Served]:
    options = MockWeb(hosts=len(FORMS), pages=len(FORMS), robots_forms=tuple(FORMS))
    with running(options) as web:
        yield web


@pytest.mark.slow
def test_every_form_of_robots_is_obeyed(forms: Served, engine: dict[str, Any]) -> None:
    """What each amounts to by RFC 9309 is what is asked for and what is skipped, and no more."""
    seen = len(forms.recent())
    kinds: dict[str, Kind | None] = {}
    wanted: dict[str, bool] = {}
    for name, seconds in {"timeout": 0.5, "": 60.0}.items():  # the one that waits for it, the rest
        hosts = [host for host, form in enumerate(FORMS) if (form == "timeout") == bool(name)]
        asked = {
            url(forms, host, path): rules(forms.options, host).allows("crawler/0.1.0", path)
            for host in hosts
            for path in PATHS
        }
        kinds |= crawled(asked, timeout=seconds, retries=0, throttle=0.05, **engine).kinds
        wanted |= asked
    assert {each: kind is not Kind.ROBOTS for each, kind in kinds.items()} == wanted
    assert all(row(forms, host).robots_violations == 0 for host in range(len(FORMS)))
    assert forms.recent()[seen:].count("/robots.txt") == len(FORMS)


def test_robots_is_asked_for_again_where_it_may_pass(forms: Served) -> None:
    """Forms that fail for a moment get their attempts before anything is concluded."""
    host = list(FORMS).index("server-error")
    before = row(forms, host).requests
    whole = crawled([url(forms, host, "/page/1")], retries=2)
    assert whole.kinds == {url(forms, host, "/page/1"): Kind.ROBOTS}
    assert row(forms, host).requests == before + 3


@pytest.mark.slow
def test_a_crawl_delay_is_kept(engine: dict[str, Any], tmp_path: Path) -> None:
    """Fractions too, one request at a time, robots.txt counted in."""
    file = tmp_path / "audit.jsonl"
    with running(MockWeb(robots=("User-agent: *", "Crawl-delay: 0.2"))) as web:
        begun = perf_counter()
        whole = crawled(web.urls(5), audit=str(file), **engine)
        took = perf_counter() - begun
        host = row(web, 0)
    assert whole.snapshot.pages == 5
    assert (host.requests, host.largest_in_flight) == (6, 1)
    assert_spaced(file, 0.2, took)


# Widths, and the audit.


@pytest.mark.slow
def test_the_audit_is_what_the_servers_saw(engine: dict[str, Any], tmp_path: Path) -> None:
    """Requests are equal exactly, per host; no gap is below the delay, nor longer than it was."""
    file = tmp_path / "audit.jsonl"
    with running(MockWeb(hosts=3, pages=100)) as web:
        urls = [url(web, host, f"/page/{n}") for host in range(3) for n in range(3 + host)]
        urls += [url(web, 0, "/private/1"), url(web, 1, "/redirect/2")]
        begun = perf_counter()
        whole = crawled(urls, delay=0.1, audit=str(file), **engine)
        took = perf_counter() - begun
        seen = {name: line.requests for name, line in web.ledger().hosts.items()}
    audit = audited(file)
    assert {name: line["requests"] for name, line in audit.items()} == seen
    assert_spaced(file, 0.1, took)
    assert sum(line["skipped"] for line in audit.values()) == 1
    assert (whole.totals.hosts, whole.totals.requests) == (3, sum(seen.values()))


@pytest.mark.slow
def test_the_width_is_what_the_servers_saw(engine: dict[str, Any], tmp_path: Path) -> None:
    """As many requests are in flight to a host as it may have, and never one more."""
    file = tmp_path / "audit.jsonl"
    with running(MockWeb(hosts=3, pages=100, latency=0.2)) as web:
        urls = [url(web, host, f"/page/{n}") for host in range(3) for n in range(12)]
        narrow = f"{url(web, 2, '')[7:]}: per_host=2"
        crawled(urls, per_host=3, hosts=narrow, audit=str(file), **engine)
        seen = [row(web, host).largest_in_flight for host in range(3)]
        audit = audited(file)
        told = [audit[url(web, host, "")[7:]]["most_in_flight"] for host in range(3)]
    assert seen == told == [3, 3, 2]


@pytest.mark.slow
def test_hosts_on_one_address_share_its_limits(engine: dict[str, Any]) -> None:
    """Five ports of one address get, together, as many requests as one address may."""
    options = MockWeb(hosts=5, authority="ports", pages=100, latency=0.05)
    with running(options) as web:
        urls = [url(web, host, f"/page/{n}") for host in range(5) for n in range(5)]
        whole = crawled(urls, per_ip=2, **engine)
        peak = web.statistics().peak_waiting
    assert whole.snapshot.pages == 25
    assert peak == 2


@pytest.mark.slow
def test_hosts_on_one_address_share_its_delay(engine: dict[str, Any]) -> None:
    """Requests to one address start apart, to whichever of its hosts they go."""
    with running(MockWeb(hosts=4, authority="ports", pages=100)) as web:
        urls = [url(web, host, "/page/1") for host in range(4)]
        begun = perf_counter()
        whole = crawled(urls, ip_delay=0.1, **engine)
        took = perf_counter() - begun
    assert (whole.snapshot.pages, whole.totals.requests) == (4, 8)
    assert took >= 7 * 0.1


@pytest.mark.slow
def test_a_host_that_only_fails_is_left(engine: dict[str, Any]) -> None:
    """After so many failures in a row, and once it was waited for, its URLs end with the reason.

    Another host's do not.
    """
    with running(MockWeb(hosts=2)) as web:
        bad = [url(web, 0, f"/fault/reset?{n}") for n in range(40)]
        good = [url(web, 1, f"/page/{n}") for n in range(10)]
        whole = crawled([*bad, *good], breaker=5, breaker_give_up=0.5, retries=0, **engine)
        asked = row(web, 0).requests
    kinds = whole.kinds
    assert {kinds[each] for each in bad} == {Kind.HOST_DOWN}
    # robots.txt, five failures, what was in flight with the fifth, and the probe at the end
    assert 7 <= asked <= 11
    assert all(kinds[each] is None for each in good)


@pytest.mark.slow
def test_followed_politely_nobody_is_asked_too_early(engine: dict[str, Any]) -> None:
    """One request at a time per host: no Retry-After, no robots.txt is broken on a whole web."""
    with running(MockWeb(hosts=8, pages=200)) as web:
        front = [url(web, 0, "/")]
        whole = crawled(front, follow=True, scope="any", depth=0, per_host=1, **engine)
        result = scored(web, whole)
        hosts = web.ledger().hosts.values()
    assert (result.recall, result.repeats, result.robots_violations) == (1.0, 0, 0)
    assert sum(host.retry_after_violations + host.robots_violations for host in hosts) == 0
    assert all(host.largest_in_flight == 1 for host in hosts)
