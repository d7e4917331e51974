"""Bodies in archives, byte for byte as servers sent them, over every client."""

from __future__ import annotations

import gzip
import json
import random
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import brotli
import pytest
from fastwarc.warc import ArchiveIterator as FastIterator
from fastwarc.warc import WarcRecordType
from warcio.archiveiterator import ArchiveIterator

from crawler.cli.crawl_run import Order, run
from crawler.fetch.exchange import ExchangeProgress
from crawler.model.command_config import CommandConfig
from crawler.model.config import CrawlConfig
from crawler.model.headers import Headers
from crawler.model.request import Request
from crawler.model.url import Url
from tests.fetch.raw import Behaviour, RawServer
from tests.fetch.sites import PAGE, chunked, message, raw_deflate, says, zstd
from tests.unmannered import MANNERS_OFF

WAYS = [("async", "aiohttp"), ("async", "raw"), ("threaded", "aiohttp")]
CAP = 20_000
LONG = random.Random(7).randbytes(CAP).hex().encode()  # packs to a half: twice the cap, decoded
BROKEN = gzip.compress(LONG[:CAP])[:-8] + bytes(8)  # with another checksum


class Sent(NamedTuple):
    """A body, its Content-Encoding, and the page that it becomes."""

    body: bytes
    coding: str = ""
    page: bytes = PAGE


WHOLE = {
    "/gzip": Sent(gzip.compress(PAGE), "gzip"),
    "/br": Sent(brotli.compress(PAGE), "br"),
    "/zstd": Sent(zstd(PAGE), "zstd"),
    "/zlib": Sent(zlib.compress(PAGE), "deflate"),
    "/deflate": Sent(raw_deflate(PAGE), "deflate"),
    "/both": Sent(gzip.compress(brotli.compress(PAGE)), "br, gzip"),
    "/identity": Sent(PAGE, "identity"),
    "/chunks": Sent(gzip.compress(PAGE, 1), "gzip"),
}
"""What is whole; of these, /chunks comes in chunks, and the others with a length."""

CUT = {
    "/long": Sent(gzip.compress(LONG), "gzip", LONG),
    "/closed": Sent(gzip.compress(LONG[:CAP])[:-300], "gzip", LONG[:CAP]),
    "/broken": Sent(BROKEN, "gzip", LONG),
}
"""What is above the cap, or closed before its end, or not in its coding from some byte on."""


def behaviours() -> Iterator[tuple[str, Behaviour]]:
    """Yield what the server does for each path."""
    for path, sent in (WHOLE | CUT).items():
        yield path, says(message(sent.body, content_encoding=sent.coding))
    half = len(WHOLE["/chunks"].body) // 2
    body = WHOLE["/chunks"].body
    yield "/chunks", says(chunked(body[:half], body[half:], content_encoding="gzip"))
    whole = message(CUT["/closed"].body + bytes(300), content_encoding="gzip")
    yield "/closed", says(whole[:-300], close=True)
    yield "/again", says(message(WHOLE["/gzip"].body, content_encoding="gzip"))


def crawled(output: Path, urls: list[str], engine: str, client: str, **options: Any) -> None:
    """Crawl into an archive, JSON lines and files, one URL after the other."""
    config = CommandConfig(
        **MANNERS_OFF, engine=engine, client=client, quiet=True, sync="none", allow_private=True,
        workers="1", retries=0, concurrency=1, max_body=CAP, save=f"{output}-saved",
        parse="inline", **options,
    )  # fmt: skip
    others = [str(output.with_suffix(".jsonl"))]
    order = Order(config=config, seeds=urls, inputs=[], output=str(output), others=others)
    assert run(order) == 0


class Answer(NamedTuple):
    """A response or revisit, its body as it lies in the archive."""

    record: Any
    stored: bytes

    def field(self, name: str) -> str | None:
        """A field of the response's head."""
        value: str | None = self.record.http_headers.get_header(name)
        return value

    @property
    def truncated(self) -> str | None:
        """Why the record says that its body is not whole."""
        value: str | None = self.record.rec_headers.get_header("WARC-Truncated")
        return value


def answers(path: Path) -> dict[str, Answer]:
    """The answers by path; warcio checks digests, which are those of what is stored."""
    found = {}
    with path.open("rb") as file:
        for record in ArchiveIterator(file, check_digests="raise"):
            if record.rec_type in ("response", "revisit"):
                path_of = Url(record.rec_headers.get_header("WARC-Target-URI")).path
                found[path_of] = Answer(record, record.raw_stream.read())
    return found


def by_warcio(path: Path) -> Iterator[tuple[str, bytes]]:
    """The pages by path, of the codings that warcio decodes without brotlipy."""
    with path.open("rb") as file:
        for record in ArchiveIterator(file):
            if record.rec_type != "response":
                continue
            name = Url(record.rec_headers.get_header("WARC-Target-URI")).path
            if WHOLE[name].coding in ("gzip", "deflate"):
                yield name, record.content_stream().read()


