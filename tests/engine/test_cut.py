"""Crawls of pages that are cut, of types that are not wanted, and of error pages."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from crawler.engine.crawl_session import CrawlSession
from crawler.model.config import CrawlConfig
from crawler.model.outcome import Failed, Kind, Listing, Page
from crawler.store.sinks import RecordSink
from crawler.store.sources import UrlSource
from tests.fetch.raw import Behaviour, RawServer
from tests.fetch.sites import HEAD, PAGE, chunked, drips, message, says, then_never
from tests.legal import check

from .test_web import ENGINES, FAST, crawled

HTML = HEAD + b"Content-Type: text/html\r\n"
ERROR = message(b"<title>gone</title><a href=/up>up</a>", "404 Not Found", content_type="text/html")
MAP = b"<urlset><url><loc>http://127.0.0.1:1/one</loc></url><url><loc>http://127.0.0.1:1/tw"


def short_packed(body: bytes) -> bytes:
    """Return a gzip body under the length that it has unpacked."""
    return (
        HEAD
        + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % (len(body) + 500)
        + gzip.compress(body)
    )


SITE = {
    "/short": says(HTML + b"Content-Length: 5000\r\n\r\n" + PAGE, close=True),
    "/no-last-chunk": says(chunked(PAGE, end=b""), close=True),
    "/packed": says(short_packed(PAGE), close=True),
    "/no-trailer": says(message(gzip.compress(PAGE)[:-8], content_encoding="gzip")),
    "/large": says(message(PAGE + b"x" * 2_000_000)),
    "/radio": drips(HEAD + b"Content-Type: audio/mpeg\r\n\r\n", bytes(100)),
    "/endless": drips(HTML + b"\r\n" + PAGE, b"<p>more"),
    "/stuck": then_never(HTML + b"Content-Length: 5000\r\n\r\n" + PAGE),
    "/image": then_never(HEAD + b"Content-Type: Image/PNG; x=1\r\nContent-Length: 9\r\n\r\n"),
    "/page": says(message(PAGE)),
    "/untyped": says(HEAD + b"Content-Length: %d\r\n\r\n" % len(PAGE) + PAGE),
    "/untyped-image": drips(HEAD + b"\r\n\x89PNG\r\n\x1a\n" + bytes(3_000), b"\0" * 100),
    "/404": says(ERROR),
    "/404-cut": says(ERROR[:-5], close=True),
    "/404-image": then_never(
        b"HTTP/1.1 404 Not Found\r\nContent-Type: image/x\r\nContent-Length: 70000\r\n\r\n"
    ),
    "/404-untyped": says(b"HTTP/1.1 404 X\r\nContent-Length: 4000\r\n\r\nGIF89a" + bytes(3_994)),
    "/503": says(ERROR.replace(b"404 Not Found", b"503 Busy")),
    "/999": says(ERROR.replace(b"404 Not Found", b"999 Denied")),
    "/map.xml": says(
        HEAD + b"Content-Type: text/xml\r\nContent-Length: 999\r\n\r\n" + MAP, close=True
    ),
}  # fmt: skip


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> dict[str, object]:
    """Return the options of each engine, in turn."""
    return {"max_body": 1_000_000, "timeout": 5.0, "backoff": 0.001, **ENGINES[request.param]}


@pytest.fixture
def site() -> Iterator[RawServer]:
    """Serve the cases."""
    with RawServer(SITE) as server:
        yield server


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "attempts"),
    [("/short", 3), ("/no-last-chunk", 3), ("/packed", 1), ("/no-trailer", 1), ("/large", 1)],
)
def test_what_was_cut_is_a_page(
    site: RawServer, engine: dict[str, object], path: str, attempts: int
) -> None:
    """After all attempts that make sense, what came is parsed and marked (scrapy#2586, #2590)."""
    (page,) = crawled([site.url(path)], retries=2, **engine)
    assert isinstance(page, Page)
    assert (page.title, len(page.links), page.truncated) == ("x", 1, True)
    assert page.request.attempts == attempts


@pytest.mark.slow
@pytest.mark.parametrize(
    ("robots", "kind"),
    [
        (
            says(HEAD + b"Content-Length: 500\r\n\r\nUser-agent: *\nAllow: /\n", close=True),
            Kind.ROBOTS,
        ),
        (says(chunked(b"User-agent: *\nDisallow: /x\n", end=b""), close=True), Kind.ROBOTS),
        (
            says(message(gzip.compress(b"User-agent: *\n")[:-8], content_encoding="gzip")),
            Kind.ROBOTS,
        ),
        (says(message(b"", "999 Denied")), Kind.ROBOTS),
        (says(message(b"User-agent: *\nDisallow: /q\n" + b"#" * 600_000)), None),
        (says(message(b"User-agent: *\nDisallow: /q\n", content_encoding="none")), None),
        (says(short_packed(b"User-agent: *\nDisallow: /q\n"), close=True), None),
    ],
    ids=["short", "no-last-chunk", "no-trailer", "999", "large", "none", "packed"],
)
def test_half_a_robots_txt_forbids_all(
    engine: dict[str, object], robots: Behaviour, kind: Kind | None
) -> None:
    """A robots.txt that was cut could not be had, so nothing is allowed (RFC 9309, 2.3.1.4).

    One that is longer than 500 KiB is read that far (2.5), and one whose coding has come to its end
    is whole, whatever length was told (scrapy#2586).
    """
    with RawServer({"/robots.txt": robots, "/page": says(message(PAGE))}) as server:
        (final,) = crawled([server.url("/page")], robots="obey", strict=False, **engine)
    assert (None if isinstance(final, Page) else final.kind) is kind


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/short", "/no-last-chunk", "/no-trailer", "/large"])
def test_strict_fails_what_was_cut(site: RawServer, engine: dict[str, object], path: str) -> None:
    """With --strict a page is whole, or none."""
    (failed,) = crawled([site.url(path)], strict=True, **engine)
    assert isinstance(failed, Failed)
    assert failed.kind in (Kind.DISCONNECTED, Kind.ENCODING, Kind.TOO_LARGE)
    assert failed.document is None


@pytest.mark.slow
def test_a_page_without_end_is_read_once(site: RawServer, engine: dict[str, object]) -> None:
    """A server that sends until the time is up is not asked again; sound is no page (zgrab#208).

    One that fell silent is, and half of its page is what there is in the end.
    """
    urls = [site.url(path) for path in ("/radio", "/endless", "/stuck")]
    options = engine | {"timeout": 0.5}
    radio, endless, stuck = sorted(
        crawled(urls, retries=1, **options), key=lambda final: urls.index(final.url)
    )
    assert isinstance(radio, Failed)
    assert (radio.kind, radio.request.attempts) == (Kind.TIMEOUT, 1)
    assert isinstance(endless, Page)
    assert (endless.title, endless.truncated, endless.request.attempts) == ("x", True, 1)
    assert isinstance(stuck, Page)
    assert (stuck.title, stuck.truncated, stuck.request.attempts) == ("x", True, 2)


@pytest.mark.slow
def test_a_site_of_cut_pages_is_not_down(engine: dict[str, object]) -> None:
    """Wrong lengths and endless sound on all pages of a host do not open its breaker."""
    behaviours = {f"/short/{n}": SITE["/short"] for n in range(12)}
    behaviours |= {f"/radio/{n}": SITE["/radio"] for n in range(6)}
    with RawServer(behaviours) as server:
        urls = [server.url(path) for path in behaviours]
        options = engine | {"timeout": 1.0, "breaker": 4, "breaker_give_up": 0.0, "retries": 1}
        finals = crawled(urls, **options)
    ends = Counter("page" if isinstance(final, Page) else final.kind for final in finals)
    assert ends == {"page": 12, Kind.TIMEOUT: 6}


@pytest.mark.slow
def test_accept(site: RawServer, engine: dict[str, object]) -> None:
    """A type that is not accepted ends with its head, once; without a type the body tells.

    newspaper#964: a crawl of pages downloads no films.
    """
    paths = ("/image", "/page", "/untyped", "/untyped-image", "/404")
    urls = [site.url(path) for path in paths]
    finals = {
        f.url: f for f in crawled(urls, accept=("text/html,text/plain",), retries=2, **engine)
    }
    image, page, untyped, png, gone = (finals[url] for url in urls)
    assert isinstance(image, Failed)
    assert isinstance(png, Failed)
    assert (image.kind, png.kind) == (Kind.NOT_ACCEPTED, Kind.NOT_ACCEPTED)
    assert image.reason == "image/png is not among the types to read"
    assert png.reason == "the body looks like image/png"
    assert image.exchange is not None
    assert (image.exchange.status, image.exchange.content_type) == (200, "Image/PNG; x=1")
    assert (image.request.attempts, png.request.attempts) == (1, 1)
    assert isinstance(page, Page)
    assert isinstance(untyped, Page)
    assert isinstance(gone, Failed)
    assert gone.kind is Kind.CLIENT_ERROR


def test_error_pages(site: RawServer, engine: dict[str, object]) -> None:
    """On demand a failure by status has the fields of its page; by default it has none."""
    urls = [site.url(path) for path in ("/404", "/404-cut", "/503", "/999")]
    kinds = [Kind.CLIENT_ERROR, Kind.CLIENT_ERROR, Kind.UNAVAILABLE, Kind.SERVER_ERROR]
    for wanted in (False, True):
        finals = {f.url: f for f in crawled(urls, error_pages=wanted, **engine)}
        for url, kind in zip(urls, kinds, strict=True):
            final = finals[url]
            assert isinstance(final, Failed)
            assert final.kind is kind
            found = final.document.fields if final.document else {}
            assert (found.get("title") == "gone") is wanted
            assert final.exchange is not None
            assert final.exchange.truncated is (wanted and url.endswith("cut"))


def test_an_error_page_of_another_type_is_not_waited_for(
    site: RawServer, engine: dict[str, object]
) -> None:
    """What --accept leaves out is not read of an error, either, and the status counts."""
    urls = [site.url("/404-image"), site.url("/404-untyped")]
    for final in crawled(urls, error_pages=True, accept=("text/*",), **engine):
        assert isinstance(final, Failed)
        assert (final.kind, final.document) == (Kind.CLIENT_ERROR, None)


def test_half_a_sitemap_is_read(site: RawServer, engine: dict[str, object]) -> None:
    """What was cut of a sitemap still lists what it lists, and is marked."""
    finals = crawled([], sitemap=(site.url("/map.xml"),), follow=True, **engine)
    (listing,) = [final for final in finals if isinstance(final, Listing)]
    assert listing.pages == ("http://127.0.0.1:1/one",)
    assert listing.exchange.truncated
    assert listing.problem


def test_records_and_statistics(site: RawServer, engine: dict[str, object], tmp_path: Path) -> None:
    """Records say which bodies were cut, as the schema has it, and the statistics how many."""
    out = tmp_path / "out.jsonl"
    config = CrawlConfig(**FAST | engine | {"error_pages": True})  # type: ignore[arg-type]
    sink = RecordSink(str(out))
    urls = [site.url(path) for path in ("/short", "/large", "/page", "/404", "/404-cut")]
    snapshot = CrawlSession(config, UrlSource(urls, [], config), sink).run()
    sink.close()
    records = [orjson.loads(line) for line in out.read_bytes().splitlines()]
    for record in records:
        check(record)
    cut = {record["url"].rpartition("/")[2]: record["truncated"] for record in records}
    assert cut == {"short": True, "large": True, "page": False, "404": False, "404-cut": True}
    titles = Counter(record["title"] for record in records)
    assert titles == {"x": 3, "gone": 2}
    assert snapshot.truncated == 3
