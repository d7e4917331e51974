"""Lists that are no text, crawled to the end, whatever becomes of them meanwhile."""

from __future__ import annotations

import bz2
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest
from pyarrow import parquet

from crawler.cli.crawl_run import Order, Parts, open_crawl, run
from crawler.engine.plugins import Plugins
from crawler.mock import MockWeb, running
from crawler.model.command_config import CommandConfig
from crawler.model.errors import ConfigurationError, CrawlerError, EnvironmentFailure
from tests.cli.test_command import crawler
from tests.cli.test_workers import HOSTS, QUIET, records, urls_of
from tests.crash.crawl import Site
from tests.unmannered import MANNERS_OFF, WORDS

URLS = [f"http://a.test/page/{n}" for n in range(8)]


class Counted(Site):
    """Stops the crawl when so many pages were asked for."""

    def __init__(self, pages: int) -> None:
        self.left = pages
        self.parts: Parts

    def fetch(self, request: Any) -> Any:
        self.left -= 1
        if self.left == 0:
            self.parts.session.stop()
        return super().fetch(request)


def crawled(inputs: Sequence[str], output: Path, pages: int = 0, **options: Any) -> list[str]:
    """Crawl in this process, stop after so many pages (0: never); return the URLs of the output."""

    def opened(order: Order, say: Callable[[str], None]) -> Parts:
        site = Counted(pages)
        site.parts = open_crawl(order, say, Plugins(fetcher=site))
        return site.parts

    how = dict(MANNERS_OFF, parse="inline", quiet=True, per_host=1, backoff=0, **options)
    order = Order(config=CommandConfig(**how), seeds=[], inputs=inputs, output=str(output))
    try:
        run(order, opened)
    except CrawlerError as error:
        if error.exit_code:
            raise
    return sorted(orjson.loads(line)["url"] for line in output.read_bytes().splitlines())


def database_of(path: Path, urls: Sequence[str]) -> str:
    with closing(sqlite3.connect(path)) as base, base:
        base.execute("CREATE TABLE IF NOT EXISTS pages (url TEXT)")
        base.execute("DELETE FROM pages")
        base.executemany("INSERT INTO pages VALUES (?)", [(url,) for url in urls])
    return f"sqlite:{path}?SELECT url FROM pages"


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["async", "threaded"])
def test_a_query_is_crawled_to_its_end_although_its_answer_changes(
    tmp_path: Path, engine: str
) -> None:
    """A crawl that was stopped goes on with the copy of the first answer, and takes it away."""
    name = database_of(tmp_path / "pages.db", URLS)
    output = tmp_path / "out.jsonl"
    assert len(crawled([name], output, 3, engine=engine)) < len(URLS)
    assert list((tmp_path / "out.jsonl.state").glob("list-*"))
    database_of(tmp_path / "pages.db", [])
    assert crawled([name], output, engine=engine) == URLS
    assert not (tmp_path / "out.jsonl.state").exists()


@pytest.mark.slow
def test_accept_change_takes_the_new_answer_to_a_query(tmp_path: Path) -> None:
    """What the first answer had and nobody read is left out, and what is new is crawled."""
    name = database_of(tmp_path / "pages.db", URLS)
    output = tmp_path / "out.jsonl"
    done = crawled([name], output, 3, window=1, read_ahead=1)
    database_of(tmp_path / "pages.db", [*URLS[:4], "http://a.test/page/new"])
    found = crawled([name], output, accept_change=True)
    assert {*done, *URLS[:4], "http://a.test/page/new"} <= set(found)
    assert len(found) == len(set(found))


@pytest.mark.slow
def test_a_parquet_list_continues_where_it_was_stopped(tmp_path: Path) -> None:
    """Rows are positions; another file in its place is refused."""
    path, output = tmp_path / "list.parquet", tmp_path / "out.jsonl"
    parquet.write_table(pa.table({"url": URLS}), path, row_group_size=3)
    assert len(crawled([str(path)], output, 3)) < len(URLS)
    assert crawled([str(path)], output) == URLS
    parquet.write_table(pa.table({"url": URLS[::-1]}), path)
    with pytest.raises(ConfigurationError, match="for another list"):
        crawled([str(path)], output)


@pytest.mark.slow
def test_several_workers_share_lists_of_every_kind(tmp_path: Path) -> None:
    """Parquet, an earlier output in bzip2 and a query, with two processes: each URL once."""
    with running(MockWeb(hosts=HOSTS, pages=90)) as web:
        urls = urls_of(web)[:90]
        parquet.write_table(pa.table({"url": urls[:30]}), tmp_path / "a.parquet")
        lines = [orjson.dumps({"url": url, "outcome": "page"}) for url in urls[30:60]]
        (tmp_path / "b.jsonl.bz2").write_bytes(bz2.compress(b"\n".join(lines)))
        name = database_of(tmp_path / "c.db", urls[60:])
        inputs = (str(tmp_path / "a.parquet"), str(tmp_path / "b.jsonl.bz2"), name)
        words = [word for each in inputs for word in ("-i", each)]
        output = tmp_path / "out.jsonl"
        code, _, err = crawler("crawl", *WORDS, *QUIET, *words, "-o", str(output), "--workers", "2")
    assert code == 0, err
    assert sorted(record["url"] for record in records(output)) == sorted(urls)
    assert not (tmp_path / "out.jsonl.state").exists()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_list_in_an_object_store_is_copied_and_crawled(tmp_path: Path, bucket: str) -> None:
    """Packed text and Parquet come from S3; a stopped crawl goes on although they are gone."""
    import s3fs

    store = s3fs.S3FileSystem()
    store.pipe(f"{bucket}/list.txt.bz2", bz2.compress("\n".join(URLS[:4]).encode()))
    with store.open(f"{bucket}/list.parquet", "wb") as file:
        parquet.write_table(pa.table({"url": URLS[4:]}), file)
    names = [f"s3://{bucket}/list.txt.bz2", f"s3://{bucket}/list.parquet"]
    output = tmp_path / "out.jsonl"
    crawled(names, output, 6)
    assert crawled(names, output) == URLS
    with pytest.raises(EnvironmentFailure, match="no such object"):
        crawled([f"s3://{bucket}/none.txt"], tmp_path / "none.jsonl")
