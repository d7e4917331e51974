"""Completion: what a shell is told, tried in the shells that are there."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from crawler.cli import main
from crawler.model.errors import ExitCode

_COMPLETE = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
_crawler
echo "${COMPREPLY[*]}"
"""


@pytest.fixture
def script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """The script for bash."""
    assert main(["completion", "bash"]) == ExitCode.FINISHED
    file = tmp_path / "crawler.bash"
    file.write_text(capsys.readouterr().out)
    return file


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (["cr"], "crawl"),
        (["crawl", "--per"], "--per-host --per-ip"),
        (["crawl", "--parse", "pro"], "process"),
        (["crawl", "-q", "--del"], "--delay"),
        (["mock", "fa"], "faults"),
        (["load", "--st"], "--stages"),
        (["compare", "--rou"], "--rounds"),
        (["completion", "b"], "bash"),
    ],
)
def test_bash_completes(script: Path, words: list[str], completed: str) -> None:
    """Commands, options and the values of options are completed in bash itself (field T15)."""
    command = ["bash", "--norc", "-c", _COMPLETE, "bash", str(script), "crawler", *words]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    assert done.stdout.strip() == completed, done.stderr
    assert "complete -o default -F _crawler crawler" in script.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_theirs(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each shell's script names the options; a shell that is not known is refused by name."""
    assert main(["completion", shell]) == ExitCode.FINISHED
    assert "per-host" in capsys.readouterr().out
    assert main(["completion", "tcsh"]) == ExitCode.USAGE
    assert '"bash", "zsh", "fish"' in capsys.readouterr().err
