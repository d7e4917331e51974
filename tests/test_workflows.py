"""What the workflows run exists, and they run it on every Python that is promised."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CI, NEWEST = (
    (ROOT / ".github" / "workflows" / name).read_text(encoding="utf-8")
    for name in ("ci.yml", "newest.yml")
)


def test_every_target_exists() -> None:
    """`make X` in a workflow is a target of the Makefile."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"run: make (\w+)", CI + NEWEST)
    assert set(targets) == {"docs", "lint", "test", "wheel"}
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


def test_tests_run_on_every_python_that_is_promised() -> None:
    """The matrix has the versions of the classifiers, the oldest of which is the least required."""
    promised = re.findall(r"Python :: (3\.\d+)", " ".join(PROJECT["classifiers"]))
    (matrix,) = re.findall(r"python: \[(.*)\]", CI)
    assert re.findall(r"3\.\d+", matrix) == promised
    assert PROJECT["requires-python"] == f">={promised[0]}"


def test_the_newest_of_everything_is_tried() -> None:
    """PK5: each week, within the bounds and without: the workflow's expression takes all off."""
    assert "schedule:" in NEWEST and "upgrade-strategy eager" in NEWEST
    assert "-c config/constraints.txt" not in NEWEST
    (expression,) = re.findall(r"sed -i -E '/>=/s/(.*?)//' pyproject", NEWEST)
    bounded = [line for line in PROJECT["dependencies"] if "<" in line]
    assert len(bounded) >= 3
    assert not any("<" in re.sub(expression, "", line) for line in bounded)
    assert re.search(r"--deselect (\S+)", NEWEST)
