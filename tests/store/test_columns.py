"""`--keep` and `--repeats`: what stands next to a URL in its list, and where."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.core.crawl_core import CrawlCore
from crawler.model.command_config import CommandConfig
from crawler.model.errors import ConfigurationError
from crawler.model.request import Request
from crawler.model.url import Seed, Url
from crawler.store.entry import MOST
from crawler.store.log import LineLog, RepeatLog
from crawler.store.sources import UrlSource
from crawler.store.spool import Spool
from tests.store.test_entries import read
from tests.top_level import TopLevelDomains

A, B = "http://a.example/", "http://b.example/"


def places(text: str, name: str, **options: Any) -> list[tuple[str, int, Any]]:
    """Input, line and columns of each entry."""
    found = []
    for seed in read(text, name, **options):
        source = json.loads(seed.source)
        assert source["file"] == name
        found.append((seed.input, source["line"], source["columns"]))
    return found


@pytest.mark.parametrize(
    ("name", "text", "options", "columns"),
    [
        ("a.csv", f"id,url,n\n7,{A},x\n", {}, {"id": "7", "n": "x"}),
        ("a.csv", f"id;url;n\n7;{A};x\n", {"keep": ("N",)}, {"n": "x"}),
        ("a.tsv", f"id\tURL\n7\t{A}\n", {"keep": ("url,id",)}, {"URL": A, "id": "7"}),
        ("a.csv", f"id,url\n7,{A},more\n", {}, {"id": "7", "3": "more"}),
        ("a.csv", f"n,url,N,,n\n1,{A},2,3,4\n", {}, {"n": "1", "N": "2", "4": "3", "5": "4"}),
        ("a.csv", f"7;{A};x\n", {"url_column": "2"}, {"1": "7", "3": "x"}),
        ("a.csv", f"7,{A},x\n", {"url_column": "2", "keep": ("3",)}, {"3": "x"}),
        ("a.jsonl", f'{{"url":"{A}","id":7,"t":[1]}}\n', {}, {"id": 7, "t": [1]}),
        (
            "a.jsonl",
            f'{{"url":"{A}","a":{{"b":1}}}}\n',
            {"keep": ("a.b", "c")},
            {"a.b": 1, "c": None},
        ),
        ("a.jsonl", f'"{A}"\n', {}, {}),
        ("a.txt", f"{A}\tshop\t7\n", {}, {"2": "shop", "3": "7"}),
        ("a.txt", f"{A}\tshop\t7\n", {"keep": ("3",)}, {"3": "7"}),
        ("a.txt", f"{A}\n", {}, {}),
    ],
)
def test_columns_travel(name: str, text: str, options: dict[str, Any], columns: Any) -> None:
    """Columns of every form of list are kept (img2dataset#16, #310, OAButton#811)."""
    (found,) = places(text, name, **{"keep": ("all",), **options})
    assert found[2] == columns


@pytest.mark.parametrize("size", [1, 5, 1_000])
@pytest.mark.parametrize(
    ("name", "text", "lines"),
    [
        ("a.txt", f"# no\n\n{A}\r\n\r{B}\n", [3, 5]),
        ("a.csv", f'\nn,url\n"two\nlines",{A}\n,\nx,{B}\n', [3, 6]),
        ("a.csv", f'n,url\n"open,{A}\nx,{B}\n', [2, 3]),
        ("a.jsonl", f'\n{{"url":"{A}"}}\n{{\n"{B}"\n', [2, 3, 4]),
    ],
)
def test_lines_are_counted(name: str, text: str, lines: list[int], size: int) -> None:
    """The number is the one that an editor shows, with blank lines, comments and all."""
    found = read(text, name, size, keep=("all",))
    assert [json.loads(seed.source)["line"] for seed in found] == lines


@pytest.mark.slow
@given(
    st.lists(st.sampled_from(["\n", "\r\n", "\r", f"{A}\n", "x" * 70_000 + "\r\n"])),
    st.integers(1, 9),
)
def test_line_numbers_do_not_depend_on_blocks(parts: list[str], size: int) -> None:
    """However the text is cut into blocks, and whatever is too long, a line has its number."""
    text = "".join(parts)
    whole = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    found = read(text, "a.txt", size * 9_973, keep=("all",))
    numbers = [json.loads(seed.source)["line"] for seed in found]
    assert numbers == [number for number, line in enumerate(whole, 1) if line]


def test_a_column_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """A misspelt --keep is known before the crawl, with the header; plain columns have no names."""
    (tmp_path / "a.csv").write_text(f"id,url\n7,{A}\n")
    (tmp_path / "a.txt").write_text(f"{A}\n")
    for name, problem in (("a.csv", "no column 'ids' in 'id,url'"), ("a.txt", "have no names")):
        with pytest.raises(ConfigurationError, match=problem):
            UrlSource([], [str(tmp_path / name)], CommandConfig(keep=("ids",)))


def test_memory_for_columns_is_bounded() -> None:
    """Above 16 KB of JSON the columns are null; the line number still says where they are."""
    (found,) = places(f'{{"url":"{A}","text":"{"x" * MOST}"}}\n', "a.jsonl", keep=("all",))
    assert found == (A, 1, None)


def test_nothing_is_told_unasked() -> None:
    """Without --keep and --repeats an entry carries no place."""
    assert [seed.source for seed in read(f"id,url\n7,{A}\n", "a.csv")] == [b""]


def test_a_spilled_request_keeps_its_place() -> None:
    """What goes through the file of the spool comes back with its place in the list."""
    spool = Spool()
    spool.keep([("a", [Request(url=Url(A), seed=A, input=A, source=b'{"line":7}')])])
    (back,) = spool.take([("a", 1)])
    spool.close()
    assert back.source == b'{"line":7}'


def test_the_first_entry_has_the_record_and_the_others_are_listed(tmp_path: Path) -> None:
    """Of a URL that is listed twice the first place is recorded; each further one has a line."""
    path = tmp_path / "repeats.jsonl"
    config = CommandConfig(keep=("all",), repeats=str(path))
    text = f"id,url\n1,{A}\n2,{A}#x\n3,off\n4,{B}\n5,off\n"
    seeds = read(text, "a.csv", keep=("all",))
    with RepeatLog(str(path)) as log:
        core = CrawlCore(config, random=lambda: 0.5, suffixes=TopLevelDomains())
        core.tell_repeats(log.put)
        finals = core.admit([*seeds, Seed(B, Url(B))], 0.0)
        core.exhausted()
        finals += core.stop()
    ids = [json.loads(final.source)["columns"]["id"] for final in finals]  # type: ignore[union-attr]
    assert sorted(ids) == ["1", "3", "4"]
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [
        {"url": A, "input": f"{A}#x", "file": "a.csv", "line": 3, "columns": {"id": "2"}},
        {"url": "off", "input": "off", "file": "a.csv", "line": 6, "columns": {"id": "5"}},
        {"url": B, "input": B, "file": None, "line": None, "columns": None},
    ]
    assert core.statistics(1.0).repeats == len(lines)


def test_a_log_that_was_never_written_leaves_nothing(tmp_path: Path) -> None:
    """A crawl that fails before its first line neither makes nor empties the file."""
    path = tmp_path / "repeats"
    with pytest.raises(ZeroDivisionError), LineLog(str(path)):
        raise ZeroDivisionError
    assert not path.exists()