def by_fastwarc(path: Path) -> Iterator[tuple[str, bytes]]:
    """The pages by path, as FastWARC decodes them; it takes deflate in zlib's form alone."""
    kind = WarcRecordType.response
    with path.open("rb") as file:
        for record in FastIterator(file, record_types=kind, parse_http=False):
            name = Url(record.headers["WARC-Target-URI"]).path
            if name != "/deflate":
                record.parse_http(auto_decode="content")
                yield name, record.reader.read()


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "client"), WAYS)
def test_a_body_is_stored_as_it_was_sent(tmp_path: Path, engine: str, client: str) -> None:
    """Byte for byte, in any coding, with its own fields but for chunks, and readers decode it.

    What was sent before is a revisit; files and records have what it was decoded to.
    """
    path = tmp_path / "x.warc"
    with RawServer(dict(behaviours())) as server:
        urls = [server.url(each) for each in (*WHOLE, "/again")]
        crawled(path, urls, engine, client)
    found = answers(path)
    for name, sent in WHOLE.items():
        answer = found[name]
        assert (answer.stored, answer.truncated) == (sent.body, None), name
        assert answer.field("Content-Encoding") == sent.coding
        assert answer.field("Content-Length") == str(len(sent.body))
        assert answer.field("Transfer-Encoding") is None
        renamed = [each for each, _ in answer.record.http_headers.headers if "X-Crawler" in each]
        assert renamed == (["X-Crawler-Transfer-Encoding"] if name == "/chunks" else [])
    again = found["/again"].record
    assert (again.rec_type, again.rec_headers.get_header("WARC-Refers-To-Target-URI")) == (
        "revisit", urls[0],
    )  # fmt: skip
    coded = [name for name, sent in WHOLE.items() if sent.coding in ("gzip", "deflate")]
    assert dict(by_warcio(path)) == dict.fromkeys(coded, PAGE)
    assert dict(by_fastwarc(path)) == dict.fromkeys(WHOLE.keys() - {"/deflate"}, PAGE)
    records = map(json.loads, path.with_suffix(".jsonl").read_text().splitlines())
    for record in records:
        sent = WHOLE.get(Url(record["url"]).path, WHOLE["/gzip"])
        assert record["bytes"] == {"wire": len(sent.body), "decoded": len(PAGE)}
        assert Path(f"{path}-saved", record["saved"]).read_bytes() == PAGE


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "client"), WAYS)
def test_of_a_body_that_is_cut_there_is_what_came(tmp_path: Path, engine: str, client: str) -> None:
    """The record has its beginning as sent, says so, and has no length but its own."""
    path = tmp_path / "x.warc"
    with RawServer(dict(behaviours())) as server:
        crawled(path, [server.url(each) for each in CUT], engine, client)
    found = answers(path)
    for name, sent in CUT.items():
        answer = found[name]
        assert sent.body.startswith(answer.stored), name
        assert answer.truncated == ("unspecified" if name == "/broken" else "length")
        assert answer.field("Content-Encoding") == "gzip"
        assert answer.field("Content-Length") == str(len(answer.stored))
        page = zlib.decompressobj(31).decompress(answer.stored[:9_000])
        assert page and sent.page.startswith(page)
    assert len(zlib.decompressobj(31).decompress(found["/long"].stored)) >= CAP
    assert found["/closed"].stored == CUT["/closed"].body
    assert found["/closed"].field("X-Crawler-Content-Length") == str(len(CUT["/closed"].body) + 300)


@pytest.mark.slow
def test_what_a_cache_replays_is_archived_as_it_was_sent(tmp_path: Path) -> None:
    """Offline, an archive has the same body as online."""
    cache = str(tmp_path / "cache")
    with RawServer(dict(behaviours())) as server:
        url = server.url("/br")
        crawled(tmp_path / "one.warc", [url], "async", "raw", cache=cache)
    crawled(tmp_path / "two.warc", [url], "async", "raw", cache=cache, offline=True)
    for name in ("one.warc", "two.warc"):
        answer = answers(tmp_path / name)["/br"]
        assert answer.stored == WHOLE["/br"].body and answer.field("Content-Encoding") == "br"


def received(*, keep_sent: bool) -> tuple[ExchangeProgress, bytes | None]:
    """Take a packed body; return its exchange, and what is kept as it was sent."""
    url = Url("http://a.test/")
    progress = ExchangeProgress(Request(url=url, seed=url.href, input=url.href))
    progress.keep_sent = keep_sent
    progress.answered(200, values := Headers([("Content-Encoding", "gzip")]).getall)
    progress.expect(values, CrawlConfig(max_body=CAP))
    progress.take(WHOLE["/gzip"].body)
    return progress, progress.received().exchange.sent


def test_memory_counts_what_is_kept() -> None:
    """A body takes room as sent and decoded where an archive asks, and decoded alone elsewhere."""
    progress, sent = received(keep_sent=True)
    assert sent == WHOLE["/gzip"].body and progress.held == len(PAGE) + len(sent)
    progress, sent = received(keep_sent=False)
    assert sent is None and progress.held == len(PAGE)
