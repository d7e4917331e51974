"""A page that ends the crawler's own process is parsed alone the next time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from crawler.cli.crawl_run import Order, open_crawl, run
from crawler.engine.partition import crawl_partition
from crawler.engine.partition_plan import CrawlPlan
from crawler.engine.plugins import Plugins
from crawler.model.command_config import CommandConfig
from crawler.model.document import RawResponse
from crawler.model.outcome import Exchange, Fetched, Received
from crawler.model.request import Purpose, Request
from crawler.workers.suspects import Suspects
from tests.unmannered import MANNERS_OFF

URLS = [f"http://h{n % 3}.test/{n}" for n in range(12)]
DEADLY = URLS[7]


class Site:
    """A web in memory; it counts what it was asked for."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()

    def fetch(self, request: Request) -> Fetched:
        self.asked[request.url.href] += 1
        assert request.purpose is Purpose.PAGE
        exchange = Exchange(status=200, body_bytes=4, wire_bytes=4, total=0.01)
        response = RawResponse(
            url=request.url.href, status=200, content_type="text/html", body=b"<title>t</title>"
        )
        return Received(request=request, exchange=exchange, response=response)


def options(engine: str, parse: str) -> dict[str, Any]:
    return dict(
        MANNERS_OFF,
        engine=engine,
        parse=parse,
        parser="tests.workers.deadly:parse",
        loop="asyncio",
        quiet=True,
        retries=0,
        sync="none",
    )


def once(folder: Path, engine: str, parse: str) -> int:
    """Run the command in a process of its own; its exit code."""
    (folder / "list.txt").write_text("\n".join(URLS))
    return fresh(f"crawled({str(folder)!r}, {engine!r}, {parse!r})")


def fresh(call: str) -> int:
    """Return the exit code of a fresh process; a fork would share other tests' fork server."""
    script = f"import sys; from tests.workers import test_suspects as t; sys.exit(t.{call})"
    return subprocess.run([sys.executable, "-c", script], check=False).returncode


def crawled(folder: str, engine: str, parse: str) -> int:
    order = Order(
        config=CommandConfig(**options(engine, parse)),
        seeds=[],
        inputs=[f"{folder}/list.txt"],
        output=f"{folder}/out.jsonl",
    )
    return run(order, partial(open_crawl, plugins=Plugins(fetcher=Site())))  # type: ignore[arg-type]


def kinds(path: Path) -> dict[str, str | None]:
    """Return the kinds of records by URL; each URL has one."""
    records = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert sorted(record["url"] for record in records) == sorted(URLS)
    return {record["url"]: record["kind"] for record in records}


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["async", "threaded"])
@pytest.mark.parametrize("parse", ["inline", "thread"])
def test_a_page_that_ends_the_process_ends_a_worker_the_next_time(
    tmp_path: Path, engine: str, parse: str
) -> None:
    """The crawl dies once; the same command has a record for each page, one of them a crash."""
    assert once(tmp_path, engine, parse) == 11
    assert (tmp_path / "out.jsonl.state" / "parsing").exists()
    assert once(tmp_path, engine, parse) == 0
    failed = {url: kind for url, kind in kinds(tmp_path / "out.jsonl").items() if kind}
    assert failed == {DEADLY: "parse_crash"}
    assert not (tmp_path / "out.jsonl.state").exists()


def called(folder: str) -> int:
    plan = CrawlPlan(
        options=CommandConfig(**options("async", "inline")).values(),
        inputs=(f"{folder}/list.txt",),
        output=f"{folder}/out.jsonl",
        state=f"{folder}/state",
    )
    crawl_partition(plan, 0, None, plugins=Plugins(fetcher=Site()))
    return 0


@pytest.mark.slow
def test_so_it_is_for_a_partition(tmp_path: Path) -> None:
    """Its state names the page before it has committed anything."""
    (tmp_path / "list.txt").write_text("\n".join(URLS))
    assert [fresh(f"called({str(tmp_path)!r})") for _ in range(2)] == [11, 0]
    assert kinds(tmp_path / "state" / "p0" / "part.jsonl")[DEADLY] == "parse_crash"


def test_pages_are_named_while_they_are_parsed(tmp_path: Path) -> None:
    """The next to open the file suspects those that were not ended, until they are struck off."""
    place = tmp_path / "state" / "parsing"
    first = Suspects(place)
    first.open()
    cells = [first.begin(url) for url in URLS[:3]]
    first.end(cells[1])
    second = Suspects(place)
    second.open()
    assert [url in second for url in URLS[:4]] == [True, False, True, False]
    second.strike_off(URLS[0])
    second.close()
    third = Suspects(place)
    third.open()
    assert [url in third for url in URLS[:4]] == [False, False, True, False]
    third.strike_off(URLS[2])
    third.close()
    assert not place.parent.exists()


def test_more_pages_than_cells_are_parsed_without_a_name(tmp_path: Path) -> None:
    """The file stays small; the cells that come free are used again."""
    suspects = Suspects(tmp_path / "parsing")
    suspects.open()
    cells = [suspects.begin(str(n)) for n in range(1_030)]
    assert len(set(cells[:1_024])) == 1_024 and set(cells[1_024:]) == {-1}
    for cell in cells:
        suspects.end(cell)
    assert suspects.begin("http://a.test/") in cells[:1_024]
    suspects.close()


def test_a_disk_that_cannot_take_the_names_costs_nothing_else(tmp_path: Path) -> None:
    """A file where the folder should be: pages are parsed without a name."""
    (tmp_path / "state").write_bytes(b"")
    for place in (None, tmp_path / "state" / "parsing"):
        suspects = Suspects(place)
        suspects.open()
        suspects.end(suspects.begin("http://a.test/"))
        suspects.close()
    assert os.listdir(tmp_path) == ["state"]
