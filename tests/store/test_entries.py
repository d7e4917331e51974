"""CSV and JSON lines, well made and otherwise: every row is an entry, nothing is lost."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.model.command_config import CommandConfig
from crawler.model.errors import ConfigurationError
from crawler.model.url import InvalidUrl, Seed
from crawler.store.entries import entries
from crawler.store.entry import seed
from crawler.store.sources import UrlSource


def read(data: bytes | str, name: str, size: int = 1 << 20, **options: object) -> list[Seed]:
    """The seeds of `data`, cut into blocks of `size`."""
    data = data.encode() if isinstance(data, str) else data
    blocks = iter([data[at : at + size] for at in range(0, len(data), size)])
    config = CommandConfig(**options)  # type: ignore[arg-type]
    return [seed(entry) for part in entries(blocks, name, config) for entry in part]


def texts(seeds: list[Seed]) -> list[str]:
    return [
        f"! {found.url.reason}" if isinstance(found.url, InvalidUrl) else found.input
        for found in seeds
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "id,url\n1,http://a/\n2,http://b/\n"),
        ("a.csv", 'id,url\r\n1,"http://a/"\r\n\r\n2,"http://b/"\r\n,\r\n'),
        ("A.CSV.GZ", "\n URL ,id\rhttp://a/,1\rhttp://b/,2"),
        ("a.csv", 'note,url\n"two\nlines, ""quoted""",http://a/\n,http://b/\n'),
        ("a.csv", "id;url\n1;http://a/\n2;http://b/\n"),
        ("a.tsv", "id\turl\n1\thttp://a/\n2\thttp://b/\n"),
        ("a.jsonl", '{"url":"http://a/"}\n\n "http://b/"\r\n'),
        ("a.ndjson.zst", '{"url":"http://a/","n":1}\n{"n":2,"url":"http:\\/\\/b/"}'),
        ("a.json", '{"url":"http://a/"}\n{"url":"http://b/"}\n'),
        ("a.list", "http://a/\nhttp://b/\n"),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_the_name_says_the_form(name: str, text: str, size: int) -> None:
    """The form follows from the file's name; line ends, quotes, delimiter and block size vary."""
    assert texts(read(text, name, size)) == ["http://a/", "http://b/"]


def test_the_form_may_be_told() -> None:
    """`input_format` goes before the name."""
    assert texts(read("url\nhttp://a/\n", "-", input_format="csv")) == ["http://a/"]
    assert texts(read('"http://a/"\n', "a.csv", input_format="jsonl")) == ["http://a/"]


def test_a_column_may_be_counted() -> None:
    """With a number every row counts, also the first: such lists have no header."""
    seeds = read("1,a.example\n2,b.example\n3\n", "a.csv", url_column="2")
    assert texts(seeds) == ["a.example", "b.example", "! no URL in column 2"]
    assert seeds[2].input == "3"


@pytest.mark.parametrize("column", ["link", "0", "-1"])
def test_a_missing_column_is_refused_before_the_crawl(tmp_path: Path, column: str) -> None:
    """A column that the header lacks is a usage error that shows the header."""
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"id,url\n1,http://a/\n"))
    with pytest.raises(ConfigurationError, match=rf"no column '{column}' in 'id,url'; name one"):
        UrlSource([], [str(path)], CommandConfig(url_column=column))


def test_rows_without_a_url_are_refused_one_by_one() -> None:
    """A row that is short or has an empty cell becomes a refusal that holds the row."""
    seeds = read("id,url\n1\n2,\n3,http://c/\n", "a.csv")
    assert texts(seeds) == ["! no URL in column url", "! no URL in column url", "http://c/"]
    assert [found.input for found in seeds[:2]] == ["1", "2,"]


