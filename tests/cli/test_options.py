"""Flags, environment and file: one definition, one order of precedence."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from crawler.cli import crawl_run as run_module
from crawler.cli import main, plain_words
from crawler.cli.compare.compare_spelling import COMPARE
from crawler.cli.crawl_command import crawl
from crawler.cli.crawl_flags import CommandWithOptions, table
from crawler.cli.crawl_run import Order
from crawler.cli.crawl_spelling import CRAWL
from crawler.cli.load.load_session import LOAD
from crawler.cli.mock.mock_app import app as mock_app
from crawler.cli.mock.mock_web import MOCK
from crawler.cli.mock.serve import COMMANDS
from crawler.cli.spelling import Spelling
from crawler.model.command_config import CommandConfig, WorkerCount
from crawler.model.errors import ExitCode
from crawler.model.hosts import HostTable
from crawler.model.option import Option
from crawler.model.version import VERSION
from crawler.model.watching_config import CollectorUrl, ListenPort


@pytest.fixture
def orders(monkeypatch: pytest.MonkeyPatch) -> list[Order]:
    """What the command line asked for, in place of crawling."""
    taken: list[Order] = []

    def take(order: Order) -> int:
        taken.append(order)
        return ExitCode.FINISHED

    monkeypatch.setattr(run_module, "run", take)
    return taken


def settled(orders: list[Order], *words: str) -> CommandConfig:
    """The configuration that `crawler crawl a.test WORDS` comes to."""
    assert main(["crawl", "a.test", *words]) == ExitCode.FINISHED
    return orders[-1].config


@pytest.mark.slow
def test_nothing_given_is_the_defaults(orders: list[Order]) -> None:
    """Without file, environment and flags the configuration is that of the library."""
    assert settled(orders) == CommandConfig()


@pytest.mark.slow
def test_flags_before_environment_before_file(
    orders: list[Order], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each layer covers the one below it, and lets through what it does not set."""
    file = tmp_path / "c.toml"
    file.write_text("[crawl]\nretries = 1\nper_host = 1\ndelay = 1\nquiet = true\n")
    monkeypatch.setenv("CRAWLER_PER_HOST", "2")
    monkeypatch.setenv("CRAWLER_DELAY", "2")
    config = settled(orders, "--config", str(file), "--delay", "3")
    values = config.values()
    assert [values[name] for name in ("retries", "per_host", "delay")] == [1, 2, 3.0]
    assert config.quiet
    assert config.network.timeout == CommandConfig().network.timeout


