"""`crawler mock ledger` and `crawler mock faults`: what is shown, and what is held against it."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator

import pytest

from crawler.cli import main
from crawler.mock import MockWeb, Served, running
from crawler.mock.faults import FAULTS, PREFIXES
from crawler.mock.graph.plain_paths import PATHS
from crawler.mock.graph.robots_forms import FORMS
from crawler.mock.graph.site import answer
from crawler.mock.graph.sitemap_files import PATHS as SITEMAPS
from crawler.mock.graph.trap_pages import TRAPS
from crawler.mock.reply import Ask
from crawler.mock.server.inventory import catalogue
from crawler.model.errors import ExitCode
from tests.patience import PATIENCE


@pytest.fixture
def served() -> Iterator[Served]:
    """A mock web that runs on a thread."""
    with running(MockWeb(pages=50)) as web:
        yield web


def visit(web: Served, *paths: str) -> None:
    """Ask for these paths, one after the other."""
    client = http.client.HTTPConnection(web.options.host, web.port, timeout=PATIENCE)
    for path in paths:
        client.request("GET", path, headers={"User-Agent": "visitor"})
        client.getresponse().read()
    client.close()


@pytest.mark.slow
def test_a_ledger_is_a_row_for_each_host_and_address(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    """Requests are counted by host and by address; looking into the ledger counts for nothing."""
    visit(served, "/page/1", "/page/2", "/__ledger")
    assert main(["mock", "ledger", served.url]) == ExitCode.FINISHED
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in lines if line] == [
        "host",
        f"127.0.0.1:{served.port}",
        "address",
        f"127.0.0.1:{served.port}",
    ]
    assert lines[1][1] == "2" and lines[1][2:4][-1] in {"ms", "s"} and lines[1][-4] == "1"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("paths", "words", "breach"),
    [
        (["/page/1", "/page/2"], ["--min-gap", "30"], "a gap of 0."),
        (["/page/1", "/page/2"], ["--max-in-flight", "0"], "1 in flight, more than 0"),
        (["/status/503?retry-after=100", "/page/1"], ["--assert"], "1 requests within a Retry"),
        (["/private/1"], ["--assert"], "1 requests that robots.txt forbids"),
    ],
)
def test_a_breach_is_exit_code_1(
    served: Served,
    capsys: pytest.CaptureFixture[str],
    paths: list[str],
    words: list[str],
    breach: str,
) -> None:
    """Each way to be rude is named with its host, as text and as JSON; unasked it is only shown."""
    visit(served, *paths)
    assert main(["mock", "ledger", served.url]) == ExitCode.FINISHED
    assert "BEYOND" not in capsys.readouterr().out
    assert main(["mock", "ledger", served.url, *words]) == ExitCode.FAILURES
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith(f"BEYOND THE LIMIT: 127.0.0.1:{served.port}: {breach}")
    assert main(["mock", "ledger", served.url, *words, "--json"]) == ExitCode.FAILURES
    (told,) = json.loads(capsys.readouterr().out)["breaches"]
    assert breach in told


@pytest.mark.slow
def test_a_well_behaved_client_passes(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """One request at a time, to what is allowed: exit code 0."""
    visit(served, "/robots.txt", "/page/1", "/page/2")
    words = ["--assert", "--max-in-flight", "1", "--min-gap", "0"]
    assert main(["mock", "ledger", served.url, *words]) == ExitCode.FINISHED
    assert "BEYOND" not in capsys.readouterr().out


@pytest.mark.slow
def test_nobody_at_the_default_address_is_one_line(
    capsys: pytest.CaptureFixture[str], served: Served
) -> None:
    """What answers but is not a mock web is told from what does not answer."""
    assert main(["mock", "ledger", "http://127.0.0.1:1"]) == ExitCode.ENVIRONMENT
    assert "http://127.0.0.1:1: cannot be asked: Connection refused" in capsys.readouterr().err
    assert main(["mock", "ledger", f"{served.url}/page/1?"]) == ExitCode.ENVIRONMENT
    assert "is not a mock web" in capsys.readouterr().err


def test_the_catalogue_has_every_name(capsys: pytest.CaptureFixture[str]) -> None:
    """Faults, traps, forms of robots.txt, faults of TLS and prefixes, each with what it does."""
    assert main(["mock", "faults"]) == ExitCode.FINISHED
    out = capsys.readouterr().out
    assert len(FAULTS) >= 65
    for name in (*FAULTS, *FORMS, *TRAPS, "self-signed", "until-close"):
        assert f"\n  {name} " in out, name
    assert "/fault/NAME" in out and "/trap/" in out and "/slow/N/S" in out


def test_every_path_is_in_the_catalogue() -> None:
    """What is served beside the graph is listed, and what is listed with a path is served."""
    rows = [row for row in catalogue() if row.path.startswith("/")]
    listed = {row.path.partition("?")[0].split("/")[1] for row in rows}
    inner = {"robots.txt", "robots-hop"}
    assert {*PATHS, *SITEMAPS, *PREFIXES} - inner <= listed
    filled = {"CODE": "200", "K": "1", "N": "1", "S": "0", "BYTES": "99", "NAME": "utf-8", "U": "/"}
    for row in rows:
        if row.group in ("Sitemaps", "Single answers", "Traps"):
            target = re.sub(r"\b[A-Z]+\b", lambda word: filled.get(word[0], word[0]), row.path)
            status = answer(Ask(target=target), MockWeb()).status
            assert status < 400 or row.name in ("retry", "flaky"), row


def test_the_catalogue_fits_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No line is longer than a terminal's, whatever the longest name and path are."""
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["mock", "faults"]) == ExitCode.FINISHED
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def test_the_catalogue_as_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """One object a line with group, name, path and help; names are unique in their group."""
    assert main(["mock", "faults", "--json"]) == ExitCode.FINISHED
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows == [entry._asdict() for entry in catalogue()]
    assert len({(row["group"], row["name"]) for row in rows}) == len(rows)
    assert all(row["help"] for row in rows)
