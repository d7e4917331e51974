"""Outputs in every format, several at once: written, continued and put together."""

from __future__ import annotations

import csv
import gzip
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pytest
from pyarrow import parquet

from crawler.cli.crawl_run import Order, open_crawl, run
from crawler.engine.plugins import Plugins
from crawler.model.choices import Existing
from crawler.model.command_config import CommandConfig
from crawler.model.document import RawResponse
from crawler.model.errors import ConfigurationError, EnvironmentFailure
from crawler.model.outcome import Exchange, Fetched, Received
from crawler.model.request import Request
from crawler.store import forms
from crawler.store.archive import unpacked
from crawler.store.columns import columns
from crawler.store.compression import packing
from crawler.store.forms import OutputForm, logs_of, target
from crawler.store.gathering import CommittedPart
from crawler.store.placing import placed
from crawler.store.record import OPTIONAL, schema
from crawler.store.rendering import open_outputs, targets_of
from crawler.store.run_folder import RunFolder
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_links_may_be_joined_and_fields_chosen(tmp_path: Path) -> None:
    """--csv-links join, and --fields in its order; an object stands for its parts."""
    options = {"csv_links": "join", "fields": ("links", "bytes", "url")}
    assert crawled(tmp_path / "out.csv.gz", config=options) == 0
    first, *_ = rows(tmp_path / "out.csv.gz")
    assert list(first) == ["links", "bytes.wire", "bytes.decoded", "url"]
    assert first["links"] == "http://a.test/x,y http://a.test/z"


@pytest.mark.slow
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


@pytest.mark.slow
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
        ("sqlite:", "jsonl", "expected a file"),
        ("-", "parquet", "cannot be written to a pipe"),
        ("out.parquet.gz", "jsonl", "unknown format"),
        ("sqlite:dir/", "jsonl", "expected a file"),
        ("out.xlsx", "jsonl", r"unknown format \.xlsx; expected one of"),
    ],
)
def test_what_cannot_be_written_is_refused(name: str, form: str, problem: str) -> None:
    """In one line, before anything is made."""
    with pytest.raises(ConfigurationError, match=problem):
        target(name, form)


def test_a_format_is_that_of_the_directory_among_several_outputs() -> None:
    """The others say what they are; without a directory or a pipe nothing has use for it."""
    names = ["out/", "x.jsonl", "sqlite:x.db"]
    found = targets_of(names, CommandConfig(format="parquet"))
    assert [each.form.name for each in found] == ["parquet", "jsonl", "sqlite"]
    with pytest.raises(ConfigurationError, match=r"x\.jsonl says itself"):
        targets_of(names[1:], CommandConfig(format="parquet"))


def test_outputs_that_are_made_at_the_end_share_their_rows(tmp_path: Path) -> None:
    """A partition writes them once; a run of an earlier version goes on with a copy for each."""
    names = ["x.csv", "x.parquet", "sqlite:x.db", "x.jsonl", "duckdb:x.db", "x.warc"]
    kept = logs_of(targets_of(names, CommandConfig()))
    assert kept == [0, 1, 1, 2, 1, 3]
    folder = RunFolder(str(tmp_path / "x.csv"))
    with closing(folder):
        folder.lock()
        (output,) = targets_of([f"{tmp_path}/y.jsonl"], CommandConfig())
        place = placed(output, CommandConfig(), None)
        folder.begin({}, 1, place)
        assert folder.kept(3) == [0, 1, 2]
        folder.begin({}, 1, place, kept=kept)
        assert folder.kept(6) == kept
        folder.discard()
        place.close()


def test_an_output_that_cannot_be_made_leaves_the_others_alone(tmp_path: Path) -> None:
    """The second output's directory is missing: nothing of the first is there."""
    with pytest.raises(EnvironmentFailure, match="does not exist"):
        crawled(tmp_path / "out.jsonl", tmp_path / "missing" / "out.csv")
    assert not list(tmp_path.iterdir())


def records_of(path: Path) -> dict[str, dict[str, Any]]:
    """The records of a file of JSON lines, by their URLs."""
    return {each["url"]: each for each in map(json.loads, path.read_bytes().splitlines())}


