"""Names of outputs that promise another format, and inputs in formats that are no list."""

from __future__ import annotations

import gzip
import os
import re
import threading
from pathlib import Path

import pytest

from crawler.model.command_config import CommandConfig
from crawler.model.errors import ConfigurationError, EnvironmentFailure
from crawler.store.outlet import Outlet
from crawler.store.output_files import OutputDocument
from crawler.store.sources import UrlSource

BINARY = {
    "xlsx": b"PK\x03\x04\x14\x00\x06\x00[Content_Types].xml",
    "pdf": b"%PDF-1.7\nhttp://a.example/\n",
    "7z": b"7z\xbc\xaf\x27\x1c",
}


@pytest.mark.parametrize("packed", ["", ".gz", ".zst"])
@pytest.mark.parametrize(
    "name", ["out.parquet", "out.csv", "o.tsv", "out.XLSX", "out.jsonl.bz2", "a.b"]
)
def test_a_name_of_another_format_is_refused(tmp_path: Path, name: str, packed: str) -> None:
    """JSON lines under such a name would be read as what they are not (L8); nothing is made."""
    with pytest.raises(ConfigurationError, match=r"unknown format .*; expected one of \.jsonl"):
        Outlet(str(tmp_path / (name + packed)))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name",
    [
        *("out", "out.jsonl", "OUT.NDJSON", "out.json", "out.jl", "out.gz", "out.jsonl.zst"),
        *(".hidden", "out.1", "out.2026-11-29", "tmp.Ab1CdEfGhI"),
    ],
)
def test_a_name_without_a_promise_is_free(tmp_path: Path, name: str) -> None:
    """JSON lines, packed or not, no suffix, a number, a date, and what mktemp makes."""
    Outlet(str(tmp_path / name)).close()


def test_pipes_have_any_name(tmp_path: Path) -> None:
    """A pipe is what its reader makes of it."""
    os.mkfifo(tmp_path / "out.csv")
    reader = threading.Thread(target=(tmp_path / "out.csv").read_bytes)
    reader.start()
    Outlet(str(tmp_path / "out.csv")).close()
    reader.join()


def test_statistics_are_one_document(tmp_path: Path) -> None:
    """--stats is JSON, never packed, and no lines."""
    for name in ("stats.gz", "stats.jsonl", "stats.csv", "stats.toml"):
        with pytest.raises(ConfigurationError, match="unknown format"):
            OutputDocument(str(tmp_path / name), "refuse")


@pytest.mark.parametrize(
    ("data", "cure"),
    [
        (b"PAR1\x15\x04\x15\x80", "Parquet; say --input-format parquet"),
        (b"WARC/1.0\r\n", "a WARC; say --input-format warc"),
        (b"SQLite format 3\x00\x10", "an SQLite database; say -i 'sqlite:FILE"),
    ],
)
def test_a_list_with_another_name_is_told_how_to_be_read(
    tmp_path: Path, data: bytes, cure: str
) -> None:
    """Formats that are read by their names are recognised under others."""
    (tmp_path / "list.dat").write_bytes(data)
    with pytest.raises(EnvironmentFailure, match=re.escape(f"list.dat: is {cure}")):
        UrlSource([], [str(tmp_path / "list.dat")], CommandConfig())


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("form", BINARY)
def test_an_input_that_is_no_list_is_refused(tmp_path: Path, form: str, packed: bool) -> None:
    """Tables, archives and documents are named for what they are, not read as lines (L8)."""
    path = tmp_path / (f"list.{form}" + (".gz" if packed else ""))
    path.write_bytes(gzip.compress(BINARY[form]) if packed else BINARY[form])
    with pytest.raises(EnvironmentFailure, match=rf"list\.{form}.*: is an? .*; export it as CSV"):
        UrlSource([], [str(path)], CommandConfig())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("\n<!DOCTYPE html>\n<html>", "an HTML page, not a list; crawl its URL"),
        ("<html><a href=x>", "an HTML page"),
        ('<?xml version="1.0"?><urlset>', "XML; say --input-format sitemap"),
        ("\ufeff<rss>", "XML; say --input-format sitemap"),
    ],
)
def test_markup_is_no_list_of_lines(tmp_path: Path, text: str, problem: str) -> None:
    """A page, or a sitemap under another name, is not read line by line."""
    (tmp_path / "list").write_text(text)
    with pytest.raises(EnvironmentFailure, match=problem):
        UrlSource([], [str(tmp_path / "list")], CommandConfig())
