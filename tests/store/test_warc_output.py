"""Archives, as the libraries read them that others replay and analyse archives with."""

from __future__ import annotations

import gzip
import io
import json
import re
import socket
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from fastwarc.warc import ArchiveIterator as FastIterator
from fastwarc.warc import WarcRecordType
from warcio.archiveiterator import ArchiveIterator

from crawler.api import OutcomeQueue
from crawler.cli.crawl_run import Order, open_crawl, run
from crawler.engine.crawl_session import CrawlSession
from crawler.engine.plugins import Plugins
from crawler.model.command_config import CommandConfig
from crawler.model.document import RawResponse
from crawler.model.errors import ConfigurationError, EnvironmentFailure
from crawler.model.outcome import Exchange, Failed, Fetched, Kind, Page, Received, Redirect
from crawler.model.request import Request
from crawler.model.url import Url
from crawler.store.journal.resumption import Complete
from crawler.store.sinks import LIMIT, RecordSink
from crawler.store.sources import IterableSource
from crawler.store.warc_index import urlkey, write_index
from crawler.store.warc_output import WarcRecords, records_in
from tests.fetch.raw import RawServer, header
from tests.patience import until
from tests.unmannered import MANNERS_OFF

SAME = b"<title>the same</title>" + b" and so on" * 20
URLS = [f"http://a.test/{name}" for name in ("one", "two", "same", "again", "coded", "404", "dead")]
SENT = (("X-B", "2"), ("x-a", "\u00fc"), ("Content-Type", "text/html"))

KEYS = [
    ("https://www.example.com/A/b/?b=2&a=1", "com,example)/a/b?a=1&b=2"),
    ("http://www2.example.com:8080/", "com,example:8080)/"),
    ("http://127.0.0.1/x", "1,0,0,127)/x"),
    ("http://[::1]:9/x", "::1:9)/x"),
    ("https://ex.com:80/?", "com,ex:80)/"),
    ("http://ex.com//%7Efoo/%41%2F", "com,ex)/~foo/a"),
    ("http://ex.com/?PHPSESSID=0123456789abcdefABCDEF0123456789&q=1", "com,ex)/?q=1"),
    ("http://ex.com/a?q=1&sid=0123456789abcdefABCDEF0123456789", "com,ex)/a?&q=1"),
    ("http://ex.com./a%20b?c=%2B%26", "com,ex)/a%20b?&c=+"),
    ("http://ex.com/a?x=%C3%BC%zz", "com,ex)/a?x=%c3%bc%25zz"),
]


LEFT = {"left": "/one", "away": "http://b.test/", "stays": "/stays"}
"""Where pages send their visitors: to another one, to another site, and to themselves."""


class Archived:
    """Pages, some of them equal, one that was packed, and failures."""

    def fetch(self, request: Request) -> Fetched:
        name = request.url.path[1:]
        if name == "dead":
            return Failed(request=request, kind=Kind.CONNECT, reason="refused")
        if name == "404":
            fields = (*SENT, ("Content-Length", "99"))
            exchange = Exchange(status=404, fields=fields, fetched_at=1.5, total=0.01)
            return Failed(request=request, kind=Kind.CLIENT_ERROR, reason="404", exchange=exchange)
        if name in ("moved", "loop"):
            location = {"moved": "/one", "loop": request.url.href}[name]
            fields = (*SENT, ("Location", location))
            exchange = Exchange(status=301 + (name == "loop"), fields=fields, fetched_at=1.5)
            return Redirect(request=request, exchange=exchange, location=location)
        body = SAME if name in ("same", "again") else f"<title>{name}</title>".encode() * 9
        if name in LEFT:
            body = f"<meta http-equiv=refresh content='0;url={LEFT[name]}'>".encode() + body
        length = (("Content-Length", str(len(body))),)
        fields = SENT + (
            (("Content-Encoding", "gzip"), ("Content-Length", "7")) if name == "coded" else length
        )
        exchange = Exchange(
            status=200, fields=fields, wire_bytes=7, body_bytes=len(body), fetched_at=2.5
        )
        response = RawResponse(
            url=request.url.href, status=200, content_type="text/html", body=body
        )
        return Received(request=request, exchange=exchange, response=response)


def archived(
    output: Path, engine: str = "async", urls: Sequence[str] = URLS, **options: Any
) -> None:
    """Crawl into an archive."""
    config = CommandConfig(
        **MANNERS_OFF, engine=engine, parse="inline", quiet=True, sync="none", retries=0,
        header=("Authorization: Bearer secret", "X-Mine: yes"), **options,
    )  # fmt: skip
    order = Order(config=config, seeds=urls, inputs=[], output=str(output))
    assert run(order, lambda o, say: open_crawl(o, say, Plugins(fetcher=Archived()))) == 0


