"""The README tells the truth where a machine can tell."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import crawler
from crawler.cli.compare.spelling import COMPARE
from crawler.cli.load.spelling import LOAD
from crawler.cli.mock.web import MOCK
from crawler.cli.options import CRAWL, Spelling, table
from crawler.model.errors import ExitCode

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "spelling"),
    [
        ("options", CRAWL),
        ("mock options", MOCK),
        ("load options", LOAD),
        ("compare options", COMPARE),
    ],
)
def test_the_options_are_those_of_the_configuration(name: str, spelling: Spelling[Any]) -> None:
    """The tables of options are made from the configuration classes, and are up to date."""
    start, end = README.index(f"<!-- {name}"), README.index(f"<!-- /{name} -->")
    _, _, shown = README[start:end].partition("\n")
    assert shown.strip() == table(spelling).strip()


def test_every_shipped_scenario_is_linked() -> None:
    """A scenario that is not told of is not found."""
    files = sorted(path.name for path in (Path(__file__).parents[2] / "config").glob("mock-*"))
    assert files and all(f"](config/{name})" in README for name in files)


def test_every_exit_code_is_documented() -> None:
    """The table of exit codes has each code, and no other."""
    section = README[README.index("## Exit codes") : README.index("## Words")]
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)} == {
        code.value for code in ExitCode
    }


def test_the_parser_to_start_from_works() -> None:
    """The example of a parser of one's own does what it says, to a response made for it."""
    (code,) = re.findall(r"```python\n(# words\.py.*?)```", README, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    body = "<p>from 12,50 € to 99.00€".encode()
    page = crawler.Response(
        url="http://a.test/", status=200, content_type="text/html; charset=utf-8", body=body,
        fields=(("server", "nginx"),),
    )  # fmt: skip
    assert names["parse"](page) == {"words": 5, "prices": ["12,50 €", "99.00€"], "server": "nginx"}


def test_the_files_it_links_to_are_there() -> None:
    """No link into the project is broken."""
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert links
    assert all((Path(__file__).parents[2] / link).exists() for link in links)
