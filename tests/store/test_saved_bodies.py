"""Bodies as files: `--save`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crawler.cli.crawl_run import Order, open_crawl, run
from crawler.engine.plugins import Plugins
from crawler.model.command_config import CommandConfig
from crawler.model.document import Document, RawResponse
from crawler.model.errors import EnvironmentFailure
from crawler.model.outcome import Exchange, Failed, Fetched, Kind, Page, Received
from crawler.model.request import Request
from crawler.model.url import Url, parse
from crawler.store.saved_bodies import name_of
from tests.unmannered import MANNERS_OFF

URLS = [f"http://a.test/{name}" for name in ("page", "page/below.pdf", "page?q=1", "dead", "empty")]


class Served:
    """Bodies that are not text, a failure, and nothing."""

    def fetch(self, request: Request) -> Fetched:
        path = request.url.path
        if path == "/dead":
            return Failed(request=request, kind=Kind.CONNECT, reason="refused")
        body = b"" if path == "/empty" else b"\0\xff" + path.encode() * 3
        exchange = Exchange(status=200, body_bytes=len(body), content_type="image/png")
        response = RawResponse(
            url=request.url.href, status=200, content_type="image/png", body=body
        )
        return Received(request=request, exchange=exchange, response=response)


def saved(folder: Path, engine: str = "async", **options: Any) -> dict[str, dict[str, Any]]:
    """Crawl with --save; the records by their URLs."""
    given = {**MANNERS_OFF, "engine": engine, "parse": "inline", "quiet": True, "retries": 0}
    config = CommandConfig(**{**given, "save": f"{folder}/bodies", **options})
    order = Order(config=config, seeds=URLS, inputs=[], output=str(folder / "out.jsonl"))
    assert run(order, lambda o, say: open_crawl(o, say, Plugins(fetcher=Served()))) == 0
    lines = (folder / "out.jsonl").read_bytes().splitlines()
    return {each["url"]: each for each in map(json.loads, lines)}


def name(url: str, content_type: str = "") -> str:
    """Where the body of a URL is saved."""
    parsed = parse(url)
    assert isinstance(parsed, Url)
    request = Request(url=parsed, seed=parsed.href, input=url)
    exchange = Exchange(status=200, content_type=content_type)
    return name_of(Page(request=request, exchange=exchange, document=Document(json=b"{}")))


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["async", "threaded"])
def test_the_record_tells_where_the_body_is(tmp_path: Path, engine: str) -> None:
    """Every page with a body has a file with exactly that; nothing else is there."""
    records = saved(tmp_path, engine)
    bodies = tmp_path / "bodies"
    for url in URLS[:3]:
        path = url.removeprefix("http://a.test").encode()
        assert (bodies / records[url]["saved"]).read_bytes() == b"\0\xff" + path * 3
    assert not any("saved" in records[url] for url in URLS[3:])
    assert sum(path.is_file() for path in bodies.rglob("*")) == 3
    assert records[URLS[1]]["saved"].startswith("a.test/page/below.")
    again = saved(tmp_path, engine, overwrite=True)
    assert [again[url].get("saved") for url in URLS] == [records[u].get("saved") for u in URLS]


@pytest.mark.parametrize(
    ("url", "content_type", "start", "end"),
    [
        ("http://a.test/", "text/html; charset=x", "a.test/index.", ".html"),
        ("https://a.test:8443/d/x.PDF?v=1", "", "a.test_8443/d/x.", ".pdf"),
        ("http://[::1]/x", "application/pdf", "___1_/x.", ".pdf"),
        ("http://a.test/..%2f..%2fetc/passwd", "", "a.test/_..%2f..%2fetc/passwd.", ".bin"),
        ("http://a.test/.ssh/.rc", "text/plain", "a.test/_.ssh/_.rc.", ".txt"),
        ("http://a.test/x.0123456789abcdef.html/y", "", "a.test/x.0123456789abcdef.html_/y.", ""),
        ("http://a.test/" + "long" * 500, "", "a.test/" + "long" * 25 + ".", ".bin"),
        ("http://a.test/" + "d/" * 500 + "x.js", "", "a.test/" + "d/" * 12 + "x.", ".js"),
        ("http://a.test//a//b", "", "a.test/a/b.", ".bin"),
    ],
)
def test_names_are_safe(url: str, content_type: str, start: str, end: str) -> None:
    """By host and path, inside the directory, short, and never the name of a directory."""
    found = name(url, content_type)
    assert found.startswith(start) and found.endswith(end)
    assert not any(part in ("", ".", "..") or len(part) > 140 for part in found.split("/"))


def test_two_urls_never_share_a_file() -> None:
    """Queries, ports and spellings that differ make other names, in any case."""
    paths = ("x", "X", "x?", "x?a", "x/", "x/y", "x.html", "%78", "x%20y", "x_y")
    urls = [f"http://{host}/{path}" for host in ("a.test", "a.test:81") for path in paths]
    assert len({name(url).lower() for url in urls}) == len(urls)


def test_a_directory_that_cannot_be_made_is_told_before_the_crawl(tmp_path: Path) -> None:
    """In one line; no output is made."""
    with pytest.raises(EnvironmentFailure, match=r"^save: .* is not a directory"):
        saved(tmp_path, save=f"{tmp_path}/missing/bodies")
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentFailure, match=r"^save: "):
        saved(tmp_path, save=f"{tmp_path}/file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