@pytest.mark.parametrize("filler", [0, 200_000])
def test_a_quote_that_is_never_closed_costs_its_line_alone(filler: int) -> None:
    """The lines after an open quote are entries, whether it runs to the end or past the limit."""
    urls = [f"http://a/{n}" for n in range(3 + filler // 10)]
    seeds = read("\n".join(["url", urls[0], '"http://b/', *urls[1:]]), "a.csv", 65_536)
    assert [found.input for found in seeds] == [urls[0], '"http://b/', *urls[1:]]
    reason = "broken CSV: field larger" if filler else "a quote that is never closed"
    assert texts(seeds)[1].startswith(f"! {reason}")


def test_bytes_that_are_no_utf_8_matter_only_in_the_url() -> None:
    """Latin-1 in another column or field leaves the URL alone; in the URL it is a refusal."""
    table = read(b"name,url\nB\xe4r,http://a/\nx,http://b\xe4/\n", "a.csv")
    assert texts(table) == ["http://a/", "! not UTF-8"]
    rows = b'{"n":"B\xe4r","url":"http://a/"}\n{"url":"http://b\xe4/"}\n\xe4{\n'
    assert texts(read(rows, "a.jsonl")) == ["http://a/", "! not UTF-8", "! not UTF-8"]


def test_json_lines_without_a_url_are_refused_one_by_one() -> None:
    """A line that is no JSON, or has no such field, becomes a refusal that holds the line."""
    rows = [
        "{",
        '{"u":1}',
        '{"url":5}',
        "7",
        "[]",
        "null",
        '{"url":null}',
        '{"url":""}',
        "[" * 9999,
    ]
    seeds = read("\n".join(rows), "a.jsonl")
    assert [found.input for found in seeds] == [*rows[:7], "", rows[8]]
    assert all(isinstance(found.url, InvalidUrl) for found in seeds)
    assert texts(seeds)[1:5] == [
        "! no field 'url'",
        "! field 'url' is not text",
        "! neither a JSON object nor text",
        "! neither a JSON object nor text",
    ]


def test_dots_reach_inside() -> None:
    """A dotted field is looked up as it stands first, then step by step."""
    rows = '{"a":{"b":{"c":"http://a/"}}}\n{"a.b.c":"http://b/"}\n{"a":{"b":7}}\n{"a":{"b":{}}}\n'
    found = texts(read(rows, "a.jsonl", url_field="a.b.c"))
    assert found == ["http://a/", "http://b/", "! no field 'a.b.c'", "! no field 'a.b.c'"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_long_fields_beside_the_url_do_no_harm(name: str) -> None:
    """A record above the longest URL is read; one above 8 MB is one refusal."""
    note, endless = "x" * 100_000, "y" * 9_000_000
    if name == "a.csv":
        text = f"note,url\n{note},http://a/\n{endless},http://b/\nz,http://c/\n"
    else:
        rows = ((note, "a"), (endless, "b"), ("z", "c"))
        text = "".join(json.dumps({"n": n, "url": f"http://{u}/"}) + "\n" for n, u in rows)
    seeds = read(text, name, 131_072)
    assert texts(seeds) == ["http://a/", "! a line longer than 8388608 bytes", "http://c/"]
    assert len(seeds[1].input) == 256


@pytest.mark.slow
@given(st.lists(st.text(max_size=20), min_size=1), st.integers(1, 50))
def test_what_the_csv_module_writes_is_read_back(notes: list[str], size: int) -> None:
    """Any text beside the URL, quoted as the csv module does it, leaves the URLs as they are."""
    kept = [note.replace("\r", "").replace("\0", "") for note in notes]
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerows([("note", "url"), *((note, f"http://a/{n}") for n, note in enumerate(kept))])
    data = buffer.getvalue().encode("utf-8", "replace")
    assert texts(read(data, "a.csv", size)) == [f"http://a/{n}" for n in range(len(kept))]


@pytest.mark.slow
@given(st.binary(max_size=300), st.sampled_from(["a", "a.csv", "a.jsonl"]), st.integers(1, 60))
def test_no_bytes_raise(data: bytes, name: str, size: int) -> None:
    """Whatever a list holds behind its first URL, its entries are values."""
    first = {"a": b"http://a/\n", "a.csv": b"url\nhttp://a/\n", "a.jsonl": b'"http://a/"\n'}
    for found in read(first[name] + data, name, size):
        assert isinstance(found, Seed)


@pytest.mark.parametrize("lines", [1, 3, 999, 1_000, 5_000])
@pytest.mark.parametrize(
    ("name", "line", "options", "why"),
    [
        ("a.jsonl", '{"link":"http://a/"}', {}, "no field 'url'"),
        ("a.jsonl", "http://a.example/", {}, "not JSON"),
        ("a.jsonl", '[{"url":"http://a/"}]', {}, "neither a JSON object nor text"),
        ("a.csv", "1,http://a/", {"url_column": "3"}, "no URL in column 3"),
        ("a.csv", "1;http://a/", {"url_column": "3"}, "no URL in column 3"),
    ],
)
def test_a_list_without_any_url_is_refused(
    name: str, line: str, options: dict[str, Any], why: str, lines: int
) -> None:
    """A wrong field or column is one error before the crawl, not a list of bad URLs (L6)."""
    hint = "; an array is not" if line[0] == "[" else "; name its"
    with pytest.raises(ConfigurationError, match=rf"a\.\w+: .*{why}.*{hint}"):
        read(f"{line}\n" * lines, name, 10_000, **options)


@pytest.mark.parametrize("lines", [1, 900])
def test_one_url_is_enough_for_a_list(lines: int) -> None:
    """Lines without the field are records as soon as one line has it; none is lost."""
    seeds = read('{"link":1}\n' * lines + '{"url":"http://a/"}\n{"link":1}\n', "a.jsonl", 1_000)
    assert texts(seeds) == [*["! no field 'url'"] * lines, "http://a/", "! no field 'url'"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_counted_column_finds_its_delimiter(delimiter: str) -> None:
    """Without a header the first row tells what stands between the columns."""
    rows = f"1{delimiter}http://a/{delimiter}x\n2{delimiter}http://b/{delimiter}y\n"
    assert texts(read(rows, "a.csv", url_column="2")) == ["http://a/", "http://b/"]


def test_files_put_together_are_one_list() -> None:
    """A byte order mark, or a header, in the middle neither spoils a URL nor becomes one."""
    assert texts(read('"http://a/"\n\ufeff{"url":"http://b/"}\n', "a.jsonl"))[1] == "http://b/"
    again = texts(read("id,url\n1,http://a/\n\ufeffid,url\n2,http://b/\n", "a.csv"))
    assert again[1].startswith("! no dot in 'url'") and again[2] == "http://b/"


SECRET = "hunter2"


@pytest.mark.parametrize(
    "line",
    [
        {"headers": {"Authorization": f"Bearer {SECRET}", "X-Run": "seen"}, "method": "HEAD"},
        {"headers": [f"Cookie: {SECRET}", "X-Run: seen"], "method": "HEAD"},
        {"headers": [f"Cookie {SECRET}", "X-Run: seen"]},
        {"headers": f"X-Api-Key: {SECRET}"},
        {"body": f"password={SECRET}", "method": "HEAD"},
        {"body": {"password": SECRET}, "body_file": "x"},
        {"body": [SECRET], "url": 3},
        {"url": f"http://me:{SECRET}@a.test/", "method": "HEAD"},
        {"url": "a", "outcome": "page", "method": "POST", "headers": {"set-cookie": SECRET}},
    ],
)
@pytest.mark.parametrize("end", ["", ",", "\udc80"])
def test_a_bad_line_is_recorded_without_the_secrets_of_its_request(
    line: dict[str, Any], end: str
) -> None:
    """Neither its record nor the reason has them, broken JSON or not; lines remain apart."""
    whole = json.dumps({"url": "http://a.test/", **line}) + end
    text = f"{whole}\n".encode("utf-8", "surrogateescape")
    _, found = read(b'"http://b.test/"\n' + text, "a.jsonl")
    assert isinstance(found.url, InvalidUrl)
    assert SECRET not in f"{found} {found.url.reason}"
    with pytest.raises(ConfigurationError) as caught:
        read(text, "a.jsonl")
    assert SECRET not in str(caught.value)


def test_bad_lines_that_differ_in_their_bodies_have_a_record_each() -> None:
    """What is left out of a line is not all that tells it apart from the next."""
    rows = [{"url": "http://a/", "method": "HEAD", "body": body} for body in ("a", "b", {})]
    lines = ['"http://b/"', *map(json.dumps, rows), *(f"{json.dumps(row)}," for row in rows)]
    assert len({each.input for each in read("\n".join(lines), "a.jsonl")}) == 7


def test_columns_that_are_kept_have_no_credentials() -> None:
    """Not with all columns, and not by name; other headers and the body are columns as any."""
    row = {"url": "http://a/", "body": "x", "headers": {"Cookie": SECRET, "X-Run": "1"}}
    for names, kept in (
        (("all",), {"body": "x", "headers": {"Cookie": "***", "X-Run": "1"}}),
        (("headers.Cookie", "headers.X-Run"), {"headers.Cookie": "***", "headers.X-Run": "1"}),
    ):
        (found,) = read(json.dumps(row), "a.jsonl", keep=names)
        assert json.loads(found.source)["columns"] == kept
