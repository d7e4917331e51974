"""The README tells the truth where a machine can tell."""

from __future__ import annotations

import re
from pathlib import Path

from crawler.cli.options import table
from crawler.model.errors import ExitCode

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_the_options_are_those_of_the_configuration() -> None:
    """The table of options is made from the configuration class, and is up to date."""
    start, end = README.index("<!-- options"), README.index("<!-- /options -->")
    _, _, shown = README[start:end].partition("\n")
    assert shown.strip() == table().strip()


def test_every_exit_code_is_documented() -> None:
    """The table of exit codes has each code, and no other."""
    section = README[README.index("## Exit codes") : README.index("## Words")]
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)} == {
        code.value for code in ExitCode
    }


def test_the_files_it_links_to_are_there() -> None:
    """No link into the project is broken."""
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert links
    assert all((Path(__file__).parents[2] / link).exists() for link in links)
