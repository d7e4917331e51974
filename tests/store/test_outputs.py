"""Outputs in every format, several at once: written, continued and put together."""

from __future__ import annotations

import csv
import gzip
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from crawler.cli.crawl_run import Order, open_crawl, run
from crawler.engine.plugins import Plugins
from crawler.model.command_config import CommandConfig
from crawler.model.document import RawResponse
from crawler.model.errors import ConfigurationError, EnvironmentFailure
from crawler.model.outcome import Exchange, Fetched, Received
from crawler.model.request import Request
from crawler.store.archive import unpacked
from crawler.store.columns import columns
from crawler.store.forms import OutputForm, target
from crawler.store.record import OPTIONAL, schema
from crawler.store.rendering import open_outputs, targets_of
from tests.unmannered import MANNERS_OFF

TITLE = 'A "quoted" title,\nwith a comma and \x1b[31m\u2028'
URLS = [f"http://a.test/{n}" for n in range(5)]


class Web:
    """Pages whose titles are hard to quote."""

    def fetch(self, request: Request) -> Fetched:
        body = f'<title>{TITLE}</title><a href="/x,y">1</a><a href="/z">2</a>'.encode()
        page = RawResponse(url=request.url.href, status=200, content_type="text/html", body=body)
        exchange = Exchange(status=200, body_bytes=len(body), wire_bytes=len(body), total=0.01)
        return Received(request=request, exchange=exchange, response=page)


