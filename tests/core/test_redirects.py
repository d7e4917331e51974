"""Redirect chains: what they carry along, when they are loops, and what they leave behind."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crawler.core.crawl_core import Ended
from crawler.model.outcome import Failed, Kind, Page, Redirect, Redirected, Resolved
from crawler.model.request import Purpose, Request
from crawler.store.record import encode
from tests.core.play import Answer, Play, exchange, failed, page, robots

HOST = "http://a.example"


def brought(request: Request) -> dict[str, str]:
    return {cookie.name: cookie.value for cookie in request.cookies}


def sets(request: Request, location: str, *lines: str) -> Redirect:
    """A redirect with Set-Cookie headers."""
    answered = replace(exchange(302), cookies=lines)
    return Redirect(request=request, exchange=answered, location=location)


def played(answer: Answer, *entries: str, **options: object) -> Play:
    plain: dict[str, object] = {"robots": "ignore", "depth": 0}
    play = Play(answer, **{**plain, **options})
    play.run(*entries)
    return play


def wall(request: Request, now: float) -> Ended:
    """Sets a cookie and comes back to itself, by way of another URL on /bounce."""
    path = request.url.href.removeprefix(HOST)
    if path == "/set":
        return sets(request, "/bounce", "seen=1; path=/")
    if brought(request):
        return page(request)
    return sets(request, "/set") if path == "/bounce" else sets(request, path, "seen=1; path=/")


@pytest.mark.parametrize("follow", [False, True])
@pytest.mark.parametrize(("path", "attempts"), [("/self", 2), ("/bounce", 3)])
def test_a_chain_brings_back_its_cookies(path: str, attempts: int, follow: bool) -> None:
    """Whether links are followed or not (aiohttp#56, httpx#821, simplecrawler#78, scrapy#1225)."""
    (final,) = played(wall, HOST + path, follow=follow).finals
    assert isinstance(final, Page)
    assert (final.final_url, final.request.attempts) == (HOST + path, attempts)
    assert b"seen" not in encode(final)
    assert "seen=1" not in repr(final) and "=1" not in repr(final.request.cookies)


def test_the_jar_is_dropped_with_its_chain() -> None:
    """Each URL of a list begins without cookies, whoever set some before."""
    play = played(wall, f"{HOST}/self", f"{HOST}/set?2", f"{HOST}/self?2", per_host=1)
    begun = [request.cookies for _, request in play.starts if not request.hops]
    assert begun.count(()) == len(begun) >= 3


def test_the_same_cookies_make_a_loop() -> None:
    """The second time that a URL is asked for with the same jar nothing can be new."""
    play = played(lambda request, now: sets(request, "/", "a=1"), f"{HOST}/")
    (final,) = play.finals
    assert isinstance(final, Failed)
    assert (final.kind, final.reason) == (Kind.REDIRECT, f"redirect loop back to {HOST}/")
    assert len(play.asked()) == 2


def test_cookies_that_always_change_end_at_the_limit() -> None:
    """A server that counts is left after --max-redirects."""
    play = played(
        lambda request, now: sets(request, "/", f"n={request.attempts}"),
        f"{HOST}/",
        max_redirects=4,
    )
    (final,) = play.finals
    assert isinstance(final, Failed)
    assert final.reason == "more than 4 redirects"
    assert len(play.asked()) == 5


def test_a_retry_within_a_chain_keeps_its_cookies() -> None:
    """A server that is busy for a moment does not cost the cookie."""

    def answer(request: Request, now: float) -> Ended:
        if brought(request) and request.attempt == 1:
            return failed(request, Kind.UNAVAILABLE, status=503)
        return wall(request, now)

    (final,) = played(answer, f"{HOST}/self", retries=1, backoff=0.01).finals
    assert isinstance(final, Page)


def test_robots_txt_has_no_cookies() -> None:
    """A chain of robots.txt keeps none, and none of a page's chain goes with it."""

    def answer(request: Request, now: float) -> Ended:
        if request.purpose is Purpose.ADDRESS:
            return Resolved(request=request, address="192.0.2.1")
        if request.purpose is Purpose.PAGE:
            return wall(request, now)
        if request.hops:
            return robots(request, "")
        return sets(request, "/robots2.txt", "r=1")

    play = played(answer, f"{HOST}/self", gates=True, robots="obey")
    asked = [request for _, request in play.starts if request.purpose is Purpose.ROBOTS]
    assert [(request.url.href, request.cookies) for request in asked] == [
        (f"{HOST}/robots.txt", ()),
        (f"{HOST}/robots2.txt", ()),
    ]
    assert isinstance(play.finals[0], Page)


@pytest.mark.parametrize(
    ("start", "end"), [("/%7Euser", "/~user"), ("/x?", "/x"), ("/x?utm_source=a", "/x")]
)
def test_a_redirect_to_another_spelling_is_followed(start: str, end: str) -> None:
    """A chain may come back to a URL that counts as its own: the page is had, and once."""

    def answer(request: Request, now: float) -> Ended:
        if request.url.href.endswith(start):
            return sets(request, end)
        return page(request, f"{HOST}{start}", f"{HOST}{end}")

    play = played(answer, HOST + start, follow=True)
    (final,) = play.finals
    assert isinstance(final, Page)
    assert play.asked() == [HOST + start, HOST + end]


def test_a_chain_that_meets_another_ends_there() -> None:
    """Only its own URLs are a chain's to ask for again."""

    def answer(request: Request, now: float) -> Ended:
        if request.url.href.endswith("/"):
            return page(request, f"{HOST}/1", f"{HOST}/2")
        if request.url.href.endswith("/page"):
            return page(request)
        return sets(request, "/page", "a=1")

    play = played(answer, f"{HOST}/", follow=True)
    ends = {final.url: type(final) for final in play.finals}
    assert ends == {f"{HOST}/": Page, f"{HOST}/1": Page, f"{HOST}/2": Redirected}


def refreshed(request: Request, location: str, *links: str, cookies: tuple[str, ...] = ()) -> Page:
    """A page that sends its visitors on at once."""
    found = page(request, *links)
    leads = found.document.leads
    assert leads is not None
    document = replace(found.document, leads=leads._replace(refresh=HOST + location))
    return replace(found, document=document, exchange=replace(exchange(), cookies=cookies))


def moving(request: Request, now: float) -> Ended:
    """/1 and /2 move to /home by a refresh, which links to /1."""
    path = request.url.href.removeprefix(HOST)
    match path:
        case "/":
            return page(request, f"{HOST}/1", f"{HOST}/2")
        case "/home":
            return page(request, f"{HOST}/1")
    return refreshed(request, "/home", f"{HOST}/never")


def test_a_refresh_is_a_redirect_where_links_are_followed() -> None:
    """One record for each URL, with the hop, and nothing for the page that was not the end.

    linkcheck#102, linkinator#552, Norconex#141, stormcrawler#928.
    """
    play = played(moving, f"{HOST}/", follow=True, per_host=1)
    first = next(final for final in play.finals if final.url == f"{HOST}/1")
    assert isinstance(first, Page)
    assert (first.final_url, first.request.depth) == (f"{HOST}/home", 1)
    assert [(hop.url, hop.status) for hop in first.request.hops] == [(f"{HOST}/1", 200)]
    second = next(final for final in play.finals if final.url == f"{HOST}/2")
    assert isinstance(second, Redirected)
    assert play.asked() == [f"{HOST}{path}" for path in ("/", "/1", "/home", "/2")]


def test_of_a_list_a_refresh_is_no_redirect() -> None:
    """Without --follow the page itself is what was asked for."""
    play = played(moving, f"{HOST}/1")
    (final,) = play.finals
    assert isinstance(final, Page)
    assert final.final_url == f"{HOST}/1"


@pytest.mark.parametrize("location", ["/self", "/two"])
def test_a_refresh_that_leads_nowhere_keeps_its_page(location: str) -> None:
    """A reload, and a circle of pages, end as the last page, whose links are followed."""

    def answer(request: Request, now: float) -> Ended:
        path = request.url.href.removeprefix(HOST)
        if path == "/two":
            return refreshed(request, "/self", f"{HOST}/more")
        if path == "/self":
            return refreshed(request, location, f"{HOST}/more")
        return page(request)

    play = played(answer, f"{HOST}/self", follow=True)
    assert {type(final) for final in play.finals} == {Page}
    assert [final.url for final in play.finals] == [f"{HOST}/self", f"{HOST}/more"]


def test_refreshes_are_bounded_as_redirects_are() -> None:
    """Pages that send on and on: the last within --max-redirects is kept."""

    def answer(request: Request, now: float) -> Ended:
        return refreshed(request, f"/{request.attempts}")

    (final,) = played(answer, f"{HOST}/", follow=True, max_redirects=3).finals
    assert isinstance(final, Page)
    assert len(final.request.hops) == 3


def test_a_refresh_out_of_scope_keeps_its_page() -> None:
    """A page that was found and leads elsewhere is a page; elsewhere is not asked for."""

    def answer(request: Request, now: float) -> Ended:
        if request.url.href == f"{HOST}/":
            return page(request, f"{HOST}/out")
        found = refreshed(request, "")
        leads = found.document.leads
        assert leads is not None
        away = leads._replace(refresh="http://b.test/")
        return replace(found, document=replace(found.document, leads=away))

    play = played(answer, f"{HOST}/", follow=True)
    assert [type(final) for final in play.finals] == [Page, Page]
    assert play.asked() == [f"{HOST}/", f"{HOST}/out"]


def test_a_page_that_sets_a_cookie_and_comes_back_is_read_with_it() -> None:
    """A refresh to the page itself is followed once, with the cookie, and then kept."""

    def answer(request: Request, now: float) -> Ended:
        return refreshed(request, "/", cookies=("seen=1",))

    play = played(answer, f"{HOST}/", follow=True)
    (final,) = play.finals
    assert isinstance(final, Page)
    assert [brought(request) for _, request in play.starts if request.purpose is Purpose.PAGE] == [
        {},
        {"seen": "1"},
    ]


def test_many_pages_may_share_the_url_that_gives_the_cookie() -> None:
    """A wall with one address for all sends everyone back to where they came from."""

    def answer(request: Request, now: float) -> Ended:
        path = request.url.href.removeprefix(HOST)
        if path == "/":
            return page(request, *(f"{HOST}/{n}" for n in range(9)))
        if path == "/wall":
            return sets(request, brought(request)["back"], "ok=1; path=/")
        return page(request) if "ok" in brought(request) else sets(request, "/wall", f"back={path}")

    play = played(answer, f"{HOST}/", follow=True, per_host=4)
    assert {final.url for final in play.finals} == {f"{HOST}/", *(f"{HOST}/{n}" for n in range(9))}
    assert all(isinstance(final, Page) and final.final_url == final.url for final in play.finals)


@pytest.mark.parametrize("cookies", [(), ("session=1",)])
def test_redirects_to_one_page_make_one_page(cookies: tuple[str, ...]) -> None:
    """Whether they set cookies or not, and however many are on their way at once."""

    def answer(request: Request, now: float) -> Ended:
        path = request.url.href.removeprefix(HOST)
        if path == "/":
            return page(request, *(f"{HOST}/{n}" for n in range(9)))
        return page(request) if path == "/new" else sets(request, "/new", *cookies)

    play = played(answer, f"{HOST}/", follow=True, per_host=4)
    kinds = [type(final) for final in play.finals]
    assert (kinds.count(Page), kinds.count(Redirected)) == (2, 8)
