"""`crawler load` over real sockets: what it prints and writes, its options, its exit codes."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from crawler.cli import main
from crawler.load.load_config import LoadConfig
from crawler.load.load_result import LoadResult

from .loading import QUICK, believed, load, mock

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A page that takes a known time at least."""
    with mock("--latency", "0.1") as web:
        yield web.page


def test_a_run_is_a_page_of_text(url: str) -> None:
    """Code 0; target, shape, counts, three latencies and the verdict, in 80 columns."""
    code, out, err = believed(url, *QUICK)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == url and lines[1] == "closed loop, 20 connections; raw engine"
    assert max(map(len, lines)) <= 80
    names = [line.split()[0] for line in lines]
    assert {"status", "errors", "response", "service", "lag"} <= set(names)
    assert "believable: 7 checks passed" in lines or "believable: 6 checks passed" in lines
    assert "coordinated omission" not in out


def test_a_run_leaves_its_files(url: str, tmp_path: Path) -> None:
    """From a list on stdin: --json and --out are one document, the report is one file alone."""
    out, page, hgrm = (str(tmp_path / name) for name in ("out.json", "page.html", "a.hgrm"))
    suite, told = (str(tmp_path / name) for name in ("b.xml", "c.md"))
    files = ("--out", out, "--report", page, "--hgrm", hgrm, "--junit", suite, "--markdown", told)
    listed = f"# two pages\n{url}\n{url}?again\n"
    code, said, err = believed("-i", "-", "--rate", "100", *QUICK, "--json", *files, input=listed)
    assert (code, err) == (0, "")
    document = json.loads(said)
    assert document == json.loads(Path(out).read_text()) and document["urls"] == 2
    jsonschema.validate(document, json.loads(load("--schema")[1]))
    assert LoadResult.read(out).measured.count == document["summary"]["answers"] == 120
    text = Path(page).read_text()
    assert text.count("<svg id=") == 4 and "<script" not in text
    namespaces = re.sub(r'xmlns(:\w+)?="[^"]*"', "", text)
    assert re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?(?!#)[^"'#)\s]+""", namespaces) == []
    assert Path(hgrm).read_text().lstrip().startswith("Value")
    assert Path(suite).read_text().startswith("<?xml version='1.0'")
    assert Path(told).read_text().startswith("### crawler load: passed")
    names = ["a.hgrm", "b.xml", "c.md", "out.json", "page.html"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_a_missed_threshold_is_a_code_of_its_own(url: str) -> None:
    """4, and each threshold says what it was held against; met ones do not hide it."""
    met, missed = "errors<1%", "p50<50ms"
    code, out, _ = believed(url, *QUICK, "--threshold", met, "--threshold", missed)
    assert code == 4
    assert "threshold errors<1%: met with 0.000%" in out
    assert re.search(r"threshold p50<50ms: MISSED with [\d.]+ m?s", out)


def test_errors_come_before_disbelief() -> None:
    """4 and a loud line where nothing succeeded, whatever the latencies and the samples (LD3)."""
    with mock() as web:
        words = (f"{web.address}/nowhere", "-n", "3", "-c", "1", "--threshold", "p99<100s")
        code, out, err = load(*words)
        assert (code, err) == (4, "") and "404: 3" in out
        assert "FAILED: NO REQUEST SUCCEEDED: none of 3 had an expected answer" in out
        assert re.search(r"threshold p99<100s: MISSED with .* ms, but too many requests fail", out)
        assert load(*words[:-2], "--expect-status", "404")[0] in {0, 5}  # 5: the machine is busy
        assert load(*words[:-2], "--max-errors", "100%")[0] == 4
        mixed = (web.page, words[0], "-n", "4", "-c", "1")
        assert load(*mixed)[0] == 4
        assert load(*mixed, "--max-errors", "50%")[0] in {0, 5}


def test_a_mock_web_is_started_loaded_and_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """One command answers: 3 s unless told otherwise, and its server is gone at the end."""
    code, out, err = load("--mock", "-n", "50", "-c", "2")
    assert code in {0, 5} and err == "" and "status    200: 50\n" in out
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(re.findall(r":(\d+)/page/1\n", out)[0])))
    assert "\nduration = 3.0\n" in load("--mock", "--print-config")[1]
    assert "\nduration = 7.0\n" in load("--mock", "-d", "7s", "--print-config")[1]
    monkeypatch.setenv("CRAWLER_LOAD_DURATION", "8")
    assert "\nduration = 8.0\n" in load("--mock", "--print-config")[1]
    assert "--mock brings its own page" in load("--mock", "http://127.0.0.1:9/")[2]


def test_a_body_means_post() -> None:
    """LD5: unless a method is given; without a body it is GET."""
    assert [LoadConfig().method, LoadConfig(body="x").method] == ["GET", "POST"]
    assert LoadConfig(body="x", method="PUT").method == "PUT"