def read(path: Path) -> Iterator[tuple[str, str, Any, bytes]]:
    """The type, URL, HTTP headers and body of every record, by warcio; digests are checked."""
    with path.open("rb") as file:
        for record in ArchiveIterator(file, check_digests="raise"):
            url = record.rec_headers.get_header("WARC-Target-URI")
            yield record.rec_type, url, record, record.content_stream().read()


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["async", "threaded"])
@pytest.mark.parametrize("form", ["warc", "warc.gz"])
def test_an_archive_has_what_was_asked_and_answered(tmp_path: Path, form: str, engine: str) -> None:
    """Bodies whole, header fields as sent, errors without a body, and no credentials."""
    path = tmp_path / f"out.{form}"
    archived(path, engine)
    found = list(read(path))
    assert found[0][0] == "warcinfo"
    kinds = Counter(kind for kind, *_ in found[1:])
    assert kinds == {"request": 6, "response": 5, "revisit": 1}
    responses = {url: (record, body) for kind, url, record, body in found if kind == "response"}
    record, body = responses[URLS[0]]
    assert body == b"<title>one</title>" * 9
    assert record.http_headers.headers == [*SENT, ("Content-Length", str(len(body)))]
    assert record.rec_headers.get_header("WARC-Date") == "1970-01-01T00:00:02.500Z"
    record, body = responses[URLS[4]]
    assert body == b"<title>coded</title>" * 9
    assert record.http_headers.get_header("X-Crawler-Content-Encoding") == "gzip"
    assert record.http_headers.get_header("Content-Length") == str(len(body))
    record, body = responses[URLS[5]]
    assert record.http_headers.get_statuscode() == "404" and not body
    assert record.rec_headers.get_header("WARC-Truncated") == "unspecified"
    whole = path.read_bytes() if form == "warc" else gzip.decompress(path.read_bytes())
    assert b"secret" not in whole and b"X-Mine: yes" in whole and b"Host: a.test" in whole


@pytest.mark.parametrize("engine", ["async", "threaded"])
@pytest.mark.parametrize("follow", [False, True])
def test_each_redirect_on_the_way_is_archived(tmp_path: Path, engine: str, follow: bool) -> None:
    """With its own URL, status and Location, once, wherever the chain ends."""
    urls = [f"http://a.test/{name}" for name in ("moved", "loop", "one")]
    archived(tmp_path / "out.warc.gz", engine, urls=urls, follow=follow, depth=0)
    found = list(read(tmp_path / "out.warc.gz"))
    answers = [(url, record.http_headers) for kind, url, record, _ in found if kind == "response"]
    statuses = Counter((url, head.get_statuscode()) for url, head in answers)
    assert statuses == {(urls[2], "200"): 1, (urls[0], "301"): 1, (urls[1], "302"): 1}
    heads = dict(answers)
    assert heads[urls[0]].get_header("Location") == "/one"
    assert heads[urls[1]].get_header("Location") == urls[1]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["async", "threaded"])
def test_pages_that_a_refresh_leads_away_from_are_kept(tmp_path: Path, engine: str) -> None:
    """Once in the archive and below --save, whether the page has a record of its own or not."""
    urls = [f"http://a.test/{name}" for name in ("left", "away", "stays", "one")]
    archived(tmp_path / "x.warc", engine, urls=urls, follow=True, depth=0, save=f"{tmp_path}/save")
    found = {url: body for kind, url, _, body in read(tmp_path / "x.warc") if kind == "response"}
    answers = [kind for kind, *_ in read(tmp_path / "x.warc") if kind in ("response", "revisit")]
    assert set(found) == {*urls, LEFT["away"]} and len(answers) == len(found)
    assert b"url=/one" in found[urls[0]] and b"url=/stays" in found[urls[2]]
    saved = [path.name.partition(".")[0] for path in (tmp_path / "save" / "a.test").iterdir()]
    assert sorted(saved) == ["away", "left", "one", "stays"]


def test_redirects_are_written_before_any_record_comes(tmp_path: Path) -> None:
    """They make room again although no chain has ended: without it none could go on."""
    sink = RecordSink(str(tmp_path / "archive"), encode=WarcRecords(CommandConfig()))
    url = Url(f"http://a.test/{'x' * (LIMIT // 100)}")
    request = Request(url=url, seed=url.href, input=url.href)
    redirect = Redirect(request=request, exchange=Exchange(status=301), location="/")
    try:
        for _ in range(100):
            sink.led_on(redirect)
        assert until(lambda: sink.has_room)
    finally:
        sink.close()


