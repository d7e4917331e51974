"""The mock web's flags, environment and scenario: one definition, one order of precedence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from crawler.cli import main, toml
from crawler.cli.crawl_flags import table
from crawler.cli.mock import serve as serve_module
from crawler.cli.mock.mock_web import MOCK, settle
from crawler.mock import MockWeb
from crawler.model.errors import ConfigurationError, ExitCode

CONFIG = Path(__file__).parents[2] / "config"


@pytest.fixture
def webs(monkeypatch: pytest.MonkeyPatch) -> list[MockWeb]:
    """What would have been served."""
    taken: list[MockWeb] = []

    def take(options: MockWeb, announce: Callable[[str], None], begun: object) -> None:
        taken.append(options)
        announce("http://mock.test")

    monkeypatch.setattr(serve_module, "main_loop", take)
    return taken


def settled(webs: list[MockWeb], *words: str) -> MockWeb:
    """The options that `crawler mock WORDS` comes to."""
    assert main(["mock", *words]) == ExitCode.FINISHED
    return webs[-1]


OTHER = {
    "seed": "7", "pages": "1e4", "hosts": "3", "authority": "names", "domain": "a.test",
    "page_bytes": "7", "links": "7", "size": "uniform:1,2", "degree": "3", "depth": "2",
    "stall": "1.4s every 10s", "brownout": "10s..20s errors 0.2", "workers": "7",
    "service": "exponential:0.1", "queue": "7", "robots": "User-agent: a", "robots_forms": "none",
    "rate": "0.5", "burst": "7", "host": "127.0.0.2", "port": "7", "processes": "2",
    "access_log": "x.log", "idle_timeout": "0.5", "latency": "pareto:1,2", "transfer": "0.5",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("first", range(3))
def test_every_option_has_its_flag_variable_and_key(
    webs: list[MockWeb], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    """Each option can be set by flag, by environment and by file, to the same value."""
    some = list(MockWeb.options().items())[first::3]  # those that exclude each other apart
    flags: list[str] = []
    words: dict[str, str] = {}
    for name, spec in some:
        word = str(not spec.default).lower() if spec.type is bool else OTHER.get(name, "0.5")
        words[f"CRAWLER_MOCK_{name.upper()}"] = word
        switch = f"--no-{spec.flag[2:]}" if spec.default else spec.flag
        flags += [switch] if spec.type is bool else [spec.flag, word]
    by_flag = settled(webs, *flags)
    for name, spec in some:
        assert getattr(by_flag, name) not in (spec.default, MOCK.default(spec)), name
    with monkeypatch.context() as patch:
        for variable, word in words.items():
            patch.setenv(variable, word)
        assert settled(webs) == by_flag
    file = tmp_path / "s.toml"
    file.write_text(toml.write(MOCK, by_flag, "A title."))
    assert settled(webs, "--scenario", str(file)) == by_flag


def test_nothing_given_is_the_defaults_at_port_8080(webs: list[MockWeb]) -> None:
    """The command line's one default of its own is a port that a person can remember."""
    assert settled(webs) == MockWeb(port=8080)


