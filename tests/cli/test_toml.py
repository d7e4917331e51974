"""Configuration files: what is wrong in them is named with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from crawler.cli import toml
from crawler.cli.crawl_spelling import CRAWL
from crawler.model.command_config import CommandConfig
from crawler.model.errors import ConfigurationError

CONFIG = Path(__file__).parents[2] / "config"


def written(config: CommandConfig) -> str:
    """What `--print-config` prints."""
    return toml.write(CRAWL, config, "Every option of a crawl, with its value.")


def test_default_toml_is_the_defaults() -> None:
    """`config/default.toml` holds the defaults; that it is what is printed is held elsewhere."""
    assert CommandConfig.of(toml.read(CRAWL, str(CONFIG / "default.toml"))) == CommandConfig()


def test_every_shipped_file_is_legal() -> None:
    """The files in `config/` make configurations, and others than the defaults."""
    polite = CommandConfig.of(toml.read(CRAWL, str(CONFIG / "polite.toml")))
    local = CommandConfig.of(toml.read(CRAWL, str(CONFIG / "fast-local.toml")))
    assert polite.politeness.per_host == 1 and polite.politeness.delay >= 1
    assert local.politeness.per_host == local.concurrency and local.politeness.delay == 0


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    """A configuration with quotes, tabs, DEL and emoji survives being written and read."""
    config = CommandConfig(
        user_agent='a "b" \\ \t \x7f é 😀', header=("A: b", 'C: "d"'), delay=1e-07, insecure=True
    )
    file = tmp_path / "c.toml"
    file.write_text(written(config), encoding="utf-8")
    assert CommandConfig.of(toml.read(CRAWL, str(file))) == config


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[crawl]\nper_hst = 3\n", ", line 2: per_hst: no such option; did you mean per_host?"),
        ("# per_host = 1\n\n[crawl]\nper_host = 'x'\n", ", line 4: per_host: 'x' is not a whole"),
        ("[crawl]\nper_host = true\n", ", line 2: per_host: True is not a whole number"),
        ("[crawl]\nheader = [\n 'A: b',\n 3,\n]\n", ", line 2: header: 3 is not a string"),
        ("[crawl]\nuser_agent = '''a\ndelay = 1'''\n", ", line 2: user_agent: "),
        ("[crawl]\nproxy = '''\ndelay = 1\n'''\n", ", line 2: proxy: "),
        ("[crawl]\nparser = '''a\\\ndelay = x'''\ndelay = 'x'\n", ", line 2: parser: "),
        ("crawl.delay = 1\ncrawl.limit = -1\n", ", line 2: limit: -1 is too small"),
        ("crawl = {limit = -1}\n", ", line 1: limit: -1 is too small"),
        ("[crawl]\n'delay' = nan\n", ", line 2: delay: nan is not a number"),
        ("per_host = 3\n", ", line 1: per_host belongs below a line [crawl]"),
        ("[crawl]\n[crawls]\n", ", line 2: unknown table or key 'crawls'; did you mean [crawl]?"),
        ("\n[other]\nx = 1\n", ", line 2: unknown table or key 'other'; options stand below"),
        ("crawl = 3\n", ", line 1: write it as [crawl]"),
        ("[crawl]\nper_host =\n", ", line 2: Invalid value"),
        ("[crawl]\ndelay = 1\ndelay = 2\n", ", line 3: Cannot overwrite a value"),
        ("[crawl]\nuser_agent = 'x", ": Expected"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    """An unknown key, a wrong type or broken syntax says file, line, key and what to do."""
    file = tmp_path / "c.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as raised:
        toml.read(CRAWL, str(file))
    assert str(raised.value).startswith(str(file))
    assert said in str(raised.value)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    """A file in another encoding is a clear error; a byte order mark is none."""
    file = tmp_path / "c.toml"
    file.write_text("[crawl]\nlimit = 3\n", encoding="utf-16")
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        toml.read(CRAWL, str(file))
    file.write_text("[crawl]\nlimit = 3\n", encoding="utf-8-sig")
    assert toml.read(CRAWL, str(file)) == {"limit": 3}


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    """A path that cannot be read says so, with the reason."""
    with pytest.raises(ConfigurationError, match="cannot be read: Is a directory"):
        toml.read(CRAWL, str(tmp_path))


def test_an_empty_file_sets_nothing(tmp_path: Path) -> None:
    """A file without [crawl] is legal and changes nothing."""
    (tmp_path / "c.toml").touch()
    assert toml.read(CRAWL, str(tmp_path / "c.toml")) == {}
