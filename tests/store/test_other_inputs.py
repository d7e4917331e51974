"""Lists that are no text: bzip2 and xz, Parquet, WARC, earlier outputs, queries of a database."""

from __future__ import annotations

import bz2
import io
import lzma
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest
from pyarrow import parquet

from crawler.model.errors import ConfigurationError, CrawlerError, EnvironmentFailure
from crawler.store.warc_input import warc_entries
from tests.store.test_sources import TEXT, URLS, hrefs, read, wrote

PACKERS: dict[str, Callable[[bytes], bytes]] = {".bz2": bz2.compress, ".xz": lzma.compress}


@pytest.mark.parametrize("suffix", PACKERS)
def test_bzip2_and_xz_are_unpacked_whatever_the_name(tmp_path: Path, suffix: str) -> None:
    """Streams in a row are one list, by their first bytes; xz may be padded at the end."""
    pack = PACKERS[suffix]
    half = len(TEXT) // 2
    padding = bytes(4) if suffix == ".xz" else b""
    packed = pack(TEXT[:half].encode()) + pack(TEXT[half:].encode()) + padding
    assert hrefs(read(wrote(tmp_path / f"list.csv{suffix}", packed), url_column="1")) == URLS
    assert hrefs(read(wrote(tmp_path / "list", packed))) == URLS
    assert read(wrote(tmp_path / f"empty{suffix}", pack(b""))) == []


