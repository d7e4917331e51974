"""`--since`: the same URLs again tomorrow."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator

from crawler.cli import main
from crawler.store.record import schema
from tests.fetch.raw import Behaviour, RawServer, header

TODAY = b"Sun, 29 Nov 2026 10:00:00 GMT"
pytestmark = pytest.mark.slow

VALIDATOR = Draft202012Validator(schema())


class Pages:
    """Pages with validators of some kind, which may be told to change."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.asked: Counter[str] = Counter()  # and of these, by whether on a condition
        self.server: RawServer

    def page(self, path: str, validator: bytes) -> Behaviour:
        """A page whose ETag or Last-Modified is that of its text."""
        self.texts[path] = "old"

        def behaviour(_server: RawServer, sock: socket.socket, head: bytes) -> bool:
            text = self.texts[path]
            if text == "gone":
                sock.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                return True
            tag = f'"{text}"'
            asked = header(head, "If-None-Match") or header(head, "If-Modified-Since")
            self.asked[f"{path} {bool(asked)}"] += 1
            now = tag if validator == b"ETag" else TODAY.decode()
            extra = b"%b: %b\r\n" % (validator, now.encode()) if validator else b""
            if asked == now and text == "old":
                sock.sendall(b"HTTP/1.1 304 Not Modified\r\n" + extra + b"\r\n")
                return True
            body = f"<title>{text}</title><a href=/tag>".encode()
            size = b"Content-Type: text/html\r\nContent-Length: %d\r\n" % len(body)
            sock.sendall(b"HTTP/1.1 200 OK\r\n" + extra + size + b"\r\n" + body)
            return True

        return behaviour


@pytest.fixture
def pages() -> Iterator[Pages]:
    """A site with an ETag, a date, neither of them, and a redirect to the first."""
    made = Pages()
    behaviours = {
        "/tag": made.page("/tag", b"ETag"),
        "/date": made.page("/date", b"Last-Modified"),
        "/bare": made.page("/bare", b""),
        "/moved": _moved,
    }
    with RawServer(behaviours) as made.server:
        yield made


def _moved(_server: RawServer, sock: socket.socket, _head: bytes) -> bool:
    sock.sendall(b"HTTP/1.1 301 Moved\r\nLocation: /tag\r\nContent-Length: 0\r\n\r\n")
    return True


@pytest.fixture
def crawled(pages: Pages, tmp_path: Path) -> Callable[..., dict[str, dict[str, Any]]]:
    """A crawl of the site into a file, by path; its records, by the path that was asked for."""

    def crawl(name: str, *words: str) -> dict[str, dict[str, Any]]:
        output = tmp_path / name
        urls = [pages.server.url(path) for path in ("/tag", "/date", "/bare", "/moved")]
        how = ("--allow-private", "--robots", "ignore", "--delay", "0", "--retries", "0", "-q")
        code = main(["crawl", *urls, *how, "-o", str(output), "--parse", "inline", *words])
        assert code == 0
        records = list(map(orjson.loads, output.read_bytes().splitlines()))
        for record in records:
            VALIDATOR.validate(record)
        port = f":{pages.server.port}"
        return {record["url"].partition(port)[2]: record for record in records}

    return crawl


@pytest.mark.parametrize("engine", ["async", "threaded"])
def test_unchanged_pages_are_not_sent_again(
    pages: Pages, crawled: Callable[..., dict[str, dict[str, Any]]], tmp_path: Path, engine: str
) -> None:
    """Those with a validator are asked for on condition, others compared; the chain goes on."""
    first = crawled("one.jsonl", "--engine", engine)
    assert all("changed" not in record for record in first.values())
    before = "one.jsonl"
    for name in ("two.jsonl", "three.jsonl"):
        pages.asked.clear()
        words = ("--engine", engine, "--since", str(tmp_path / before))
        found = crawled(name, *words)
        assert {record["outcome"] for record in found.values()} == {"unchanged"}
        assert pages.asked == {"/tag True": 2, "/date True": 1, "/bare False": 1}
        for path, record in found.items():
            assert record["status"] == (200 if path == "/bare" else 304)
            assert record["title"] == "old" and record["changed"] == []
            assert record["body_hash"] == first[path]["body_hash"]
            assert (record.get("etag"), record.get("last_modified")) == (
                first[path].get("etag"),
                first[path].get("last_modified"),
            )
        before = name


@pytest.mark.parametrize("engine", ["async", "threaded"])
def test_a_changed_page_says_what_has_changed(
    pages: Pages, crawled: Callable[..., dict[str, dict[str, Any]]], tmp_path: Path, engine: str
) -> None:
    """The hash, the title, the status, the size: what differs, in the order of the docs."""
    crawled("one.jsonl", "--engine", engine)
    pages.texts |= {"/tag": "new", "/date": "newer", "/bare": "gone"}
    found = crawled("two.jsonl", "--engine", engine, "--since", str(tmp_path / "one.jsonl"))
    assert {path: (record["outcome"], record["changed"]) for path, record in found.items()} == {
        "/tag": ("page", ["body_hash", "title"]),
        "/moved": ("page", ["body_hash", "title"]),
        "/date": ("page", ["body_hash", "title", "bytes"]),
        "/bare": ("failed", ["status"]),
    }


def test_links_are_followed_from_pages_that_have_not_changed(
    pages: Pages, crawled: Callable[..., dict[str, dict[str, Any]]], tmp_path: Path
) -> None:
    """With --follow pages are fetched whole, as their links are in them, and then compared."""
    crawled("one.jsonl", "--follow")
    pages.asked.clear()
    found = crawled("two.jsonl", "--follow", "--since", str(tmp_path / "one.jsonl"))
    assert found["/bare"]["outcome"] == "unchanged" and found["/bare"]["status"] == 200
    assert not [each for each in pages.asked if each.endswith("True")]


def test_several_workers_compare_with_one_file(
    pages: Pages, crawled: Callable[..., dict[str, dict[str, Any]]], tmp_path: Path
) -> None:
    """Each partition asks on condition, and nothing is left of the state."""
    crawled("one.jsonl")
    found = crawled("two.jsonl", "--workers", "2", "--since", str(tmp_path / "one.jsonl"))
    assert {record["outcome"] for record in found.values()} == {"unchanged"}
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("one.jsonl", "one.jsonl.receipt.json", "two.jsonl", "two.jsonl.receipt.json")
    ]


@pytest.mark.parametrize(
    ("since", "message"), [("none.jsonl", "no such file"), ("out.jsonl", "is also written")]
)
def test_a_wrong_output_ends_the_crawl_before_it_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], since: str, message: str
) -> None:
    """A missing one, and the one that is written, are one line; nothing is left behind."""
    words = ["-o", str(tmp_path / "out.jsonl"), "--since", str(tmp_path / since)]
    assert main(["crawl", "http://127.0.0.1:1/", *words]) in (2, 3)
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
