"""Columns, repeats and fields, from the list to the record, with either engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crawler.mock import MockWeb, running
from tests.cli.test_command import crawler
from tests.legal import check
from tests.unmannered import WORDS


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["async", "threaded"])
def test_every_line_of_a_list_is_in_a_record_or_among_the_repeats(
    tmp_path: Path, engine: str
) -> None:
    """Pages, redirects, failures and what is no URL keep their columns (img2dataset#16, #310)."""
    listed, repeats = tmp_path / "list.csv", tmp_path / "repeats.jsonl"
    with running(MockWeb(pages=10)) as web:
        base = web.url.rstrip("/")
        paths = ("/page/1", "/redirect/2", "/status/404", "/page/1#again", "/flaky/1/x", "/page/1")
        rows = [f"{number},{base}{path}" for number, path in enumerate(paths)]
        listed.write_text("\n".join(["id,url", *rows, "6,off", "7,"]))
        words = ("-i", str(listed), "--keep", "id", "--repeats", str(repeats), "--engine", engine)
        code, out, err = crawler("crawl", *WORDS, f"{base}/page/2", *words, "--backoff", "0.01")
    assert code == 0, err
    records = [json.loads(line) for line in out.splitlines()]
    for record in records:
        check(record)
    others = [json.loads(line) for line in repeats.read_text().splitlines()]
    kept = [record["source"] for record in records if "source" in record]
    assert len(records) == len(kept) + 1  # the URL of the command line has no place in a list
    places = {place["columns"]["id"]: (place["file"], place["line"]) for place in kept + others}
    assert places == {str(number): (str(listed), number + 2) for number in range(8)}
    assert sorted(other["columns"]["id"] for other in others) == ["3", "5"]
    assert err.endswith("9 read = 7 records + 2 repeats\n")


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["async", "threaded"])
def test_records_of_some_fields(tmp_path: Path, engine: str) -> None:
    """--fields takes names with commas, keeps their order, and may be repeated."""
    words = ("--engine", engine, "--fields", "title,timings.total", "--fields", "url", "-q")
    code, out, err = crawler("crawl", *WORDS, "--mock", "5", *words)
    assert (code, err) == (0, "")
    for record in map(json.loads, out.splitlines()):
        assert list(record) == ["title", "timings", "url"]
        assert record["title"] and list(record["timings"]) == ["total"]
    output = tmp_path / "out.jsonl"
    code, _, err = crawler("crawl", "--mock", "5", "--fields", "titel", "-o", str(output))
    assert (code, output.exists()) == (2, False)
    assert err == "crawler: --fields titel: no field 'titel'; did you mean title?\n"
