"""Whole crawls over real sockets: both engines, both loops, through the public interface."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from blockbuster import blockbuster_ctx

import crawler
from crawler.engine.crawl_session import CrawlSession
from crawler.mock import MockWeb, Served, running
from crawler.model.outcome import Failed, Kind, Page, Skipped
from crawler.store.sinks import RecordSink
from crawler.store.sources import UrlSource
from tests.engine.harness import ListSink
from tests.legal import check
from tests.unmannered import MANNERS_OFF

ENGINES = {
    "asyncio": {"engine": "async", "loop": "asyncio"},
    "uvloop": {"engine": "async", "loop": "uvloop"},
    "threaded": {"engine": "threaded"},
    "raw": {"engine": "async", "client": "raw"},
}
PAIR = ("uvloop", "threaded", "raw")
"""For what is the engine's, whichever event loop it has."""
LOCAL = MANNERS_OFF | {"allow_private": True, "parse": "inline"}
FAST = {"retries": 0, "timeout": 60, "concurrency": 32, "per_host": 32} | LOCAL

SILENT = ("/fault/never", "/fault/stall", "/slow/1000/0.05/page/6")
"""Paths that end by the time-out, on any machine; a short one is for them alone."""

# What becomes of the other paths with --strict. Where a server is broken the kind says how.
CASES: dict[str, Kind | None] = {
    "/page/1": None,
    "/gzip/page/2": None,
    "/deflate/page/2": None,
    "/deflate-raw/page/2": None,
    "/br/page/2": None,
    "/zstd/page/2": None,
    "/chunked/page/3": None,
    "/until-close/page/3": None,
    "/slow/3/0.01/page/4": None,
    "/delay/0.05/page/5": None,
    "/redirect/3": None,
    "/redirect/10": None,
    "/charset/shift_jis": None,
    "/nonhtml": None,
    "/bytes/100000": None,
    "/redirect/11": Kind.REDIRECT,
    "/redirect-loop": Kind.REDIRECT,
    "/redirect-to?url=ftp://a/": Kind.REDIRECT,
    "/status/302": Kind.REDIRECT,
    "/status/404": Kind.CLIENT_ERROR,
    "/status/501": Kind.SERVER_ERROR,
    "/status/503": Kind.UNAVAILABLE,
    "/bytes/2000000": Kind.TOO_LARGE,
    "/fault/gzip-bomb": Kind.TOO_LARGE,
    "/fault/bad-gzip": Kind.ENCODING,
    "/fault/cut-gzip": Kind.ENCODING,
    "/fault/reset": Kind.DISCONNECTED,
    "/fault/reset-mid-body": Kind.DISCONNECTED,
    "/fault/close-early": Kind.DISCONNECTED,
    "/fault/empty-reply": Kind.DISCONNECTED,
    "/fault/half-head": Kind.DISCONNECTED,
    "/fault/malformed": Kind.PROTOCOL,
    "/fault/bad-chunk": Kind.PROTOCOL,
    "/fault/huge-header": Kind.PROTOCOL,
}


@pytest.fixture(scope="module")
def web() -> Iterator[Served]:
    with running(MockWeb()) as served:
        yield served


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> dict[str, object]:
    return dict(ENGINES[request.param])


def crawled(urls: list[str], **options: object) -> list[crawler.Page | Failed | Skipped]:
    return list(crawler.run(urls, **FAST | options))


@pytest.mark.slow
def test_every_answer_has_its_outcome(web: Served, engine: dict[str, object]) -> None:
    """Each good, odd or broken answer ends as one record of the right kind, beside the others."""
    base = web.url.rstrip("/")
    urls = {base + path: kind for path, kind in CASES.items()}
    finals = crawled(list(urls), max_body=1_000_000, strict=True, **engine)
    found = {final.url: None if isinstance(final, Page) else final.kind for final in finals}
    assert len(finals) == len(urls)
    assert found == urls


@pytest.mark.slow
def test_silence_ends_by_the_time_out(web: Served, engine: dict[str, object]) -> None:
    """No answer, half of one, and one that does not end: each is a record of that kind."""
    urls = [web.url.rstrip("/") + path for path in SILENT]
    finals = crawled(urls, timeout=0.5, strict=True, **engine)
    assert [final.kind for final in finals if isinstance(final, Failed)] == [Kind.TIMEOUT] * 3


def test_a_page_that_fails_twice_is_had_at_the_third_attempt(
    web: Served, engine: dict[str, object]
) -> None:
    """Retries reach a server that recovers, and the attempts are counted."""
    url = f"{web.url.rstrip('/')}/flaky/2/{'-'.join(map(str, engine.values()))}"
    (page,) = crawled([url], retries=3, backoff=0.001, **engine)
    assert isinstance(page, Page)
    assert page.request.attempts == 3


@pytest.mark.slow
def test_nobody_listens(engine: dict[str, object]) -> None:
    """A closed port is a refused connection, for every URL of the list."""
    finals = crawled([f"http://127.0.0.1:1/{n}" for n in range(50)], **engine)
    assert [final.kind for final in finals if isinstance(final, Failed)] == [Kind.CONNECT] * 50