def crawled(
    output: Path, *others: Path, urls: list[str] | None = None, config: dict[str, Any] | None = None
) -> int:
    """Crawl some URLs; return the exit code."""
    options = {**MANNERS_OFF, "parse": "inline", "quiet": True, "sync": "none", **(config or {})}
    order = Order(
        config=CommandConfig(**options),
        seeds=urls or URLS,
        inputs=[],
        output=str(output),
        others=list(map(str, others)),
    )
    return run(order, lambda given, say: open_crawl(given, say, Plugins(fetcher=Web())))


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV, packed or not."""
    text = b"".join(unpacked(iter([path.read_bytes()]), str(path))).decode()
    return list(csv.DictReader(text.splitlines(keepends=True)))


def test_csv_is_read_back_by_the_libraries_that_people_load_it_with(tmp_path: Path) -> None:
    """pandas and DuckDB see the same titles, numbers and truth values as the JSON lines have."""
    output, lines = tmp_path / "out.csv", tmp_path / "out.jsonl"
    urls = [*URLS, "http://no url/", "ftp://b.test/"]
    assert crawled(output, lines, urls=urls) == 0
    records = {each["url"]: each for each in map(json.loads, lines.read_bytes().splitlines())}
    frame = pd.read_csv(output).set_index("url")
    table = duckdb.sql(f"select * from read_csv('{output}')").df().set_index("url")
    for found in (frame, table):
        assert set(found.index) == set(urls) == set(records)
        for url, record in records.items():
            row = found.loc[url]
            assert row["outcome"] == record["outcome"] and row["depth"] == record["depth"]
            assert bool(row["truncated"]) is record["truncated"]
            if record["outcome"] == "page":
                assert row["links"] == 2 and row["bytes.wire"] == record["bytes"]["wire"]
                assert row["title"] == record["title"].replace("\x1b", "\ufffd")
                assert row["timings.total"] == record["timings"]["total"]


def test_links_may_be_joined_and_fields_chosen(tmp_path: Path) -> None:
    """--csv-links join, and --fields in its order; an object stands for its parts."""
    options = {"csv_links": "join", "fields": ("links", "bytes", "url")}
    assert crawled(tmp_path / "out.csv.gz", config=options) == 0
    first, *_ = rows(tmp_path / "out.csv.gz")
    assert list(first) == ["links", "bytes.wire", "bytes.decoded", "url"]
    assert first["links"] == "http://a.test/x,y http://a.test/z"


def test_flat_lines_have_dotted_names(tmp_path: Path) -> None:
    """--flat keeps lists and every field, and no object."""
    assert crawled(tmp_path / "out.jsonl", config={"flat": True}) == 0
    record = json.loads((tmp_path / "out.jsonl").read_bytes().splitlines()[0])
    assert not any(isinstance(value, dict) for value in record.values())
    assert len(record["links"]) == 2 and record["refresh.url"] is None
    wanted = [each.name for each in columns() if each.path[0] not in OPTIONAL]
    assert list(record) == wanted


def test_every_field_of_the_schema_has_a_column() -> None:
    """Nested fields have a column for each part."""
    names = [each.name for each in columns()]
    assert {name.partition(".")[0] for name in names} == set(schema()["properties"])
    assert {"timings.total", "refresh.url", "links"} <= set(names) and "timings" not in names


@pytest.mark.parametrize("form", ["csv", "csv.gz", "csv.zst"])
def test_a_table_is_added_to_without_another_head(tmp_path: Path, form: str) -> None:
    """--append leaves one line of names; other columns, or half a row, are refused."""
    path = tmp_path / f"out.{form}"
    assert crawled(path) == 0
    assert crawled(path, config={"append": True}) == 0
    assert [row["url"] for row in rows(path)] == [*URLS, *URLS]
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match="other columns"):
        crawled(path, config={"append": True, "fields": ("url",)})
    assert path.read_bytes() == before


def test_half_a_row_is_not_added_to(tmp_path: Path) -> None:
    """A table that another program has cut is left alone."""
    path = tmp_path / "out.csv"
    assert crawled(path) == 0
    path.write_bytes(path.read_bytes()[:-3])
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match="half a row"):
        crawled(path, config={"append": True})
    assert path.read_bytes() == before


def test_a_crawl_without_records_leaves_an_empty_table(tmp_path: Path) -> None:
    """It has its names, as a reader expects."""
    (output,) = targets_of([str(tmp_path / "out.csv.gz")], CommandConfig())
    opened = open_outputs([output], CommandConfig(), "refuse")
    with closing(opened):
        opened.outlets[0].end()
    assert gzip.decompress((tmp_path / "out.csv.gz").read_bytes()).startswith(b"url,input,")


def test_several_outputs_are_complete_together(tmp_path: Path) -> None:
    """The receipt names all; one that has changed makes it no proof any more."""
    output, other = tmp_path / "out.jsonl.zst", tmp_path / "out.csv"
    assert crawled(output, other) == 0
    receipt = json.loads((tmp_path / "out.jsonl.zst.receipt.json").read_bytes())
    assert receipt["others"][0]["output"] == str(other)
    assert receipt["others"][0]["bytes"] == other.stat().st_size
    assert len(rows(other)) == len(URLS) == receipt["records"]
    with other.open("ab") as file:
        file.write(b"more\n")
    with pytest.raises(ConfigurationError, match="already"):
        crawled(output, other)


def test_one_place_is_no_two_outputs(tmp_path: Path) -> None:
    """The same file twice is one line before anything is written."""
    with pytest.raises(ConfigurationError, match="name another"):
        crawled(tmp_path / "out.jsonl", tmp_path / "out.jsonl")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "form", "wanted"),
    [
        ("out.jsonl", "jsonl", OutputForm("jsonl")),
        ("OUT.NDJSON.GZ", "jsonl", OutputForm("jsonl", ".gz")),
        ("out.csv.zst", "jsonl", OutputForm("csv", ".zst")),
        ("out", "jsonl", OutputForm("jsonl")),
        ("out", "csv.gz", OutputForm("csv", ".gz")),
        ("out.1", "jsonl", OutputForm("jsonl")),
        ("dir/", "csv", OutputForm("csv")),
        ("-", "csv", OutputForm("csv")),
    ],
)
def test_a_name_says_what_is_written(name: str, form: str, wanted: OutputForm) -> None:
    """--format counts where a name promises nothing."""
    assert target(name, form).form == wanted


@pytest.mark.parametrize(
    ("name", "form", "problem"),
    [
        ("out.csv", "jsonl.gz", "says itself what it is"),
        ("out.xlsx", "jsonl", r"unknown format \.xlsx; expected one of"),
    ],
)
def test_what_cannot_be_written_is_refused(name: str, form: str, problem: str) -> None:
    """In one line, before anything is made."""
    with pytest.raises(ConfigurationError, match=problem):
        target(name, form)


def test_an_output_that_cannot_be_made_leaves_the_others_alone(tmp_path: Path) -> None:
    """The second output's directory is missing: nothing of the first is there."""
    with pytest.raises(EnvironmentFailure, match="does not exist"):
        crawled(tmp_path / "out.jsonl", tmp_path / "missing" / "out.csv")
    assert not list(tmp_path.iterdir())