def packed(
    folder: Path,
    name: str,
    lines: list[dict[str, Any]],
    existing: Existing = "refuse",
    **options: Any,
) -> None:
    """Make an output from records that three partitions have left, one of them nothing."""
    options |= {"overwrite": existing == "replace", "append": existing == "add"}
    config = CommandConfig(**options)
    (output,) = targets_of([name], config)
    parts = []
    for number in range(3):
        part = folder / f"rows{number}.jsonl.zst"
        held = [] if number == 1 else lines[number // 2 :: 2]
        data = b"".join(json.dumps(each).encode() + b"\n" for each in held)
        pack = packing(part.name)
        data = pack.pack(data) + pack.end() if data else b""
        part.write_bytes(data + b"torn")
        parts.append(CommittedPart(number, part, len(data)))
    with closing(placed(output, config, None)) as place:
        place.gather(parts)
        place.gather(parts)  # again, after a kill before the receipt


@pytest.fixture(scope="module")
def crawl(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Records of pages, failures and entries that are no URLs, with fields of an open form."""
    folder = tmp_path_factory.mktemp("crawl")
    assert crawled(folder / "out.jsonl", urls=[*URLS, "http://no url/", "ftp://b.test/"]) == 0
    records = records_of(folder / "out.jsonl")
    records[URLS[1]]["parsed"] = {"price": [1, 2.5], "name": "x"}
    ended = {"ip": None, "http_version": "1.1", "tls_version": "TLSv1.3"}
    records[URLS[1]]["connection"] = ended | {"certificate_expires": "2027-01-02T03:04:05.000Z"}
    records[URLS[2]]["source"] = {"file": "l.csv", "line": 3, "columns": {"id": "7"}}
    return records


@pytest.mark.slow
def test_parquet_is_read_back_by_the_libraries_that_people_load_it_with(
    tmp_path: Path, crawl: dict[str, dict[str, Any]]
) -> None:
    """DuckDB, Polars and pandas see nested fields, lists, times and descriptions."""
    output = tmp_path / "out.parquet"
    packed(tmp_path, str(output), list(crawl.values()))
    table = pl.read_parquet(output)
    assert set(table["url"]) == set(crawl) and table.height == len(crawl)
    for row in table.iter_rows(named=True):
        record = crawl[row["url"]]
        assert row["links"] == record["links"] and row["timings"] == record["timings"]
        assert row["title"] == record["title"] and row["truncated"] is record["truncated"]
        assert json.loads(row["parsed"] or "null") == record.get("parsed")
        fetched = row["fetched_at"] and row["fetched_at"].strftime("%Y-%m-%dT%H:%M:%S")
        assert fetched == (record["fetched_at"] and record["fetched_at"][:19])
    until = "connection.certificate_expires::date::text"
    asked_for = f"select {until} from '{output}' where parsed like '%price%'"
    assert duckdb.sql(asked_for).fetchall() == [("2027-01-02",)]
    query = f"select sum(len(links)) from '{output}' where source is null"
    assert duckdb.sql(query).fetchall() == [(2 * (len(URLS) - 1),)]
    assert set(pd.read_parquet(output)["url"]) == set(crawl)
    described = parquet.read_schema(output).field("status").metadata[b"description"]
    assert described.decode() == schema()["properties"]["status"]["description"]
    assert parquet.ParquetFile(output).metadata.row_group(0).column(0).compression == "ZSTD"


def test_parquet_is_added_to_and_keeps_its_schema(
    tmp_path: Path, crawl: dict[str, dict[str, Any]]
) -> None:
    """Rows of an earlier crawl come first, once; other columns and other files are refused."""
    output = tmp_path / "out.parquet"
    first, *more = crawl.values()
    packed(tmp_path, str(output), [first], fields=("url", "timings.total"))
    packed(tmp_path, str(output), more, "add", fields=("url", "timings.total"))
    table = pl.read_parquet(output)
    assert next(iter(table["url"])) == first["url"] and set(table["url"]) == set(crawl)
    assert table["timings"].struct.fields == ["total"]
    before = output.read_bytes()
    with pytest.raises(ConfigurationError, match="other columns"):
        packed(tmp_path, str(output), more, "add")
    assert output.read_bytes() == before
    (tmp_path / "none.parquet").write_bytes(b"no columns")
    with pytest.raises(ConfigurationError, match="is not Parquet"):
        packed(tmp_path, str(tmp_path / "none.parquet"), more, "add")


@pytest.mark.slow
def test_parts_of_a_directory_have_one_schema(
    tmp_path: Path, crawl: dict[str, dict[str, Any]]
) -> None:
    """Each partition's rows become a file; what was there stays or goes as the option says."""
    packed(tmp_path, f"{tmp_path}/out/", list(crawl.values()), format="parquet")
    packed(tmp_path, f"{tmp_path}/out/", list(crawl.values()), "add", format="parquet")
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [f"part-{number:05d}.parquet" for number in (0, 2, 3, 5)]
    schemas = [parquet.read_schema(tmp_path / "out" / name) for name in names]
    assert all(each.equals(schemas[0], check_metadata=True) for each in schemas)
    assert pl.read_parquet(tmp_path / "out").height == 2 * len(crawl)
    with pytest.raises(ConfigurationError, match=r"holds part-00000\.parquet, .* would be jsonl"):
        packed(tmp_path, f"{tmp_path}/out/", list(crawl.values()), "add", format="jsonl")
    packed(tmp_path, f"{tmp_path}/out/", list(crawl.values()), "replace", format="parquet")
    assert pl.read_parquet(tmp_path / "out").height == len(crawl)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_a_database_has_a_row_for_each_url_of_several_crawls(
    tmp_path: Path, crawl: dict[str, dict[str, Any]], kind: str
) -> None:
    """What is crawled again replaces its row and its links; --overwrite begins anew."""
    name = f"{kind}:{tmp_path}/x.db"
    packed(tmp_path, name, list(crawl.values()))
    assert counts(name) == (len(crawl), 2 * len(URLS))
    again = {**crawl[URLS[0]], "links": ["http://c.test/"], "title": "new"}
    packed(tmp_path, name, [again, {**again, "url": "http://other.test/"}], "add")
    assert counts(name) == (len(crawl) + 1, 2 * len(URLS))
    query = f"SELECT title, links FROM pages WHERE url = '{URLS[0]}'"
    assert asked(name, query) == [("new", 1)]
    links = f"SELECT position, link FROM links WHERE url = '{URLS[1]}' ORDER BY position"
    assert asked(name, links) == list(enumerate(crawl[URLS[1]]["links"]))
    total = "timings.total" if kind == "duckdb" else "timings_total"
    found = asked(name, f"SELECT {total}, parsed FROM pages WHERE url = '{URLS[1]}'")
    assert found[0][0] == crawl[URLS[1]]["timings"]["total"]
    assert json.loads(found[0][1]) == crawl[URLS[1]]["parsed"]
    packed(tmp_path, name, [again], "replace")
    assert counts(name) == (1, 1)


@pytest.mark.slow
def test_a_newer_field_is_added_to_a_table(
    tmp_path: Path, crawl: dict[str, dict[str, Any]]
) -> None:
    """A database of an older version, or of fewer fields, gets the columns that it lacks."""
    for kind in ("sqlite", "duckdb"):
        name = f"{kind}:{tmp_path}/{kind}.db"
        packed(tmp_path, name, [crawl[URLS[0]]], fields=("url",))
        packed(tmp_path, name, [crawl[URLS[1]]], "add", fields=("url", "title"))
        found = asked(name, "SELECT title IS NULL FROM pages ORDER BY url")
        assert [bool(row[0]) for row in found] == [True, False]


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_what_is_no_database_is_left_alone(tmp_path: Path, kind: str) -> None:
    """Another program's file is refused before the crawl; so are fields without the URL."""
    (tmp_path / "x.db").write_text("no database, but long enough to be taken for one" * 100)
    before = (tmp_path / "x.db").read_bytes()
    with pytest.raises(ConfigurationError, match="name another file"):
        packed(tmp_path, f"{kind}:{tmp_path}/x.db", [], "add")
    with pytest.raises(ConfigurationError, match="needs url"):
        packed(tmp_path, f"{kind}:{tmp_path}/y.db", [], fields=("title",))
    assert (tmp_path / "x.db").read_bytes() == before and not (tmp_path / "y.db").exists()


def counts(name: str) -> tuple[int, int]:
    """The number of pages, and of links."""
    pages, links = (asked(name, f"SELECT count(*) FROM {table}") for table in ("pages", "links"))
    return pages[0][0], links[0][0]


def asked(name: str, query: str) -> list[tuple[Any, ...]]:
    """The answer of a database."""
    kind, _, path = name.partition(":")
    connect = sqlite3.connect if kind == "sqlite" else duckdb.connect
    with closing(connect(path)) as base:
        return base.execute(query).fetchall()


@pytest.mark.parametrize("name", ["duckdb:x.db", "x.parquet"])
def test_a_library_that_is_missing_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs it."""
    monkeypatch.setattr(forms, "find_spec", lambda _name: None)
    with pytest.raises(ConfigurationError, match=r"not installed; pip install 'crawler-cli\["):
        target(name, "jsonl")