def test_flags_before_environment_before_scenario(
    webs: list[MockWeb], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each layer covers the one below it, and lets through what it does not set."""
    file = tmp_path / "s.toml"
    file.write_text("[mock]\nseed = 1\npages = 1\nlinks = 1\nport = 1\n")
    monkeypatch.setenv("CRAWLER_MOCK_PAGES", "2")
    monkeypatch.setenv("CRAWLER_MOCK_LINKS", "2")
    options = settled(webs, "--scenario", str(file), "--links", "3")
    assert (options.seed, options.pages, options.links, options.port) == (1, 2, 3, 1)


def test_the_crawls_environment_is_not_the_mocks(
    webs: list[MockWeb], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is set for crawls does not change the web that they crawl."""
    monkeypatch.setenv("CRAWLER_PAGES", "2")
    monkeypatch.setenv("CRAWLER_PROXY", "http://p.test:1")
    assert settled(webs) == MockWeb(port=8080)


@pytest.mark.parametrize("text", ["1e6", "1_000_000", "1000000", "1E+6"])
def test_page_counts_are_taken_as_people_write_them(webs: list[MockWeb], text: str) -> None:
    """A million has several spellings, and none is rounded."""
    assert settled(webs, "--pages", text).pages == 1_000_000


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--seed", "x"], ["--seed", "'x' is not a whole number"]),
        (["--pages", "0"], ["--pages", "0 is too small; the minimum is 1"]),
        (["--pages", "1e30"], ["--pages", "too large; the maximum is 1000000000"]),
        (["--pages", "1" * 5_000], ["--pages", "is not a whole number"]),
        (["--pages", "1.5e0"], ["--pages", "'1.5e0' is not a whole number"]),
        (["--latency", "soon"], ["--latency", "'soon' is neither a duration from 0"]),
        (["--latency", "pareto:1"], ["--latency", "write pareto:LEAST,ALPHA"]),
        (["--latency", "file:/missing"], ["--latency", "/missing: cannot be read: No such file"]),
        (["--latency", "-1"], ["--latency", "'-1' is neither a duration from 0"]),
        (["--latncy", "1"], ["--latncy", "mean --latency?"]),
        (["--authority", "dns"], ["--authority", "'dns' is not one of addresses, ports, names"]),
        (["--host", "0.0.0.0"], ["--host: 0.0.0.0 is not a loopback address; --public allows it"]),
        (["--host", "here"], ["--host: expected an IP address, got 'here'"]),
        (["--hosts", "1001"], ["--hosts: 1001 addresses are too many; use names"]),
        (["--workers", "2", "--processes", "2"], ["--workers: one queue is kept by one process"]),
        (["--scenario", "missing.toml"], ["missing.toml: cannot be read: No such file"]),
        (
            ["--robots-forms", "planin"],
            ["--robots-forms: 'planin' is not a form; did you mean plain?"],
        ),
        (["--brownout", "soon"], ["--brownout"]),
        (["--stall", "often"], ["--stall"]),
        (["nonsense"], ["'nonsense' is not a command; there are urls, truth,"]),
        (["ledger", "--min-gap", "1x"], ["--min-gap", "'1x' is not a duration"]),
        (["score", "x", "--max-repeats", "1.5"], ["--max-repeats", "'1.5' is not a whole number"]),
        (["folts"], ["'folts' is not a command; did you mean faults?"]),
    ],
)
def test_a_bad_flag_is_one_line_and_exit_code_2(
    webs: list[MockWeb], capsys: pytest.CaptureFixture[str], words: list[str], said: list[str]
) -> None:
    """What cannot be understood is named with its value, on stderr alone, and nothing starts."""
    assert main(["mock", *words]) == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert err.startswith("crawler: ") and err.count("\n") == 1 and not out
    assert all(part in err for part in said), err
    assert not webs


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[mock]\nlatncy = 1\n", ", line 2: latncy: no such option; did you mean latency?"),
        ("[mock]\n\npages = 'x'\n", ", line 3: pages: 'x' is not a whole number"),
        ("[mock]\nlatency = 'often'\n", ", line 2: latency: 'often' is neither a duration from 0"),
        ("[mock]\nfaulty = 0.9\n", ", line 2: faulty: 0.9 is too large; the maximum is 0.5"),
        ("[crawl]\nper_host = 1\n", ", line 1: unknown table or key 'crawl'; options stand below"),
        ("[mock]\nrobots_forms = []\n", ", line 2: robots_forms: expected at least one"),
        ("[mocks]\n", ", line 1: unknown table or key 'mocks'; did you mean [mock]?"),
        ("pages = 3\n", ", line 1: pages belongs below a line [mock]"),
        (
            "[mock]\npages = 5\nhosts = 2000\n",
            ", line 3: hosts: 2000 addresses are too many; use names",
        ),
    ],
)
def test_what_is_wrong_in_a_scenario_is_named_with_its_line(
    tmp_path: Path, text: str, said: str
) -> None:
    """A typo or a wrong value says file, line, key and what to do."""
    file = tmp_path / "s.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as raised:
        settle(str(file), {})
    assert str(raised.value).startswith(str(file)) and said in str(raised.value)


@pytest.mark.slow
def test_print_scenario_prints_what_it_reads(
    webs: list[MockWeb], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """`--print-scenario` starts nothing and is a scenario for the same web."""
    words = ["--robots", 'a "b" \\ é', "--robots", "c", "--latency", "lognormal:1,2", "--tls"]
    assert main(["mock", *words, "--print-scenario"]) == ExitCode.FINISHED
    file = tmp_path / "s.toml"
    file.write_text(capsys.readouterr().out, encoding="utf-8")
    assert not webs
    assert settled(webs, "--scenario", str(file)) == settled(webs, *words)


@pytest.mark.parametrize("file", sorted(CONFIG.glob("mock-*.toml")), ids=lambda file: file.stem)
def test_every_shipped_scenario_is_legal(file: Path) -> None:
    """The scenarios in `config/` make webs that differ from the default one."""
    assert settle(str(file), {}) != MockWeb(port=8080)


@pytest.mark.slow
def test_the_address_is_told_once_and_where_it_does_not_disturb(
    webs: list[MockWeb], capsys: pytest.CaptureFixture[str]
) -> None:
    """On stdout; on stderr beside an access log on stdout; nowhere with --quiet."""
    assert main(["mock"]) == ExitCode.FINISHED
    assert capsys.readouterr() == ("http://mock.test\n", "")
    assert main(["mock", "--access-log", "-"]) == ExitCode.FINISHED
    assert capsys.readouterr() == ("", "http://mock.test\n")
    assert main(["mock", "--quiet"]) == ExitCode.FINISHED
    assert capsys.readouterr() == ("", "")


def test_the_table_shows_distributions_switches_and_lists() -> None:
    """The README's table has readable defaults for all types."""
    rows = table(MOCK).splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == [o.flag for o in MockWeb.options().values()]
    assert "| `--port` | 0 to 65535 | `8080` | Port to listen on (0: any free port). |" in rows
    assert "| `--latency` |  | `0` | Seconds before the first byte. |" in rows
    assert any(row.startswith("| `--retry-after` |  | `on` |") for row in rows)
    assert any("`User-agent: *; Disallow: /private/" in row for row in rows)
