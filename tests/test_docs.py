"""README and documentation are true where a machine can tell; `make docs` builds the pages."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest

import crawler
from crawler.model.errors import ExitCode
from tests.generated import files
from tests.pictures import killed_and_continued

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted(
    set((ROOT / "docs").rglob("*.md")) - set((ROOT / "docs" / "generated").rglob("*.md"))
)


def test_the_readme_is_short() -> None:
    """A newcomer reads it in a few minutes."""
    assert len(README.splitlines()) <= 150


@pytest.mark.slow
def test_the_script_of_the_readme_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """The README's script crawls a mock web and prints a line for each page."""
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(code, {})
    assert len(capsys.readouterr().out.splitlines()) == 10


def test_what_is_made_from_the_options_is_up_to_date() -> None:
    """Typed keywords and default.toml equal the options; see `tests.generated`."""
    stale = [path.name for path, text in files().items() if path.read_text("utf-8") != text]
    assert stale == []


def test_every_exit_code_is_documented() -> None:
    """The table of exit codes has each code, and no other."""
    page = (ROOT / "docs" / "reference" / "exit-codes.md").read_text(encoding="utf-8")
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)}
    assert documented == {code.value for code in ExitCode}


def test_every_shipped_scenario_is_documented() -> None:
    """A scenario that is not mentioned is not found."""
    page = (ROOT / "docs" / "mock.md").read_text(encoding="utf-8")
    names = sorted(path.stem for path in (ROOT / "config").glob("mock-*"))
    assert names and all(f"`{name}`" in page for name in names)


def test_the_example_of_a_parser_works() -> None:
    """The documented parser returns what it says for a response."""
    page = (ROOT / "docs" / "parsing.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(# words\.py.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    body = "<p>from 12,50 € to 99.00€".encode()
    page = crawler.Response(
        url="http://a.test/", status=200, content_type="text/html; charset=utf-8", body=body,
        fields=(("server", "nginx"),),
    )  # fmt: skip
    assert names["parse"](page) == {"words": 5, "prices": ["12,50 €", "99.00€"], "server": "nginx"}


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES], ids=lambda page: page.name
)
def test_links_within_the_project_exist(page: Path) -> None:
    """No link into the project is broken."""
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_page_is_in_the_table_of_contents() -> None:
    """Every page can be found from the first."""
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    names = (path.relative_to(ROOT / "docs").with_suffix("").as_posix() for path in PAGES)
    assert [name for name in names if name != "index" and f"\n{name}\n" not in index] == []


@pytest.mark.slow
def test_the_demo_of_the_readme_holds(tmp_path: Path) -> None:
    """A crawl that is killed, asked about and continued looks as its picture does, and is whole."""
    shown = dict(killed_and_continued(tmp_path, pages=24, after=6))
    picture = (ROOT / "docs" / "images" / "killed.svg").read_text(encoding="utf-8")
    pictured = html.unescape(re.sub(r"<[^>]+>", "", picture)).replace("\xa0", " ")
    assert all(f"$ {command}" in pictured for command in shown)
    _, asked, again = (text for command, text in shown.items() if "kill" not in command)
    for said, parts in (
        (asked, ("out.jsonl: stopped, last heard of at", "the same command continues it")),
        (again, ("continuing out.jsonl: ", "every URL is accounted for: 24 read = ")),
    ):
        assert all(part in said and part.rpartition(": 24")[0] in pictured for part in parts)
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
    assert len({record["url"] for record in records}) == len(records) == 24
