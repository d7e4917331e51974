"""What stands below `crawler mock`: URLs, truth, score, changes, the catalogue."""

from __future__ import annotations

import gzip
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from crawler.cli import main
from crawler.cli.mock.change import settings
from crawler.mock import MockWeb, Served, running
from crawler.mock.judge.truth import entries
from crawler.model.errors import ExitCode

WEB = MockWeb(pages=300, hosts=2, seed=3, port=8080)
WORDS = ("--pages", "300", "--hosts", "2", "--seed", "3")


@pytest.fixture
def served() -> Iterator[Served]:
    """A mock web that runs on a thread."""
    with running(MockWeb(pages=50)) as web:
        yield web


def perfect() -> list[dict[str, object]]:
    """The records of a crawl that did everything right."""
    found = [entry for entry in entries(WEB) if entry.reachable]
    return [{"url": e.url, "status": e.status, "title": e.title} for e in found]


def write(file: Path, records: list[dict[str, object]]) -> str:
    """The records as JSON lines in a file, gzipped if its name says so."""
    text = "".join(f"{json.dumps(record)}\n" for record in records).encode()
    file.write_bytes(gzip.compress(text) if file.suffix == ".gz" else text)
    return str(file)


@pytest.mark.slow
def test_urls_are_those_that_a_perfect_crawl_finds(capsys: pytest.CaptureFixture[str]) -> None:
    """One a line, from the front page on, and no more than asked for."""
    assert main(["mock", "urls", *WORDS]) == ExitCode.FINISHED
    lines = capsys.readouterr().out.splitlines()
    assert lines == [entry.url for entry in entries(WEB) if entry.reachable]
    assert lines[0] == "http://127.0.0.1:8080/"
    assert main(["mock", "urls", *WORDS, "-n", "3"]) == ExitCode.FINISHED
    assert capsys.readouterr().out.splitlines() == lines[:3]


def test_flat_urls_are_the_numbered_pages(capsys: pytest.CaptureFixture[str]) -> None:
    """`--flat` lists /page/0 to /page/N-1; a count of ten million starts at once."""
    words = ["mock", "urls", "--flat", "--pages", "1e7", "-n", "2", "--port", "80"]
    assert main(words) == ExitCode.FINISHED
    expected = "http://127.0.0.1/page/0\nhttp://127.0.0.1/page/1\n"
    assert capsys.readouterr().out == expected


