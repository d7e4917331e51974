"""Presets, --unlimited, and variables that are no option's."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from crawler.cli import main, toml
from crawler.cli.crawl_spelling import CRAWL
from crawler.cli.toml import presets
from crawler.cli.variables import unknown
from crawler.model.errors import ConfigurationError, ExitCode
from tests.unmannered import CONFIG


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    """The options that `crawler crawl WORDS` comes to."""
    assert main(["crawl", *words, "--print-config"]) == ExitCode.FINISHED
    options: dict[str, object] = tomllib.loads(capsys.readouterr().out)["crawl"]
    return options


@pytest.mark.slow
def test_presets_have_names(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """`--config polite` is the file of that name that comes with the package (field PK4)."""
    assert printed(capsys, "--config", "polite") == printed(
        capsys, "--config", str(CONFIG / "polite.toml")
    )
    assert printed(capsys, "--config", "polite.toml")["per_host"] == 1


@pytest.mark.slow
def test_a_file_of_ones_own_goes_before_a_preset(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands in the current directory is what a name means; a missing file gets a hint."""
    (tmp_path / "polite").write_text("[crawl]\nper_host = 77\n")
    monkeypatch.chdir(tmp_path)
    assert printed(capsys, "--config", "polite")["per_host"] == 77
    with pytest.raises(ConfigurationError, match=r"polit\.toml: cannot be read: .*mean polite\?"):
        toml.read(CRAWL, "polit.toml")


@pytest.mark.parametrize("name", ["nosuch", "polit", "nosuch.toml"])
def test_an_unknown_preset_is_one_line_with_those_that_there_are(name: str) -> None:
    """Which presets there are is told to who has misspelt one (field PK4); a path is a path."""
    with pytest.raises(ConfigurationError) as said:
        toml.read(CRAWL, name)
    line = str(said.value)
    assert line.endswith(f"he presets are {', '.join(presets())}") and "\n" not in line
    with pytest.raises(ConfigurationError, match=r"No such file or directory$"):
        toml.read(CRAWL, f"./{name}")


@pytest.mark.slow
def test_unlimited_is_the_preset_under_the_flags(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """--unlimited says what the file says, over another file and under flags (field T3)."""
    assert printed(capsys, "--unlimited") == printed(capsys, "--config", "fast-local")
    file = tmp_path / "own.toml"
    file.write_text("[crawl]\ndelay = 9\nuser_agent = 'x'\n")
    mixed = printed(capsys, "--unlimited", "--config", str(file), "--per-host", "3")
    assert (mixed["delay"], mixed["ip_delay"], mixed["per_host"]) == (0.0, 0.0, 3)
    assert (mixed["allow_private"], mixed["user_agent"], mixed["client"]) == (True, "x", "raw")


@pytest.mark.slow
def test_threads_do_without_the_presets_client(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Whichever way both are asked for, threads fetch by themselves; --client raw is refused."""
    file = tmp_path / "own.toml"
    file.write_text("[crawl]\nengine = 'threaded'\n")
    threaded = "--engine", "threaded"
    ways = ["--unlimited", *threaded], ["--config", "fast-local", *threaded]
    for words in (*ways, ["--unlimited", "--config", str(file)]):
        found = printed(capsys, *words)
        assert (found["engine"], found["client"]) == ("threaded", "aiohttp")
    assert main(["crawl", *threaded, "--client", "raw", "http://127.0.0.1/"]) == ExitCode.USAGE
    (line,) = capsys.readouterr().err.splitlines()
    assert "client and engine: raw needs engine async" in line


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("CRAWLER_CONCURENCY", "CRAWLER_CONCURRENCY"),
        ("CRAWLER_LOAD_RATEE", "CRAWLER_LOAD_RATE"),
        ("CRAWLER_MOCK_PAGE", "CRAWLER_MOCK_PAGES"),
        ("CRAWLER_COMPARE_ROUND", "CRAWLER_COMPARE_ROUNDS"),
        ("crawler_delay", "CRAWLER_DELAY"),
    ],
)
def test_an_unknown_variable_is_named(name: str, meant: str) -> None:
    """A misspelt variable of any command gets one line, with the nearest one (field T14)."""
    lines = list(unknown({name: "1", "CRAWLER_DELAY": "1", "PATH": "x", "CRAWLERX": "1"}))
    assert lines == [
        f"{name} is not the variable of an option and is ignored; did you mean {meant}?"
    ]


def test_a_variable_that_sets_nothing_is_not_told() -> None:
    """An empty variable is as good as none, and each option's own variable is known."""
    known = {CRAWL.variable(name): "1" for name in CRAWL.options}
    assert not list(unknown({**known, "CRAWLER_CONCURENCY": "", "CRAWLER_LOAD_RATE": "5"}))


@pytest.mark.slow
def test_the_warning_is_no_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command runs as if the variable were not there."""
    monkeypatch.setenv("CRAWLER_DLAY", "1")
    assert main(["crawl", "--print-config"]) == ExitCode.FINISHED
    out, err = capsys.readouterr()
    assert err.startswith("crawler: CRAWLER_DLAY is not") and err.count("\n") == 1
    assert out.startswith("# Every option")