_ID = r"<urn:uuid:[0-9a-f-]{36}>"
_DATE = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"
_CAPTURES = {"request", "response", "revisit"}
RULES: dict[str, tuple[str, set[str]]] = {
    "WARC-Record-ID": (_ID, {"warcinfo", *_CAPTURES}),
    "WARC-Date": (_DATE, {"warcinfo", *_CAPTURES}),
    "WARC-Type": (r"\w+", {"warcinfo", *_CAPTURES}),
    "Content-Length": (r"\d+", {"warcinfo", *_CAPTURES}),
    "WARC-Filename": (r"out\.warc(\.gz)?", {"warcinfo"}),
    "Content-Type": (r"application/(warc-fields|http;msgtype=(request|response))", set()),
    "WARC-Target-URI": (r"[a-z]+:.+", _CAPTURES),
    "WARC-Concurrent-To": (_ID, {"response", "revisit"}),
    "WARC-IP-Address": (r"[0-9a-f.:]+", set()),
    "WARC-Payload-Digest": (r"sha1:[A-Z2-7]{32}", set()),
    "WARC-Truncated": (r"length|time|disconnect|unspecified", set()),
    "WARC-Profile": (r"http://netpreserve\.org/warc/1\.1/revisit/[a-z-]+", {"revisit"}),
    "WARC-Refers-To-Target-URI": (r"[a-z]+:.+", {"revisit"}),
    "WARC-Refers-To-Date": (_DATE, {"revisit"}),
}
"""The form of each field that is written, and the records that must have it.

Those about an earlier capture belong to revisits alone, and what is about a URL not to `warcinfo`.
"""
_ONLY_REVISITS = {"WARC-Profile", "WARC-Refers-To-Target-URI", "WARC-Refers-To-Date"}
_NOT_OF_FILES = {"WARC-Target-URI", "WARC-Concurrent-To", "WARC-IP-Address"}


@pytest.mark.parametrize("form", ["warc", "warc.gz"])
def test_an_archive_keeps_the_rules_that_validators_look_at(tmp_path: Path, form: str) -> None:
    """Each field once, in its form, where WARC 1.1 has it; and the length that HTTP declares."""
    urls = [*URLS, "http://a.test/moved", "http://a.test/loop"]
    archived(tmp_path / f"out.{form}", urls=urls)
    for kind, _, record, body in read(tmp_path / f"out.{form}"):
        fields = dict(record.rec_headers.headers)
        assert len(fields) == len(record.rec_headers.headers)
        for name, value in fields.items():
            assert re.fullmatch(RULES[name][0], value), (name, value)
        assert {name for name, rule in RULES.items() if kind in rule[1]} <= fields.keys()
        assert kind == "revisit" or not _ONLY_REVISITS & fields.keys()
        assert kind != "warcinfo" or not _NOT_OF_FILES & fields.keys()
        assert kind == "warcinfo" or "WARC-Filename" not in fields
        if kind == "response":
            length = record.http_headers.get_header("Content-Length")
            assert length is None or int(length) == len(body)


def test_a_body_that_was_there_is_referred_to(tmp_path: Path) -> None:
    """A revisit names the record with the same payload digest."""
    archived(tmp_path / "out.warc.gz")
    by_digest: dict[str, list[Any]] = {}
    for kind, url, record, body in read(tmp_path / "out.warc.gz"):
        if url in URLS[2:4] and kind != "request":
            digest = record.rec_headers.get_header("WARC-Payload-Digest")
            by_digest.setdefault(digest, []).append((kind, url, record, body))
    ((first, second),) = by_digest.values()
    assert (first[0], second[0]) == ("response", "revisit") and first[3] == SAME
    headers = second[2].rec_headers
    assert headers.get_header("WARC-Refers-To-Target-URI") == first[1]
    assert headers.get_header("WARC-Refers-To-Date") == "1970-01-01T00:00:02.500Z"
    assert headers.get_header("WARC-Profile").endswith("1.1/revisit/identical-payload-digest")


