"""Other interpreters: which can measure, which cannot and why."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from crawler.compare import interpreters
from crawler.model.errors import EnvironmentFailure
from crawler.model.version import VERSION


def _python(path: Path, **told: object) -> str:
    """A program that answers as an interpreter with these facts would."""
    facts = {"version": "3.14.1", "free": False, "crawler": VERSION, "gil": True, **told}
    facts = {name: value for name, value in facts.items() if value is not None}
    lock = "facts['gil'] = os.environ.get('PYTHON_GIL') != '0'\n" if told.get("free") else ""
    path.write_text(
        f"#!{sys.executable}\nimport json, os\n"
        f"facts = json.loads({json.dumps(facts)!r})\n{lock}print(json.dumps(facts))\n"
    )
    path.chmod(0o755)
    return str(path)


@pytest.mark.slow
def test_this_one_measures_without_a_label() -> None:
    """The first of all is the interpreter that runs the comparison, asked as any other."""
    here = interpreters.here()
    assert here.path == sys.executable and here.label == ""
    assert here.version == sys.version.split()[0]
    assert here.gil is getattr(sys, "_is_gil_enabled", lambda: True)()


def test_another_is_named_by_its_version(tmp_path: Path) -> None:
    """It is measured once, with its lock."""
    (found,) = interpreters.others([_python(tmp_path / "python")])
    assert (found.label, found.gil, found.short) == ("3.14.1", True, (3, 14))
    assert found.interpreters


@pytest.mark.slow
def test_two_of_one_version_are_told_apart(tmp_path: Path) -> None:
    """By their paths, and so is one of the version that runs this; others are not."""
    here = sys.version.split()[0]
    paths = [_python(tmp_path / name) for name in ("a", "b")]
    paths += [_python(tmp_path / "c", version=here), _python(tmp_path / "d", version="3.15.0")]
    labels = [each.label for each in interpreters.others(paths)]
    versions = ("3.14.1", "3.14.1", here)
    assert labels == [*(f"{v} ({p})" for v, p in zip(versions, paths, strict=False)), "3.15.0"]


@pytest.mark.slow
def test_a_free_threaded_one_is_measured_twice(tmp_path: Path) -> None:
    """With its lock on and off, as told after our dependencies were imported."""
    found = interpreters.others([_python(tmp_path / "python", free=True)])
    assert [(each.label, each.gil) for each in found] == [
        ("3.14.1t, lock on", True),
        ("3.14.1t, lock off", False),
    ]
    assert [each.environment for each in found] == [{"PYTHON_GIL": "1"}, {"PYTHON_GIL": "0"}]


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"version": "3.10.9"}, "is Python 3.10.9, older than 3.11"),
        ({"crawler": None, "problem": "No module named 'crawler'"}, "has no package crawler"),
        ({"crawler": "0.0.1"}, f"has crawler 0.0.1, not {VERSION}"),
        ({"problem": "ImportError: aiohttp"}, "cannot crawl: ImportError: aiohttp"),
    ],
)
def test_one_that_cannot_says_why(tmp_path: Path, told: dict[str, object], why: str) -> None:
    """One line, with its name and what is wrong with it."""
    path = _python(tmp_path / "python", **told)
    with pytest.raises(EnvironmentFailure) as caught:
        interpreters.others([path])
    assert str(caught.value).startswith(f"--python: {path} ") and why in str(caught.value)


def test_one_that_is_not_there() -> None:
    """A path or a name that finds nothing."""
    with pytest.raises(EnvironmentFailure, match="python9: no such interpreter"):
        interpreters.others(["python9"])


def test_a_program_that_is_no_python() -> None:
    """It says nothing that makes sense."""
    with pytest.raises(EnvironmentFailure, match="does not answer as a Python"):
        interpreters.others(["/bin/true"])