@pytest.mark.slow
def test_every_option_has_its_flag_and_variable(
    orders: list[Order], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each option can be set by flag and by environment, to the same value."""
    other = {bool: True, int: 7, float: 0.5, str: "text", tuple[str, ...]: ("A: b",)}
    special: dict[str, object] = {"proxy": ("http://p.test:1",), "parser": "a.b:c"}
    special |= {"allow_network": ("10.0.0.0/8",), "allow_port": ("81-90",)}
    special |= {"hosts": HostTable.read("a.test: per_host=1, delay=0.5")}
    special |= {"sitemap": ("http://a.test/sitemap.xml",), "drop_params": ("utm_*",)}
    special |= {"accept": ("text/html",), "workers": WorkerCount.read("3")}
    special |= {"include": ("*/docs/*",), "exclude": ("*.pdf",), "select": ("a=css:b",)}
    special |= {"keep_headers": ("etag",), "metrics": ListenPort.read("9100")}
    special |= {"live": ListenPort.read("9101")}
    special |= {"otlp": CollectorUrl.read("http://a.test:4318")}
    options = CommandConfig.options()
    names = [name for name in options if name != "offline"]
    groups = [names[first::4] for first in range(4)]  # those that exclude each other apart
    next(group for group in groups if "cache" in group).append("offline")  # which needs one
    for group in groups:
        some = [(name, options[name]) for name in group]
        values: dict[str, object] = {}
        flags: list[str] = []
        words: dict[str, str] = {}
        for name, spec in some:
            value = special.get(name, spec.choices[-1] if spec.choices else other.get(spec.type))
            values[name] = value = not spec.default if spec.type is bool else value
            words[CRAWL.variable(name)] = word = (
                value[0] if isinstance(value, tuple) else str(value)
            )
            flags += [_switch(spec)] if spec.type is bool else [spec.flag, word]
        expected = CommandConfig().values() | values
        assert settled(orders, *flags).values() == expected
        with monkeypatch.context() as patch:
            for variable, word in words.items():
                patch.setenv(variable, word)
            assert settled(orders).values() == expected


PLAIN = [
    "",
    "http://b.test/?a=-b#c b.test",
    "-i x.txt --input y.gz --input=- -i - -o a.jsonl --output=b.csv -o -",
    "-q -c 7 --concurrency 8 --delay=1m30s --max-body 10MB",
    "--config polite --no-adapt --follow --follow --unlimited",
    "-H A:b --header C:d --header=E:f=g",
    "--engine threaded c.test --sitemap http://a.test/s.xml --workers auto",
]
"""Words behind `crawl` that are read without the library."""

DOUBTFUL = [
    *("-qc7", "-c=7", "--delay -1", "--delay= -q", "--delay", "--config - ", "-", "--"),
    *("--mock 3", "--schema", "--print-config", "--help", "-h", "--help-all", "-V", "--per-hst 3"),
    *("--per-host x", "--follow=true", "--follow=", "--no-follow", "--config a --config b", "-o"),
    *("-o -q", "-i --quiet", "--per_host 3", "--engine fast", "--unlimited=1"),
]
"""Words that are the library's."""


@pytest.mark.slow
@pytest.mark.parametrize("words", PLAIN)
def test_plain_words_mean_the_same_with_and_without_the_library(
    orders: list[Order], monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    """What is read without the command-line library is what the library would have read."""
    line = ["crawl", "a.test", *words.split()]
    assert plain_words.read(line) is not None
    assert main(line) == ExitCode.FINISHED
    monkeypatch.setattr(plain_words, "read", lambda _words: None)
    assert main(line) == ExitCode.FINISHED
    assert orders[0] == orders[1]


def test_the_library_reads_what_is_doubtful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Help, errors, abbreviations, variables and other commands are never read by us."""
    for words in DOUBTFUL:
        assert plain_words.read(["crawl", "a.test", *words.split(" ")]) is None, words
    for line in ([], ["fetch", "a.test"], ["help", "crawl"], ["--debug", "crawl"]):
        assert plain_words.read(line) is None
    monkeypatch.setenv("CRAWLER_PER_HOST", "3")
    assert plain_words.read(["crawl", "a.test"]) is None


def _switch(spec: Option) -> str:
    """What turns a switch that is off on, and one that is on off."""
    return f"--no-{spec.flag[2:]}" if spec.default else spec.flag


@pytest.mark.slow
def test_lists_and_seeds_and_output_are_taken(orders: list[Order]) -> None:
    """Inputs repeat, `-` is a name, seeds may stand anywhere, and `--` ends the flags."""
    words = ["b.test", "-i", "-", "--input", "x.gz", "-o", "-", "-q", "--", "c.test"]
    assert settled(orders, *words).quiet
    order = orders[-1]
    assert list(order.seeds) == ["a.test", "b.test", "c.test"]
    assert (list(order.inputs), order.output) == (["-", "x.gz"], "-")


@pytest.mark.slow
def test_headers_repeat_and_other_flags_take_the_last(orders: list[Order]) -> None:
    """Repeating a list adds to it; repeating anything else corrects it."""
    config = settled(orders, "--header", "A: b", "-H", "C: d", "--retries", "1", "--retries", "2")
    assert config.network.headers_for_all == (("A", "b"), ("C", "d"))
    assert config.network.retries == 2


@pytest.mark.slow
@pytest.mark.parametrize("text", ["20000", "20_000", "2e4", "2E+04", "0.2e5"])
def test_whole_numbers_may_be_written_with_an_exponent(orders: list[Order], text: str) -> None:
    """Large numbers are taken as people write them, exactly."""
    assert settled(orders, "--limit", text).limit == 20_000


@pytest.mark.slow
def test_units_are_read_in_flags_variables_and_files(
    orders: list[Order], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--delay 1s`, `--max-body 10MB` and `-c 5` mean the same wherever they stand (field T13)."""
    file = tmp_path / "c.toml"
    file.write_text("[crawl]\ntimeout = '1m30s'\nthrottle = 30\n")
    monkeypatch.setenv("CRAWLER_DNS_TTL", "1h")
    words = ["--config", str(file), "--delay", "1s", "--max-body", "10MB", "-c", "5"]
    config = settled(orders, *words)
    values = config.values()
    assert (values["delay"], values["max_body"], values["concurrency"]) == (1.0, 10_000_000, 5)
    assert (values["timeout"], values["throttle"], values["dns_ttl"]) == (90.0, 30.0, 3_600.0)


@pytest.mark.slow
def test_a_mock_web_opens_loopback_and_no_more(orders: list[Order]) -> None:
    """`--mock` names this machine's own web, and with it the network that it is on."""
    config = settled(orders, "--mock", "1", "--allow-network", "10.0.0.0/8")
    assert config.network.allow_network == ("10.0.0.0/8", "127.0.0.0/8")
    assert not config.network.allow_private


@pytest.mark.slow
def test_headers_in_the_environment_are_lines(
    orders: list[Order], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable holds several headers, one a line, with the spaces they have."""
    monkeypatch.setenv("CRAWLER_HEADER", "A: b c\nD: e")
    assert settled(orders).network.headers_for_all == (("A", "b c"), ("D", "e"))


def test_the_signature_has_what_can_be_set_and_at_an_error_all(
    monkeypatch: pytest.MonkeyPatch, orders: list[Order], capsys: pytest.CaptureFixture[str]
) -> None:
    """Words, a negative and a variable count; afterwards every option is there again."""
    every = set(inspect.signature(crawl).parameters)
    seen: list[set[str]] = []
    monkeypatch.setenv("CRAWLER_DELAY", "2")
    narrow = CommandWithOptions.narrow

    def watched(command: CommandWithOptions, words: Any) -> None:
        narrow(command, words)
        seen.append(set(inspect.signature(command).parameters))

    monkeypatch.setattr(CommandWithOptions, "narrow", watched)
    config = settled(orders, "--per-host=3", "--no-adapt", "-qc7")
    assert (config.politeness.per_host, config.politeness.delay, config.concurrency) == (3, 2, 7)
    assert not config.politeness.adapt and config.quiet
    assert {"per_host", "delay", "adapt", "concurrency"} <= seen[0] and len(seen[0]) < 30
    assert set(inspect.signature(crawl).parameters) == every > {*CommandConfig.options()}
    assert main(["crawl", "a.test", "--per-hst", "3"]) == ExitCode.USAGE
    assert "--per-host" in capsys.readouterr().err


@pytest.mark.slow
def test_an_empty_variable_is_none(orders: list[Order], monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that is set to nothing is as good as one that is not set."""
    for name in CommandConfig.options():
        monkeypatch.setenv(CRAWL.variable(name), "")
    assert settled(orders) == CommandConfig()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--per-hst", "3"], ["--per-hst", "mean --per-host?"]),
        (["--per-host", "x"], ["--per-host", "'x' is not a whole number"]),
        (["--per-host", "3.7"], ["--per-host", "'3.7' is not a whole number"]),
        (["--limit", "1.5e0"], ["--limit", "'1.5e0' is not a whole number"]),
        (["--limit", "1e99"], ["--limit", "too large"]),
        (["--limit", "1e999999999"], ["--limit", "is not a whole number"]),
        (["--per-host", "0"], ["--per-host", "0 is too small"]),
        (["--per-host", "-3"], ["--per-host", "-3 is too small"]),
        (["--delay", "nan"], ["--delay", "'nan' is not a duration"]),
        (["--delay=-1m"], ["--delay", "-60 is too small; the minimum is 0"]),
        (["--engine", "fast"], ["--engine", "'fast' is not one of async, threaded"]),
        (["--header", "nonsense"], ["--header", "'nonsense' is not a header"]),
        (["--proxy", "nonsense"], ["--proxy", "'nonsense'"]),
        (["--allow-network", "10.0.0.1/8"], ["--allow-network", "write 10.0.0.0/8"]),
        (["--allow-port", "http"], ["--allow-port", "'http' is not a port"]),
        (["--parser", "a:b", "--parse", "none"], ["parser and parse"]),
        (["--follow", "--parse", "none"], ["follow and parse"]),
        (["--folow"], ["--folow", "mean --follow?"]),
        (["--parse", "proces"], ["--parse", "did you mean process?"]),
        (["--delay", "1x"], ["--delay", "'1x' is not a duration; expected seconds, or 500ms"]),
        (["--robots", "maybe"], ["--robots", "'maybe' is not one of obey, ignore"]),
        (["--scope", "site"], ["--scope", "'site' is not one of host, domain, prefix, any"]),
        (["--hosts", "x: y"], ["--hosts", "x: unknown limit 'y'; expected per_host or delay"]),
        (["--hosts", "a.test: delay=x"], ["--hosts", "a.test: delay: 'x' is not a duration"]),
        (["--include", ""], ["--include", "would match no URL"]),
        (["--exclude", "x" * 3_000], ["--exclude", "longer than 2048"]),
        (["--drop-params", "a*b"], ["--drop-params", "'a*b'"]),
        (["--sitemap", "nope:"], ["--sitemap", "unsupported scheme"]),
        (["--max-path-depth", "0"], ["--max-path-depth", "0 is too small"]),
        (["--input"], ["--input requires an argument"]),
        (["--input", "--quiet"], ["--input needs a file"]),
        (["--config", "missing.toml"], ["missing.toml", "No such file"]),
        (["--mock", "0"], ["--mock: 0"]),
        (["--mock", "1x"], ["--mock", "'1x' is not a whole number; expected digits, or 10k"]),
        (["-x"], ["-x"]),
    ],
)
def test_a_bad_flag_is_one_line_and_exit_code_2(
    orders: list[Order], capsys: pytest.CaptureFixture[str], words: list[str], said: list[str]
) -> None:
    """What cannot be understood is named with its value, on stderr alone, and nothing starts."""
    assert main(["crawl", "a.test", *words]) == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert err.startswith("crawler: ") and err.count("\n") == 1 and not out
    assert all(part in err for part in said), err
    assert len(err) < 400
    assert not orders


def test_a_bad_variable_is_named(
    orders: list[Order], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong value in the environment names the variable, as no flag is to blame."""
    monkeypatch.setenv("CRAWLER_PER_HOST", "many")
    assert main(["crawl", "a.test"]) == ExitCode.USAGE
    assert "CRAWLER_PER_HOST: 'many' is not a whole number" in capsys.readouterr().err
    assert not orders


@pytest.mark.slow
def test_a_value_of_the_file_that_fails_as_a_whole_names_the_file(
    orders: list[Order], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Text of the right type that cannot work is traced back to its file."""
    file = tmp_path / "c.toml"
    file.write_text("[crawl]\nproxy = 'nonsense'\n")
    assert main(["crawl", "a.test", "--config", str(file)]) == ExitCode.USAGE
    assert f"{file}, line 2: proxy: 'nonsense'" in capsys.readouterr().err
    assert not orders


@pytest.mark.slow
def test_no_url_at_all_is_said(orders: list[Order], capsys: pytest.CaptureFixture[str]) -> None:
    """Without URLs and lists nothing is read silently; how to read stdin is told."""
    assert main(["crawl"]) == ExitCode.USAGE
    assert "nothing to crawl" in (said := capsys.readouterr().err)
    assert "-i -" in said
    assert not orders


@pytest.mark.slow
def test_version_and_help_have_their_usual_spellings(capsys: pytest.CaptureFixture[str]) -> None:
    """`-V` is `--version` and `help COMMAND` is `COMMAND --help`, for every command (field T13)."""
    said = {}
    spellings = [
        "-V",
        "--version",
        "help",
        "help load",
        "load --help",
        "help load --all",
        "load --help-all",
    ]
    for words in map(str.split, spellings):
        assert main(words) == ExitCode.FINISHED
        said[" ".join(words)] = capsys.readouterr().out
    assert said["-V"] == said["--version"] == f"{VERSION}\n"
    assert said["help load"] == said["load --help"] and "--rate" in said["help load"]
    assert said["help load --all"] == said["load --help-all"] != said["load --help"]
    assert "crawl" in said["help"]
    for command in ("mock", "load", "compare"):
        assert main([command, "-V"]) == ExitCode.FINISHED
        assert capsys.readouterr().out == f"{VERSION}\n"


def test_the_commands_of_mock_are_those_it_names() -> None:
    """The words that an unknown one is compared with are the commands there are."""
    assert set(COMMANDS) == {name for name in mock_app if not name.startswith("-")}


def test_an_unknown_command_gets_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt command is one line with the right one."""
    assert main(["crwl"]) == ExitCode.USAGE
    assert 'Did you mean "crawl"?' in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("spelling", [CRAWL, MOCK, LOAD, COMPARE], ids=lambda s: s.table)
def test_help_fits_two_screens_and_help_all_has_every_option(
    spelling: Spelling[Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`--help` has the common options on two screens of 80 x 50, `--help-all` every one."""
    monkeypatch.setenv("COLUMNS", "80")
    assert main([spelling.table, "--help"]) == ExitCode.FINISHED
    short = capsys.readouterr().out
    assert main([spelling.table, "--help-all"]) == ExitCode.FINISHED
    full = capsys.readouterr().out
    assert short.count("\n") <= 100
    assert max(map(len, (short + full).splitlines())) <= 80
    for spec in spelling.options.values():
        assert f"│ {spec.flag} " in full
        assert (f"│ {spec.flag} " in short) == spec.common, spec.name
        assert len(spec.help) <= 120, f"{spec.name}: a line and a half at most"
    assert ("--help-all shows" in short) == (not all(s.common for s in spelling.options.values()))


@pytest.mark.parametrize("spelling", [CRAWL, MOCK, LOAD, COMPARE], ids=lambda s: s.table)
def test_every_time_and_size_has_its_unit(spelling: Spelling[Any]) -> None:
    """No option of seconds, bytes or a share takes plain numbers alone (field T13)."""
    for name, spec in spelling.options.items():
        measured = any(word in spec.help for word in ("econds", "ytes", "Share"))
        assert spec.unit is not None or not measured, name
        if spec.unit is not None and spec.type in (int, float):
            assert spec.check(f"{spec.least or 0}") == (spec.least or 0)


def test_the_table_has_a_row_for_every_option() -> None:
    """The README's table names every flag with its values and default."""
    rows = table(CRAWL).splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == [o.flag for o in CommandConfig.options().values()]
    assert "| `--per-host` | 1 to 100000 | `4` | Maximum requests in flight to one host. |" in rows
    assert "`async`, `threaded` | `async`" in rows[0]
