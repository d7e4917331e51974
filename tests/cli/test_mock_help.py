"""What the mock web's commands say of themselves, and what they load for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from crawler.cli import main
from crawler.cli.mock.mock_app import app
from crawler.mock import MockWeb
from crawler.model.errors import ExitCode

COMMANDS = [name for name in app if not name.startswith("-")]


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def test_the_commands_are_those_of_the_readme() -> None:
    """No command is lost."""
    assert set(COMMANDS) == {"urls", "truth", "score", "ledger", "faults", "set"}


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_80_columns(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command explains itself on stdout, without a cut line."""
    assert main(["mock", *command.split(), "--help"]) == ExitCode.FINISHED
    out, err = capsys.readouterr()
    assert max(map(len, out.splitlines())) <= 80
    assert f"crawler mock {command}".strip() in out and not err


@pytest.mark.slow
def test_the_servers_help_has_every_option_in_groups_with_examples(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each option has its flag, each section its heading; commands and examples are shown."""
    assert main(["mock", "--help-all"]) == ExitCode.FINISHED
    out = capsys.readouterr().out
    for spec in MockWeb.options().values():
        assert spec.flag in out and f"─ {spec.section} ─" in out
    assert all(f"│ {command} " in out for command in COMMANDS)
    assert "crawler mock --scenario config/mock-hostile.toml --port 0" in out


@pytest.mark.slow
def test_other_commands_show_their_own_options_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """`score --help` is about scores; the web's options are taken and not repeated."""
    assert main(["mock", "score", "--help"]) == ExitCode.FINISHED
    out = capsys.readouterr().out
    assert "--min-recall" in out and "--page-bytes" not in out


@pytest.mark.slow
@pytest.mark.parametrize("words", [["--help"], ["crawl", "--help"]])
def test_help_of_others_does_not_load_the_mock_web(words: list[str]) -> None:
    """The mock web's modules are loaded by its own commands only."""
    script = (
        f"import sys, crawler.cli; crawler.cli.main({words!r});"
        "print([name for name in sys.modules if '.mock' in name], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stderr.decode().strip() == "[]"