@pytest.mark.slow
@pytest.mark.parametrize("suffix", PACKERS)
def test_a_bomb_of_bzip2_or_xz_costs_its_line_alone(tmp_path: Path, suffix: str) -> None:
    """A long packed line is one refusal, and its neighbours are read."""
    packed = PACKERS[suffix](
        b"http://a/\n" + bytes(9_000_000).replace(b"\0", b"x") + b"\nhttp://b/"
    )
    assert hrefs(read(wrote(tmp_path / f"list{suffix}", packed))) == [
        "http://a/",
        "! longer than 65536 characters",
        "http://b/",
    ]


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("harm", ["cut", "bent", "other"])
def test_a_damaged_bzip2_or_xz_is_one_clear_error(tmp_path: Path, suffix: str, harm: str) -> None:
    """A truncated archive, a damaged one and a text with its name are told apart."""
    packed = bytearray(PACKERS[suffix](os.urandom(50_000).hex().encode()))
    if harm == "cut":
        del packed[-20:]
    elif harm == "bent":
        packed[len(packed) // 2] ^= 0xFF
    path = wrote(tmp_path / f"list{suffix}", TEXT if harm == "other" else bytes(packed))
    words = {"cut": "ends too early", "bent": "is damaged", "other": "is not an archive"}
    with pytest.raises(EnvironmentFailure, match=words[harm]):
        read(path)


def parquet_list(path: Path, **columns: list[Any]) -> Path:
    parquet.write_table(pa.table(columns), path, row_group_size=2)
    return path


def test_parquet_gives_the_urls_of_a_column_with_the_columns_to_keep(tmp_path: Path) -> None:
    """Rows come in order, through row groups; kept columns are JSON, whatever their type."""
    days = [date(2026, 1, day) for day in range(1, 6)]
    prices = [Decimal("1.50")] * 5
    path = parquet_list(tmp_path / "l.parquet", link=URLS, day=days, price=prices, n=[*range(5)])
    seeds = read(path, url_column="link", keep=("day", "price"))
    assert hrefs(seeds) == URLS
    assert orjson.loads(seeds[4].source) == {
        "file": str(path),
        "line": 5,
        "columns": {"day": "2026-01-05", "price": "1.50"},
    }
    everything = orjson.loads(read(path, url_column="link", keep=("all",))[1].source)["columns"]
    assert everything == {"day": "2026-01-02", "price": "1.50", "n": 1}


def test_a_row_of_parquet_without_a_url_is_a_record_with_the_reason(tmp_path: Path) -> None:
    """A null is not lost, and neither are its neighbours."""
    path = parquet_list(tmp_path / "l.parquet", url=["http://a/", None, "http://b/"])
    assert hrefs(read(path)) == ["http://a/", "! no text in column url", "http://b/"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "no column 'url' in link; name one with --url-column"),
        ({"url_column": "link", "keep": ("x",)}, "no column 'x' in link; name one with --keep"),
    ],
)
def test_a_missing_column_of_parquet_ends_the_crawl_before_it_starts(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    """The error names the column, those that there are, and the flag."""
    path = parquet_list(tmp_path / "list.parquet", link=URLS)
    with pytest.raises(ConfigurationError, match=message):
        read(path, **options)


def test_a_damaged_parquet_file_is_one_clear_error(tmp_path: Path) -> None:
    """What has the name and not the form is refused, as is a column without one URL."""
    with pytest.raises(EnvironmentFailure, match="cannot be read as Parquet"):
        read(wrote(tmp_path / "list.parquet", b"PAR1" + bytes(100)))
    with pytest.raises(ConfigurationError, match="name its column with --url-column"):
        read(parquet_list(tmp_path / "numbers.parquet", url=[1, 2]))
    with pytest.raises(ConfigurationError, match="not from a pipe"):
        read(Path("/dev/null"), input_format="parquet")


def warc_record(kind: str, target: str, content: bytes, end: bytes = b"\r\n") -> bytes:
    head = [b"WARC/1.1", b"WARC-Type: %b" % kind.encode(), b"Content-Length: %d" % len(content)]
    head += [b"warc-target-uri: <%b>" % target.encode()] if target else []
    return end.join([*head, b"", content]) + b"\r\n\r\n"


CONTENT = b"HTTP/1.1 200 OK\r\n\r\nWARC/1.1\r\nWARC-Type: response\r\nContent-Length: 0\r\n\r\n"
WARC = b"".join(
    (
        warc_record("warcinfo", "", b"software: x\r\n"),
        warc_record("request", URLS[0], b"GET / HTTP/1.1\r\n\r\n"),
        warc_record("response", URLS[0], CONTENT),
        warc_record("response", "dns:a.example", b"a.example 1.2.3.4"),
        warc_record("metadata", URLS[4], b"x: y\r\n", b"\n"),
        warc_record("revisit", URLS[1], b"", b"\n"),
        warc_record("response", URLS[2], CONTENT * 9_000),
    )
)


@pytest.mark.parametrize("suffix", ["", ".xz"])
def test_a_warc_gives_the_urls_of_its_responses(tmp_path: Path, suffix: str) -> None:
    """Requests, metadata and DNS are passed over, as is what looks like a record in a body."""
    data = PACKERS[suffix](WARC) if suffix else WARC
    path = wrote(tmp_path / f"crawl.warc{suffix}", data)
    assert hrefs(read(path)) == URLS[:3]
    assert orjson.loads(read(path, keep=("all",))[2].source)["line"] == 7


@pytest.mark.parametrize("size", [3, 100, 100_000])
def test_a_warc_may_come_in_pieces_of_any_size(size: int) -> None:
    """Where a block ends makes no difference."""
    file = io.BytesIO(WARC[:-100_000])  # in the middle of the last body
    entries = warc_entries(iter(lambda: file.read(size), b""), "x.warc", None)
    found: list[object] = []
    with pytest.raises(EnvironmentFailure, match="in the middle of a WARC record"):
        found.extend(each for part in entries for each in part)
    assert found == URLS[:3]


@pytest.mark.parametrize(
    "data", [b"http://a/\n", b"WARC/1.0\r\nContent-Length: x\r\n\r\n", b"W" * 99]
)
def test_what_is_no_warc_is_refused_before_the_crawl(tmp_path: Path, data: bytes) -> None:
    """The error names the file."""
    with pytest.raises(EnvironmentFailure, match=r"a\.warc: is not a WARC file"):
        read(wrote(tmp_path / "a.warc", data))


def test_an_earlier_output_is_a_list_of_its_urls(tmp_path: Path) -> None:
    """Records of any outcome give their URLs, packed or not."""
    lines = [orjson.dumps({"url": url, "input": "x", "outcome": "failed"}) for url in URLS]
    path = wrote(tmp_path / "old.jsonl.bz2", bz2.compress(b"\n".join(lines)))
    assert hrefs(read(path)) == URLS


@pytest.fixture
def database(tmp_path: Path) -> str:
    """A database with a table of links; its name for -i."""
    path = tmp_path / "a b?.db".replace("?", "")
    with closing(sqlite3.connect(path)) as base, base:
        base.execute("CREATE TABLE links (n INTEGER, link TEXT, data BLOB)")
        base.executemany("INSERT INTO links VALUES (?, ?, x'00ff')", enumerate(URLS))
        base.execute("CREATE TABLE pages (url TEXT, title TEXT)")
        base.executemany("INSERT INTO pages VALUES (?, 'x')", [(url,) for url in URLS])
    return f"sqlite:{path}"


def test_a_query_is_a_list(database: str) -> None:
    """The only column, or the one that is named, has the URLs; others can be kept."""
    only = f"{database}?SELECT link FROM links WHERE link <> '?' ORDER BY n DESC;"
    assert hrefs(read(Path(only))) == URLS[::-1]
    both = f"{database}?SELECT n, link, data FROM links"
    seeds = read(Path(both), url_column="link", keep=("n",))
    assert hrefs(seeds) == URLS
    assert orjson.loads(seeds[3].source) == {"file": both, "line": 4, "columns": {"n": 3}}
    assert hrefs(read(Path(database))) == URLS  # `pages`, as a crawl writes it


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT * FROM links", "no column 'url' in n, link, data; name one with --url-column"),
        ("SELECT url FROM none", "no such table: none"),
        ("DELETE FROM links", "syntax error"),
    ],
)
def test_a_wrong_query_ends_the_crawl_before_it_starts(
    database: str, query: str, message: str
) -> None:
    """One line says what is wrong, and nothing is changed in the database."""
    with pytest.raises(CrawlerError, match=message):
        read(Path(f"{database}?{query}"))
    assert hrefs(read(Path(f"{database}?SELECT link FROM links"))) == URLS


def test_a_missing_database_is_not_made(tmp_path: Path) -> None:
    """A wrong name is an error, and leaves nothing behind."""
    with pytest.raises(EnvironmentFailure, match="no such file; check the name"):
        read(Path(f"sqlite:{tmp_path}/no.db?SELECT 1"))
    assert list(tmp_path.iterdir()) == []
