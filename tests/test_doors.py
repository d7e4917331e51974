"""The doors for other people's code: parts, options and outcomes of the Python API."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest

import crawler
from crawler.api import OutcomeQueue
from crawler.mock import MockWeb, Served, running
from crawler.model.keywords import CrawlKeywords, RunKeywords
from crawler.store.columns import chosen_schema
from crawler.store.parquet_schema import arrow_schema
from crawler.store.record import encode
from tests.unmannered import MANNERS_OFF

OPTIONS: dict[str, Any] = MANNERS_OFF | {"allow_private": True, "retries": 0, "parse": "inline"}
ENGINES = ("async", "threaded")


@pytest.fixture(scope="module")
def web() -> Iterator[Served]:
    """A mock web."""
    with running(MockWeb(pages=12)) as served:
        yield served


def crawled(urls: list[str], **options: Any) -> list[Any]:
    """All outcomes."""
    return list(crawler.run(urls, **(OPTIONS | options)))


def words(response: crawler.Response) -> dict[str, Any]:
    """A parser at the top of a module."""
    return {"server": response.headers["Server"], "words": len(response.text.split())}


class Memory:
    """A fetcher that answers from memory, in a coroutine."""

    async def fetch(self, request: crawler.Request) -> crawler.Response:
        """Return a page for most URLs."""
        href = request.url.href
        if href.endswith("/robots.txt"):
            return _response(href, 404)
        if href.endswith("/moved"):
            return _response(href, 301, fields=(("Location", "/page"),))
        if href.endswith("/broken"):
            raise ConnectionError("nobody\nthere")
        if href.endswith("/odd"):
            return 5  # type: ignore[return-value]
        body = b"<title>T</title><a href='/next'>"
        return _response(href, 200, body, (("X-Kept", "yes"), ("Content-Encoding", "gzip")))


class PlainMemory:
    """The same for threads."""

    def fetch(self, request: crawler.Request) -> crawler.Response:
        """Run the coroutine to its end; it never waits."""
        return asyncio.run(Memory().fetch(request))


def _response(
    href: str, status: int, body: bytes = b"", fields: tuple[tuple[str, str], ...] = ()
) -> crawler.Response:
    return crawler.Response(
        url=href, status=status, content_type="text/html", body=body, fields=fields
    )


def test_the_keywords_are_the_options() -> None:
    """Completion offers every option and group, and nothing else."""
    groups = {"politeness", "following", "network", "parsing", "content"}
    assert set(CrawlKeywords.__annotations__) == {*crawler.CrawlConfig.options(), *groups}
    assert set(RunKeywords.__annotations__) == set(CrawlKeywords.__annotations__) - {"parser"}


@pytest.mark.slow
def test_every_outcome_shows_and_records_itself(web: Served) -> None:
    """Five kinds come out; each has one line below 200 characters, a status and its record."""
    base = web.url.rstrip("/")
    long = f"{base}/page/1?{'x' * 3_000}\u202e"
    urls = [f"{base}/page/0", f"{base}/redirect/1", long, f"{base}/status/404", "ftp://x/"]
    outcomes = crawled(urls, follow=True, sitemap=(f"{base}/sitemap.xml",), parser=words)
    assert {type(outcome) for outcome in outcomes} == {
        *(crawler.Page, crawler.Redirected, crawler.Listing, crawler.Failed, crawler.Skipped)
    }
    for outcome in outcomes:
        shown = repr(outcome)
        assert len(shown) < 200 and shown.isascii() and shown.isprintable(), shown
        assert outcome.record() == orjson.loads(encode(outcome))
        assert outcome.record()["status"] == outcome.status
        assert outcome.ok == isinstance(outcome, crawler.Page | crawler.Listing)
        assert bool(outcome.headers) == (outcome.status is not None)
        assert isinstance(outcome, crawler.Outcome)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_fetcher_of_ones_own(engine: Any) -> None:
    """A response is judged by its status, an exception is that URL's failure, in both engines."""
    urls = [f"http://a.test/{name}" for name in ("page", "moved", "broken", "odd")]
    fetcher: Any = Memory() if engine == "async" else PlainMemory()
    page, moved, broken, odd = sorted(
        crawled(urls, engine=engine, fetcher=fetcher, limit=4), key=lambda o: urls.index(o.url)
    )
    assert (page.title, page.headers["x-kept"], moved.final_url) == ("T", "yes", urls[0])
    assert (broken.kind, broken.reason) == ("connect", "ConnectionError: nobody there")
    assert odd.kind == "internal" and "fetch returned int" in odd.reason


def test_a_plain_fetcher_serves_the_event_loop_too() -> None:
    """It runs in a thread; the links that it leads to are followed."""
    found = crawled(["http://a.test/page"], fetcher=PlainMemory(), follow=True)
    assert [outcome.url for outcome in found] == ["http://a.test/page", "http://a.test/next"]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_functions_see_and_steer_the_crawl(web: Served, engine: Any) -> None:
    """Headers, filter, sink and call-back are asked for each request, link and outcome."""
    asked: list[str] = []
    seen: list[Any] = []

    class Sink:
        put = staticmethod(seen.append)

    def headers(url: str) -> dict[str, str]:
        asked.append(url)
        return {"Accept-Language": "de"}

    got = crawled(
        [web.url],
        engine=engine,
        follow=True,
        headers=headers,
        link_filter=lambda url: url.endswith(("/1", "/2")),
        sink=Sink(),
        on_outcome=seen.append,
    )
    assert {type(o) for o in got} == {crawler.Page}
    assert all(o.url.endswith(("/", "/1", "/2")) for o in got)
    assert {o.url for o in got} <= set(asked)
    assert sorted(map(id, seen)) == sorted(2 * [id(o) for o in got])


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_a_page_has_its_body_where_it_is_wanted(web: Served, engine: Any) -> None:
    """Decoded, as its record counts it; without the option there is none."""
    (kept,) = crawled([web.url], engine=engine, keep_body=True)
    (plain,) = crawled([web.url], engine=engine)
    assert plain.body is None
    assert len(kept.body) == kept.record()["bytes"]["decoded"] and b"<title>" in kept.body