@pytest.mark.slow
def test_records_on_disk_are_whole_and_follow_the_schema(
    web: Served, engine: dict[str, object], tmp_path: Path
) -> None:
    """A list with pages, failures, repeats and nonsense gives one valid line for each entry."""
    base = web.url.rstrip("/")
    entries = [f"{base}/page/{n}" for n in range(100)]
    entries += [f"{base}/status/404", f"{base}/redirect/2", "ftp://x/", "http://", entries[0]]
    list_file, out = tmp_path / "list.txt", tmp_path / "out.jsonl"
    list_file.write_text("\n".join(["# a comment", "", *entries]))
    config = crawler.CrawlConfig(**FAST | engine)  # type: ignore[arg-type]
    sink = RecordSink(str(out))
    source = UrlSource([], [str(list_file)], config)
    snapshot = CrawlSession(config, source, sink).run()
    sink.close()
    source.close()
    records = [json.loads(line) for line in out.read_bytes().splitlines()]
    for record in records:
        check(record)
    assert sorted(record["input"] for record in records) == sorted(entries[:-1])
    assert (snapshot.read, snapshot.repeats, snapshot.records) == (105, 1, 104)
    redirected = next(r for r in records if r["url"].endswith("/redirect/2"))
    assert [hop["status"] for hop in redirected["redirects"]] == [302, 302]
    assert redirected["final_url"] == f"{base}/page/0"


@pytest.mark.slow
def test_both_engines_write_the_same(web: Served) -> None:
    """Field for field, but for times, the engines' pages and failures are equal."""
    base = web.url.rstrip("/")
    by_chance = "/fault/reset-mid-body"  # how much comes of it
    urls = [f"{base}{path}" for path in CASES if path != by_chance]
    seen = [
        {final.url: _comparable(final) for final in crawled(urls, max_body=1_000_000, **engine)}
        for engine in ENGINES.values()
    ]
    assert seen[0] == seen[1]
    assert seen[0] == seen[2]


def _comparable(final: Page | Failed | Skipped) -> tuple[object, ...]:
    match final:
        case Page(exchange=exchange):
            return final.document.json, final.final_url, exchange.status, exchange.wire_bytes
        case Failed(kind=Kind.PROTOCOL):
            return (final.kind,)  # aiohttp reads ahead: a broken first chunk hides the status
        case Failed(exchange=exchange):
            return final.kind, exchange.status if exchange else None
        case Skipped():
            return (final.kind,)


@pytest.mark.slow
async def test_the_api_on_a_loop_that_runs(web: Served) -> None:
    """`async with Crawl` yields every outcome, with either engine, and can be left early."""
    base = web.url.rstrip("/")
    urls = [f"{base}/page/{n}" for n in range(300)]
    for engine in ("async", "threaded"):
        config = crawler.CrawlConfig(**FAST | {"engine": engine})  # type: ignore[arg-type]
        async with crawler.Crawl(urls, config) as crawl:
            titles = [outcome.title async for outcome in crawl if isinstance(outcome, Page)]
            assert crawl.statistics().records == 300
        assert len(titles) == 300
        assert all(titles)
        async with crawler.Crawl(urls, config) as crawl:
            async for outcome in crawl:
                assert outcome.url in urls
                break


async def test_the_api_raises_what_the_list_raises() -> None:
    """An iterable that fails is not taken for one that ended."""

    def broken() -> Iterator[str]:
        yield "http://127.0.0.1:1/"
        raise OSError("the list is gone")

    outcomes = []

    async def crawl_it() -> None:
        async with crawler.Crawl(broken(), crawler.CrawlConfig(retries=0)) as crawl:
            async for outcome in crawl:
                outcomes.append(outcome)  # noqa: PERF401  what came before the error counts

    with pytest.raises(crawler.CrawlerError, match="the list is gone"):
        await crawl_it()
    assert len(outcomes) == 1


@pytest.mark.slow
def test_run_can_be_left_early(web: Served) -> None:
    """A closed iterator ends the crawl; no thread stays behind."""
    base = web.url.rstrip("/")
    outcomes = crawler.run((f"{base}/page/{n}" for n in range(1_000)), **FAST)
    assert isinstance(next(iter(outcomes)), Page)
    outcomes.close()  # type: ignore[attr-defined]


def test_run_refuses_options_that_cannot_work() -> None:
    """A wrong option raises when `run` is called, not when the first outcome is asked for."""
    with pytest.raises(crawler.ConfigurationError, match="concurrency"):
        crawler.run([], concurrency=0)
    with pytest.raises(crawler.ConfigurationError, match="concurency"):
        crawler.run([], concurency=1)


@pytest.mark.slow
async def test_nothing_blocks_the_loop(web: Served, tmp_path: Path) -> None:
    """A crawl from a file into a file makes no blocking call on the event loop."""
    base = web.url.rstrip("/")
    list_file = tmp_path / "list.txt"
    list_file.write_text("\n".join(f"{base}/page/{n}" for n in range(60)))
    config = crawler.CrawlConfig(**FAST)  # type: ignore[arg-type]
    source = UrlSource([], [str(list_file)], config)
    sink = RecordSink(str(tmp_path / "out.jsonl"))
    session = CrawlSession(config, source, sink)
    with blockbuster_ctx() as watched:
        for once in ("os.getcwd", "os.stat", "os.path.abspath"):  # imports, before the first fetch
            watched.functions[once].deactivate()
        await session.crawl()
    await asyncio.to_thread(sink.close)
    assert session.statistics().pages == 60


def test_behind_a_proxy_aiohttp_fetches(web: Served) -> None:
    """`client="raw"` goes around no proxy: it gives way, and says so in a line."""
    said: list[str] = []
    options = FAST | {"client": "raw", "proxy": web.url.rstrip("/")}
    config = crawler.CrawlConfig(**options)  # type: ignore[arg-type]
    sink = ListSink()
    source = UrlSource(["http://site.test/page/1"], [], config)
    CrawlSession(config, source, sink, announce=said.append).run()
    assert [type(final) for final in sink.finals] == [Page]
    assert "client: aiohttp instead of raw, which goes through no proxy" in said