def test_a_few_requests_are_no_error(url: str) -> None:
    """Seven requests are too few for a percentile, which nobody claimed: a note (LD9)."""
    code, out, _ = believed(url, "-c", "3", "--requests", "7")
    assert code == 0 and "\n  note: samples: 7 requests were timed (p50 needs 20)\n" in out


def test_a_run_that_cannot_be_believed_is_a_code_of_its_own(url: str) -> None:
    """5 goes before a missed threshold, and the reason stands at the end."""
    code, out, _ = load(url, "--requests", "3", "--threshold", "p99<1us")
    assert code == 5
    assert "NOT BELIEVABLE:\n  samples: 3 requests were timed (p99 needs 1,000)" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--rate", "0"], "--rate: 0 sends nothing; leave it out for a closed loop"),
        (["--rate", "1e-9"], "--rate: 1e-09 is too small; the minimum is 0.001"),
        (["--rate", "1e9"], "--rate: 1000000000 is too large; the maximum is 1000000"),
        (["--rate", "fast"], "--rate: 'fast' is not a rate"),
        (
            ["--stages", "10s"],
            "--stages: '10s' is not a stage; expected SECONDS:RATE, as in 10s:1000",
        ),
        (["--stages", ""], "--stages: expected a schedule"),
        (["--rate", "5", "--stages", "1s:1"], "--stages: give a rate or stages, not both"),
        (["--ratee", "5"], "Unknown option: --ratee. Did you mean --rate?"),
        (["--threshold", "p99<50"], "--threshold: 'p99<50': a latency needs a unit"),
        (["--threshold", "eror<1%"], "'eror' is unknown; did you mean errors?"),
        (["--expect-status", "ok"], "--expect-status: 'ok' is not a status; expected a list such"),
        (["--max-errors", "2"], "--max-errors: 2 is too large; the maximum is 1"),
        (["--find-limit", "p99<1s", "--against", "http://127.0.0.1/"], "--find-limit: leave out"),
        (["--against", "http://127.0.0.1/", "--requests", "5"], "leave out --requests"),
        (["http://192.0.2.1/"], "--target-is-mine: 192.0.2.1 is not on loopback"),
        (["http://0.0.0.0/"], "--target-is-mine: 0.0.0.0 is not on loopback"),
        (["127.0.0.1:80"], "'127.0.0.1:80' is not a URL; put http:// or https:// before it"),
    ],
)
def test_bad_usage_is_one_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Code 2, before anything is sent, and what to write instead."""
    assert main(["load", "http://127.0.0.1:9/", *words]) == 2
    out, err = capsys.readouterr()
    assert out == "" and said in err
    assert err.startswith("crawler: ") and err.count("\n") == 1


def test_a_rate_of_nothing_is_refused_wherever_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the environment and in a file, too: it never turns into a closed loop by itself."""
    file = tmp_path / "load.toml"
    file.write_text("[load]\nconnections = 4\nrate = 0\n")
    code, _, err = load("http://127.0.0.1:9/", "--config", str(file))
    assert (code, err.count("\n")) == (2, 1) and "load.toml, line 3: rate: 0 sends nothing" in err
    monkeypatch.setenv("CRAWLER_LOAD_RATE", "0")
    code, _, err = load("http://127.0.0.1:9/")
    assert (code, err.count("\n")) == (2, 1) and "CRAWLER_LOAD_RATE: 0 sends nothing" in err


def test_options_come_from_file_environment_and_flags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flags before the environment, that before the file; what is printed can be read again."""
    file = tmp_path / "load.toml"
    file.write_text('[load]\nrate = 7\nconnections = 7\nmethod = "PUT"\n')
    monkeypatch.setenv("CRAWLER_LOAD_RATE", "8")
    monkeypatch.setenv("CRAWLER_LOAD_CONNECTIONS", "8")
    words = ("--config", str(file), "--connections", "9", "--print-config")
    code, out, _ = load(*words)
    assert code == 0
    assert all(f"\n{line}\n" in out for line in ("rate = 8.0", "connections = 9", 'method = "PUT"'))
    file.write_text(load("--print-config")[1])
    assert load("--config", str(file), "--print-config") == (0, file.read_text(), "")


def refused() -> str:
    """A URL at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}/"


def test_a_machine_that_gives_way_is_one_line(url: str, tmp_path: Path) -> None:
    """Code 3 for a refused port, a name that is none, no TLS, a missing list, a missing folder."""
    for words, said in (
        ([refused()], "refused; is the server running?"),
        (["http://no-such-host.invalid/"], "cannot resolve no-such-host.invalid"),
        ([url.replace("http:", "https:")], "TLS failed"),
        (["-i", str(tmp_path / "none.txt")], "none.txt: no such file"),
        ([url, "--out", str(tmp_path / "none" / "a.json")], "none is not a directory"),
    ):
        code, out, err = load(*words, "--duration", "0.2")
        assert (code, out, err.count("\n")) == (3, "", 1)
        assert err.startswith("crawler: ") and said in err