def test_bodies_that_wait_for_the_caller_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A crawl pauses at so many bytes, and goes on when half of them have been taken."""
    monkeypatch.setattr("crawler.api._ROOM_BYTES", 40)
    queue, told = OutcomeQueue(lambda: None), []
    queue.on_room = lambda: told.append(len(queue._outcomes))
    (page,) = crawled(["http://a.test/page"], fetcher=Memory())
    for _ in range(4):
        assert queue.has_room
        queue.put(replace(page, body=b"x" * 10))
    assert not queue.has_room
    while queue.take() is not None:
        pass
    assert told == [2] and queue.has_room


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("part", ["link_filter", "on_outcome"])
def test_what_a_function_raises_ends_the_crawl(web: Served, engine: Any, part: str) -> None:
    """In one line that names it, whatever engine was at work."""

    def broken(_given: object) -> bool:
        raise ValueError("mine")

    options: dict[str, Any] = {"engine": engine, "follow": True, part: broken}
    with pytest.raises(crawler.CrawlerError, match=f"^{part} failed: ValueError: mine$"):
        crawled([web.url], **options)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("given", [{"A": "b\r\nC: d"}, None])
def test_headers_that_cannot_be_are_the_urls_failure(web: Served, engine: Any, given: Any) -> None:
    """Its reason names the function, in both engines."""
    (failed,) = crawled([web.url], engine=engine, headers=lambda _url: given)
    assert failed.kind == "internal" and failed.reason.startswith("headers failed: ")


def test_fixed_headers_are_the_option(web: Served) -> None:
    """They come behind those of a configuration, and their form is checked."""
    config = crawler.CrawlConfig(**OPTIONS, header=["A: b"])
    crawl = crawler.Crawl([web.url], config, headers={"C": "d"})
    assert crawl._config.network.header == ("A: b", "C: d")
    with pytest.raises(crawler.ConfigurationError, match="header"):
        crawler.run([], headers={"C": "d\r\nE: f"})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("parse", "parser"),
    [
        ("auto", lambda response: {"words": len(response.text.split())}),
        ("inline", words),
        ("thread", lambda response: {"words": len(response.text.split())}),
        ("process", words),
        ("process", "tests.test_doors:words"),
    ],
)
def test_a_parser_is_any_function(web: Served, parse: Any, parser: Any) -> None:
    """Inline and in threads; one at the top of a module in processes, as are names."""
    (page,) = crawled([f"{web.url}/page/1"], parse=parse, parse_workers=1, parser=parser)
    assert page.fields["parsed"]["words"] > 100


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"parser": lambda r: {}, "parse": "process"}, "cannot be sent to another process"),
        ({"parser": words, "parse": "none"}, "needs parse other than none"),
        ({"parser": 5}, "parser: expected a function, got int"),
        ({"fetcher": object()}, "fetcher: expected an object with a method fetch, got object"),
        ({"fetcher": Memory(), "engine": "threaded"}, "threaded engine needs a plain one"),
        ({"sink": print}, "sink: expected an object with a method put"),
        ({"on_outcome": 5}, "on_outcome: expected a plain function, got 5"),
        ({"headers": ["A: b"]}, "headers: expected a mapping or a function, got list"),
    ],
)
def test_a_part_that_cannot_work_is_refused_at_once(options: dict[str, Any], said: str) -> None:
    """Before the first outcome is asked for, in one line."""
    with pytest.raises(crawler.ConfigurationError, match=re.escape(said)):
        crawler.run(["http://a.test/"], **options)


def test_the_urls_come_first() -> None:
    """The order that there once was is told of."""
    with pytest.raises(crawler.ConfigurationError, match="the URLs come first"):
        crawler.Crawl(crawler.CrawlConfig(), [])  # type: ignore[arg-type]


@pytest.mark.slow
async def test_it_works_where_a_loop_runs(web: Served) -> None:
    """`await`, `run` and `fetch_one` all do, as in a notebook."""
    (page,) = await crawler.Crawl([web.url], **OPTIONS)
    assert page.ok and page.title
    assert [each.title for each in crawler.run([web.url], **OPTIONS)] == [page.title]
    assert crawler.fetch_one(web.url, **OPTIONS).title == page.title  # type: ignore[union-attr]


def test_outcomes_become_tables(web: Served) -> None:
    """A row for each record, in pandas with nested columns, in Arrow with nested fields."""
    outcomes = crawled([web.url, f"{web.url}/status/404", "nonsense://"], parser=words)
    frame, table = crawler.to_pandas(outcomes), crawler.to_arrow(outcomes)
    assert list(frame["url"]) == table["url"].to_pylist() == [each.url for each in outcomes]
    assert frame["timings.total"].notna().sum() == 2
    assert sum(each is not None for each in table["parsed"].to_pylist()) == 1
    assert len(crawler.to_pandas([])) == len(crawler.to_arrow([])) == 0
    assert {"url", "timings.total"} <= set(crawler.to_pandas([]))
    assert frame["refresh.url"].isna().all()  # no page has one, and the column is there
    assert table.schema.equals(arrow_schema(chosen_schema()), check_metadata=True)
