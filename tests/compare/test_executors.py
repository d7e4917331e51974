"""Executors by name: which there are, what they leave, what an interpreter can import."""

from __future__ import annotations

import subprocess
import sys

import pytest

from crawler.compare import executors
from crawler.compare.executors import absent, executor, kinds, left_behind, unloaded
from tests.compare.made import setting


def test_what_is_compared_follows_from_the_interpreter() -> None:
    """Interpreters from 3.14 on; loky only for the interpreter that runs the comparison."""
    assert kinds(setting()) == ["thread", "process", "loky"]
    assert kinds(setting(version="3.14.1")) == ["thread", "process", "interpreter", "loky"]
    assert kinds(setting(label="3.13t")) == ["thread", "process"]


def test_without_loky_its_absence_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """No arm, and one finding that says why."""
    assert absent(setting()) == []
    monkeypatch.setattr(executors, "find_spec", lambda _name: None)
    assert kinds(setting()) == ["thread", "process"]
    (finding,) = absent(setting())
    assert (finding.outcome, "not installed" in finding.text) == ("told", True)


def test_that_the_parser_does_not_load_in_interpreters_is_told() -> None:
    """With its reason; not where it loads, nor where there are no interpreters to load it."""
    refusal = "module ada does not support loading in subinterpreters"
    (finding,) = unloaded(setting(version="3.14.1", parser_refusal=refusal))
    assert (finding.outcome, finding.text) == ("told", f"left out: {refusal}")
    assert unloaded(setting(version="3.14.1")) == unloaded(setting()) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["thread", "process", "loky"])
def test_each_pool_answers_and_leaves_nothing(kind: str) -> None:
    """A pool of each kind computes, and its processes end with it."""
    before = left_behind(0)
    with executor(kind, 2) as pool:
        assert list(pool.map(abs, [-1, -2, -3])) == [1, 2, 3]
    assert left_behind() <= before


@pytest.mark.slow
def test_a_worker_that_stays_is_seen() -> None:
    """Processes of a pool that still lives count, a stranger's too; the fork server does not."""
    before = left_behind(0)
    with executor("process", 1) as pool:
        pool.submit(abs, 1).result()
        assert left_behind(0) == before + 1
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE):
        assert left_behind(0) == before + 1
    assert left_behind() == before


@pytest.mark.slow
def test_the_work_of_an_interpreter_loads_no_extension_module() -> None:
    """What subinterpreters import is pure Python, down to the package itself."""
    program = """import sys
import crawler.compare.experiments.break_even_work as light
print(light.tasks(1, [b""]) == [1442695040888963407], "ada_url" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout == b"True False\n"