@pytest.mark.parametrize("form", ["warc", "warc.gz", "warc.zst"])
def test_fastwarc_reads_every_record(tmp_path: Path, form: str) -> None:
    """Each is a member or frame of its own, at its offset, with a valid payload digest."""
    path = tmp_path / f"out.{form}"
    archived(path)
    bodies = {}
    with path.open("rb") as file:
        for record in FastIterator(file, parse_http=True):
            if (
                record.record_type == WarcRecordType.response
                and "WARC-Payload-Digest" in record.headers
            ):
                assert record.verify_payload_digest()
            bodies[record.stream_pos] = record.headers["WARC-Record-ID"]
    assert len(bodies) == 13
    if form == "warc.gz":
        data = path.read_bytes()
        for at, name in bodies.items():
            head = gzip.GzipFile(fileobj=io.BytesIO(data[at:])).read(300)
            assert head.startswith(b"WARC/1.1\r\n") and name.encode() in head


@pytest.mark.slow
def test_an_archive_is_added_to(tmp_path: Path) -> None:
    """--append adds records, and no second description of the file."""
    archived(tmp_path / "out.warc.gz")
    archived(tmp_path / "out.warc.gz", append=True)
    kinds = Counter(kind for kind, *_ in read(tmp_path / "out.warc.gz"))
    assert kinds == {"warcinfo": 1, "request": 12, "response": 10, "revisit": 2}


def tagged(_server: RawServer, sock: socket.socket, head: bytes) -> bool:
    """A page with a tag, in a head of its own kind."""
    if header(head, "If-None-Match"):
        sock.sendall(b'HTTP/1.1 304 Still So\r\nETag: "a"\r\n\r\n')
        return True
    size = b'ETag: "a"\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n' % len(SAME)
    sock.sendall(b"HTTP/1.0 200 Okay\r\n" + size + SAME)
    return False


def live(output: Path, url: str, engine: str, **options: Any) -> list[tuple[str, str, Any, bytes]]:
    """Crawl a URL of a server into an archive and JSON lines; the records of the archive."""
    config = CommandConfig(
        **MANNERS_OFF, engine=engine, quiet=True, sync="none", allow_private=True, workers="1",
        header=("Authorization: Bearer secret", "X-Mine: \u00fc"), **options,
    )  # fmt: skip
    others = [str(output.with_suffix(".jsonl"))]
    order = Order(config=config, seeds=[url], inputs=[], output=str(output), others=others)
    assert run(order) == 0
    return list(read(output))[1:]


@pytest.mark.slow
@pytest.mark.parametrize("form", ["warc", "warc.gz", "warc.zst"])
def test_an_index_leads_to_every_answer(tmp_path: Path, form: str) -> None:
    """Lines are sorted; offset and length are those of the record, as FastWARC has them."""
    path = tmp_path / f"out.{form}"
    archived(path, cdxj=True)
    lines = (tmp_path / f"out.{form}.cdxj").read_bytes().splitlines()
    assert lines == sorted(lines) and len(lines) == 6
    assert lines[0].startswith(b"test,a)/404 19700101000001 {")
    found = {told["url"]: told for told in (json.loads(line.split(b" ", 2)[2]) for line in lines)}
    data = path.read_bytes()
    for told in found.values():
        at, length = int(told["offset"]), int(told["length"])
        (record,) = FastIterator(io.BytesIO(data[at : at + length]), parse_http=True)
        assert record.headers["WARC-Target-URI"] == told["url"] and told["filename"] == path.name
        assert record.headers.get("WARC-Payload-Digest", "-") == told["digest"]
        revisit = record.record_type == WarcRecordType.revisit
        assert told["mime"] == ("warc/revisit" if revisit else "text/html")
        assert told["status"] == str(record.http_headers.status_code)
    assert Counter(told["mime"] for told in found.values())["warc/revisit"] == 1


@pytest.mark.slow
def test_an_index_is_of_all_parts(tmp_path: Path) -> None:
    """Those of a directory have one, in which each line names its file."""
    for number in (0, 3):
        archived(tmp_path / f"part-0000{number}.warc.gz")
    write_index(str(tmp_path))
    lines = (tmp_path / "index.cdxj").read_bytes().splitlines()
    names = Counter(json.loads(line.split(b" ", 2)[2])["filename"] for line in lines)
    assert names == {"part-00000.warc.gz": 6, "part-00003.warc.gz": 6} and lines == sorted(lines)


@pytest.mark.slow
def test_an_index_follows_its_archive(tmp_path: Path) -> None:
    """One that is there is not replaced unasked; an archive that is added to gets a new one."""
    path, index = tmp_path / "out.warc.gz", tmp_path / "out.warc.gz.cdxj"
    index.write_text("mine")
    with pytest.raises(ConfigurationError, match="exists already"):
        archived(path, cdxj=True)
    assert index.read_text() == "mine" and not path.exists()
    archived(path, cdxj=True, overwrite=True)
    archived(path, cdxj=True, append=True)
    assert len(index.read_bytes().splitlines()) == 12
    with pytest.raises(ConfigurationError, match="no output is a WARC file"):
        archived(tmp_path / "out.jsonl", cdxj=True)


