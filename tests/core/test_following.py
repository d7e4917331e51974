"""Following links, decided without a network: what joins the crawl, when, and what does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from crawler.core.crawl_core import Ended
from crawler.model.config import CrawlConfig
from crawler.model.errors import ConfigurationError
from crawler.model.outcome import Failed, Kind, Listing, Page, Redirected, Resolved
from crawler.model.request import Purpose, Request
from tests.core.play import Answer, Play, exchange, failed, page, redirect, robots

HOST = "http://a.example"


def site(links: Mapping[str, Sequence[str]]) -> Answer:
    """A page for each path, with links to other paths or whole URLs; `301 /x` redirects."""

    def answer(request: Request, now: float) -> Ended:
        path = request.url.href.removeprefix(HOST)
        found = links.get(path)
        if found is None:
            return failed(request, Kind.CLIENT_ERROR, status=404)
        if found and found[0].startswith("301 "):
            return redirect(request, found[0].removeprefix("301 "))
        return page(request, *(link if "//" in link else HOST + link for link in found))

    return answer


def followed(answer: Answer, **options: object) -> Play:
    plain: dict[str, object] = {"robots": "ignore", "per_host": 1, "follow": True, "depth": 0}
    return Play(answer, **{**plain, **options})


def paths(play: Play) -> list[str]:
    return [href.removeprefix(HOST) for href in play.asked()]


def test_every_page_that_links_lead_to_is_asked_for_once_breadth_first() -> None:
    """Whatever the links: in the order of their depth, each once, with depth and origin told."""
    play = followed(site({"/": ["/a", "/b"], "/a": ["/c", "/"], "/b": ["/a", "/c"], "/c": ["/"]}))
    finals = play.run(f"{HOST}/")
    assert paths(play) == ["/", "/a", "/b", "/c"]
    told = {f.url: (f.request.depth, f.request.found_on) for f in finals if isinstance(f, Page)}
    assert told[f"{HOST}/c"] == (2, f"{HOST}/a")
    assert told[f"{HOST}/"] == (0, "")
    snapshot = play.core.statistics(play.now)
    assert (snapshot.read, snapshot.found, snapshot.records, snapshot.pending) == (1, 3, 4, 0)


def test_without_follow_no_link_is_looked_at() -> None:
    """A list is a list."""
    play = followed(site({"/": ["/a"]}), follow=False)
    play.run(f"{HOST}/")
    assert paths(play) == ["/"]


def test_depth_bounds_the_clicks() -> None:
    """Pages at the last depth are asked for, and their links are not."""
    chain = {f"/{n}": [f"/{n + 1}"] for n in range(10)}
    play = followed(site(chain), depth=3)
    play.run(f"{HOST}/0")
    assert paths(play) == ["/0", "/1", "/2", "/3"]
    assert play.core.statistics(0.0).refused == {"deeper than --depth": 1}


@pytest.mark.parametrize(
    ("scope", "taken"),
    [
        ("host", ["/d/", "/x"]),
        ("prefix", ["/d/"]),
        ("domain", ["/d/", "/x", "http://www.a.example/"]),
        ("any", ["/d/", "/x", "http://www.a.example/", "http://b.test/"]),
    ],
)
def test_the_scope_is_kept(scope: str, taken: list[str]) -> None:
    """What lies outside is not asked for, and is counted."""
    links = ["/d/", "/x", "http://www.a.example/", "http://b.test/"]
    play = followed(site({"/d/0": links}), scope=scope)
    play.run(f"{HOST}/d/0")
    assert set(paths(play)[1:]) == set(taken)
    assert sum(play.core.statistics(0.0).refused.values()) == 4 - len(taken)


def test_patterns_narrow_the_scope() -> None:
    """Of what is included nothing is taken that is excluded."""
    play = followed(
        site({"/": ["/a.html", "/b.pdf", "/p/c.html"]}), include=("*.html",), exclude=("/p/*",)
    )
    play.run(f"{HOST}/")
    assert paths(play) == ["/", "/a.html"]


def test_limits_on_the_number_are_kept() -> None:
    """In all, and for each host."""
    links = {"/": [f"/{n}" for n in range(9)] + [f"http://b.test/{n}" for n in range(9)]}
    play = followed(site(links), max_pages=4)
    play.run(f"{HOST}/")
    assert len(play.asked()) == 5
    play = followed(site(links), max_per_host=2, scope="any")
    play.run(f"{HOST}/")
    assert sorted(paths(play)) == ["/", "/0", "/1", "http://b.test/0", "http://b.test/1"]


def test_tracking_parameters_make_no_other_page() -> None:
    """The first spelling that is found is asked for."""
    play = followed(site({"/": ["/a?utm_source=x", "/a", "/a?utm_source=y&b=1", "/a?b=1"]}))
    play.run(f"{HOST}/")
    assert paths(play) == ["/", "/a?utm_source=x", "/a?utm_source=y&b=1"]


def test_a_redirect_to_what_is_known_is_not_fetched_again() -> None:
    """It has a record of its own that says where it leads."""
    play = followed(site({"/": ["/old", "/new"], "/old": ["301 /new"], "/new": []}))
    finals = play.run(f"{HOST}/")
    assert paths(play) == ["/", "/old", "/new"]
    (away,) = [final for final in finals if isinstance(final, Redirected)]
    assert (away.url, away.target) == (f"{HOST}/old", f"{HOST}/new")


def test_a_redirects_target_counts_as_seen() -> None:
    """A link to it later asks for nothing."""
    play = followed(site({"/": ["/old", "/z"], "/old": ["301 /new"], "/new": [], "/z": ["/new"]}))
    finals = play.run(f"{HOST}/")
    assert sorted(paths(play)) == ["/", "/new", "/old", "/z"]
    assert len(finals) == 3


def test_a_redirect_out_of_scope_ends_there() -> None:
    """It is asked for nothing elsewhere, and its record says so."""
    play = followed(site({"/": ["/out"], "/out": ["301 http://b.test/"]}))
    finals = play.run(f"{HOST}/")
    assert paths(play) == ["/", "/out"]
    (out,) = [final for final in finals if isinstance(final, Failed)]
    assert out.kind is Kind.OUT_OF_SCOPE and "http://b.test/" in out.reason


def test_a_seed_that_has_moved_takes_the_scope_along() -> None:
    """example.com that redirects to www.example.com is crawled there."""

    def answer(request: Request, now: float) -> Ended:
        if request.url.href == f"{HOST}/":
            return redirect(request, "http://www.a.example/")
        return page(request, "http://www.a.example/x")

    play = followed(answer)
    play.run(f"{HOST}/")
    assert play.asked() == [f"{HOST}/", "http://www.a.example/", "http://www.a.example/x"]


def test_near_duplicates_are_marked_and_not_followed_if_asked_for() -> None:
    """The first of them is; the mark is the fingerprint of its URL."""

    def answer(request: Request, now: float) -> Ended:
        name = request.url.href.rpartition("/")[2]
        if not name:
            return page(request, f"{HOST}/a", f"{HOST}/b")
        return page(request, f"{HOST}/{name}{name}", words=0b1011 if name == "a" else 0b1010)

    for skip, asked in ((False, ["/", "/a", "/b", "/aa", "/bb"]), (True, ["/", "/a", "/b", "/aa"])):
        play = followed(answer, depth=2, skip_duplicates=skip)
        finals = play.run(f"{HOST}/")
        assert paths(play) == asked
        marks = {f.url: f.near_duplicate_of for f in finals if isinstance(f, Page)}
        assert marks[f"{HOST}/a"] is None and marks[f"{HOST}/b"] is not None


@pytest.mark.slow
def test_what_has_no_room_is_spilled_and_comes_back_in_order() -> None:
    """Memory holds the window, every URL is asked for, and the order stays breadth first."""
    width = 300
    links = {"/": [f"/{n}" for n in range(width)]}
    links |= {f"/{n}": [f"/{n}/x"] for n in range(width)}
    play = followed(site(links), window=10)
    finals = play.run(f"{HOST}/")
    assert len(finals) == 1 + 2 * width
    assert [path.count("/") for path in paths(play)] == [1] * (1 + width) + [2] * width
    assert play.core.statistics(0.0).pending == 0


def test_a_stopped_crawl_takes_nothing_up() -> None:
    """Links of what was still in flight are not followed, and the account is even."""
    play = followed(site({"/": ["/a"]}))
    play.core.begin(0.0)
    answered = play._answer

    def stopping(request: Request, now: float) -> Ended:
        play.finals += play.core.stop()
        return answered(request, now)

    play._answer = stopping
    play.run(f"{HOST}/")
    assert paths(play) == ["/"]
    assert play.core.statistics(0.0).pending == 0


# Sitemaps.


def listing(request: Request, *urls: str, sitemaps: Sequence[str] = ()) -> Listing:
    return Listing(request=request, exchange=exchange(), pages=urls, sitemaps=tuple(sitemaps))


def test_a_sitemap_that_is_given_is_crawled_and_recorded() -> None:
    """Its pages without a click, in every mode, each once, beside those of the list."""

    def answer(request: Request, now: float) -> Ended:
        if request.purpose is Purpose.SITEMAP:
            return listing(request, f"{HOST}/1", f"{HOST}/2", f"{HOST}/1", "http://b.test/3")
        return page(request)

    play = Play(answer, robots="ignore", per_host=1, sitemap=(f"{HOST}/sitemap.xml",))
    finals = play.run(f"{HOST}/2")
    assert sorted(play.asked()) == [f"{HOST}/1", f"{HOST}/2", "http://b.test/3"]
    assert [type(final) for final in finals].count(Listing) == 1
    assert {f.request.depth for f in finals if isinstance(f, Page)} == {0}
    snapshot = play.core.statistics(0.0)
    assert (snapshot.read, snapshot.found, snapshot.records) == (1, 3, 4)


def test_sitemaps_of_robots_are_crawled_if_asked_for() -> None:
    """Index and all, within the scope; a loop of them ends."""

    def answer(request: Request, now: float) -> Ended:
        href = request.url.href
        match request.purpose:
            case Purpose.ROBOTS:
                return robots(request, "Sitemap: /one.xml\n")
            case Purpose.ADDRESS:
                return Resolved(request=request, address="192.0.2.1")
            case Purpose.SITEMAP if href.endswith("one.xml"):
                return listing(request, sitemaps=[f"{HOST}/two.xml", f"{HOST}/one.xml"])
            case Purpose.SITEMAP:
                return listing(request, f"{HOST}/x", "http://b.test/", sitemaps=[f"{HOST}/one.xml"])
        return page(request)

    for wanted, asked in ((True, [f"{HOST}/", f"{HOST}/x"]), (False, [f"{HOST}/"])):
        play = Play(answer, gates=True, sitemaps=wanted)
        play.run(f"{HOST}/")
        assert play.asked() == asked
        assert len(play.asked(Purpose.SITEMAP)) == (2 if wanted else 0)


def test_a_sitemap_that_fails_has_a_record() -> None:
    """With its kind, as any URL."""
    play = Play(
        lambda request, now: failed(request, Kind.CLIENT_ERROR, status=404),
        robots="ignore",
        sitemap=(f"{HOST}/sitemap.xml",),
    )
    (final,) = play.run()
    assert isinstance(final, Failed) and final.url == f"{HOST}/sitemap.xml"


# Traps.


def test_an_endless_list_ends() -> None:
    """A next page after every page of one and the same text: left after the cap, and counted."""

    def answer(request: Request, now: float) -> Ended:
        number = int(request.url.href.rpartition("/")[2])
        return page(request, f"{HOST}/list/{number + 1}", words=7)

    play = followed(answer, max_equal_pages=20)
    play.run(f"{HOST}/list/0")
    assert len(play.asked()) == 21
    assert play.core.statistics(0.0).refused["too many pages of equal content"] == 1


def test_pages_that_waited_when_a_trap_was_known_are_skipped() -> None:
    """Each has its record with the reason."""

    def answer(request: Request, now: float) -> Ended:
        if request.url.href == f"{HOST}/":
            return page(request, *(f"{HOST}/day/{n}" for n in range(200)))
        return page(request, words=9)

    play = followed(answer, max_equal_pages=20)
    finals = play.run(f"{HOST}/")
    assert len(finals) == 201 and len(play.asked()) < 60
    assert {f.kind for f in finals if not isinstance(f, Page)} == {Kind.TRAP}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"follow": True, "parse": "none"}, "follow and parse"),
        ({"sitemap": ["mailto:x"]}, "sitemap: 'mailto:x': unsupported scheme"),
        ({"drop_params": ["a b"]}, "drop_params"),
        ({"hosts": "a.example: speed=1"}, "hosts: a.example: unknown limit 'speed'"),
        ({"hosts": "a.example"}, "write 'example.com: per_host=1, delay=5'"),
        ({"hosts": {"a.example": {"delay": -1}}}, "hosts: a.example: delay: -1 is not from 0 to"),
    ],
)
def test_options_that_cannot_be_are_named(options: dict[str, object], said: str) -> None:
    """One line with the option and what is wrong."""
    with pytest.raises(ConfigurationError, match=said.replace("(", r"\(")):
        CrawlConfig.of(options)


def test_a_table_of_hosts_reads_what_it_writes() -> None:
    """The most exact name counts: host and port, host, whatever is above."""
    text = "a.example:8080: delay=9; a.example: delay=2, per_host=1; *.example: delay=1"
    table = CrawlConfig(hosts=text).politeness.hosts  # type: ignore[arg-type]
    assert CrawlConfig(hosts=str(table)).politeness.hosts == table  # type: ignore[arg-type]
    assert table.limits("http://a.example:8080") == {"delay": 9}
    assert table.limits("https://a.example") == {"delay": 2, "per_host": 1}
    assert table.limits("https://x.b.example") == {"delay": 1}
    assert table.limits("https://other.test") == {}