@pytest.mark.slow
def test_the_truth_is_json_lines_and_its_summary_one_object(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A line for every page, reachable or not; the summary counts the same pages."""
    assert main(["mock", "truth", *WORDS]) == ExitCode.FINISHED
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["url"] for line in lines] == [entry.url for entry in entries(WEB)]
    assert main(["mock", "truth", *WORDS, "--summary"]) == ExitCode.FINISHED
    summary = json.loads(capsys.readouterr().out)
    assert summary["pages"] == 300
    assert summary["reachable"] == sum(line["reachable"] for line in lines)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz"])
def test_a_perfect_crawl_has_a_perfect_score(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """Exit code 0, recall and precision of 1, nothing missing; archives are read, too."""
    file = write(tmp_path / name, perfect())
    assert main(["mock", "score", file, *WORDS]) == ExitCode.FINISHED
    out = capsys.readouterr().out
    assert out.splitlines()[0].split()[:2] == ["recall", "1"]
    assert out.splitlines()[1].split()[:2] == ["precision", "1"]
    assert "missing" not in out and "BEYOND" not in out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "breach", "loosened"),
    [
        ("lost", "recall: ", ["--min-recall", "0.9"]),
        ("stranger", "precision: ", ["--min-precision", "0.9"]),
        ("again", "repeats: 1 is over 0", ["--max-repeats", "1"]),
        ("forbidden", "robots violations: 1 is over 0", ["--max-robots", "1"]),
        ("title", "wrong records: 1 is over 0", ["--max-wrong", "1"]),
    ],
)
def test_a_score_beyond_a_limit_is_exit_code_1(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: str,
    breach: str,
    loosened: list[str],
) -> None:
    """Each way to crawl badly breaches its own limit alone, and that can be loosened."""
    file = write(tmp_path / "out.jsonl", spoilt(change))
    assert main(["mock", "score", file, *WORDS]) == ExitCode.FAILURES
    beyond = [line for line in capsys.readouterr().out.splitlines() if "BEYOND" in line]
    assert len(beyond) == 1 and beyond[0].startswith(f"BEYOND THE LIMIT: {breach}")
    assert main(["mock", "score", file, *WORDS, *loosened]) == ExitCode.FINISHED


def spoilt(change: str) -> list[dict[str, object]]:
    """The records of a crawl with one fault."""
    records = perfect()
    titled = next(record for record in records if record["title"] and record["status"] == 200)
    forbidden = next(entry for entry in entries(WEB) if entry.disallowed)
    match change:
        case "lost":
            return records[:-1]
        case "stranger":
            return [*records, {"url": "http://127.0.0.1:8080/nowhere"}]
        case "again":
            return [*records, titled]
        case "forbidden":
            return [*records, {"url": forbidden.url}]
        case _:
            return [{**r, "title": "another"} if r is titled else r for r in records]


@pytest.mark.slow
def test_traps_are_limited_only_if_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A page of a trap costs neither precision nor the exit code, until --max-traps says so."""
    trap = {"url": "http://127.0.0.1:8080/trap/next/1"}
    file = write(tmp_path / "out.jsonl", [*perfect(), trap])
    assert main(["mock", "score", file, *WORDS]) == ExitCode.FINISHED
    assert main(["mock", "score", file, *WORDS, "--max-traps", "0"]) == ExitCode.FAILURES
    assert "BEYOND THE LIMIT: trap pages: 1 is over 0" in capsys.readouterr().out


@pytest.mark.slow
def test_a_score_as_json_tells_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One object with every count, the first missing URLs and the breaches."""
    file = write(tmp_path / "out.jsonl", spoilt("lost"))
    assert main(["mock", "score", file, *WORDS, "--json"]) == ExitCode.FAILURES
    found = json.loads(capsys.readouterr().out)
    assert found["missing"] == [perfect()[-1]["url"]] and 0.9 < found["recall"] < 1
    assert found["breaches"][0].startswith("recall: 0.99")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{'url'", "line 2: not JSON"),
        ("[]", "line 2: not a JSON object"),
        ("{}", "line 2: a record without a url"),
        ('{"url": "http://127.0.0.1:8080/", "status": "x"}', "line 2: expected a status, got 'x'"),
    ],
)
def test_a_line_that_is_no_record_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, said: str
) -> None:
    """A list of records with a bad one is exit code 3 and one line with file and number."""
    file = tmp_path / "out.jsonl"
    file.write_text(f'{{"url": "http://127.0.0.1:8080/"}}\n{line}\n')
    assert main(["mock", "score", str(file), *WORDS]) == ExitCode.ENVIRONMENT
    out, err = capsys.readouterr()
    assert err.startswith(f"crawler: {file}, {said}") and err.count("\n") == 1 and not out


@pytest.mark.slow
def test_missing_records_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is not there is exit code 3."""
    assert main(["mock", "score", "missing.jsonl"]) == ExitCode.ENVIRONMENT
    assert capsys.readouterr().err.startswith("crawler: missing.jsonl: ")


@pytest.mark.slow
def test_a_running_web_says_its_own_options(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--web` takes pages and port from the server, and refuses to mix them with others."""
    assert main(["mock", "urls", "--flat", "--web", served.url]) == ExitCode.FINISHED
    assert capsys.readouterr().out.splitlines() == list(served.urls())
    assert main(["mock", "urls", "--web", served.url, "--pages", "3"]) == ExitCode.USAGE
    assert "--web: the server has its own options; leave out --pages" in capsys.readouterr().err


@pytest.mark.slow
def test_urls_need_a_port(capsys: pytest.CaptureFixture[str]) -> None:
    """A free port is one that nobody knows, so URLs with it would be wrong."""
    assert main(["mock", "urls", "--port", "0"]) == ExitCode.USAGE
    assert "--port: URLs need the server's own" in capsys.readouterr().err


@pytest.mark.slow
def test_a_running_web_is_changed(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """`set` changes what the server answers from then on, and says nothing if all is well."""
    words = ["links=3", "robots=User-agent: *", "robots=Disallow: /x", "latency=uniform:0,0"]
    assert main(["mock", "set", served.url, *words]) == ExitCode.FINISHED
    assert capsys.readouterr() == ("", "")
    with urllib.request.urlopen(f"{served.url}/robots.txt") as answer:
        assert answer.read().startswith(b"User-agent: *\nDisallow: /x\n")
    with urllib.request.urlopen(f"{served.url}/__scenario") as answer:
        assert json.loads(answer.read())["latency"] == "uniform:0,0"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["latncy=1"], "latncy: no such option; did you mean latency?"),
        (["latency=x"], "latency: 'x' is neither a duration from 0"),
        (["tls=maybe"], "tls: 'maybe' is neither true nor false"),
        (["pages=1.5"], "pages: '1.5' is not a whole number"),
        (["latency"], "'latency' sets nothing; write OPTION=VALUE"),
        ([], "nothing to set"),
        (["port=1"], "port: cannot change while the web is served"),
    ],
)
def test_a_change_that_cannot_be_is_one_line(
    served: Served, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    """A typo, a wrong value or a fixed option is exit code 2, and changes nothing."""
    assert main(["mock", "set", served.url, *words]) == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert said in err and err.count("\n") == 1 and not out


def test_settings_are_read_by_type() -> None:
    """Numbers, switches, lists and distributions become what JSON has for them."""
    words = ["pages=1e3", "traps=on", "robots=", "latency=0.5", "robots-forms=none", "depth=2"]
    assert settings(words) == {
        "pages": 1000,
        "traps": True,
        "robots": (),
        "latency": "0.5",
        "robots_forms": ("none",),
        "depth": 2.0,
    }


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "ftp://127.0.0.1", "127.0.0.1:8080"])
def test_nobody_there_is_one_line(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A closed port or what is no URL is named, without a traceback."""
    assert main(["mock", "set", url, "latency=1"]) in {ExitCode.ENVIRONMENT, ExitCode.USAGE}
    err = capsys.readouterr().err
    assert err.startswith(f"crawler: {url}: ") and err.count("\n") == 1