@pytest.mark.slow
def test_a_complete_crawl_gets_its_index_later(tmp_path: Path) -> None:
    """It may have been killed before, or run without the option."""
    path, index = tmp_path / "out.warc.gz", tmp_path / "out.warc.gz.cdxj"
    archived(path)
    assert not index.exists()
    with pytest.raises(Complete):
        archived(path, cdxj=True)
    assert len(index.read_bytes().splitlines()) == 6


def test_only_a_whole_archive_is_indexed(tmp_path: Path) -> None:
    """What ends early, has several records in a member, or is no WARC leaves no index."""
    archived(tmp_path / "whole.warc.gz")
    whole = (tmp_path / "whole.warc.gz").read_bytes()
    text = gzip.decompress(whole)
    path = tmp_path / "out.warc.gz"
    for data in (whole[:-9], gzip.compress(text), text[:-3], b"no archive", whole + b"rest"):
        path.write_bytes(data)
        with pytest.raises(EnvironmentFailure, match="record by record"):
            write_index(str(path))
    assert sorted(each.name for each in tmp_path.iterdir() if "cdxj" in each.name) == []


@pytest.mark.parametrize(("url", "key"), KEYS)
def test_keys_are_those_of_the_surt_library(url: str, key: str) -> None:
    """The right side is what version 0.3.1 returns."""
    assert urlkey(url) == key


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["async", "threaded"])
def test_heads_are_as_they_went_over_the_line(tmp_path: Path, engine: str) -> None:
    """Status line, address and the fields of the request, but for credentials.

    What an earlier crawl has is a revisit of that.
    """
    with RawServer({"/tag": tagged}) as server:
        url = server.url("/tag")
        asked, answer = live(tmp_path / "old.warc", url, engine)
        again, unchanged = live(
            tmp_path / "new.warc", url, engine, since=str(tmp_path / "old.jsonl")
        )
    assert (asked[0], answer[0]) == ("request", "response")
    assert answer[2].http_headers.protocol == "HTTP/1.0"
    assert answer[2].http_headers.statusline == "200 Okay" and answer[3] == SAME
    assert answer[2].rec_headers.get_header("WARC-IP-Address") == "127.0.0.1"
    sent = dict(asked[2].http_headers.headers)
    assert sent["Host"] == url.split("/")[2] and "gzip" in sent["Accept-Encoding"]
    assert sent["X-Mine"] == "\u00fc" and "Authorization" not in sent
    assert dict(again[2].http_headers.headers)["If-None-Match"] == '"a"'
    headers = unchanged[2].rec_headers
    assert unchanged[0] == "revisit" and unchanged[2].http_headers.statusline == "304 Still So"
    assert headers.get_header("WARC-Profile").endswith("1.1/revisit/server-not-modified")
    assert headers.get_header("WARC-Refers-To-Target-URI") == url
    date = answer[2].rec_headers.get_header("WARC-Date")
    assert headers.get_header("WARC-Refers-To-Date") == date
    assert headers.get_header("WARC-Truncated") is None


def test_records_are_told_apart_whatever_they_hold() -> None:
    """A body that looks like a record does not end the one that it is in."""
    bodies = [b"WARC/1.1\r\nContent-Length: 3\r\n\r\n", b"", b"\r\n\r\n"]
    records = [
        b"WARC/1.1\r\nContent-Length: %d\r\nX: y\r\n\r\n%b\r\n\r\n" % (len(body), body)
        for body in bodies
    ]
    assert list(records_in(b"".join(records))) == records


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["async", "threaded"])
def test_bodies_are_kept_where_somebody_wants_them(engine: str) -> None:
    """Without an archive no outcome holds its body."""
    kept: list[bool] = []
    for wanted in (False, True):
        plugins = Plugins(fetcher=Archived(), keep_body=wanted)
        config = CommandConfig(**MANNERS_OFF, engine=engine, parse="inline")
        outcomes = OutcomeQueue(lambda: None, {})
        CrawlSession(config, IterableSource(URLS[:1], config), outcomes, plugins=plugins).run()
        page = outcomes.take()
        assert isinstance(page, Page)
        kept.append(page.body is not None)
    assert kept == [False, True]
