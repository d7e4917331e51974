"""Hosts that the list names without a scheme: https, or http where there is no TLS."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from crawler.core.fallback import falls_back
from crawler.core.rules import Ended
from crawler.model.outcome import Failed, Kind, Page, Redirected
from crawler.model.request import Purpose, Request
from crawler.model.url import Url, names_scheme
from tests.core.play import Play, failed, page, redirect, robots


def only_http(request: Request, now: float) -> Ended:
    """No TLS anywhere: https is refused, http answers."""
    if request.url.href.startswith("https:"):
        return replace(failed(request, Kind.CONNECT), no_tls=True)
    return robots(request, "") if request.purpose is Purpose.ROBOTS else page(request)


def hops(final: object) -> list[tuple[str, int]]:
    assert isinstance(final, Page | Failed | Redirected)
    return [(hop.url, hop.status) for hop in final.request.hops]


@pytest.mark.parametrize("rules", ["obey", "ignore"])
def test_a_host_without_a_scheme_falls_back_to_http(rules: str) -> None:
    """Each of its URLs is fetched by http, at once and once, and says so in its hops.

    takeover#28, pwnkit#190.
    """
    play = Play(only_http, gates=True, robots=rules)
    finals = play.run(*(f"a.example:8080/{n}" for n in range(5)))
    assert all(isinstance(final, Page) for final in finals)
    assert {final.final_url for final in finals if isinstance(final, Page)} == {
        f"http://a.example:8080/{n}" for n in range(5)
    }
    for n, final in enumerate(sorted(finals, key=lambda each: each.url)):
        assert final.url == f"https://a.example:8080/{n}"
        assert hops(final) == [(final.url, 0)]
    assert play.asked(Purpose.ROBOTS).count("http://a.example:8080/robots.txt") <= 1
    assert play.now < 1  # nothing was retried first


def test_what_comes_later_goes_to_http_at_once() -> None:
    """A host that is known to speak no TLS is not asked for it again."""
    play = Play(only_http, gates=True, robots="ignore", window=1, per_host=1)
    finals = play.run(*(f"a.example/{n}" for n in range(6)))
    assert len([final for final in finals if isinstance(final, Page)]) == 6
    secure = [url for url in play.asked() if url.startswith("https:")]
    assert len(secure) == 1


def test_http_has_its_own_rules() -> None:
    """The http host is another: its robots.txt is read, and its limits are kept."""

    def answer(request: Request, now: float) -> Ended:
        if request.purpose is Purpose.ROBOTS and request.url.href.startswith("http:"):
            return robots(request, "User-agent: *\nDisallow: /0")
        return only_http(request, now)

    play = Play(answer, gates=True, delay=1.0)
    finals = play.run(*(f"a.example/{n}" for n in range(3)))
    assert sorted(final.kind for final in finals if not isinstance(final, Page)) == [Kind.ROBOTS]  # type: ignore[union-attr]
    times = [at for at, request in play.starts if request.url.href.startswith("http:")]
    assert all(b - a >= 1.0 - 1e-9 for a, b in pairwise(times))


@pytest.mark.parametrize("seed", ["https://a.example/", "HTTPS://a.example/", "https:a.example/"])
def test_a_scheme_is_kept_to(seed: str) -> None:
    """Who wrote https gets https or a failure."""
    play = Play(only_http, gates=True, robots="ignore", retries=1)
    (final,) = play.run(seed)
    assert isinstance(final, Failed)
    assert (final.kind, final.request.attempts, hops(final)) == (Kind.CONNECT, 2, [])


@pytest.mark.parametrize("kind", [Kind.TLS, Kind.CONNECT_TIMEOUT, Kind.DNS, Kind.DISCONNECTED])
def test_other_failures_do_not_fall_back(kind: Kind) -> None:
    """A wrong certificate, silence, an unknown name: http is never tried for these."""
    play = Play(lambda request, now: failed(request, kind), gates=True, robots="ignore", retries=0)
    (final,) = play.run("a.example")
    assert isinstance(final, Failed) and final.kind is kind
    assert not [url for url in play.asked() if url.startswith("http:")]


def test_http_that_leads_back_to_https_is_no_loop() -> None:
    """Where https was refused for a moment and http redirects to it, it is asked once more."""
    seen: list[str] = []

    def answer(request: Request, now: float) -> Ended:
        seen.append(request.url.href)
        if request.url.href.startswith("http:"):
            return redirect(request, "https://a.example/")
        return page(request) if len(seen) > 1 else only_http(request, now)

    (final,) = Play(answer, gates=True, robots="ignore", max_redirects=1).run("a.example")
    assert isinstance(final, Page)
    assert hops(final) == [("https://a.example/", 0), ("http://a.example/", 301)]


def test_https_that_stays_refused_ends() -> None:
    """http leads to https, https is refused again: a failure of https, and no circle."""

    def answer(request: Request, now: float) -> Ended:
        if request.url.href.startswith("http:"):
            return redirect(request, "https://a.example/")
        return only_http(request, now)

    play = Play(answer, gates=True, robots="ignore", retries=1)
    (final,) = play.run("a.example")
    assert isinstance(final, Failed) and final.kind is Kind.CONNECT
    assert play.asked() == ["https://a.example/", "http://a.example/", *["https://a.example/"] * 2]


def test_what_is_followed_from_there_stays_in_scope_and_is_fetched_once() -> None:
    """Links of such a host join the crawl; what the list has by http, too, has one record."""

    def answer(request: Request, now: float) -> Ended:
        outcome = only_http(request, now)
        if isinstance(outcome, Page) and request.url.href == "http://a.example/":
            return page(request, "http://a.example/linked", "http://a.example/also")
        return outcome

    play = Play(answer, gates=True, robots="ignore", follow=True)
    finals = play.run("http://a.example/also", "a.example/", "a.example/also")
    assert sorted(type(final).__name__ for final in finals) == [
        "Page",
        "Page",
        "Page",
        "Redirected",
    ]
    plain = [url for url in play.asked() if url.startswith("http:")]
    assert sorted(plain) == [f"http://a.example/{path}" for path in ("", "also", "linked")]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("example.com", False),
        (" example.com:8080/x", False),
        ("//example.com/", False),
        ("localhost:80", False),
        ("http:8080/x", False),
        ("http://example.com", True),
        ("\tHttps:\n//example.com", True),
        ("https:example.com", True),
    ],
)
def test_whether_a_scheme_was_written(text: str, named: bool) -> None:
    """As the URL is read, so is its scheme: a host with a port has none."""
    assert names_scheme(text) is named


def test_only_seeds_of_the_list_fall_back() -> None:
    """Neither links, nor what a redirect led to, nor robots.txt."""
    url = Url("https://a.example/")
    request = Request(url=url, seed=url.href, input="a.example")
    assert falls_back(request)
    assert not falls_back(replace(request, found_on="https://b.example/"))
    assert not falls_back(replace(request, purpose=Purpose.ROBOTS))
    assert not falls_back(replace(request, url=Url("http://a.example/")))
