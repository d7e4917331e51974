"""The command as a shell runs it: streams, exit codes, signals, pipes."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import pytest
from jsonschema import Draft202012Validator

from crawler.cli import main
from crawler.mock import MockWeb, Served, running
from tests.patience import PATIENCE
from tests.unmannered import WORDS

HEAVY = ("aiohttp", "asyncio", "urllib3", "selectolax", "frostwork", "httptools")


@contextmanager
def started(*words: str) -> Iterator[subprocess.Popen[str]]:
    """`crawler WORDS` in a process of its own, without input, its output as pipes."""
    with subprocess.Popen(
        [sys.executable, "-m", "crawler", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()  # of no effect, unless the test failed


def crawler(*words: str) -> tuple[int, str, str]:
    """Run `crawler WORDS` in this process; returns exit code, stdout and stderr.

    Records go to descriptor 1, what is said to `sys.stderr`: both are files meanwhile.
    """
    kept = os.dup(1)
    try:
        with TemporaryFile("w+") as out, TemporaryFile("w+") as err:
            os.dup2(out.fileno(), 1)
            with redirect_stdout(out), redirect_stderr(err):
                code = main(words)
            return code, _written(out), _written(err)
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _written(file: IO[str]) -> str:
    file.flush()
    os.lseek(file.fileno(), 0, os.SEEK_SET)
    return file.read()


@pytest.mark.slow
def test_help_names_every_option_and_shows_examples() -> None:
    """`crawl --help` fits 80 columns, and explains itself with examples, on stdout."""
    code, out, err = crawler("crawl", "--help")
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    assert "crawler crawl -i list.txt -o out.jsonl.zst" in out
    assert "--per-host N" in out and "--header -H" in out and "--config FILE" in out


@pytest.mark.slow
def test_help_loads_nothing_heavy() -> None:
    """No network library and no parser is imported to print a help text."""
    script = (
        "import sys, crawler.cli; crawler.cli.main(['crawl', '--help']);"
        f"print(sorted(set(sys.modules) & set({HEAVY!r})), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stderr.decode().strip() == "[]"


@pytest.mark.slow
def test_a_mock_crawl_from_end_to_end(tmp_path: Path) -> None:
    """One record for each page, legal by the printed schema; summary on stderr; no process left."""
    stats = tmp_path / "stats.json"
    with started("crawl", *WORDS, "--mock", "50", "--stats", str(stats)) as process:
        out, err = process.communicate(timeout=PATIENCE)
    records = [json.loads(line) for line in out.splitlines()]
    assert process.returncode == 0, err
    assert len({record["url"] for record in records}) == 50
    assert err.endswith("every URL is accounted for: 50 read = 50 records + 0 repeats\n")
    assert json.loads(stats.read_text())["pages"] == 50
    check = Draft202012Validator(json.loads(crawler("crawl", "--schema")[1]))
    for record in records:
        check.validate(record)


@pytest.mark.slow
@pytest.mark.parametrize("words", ["crawl --help", "--help", "mock faults"])
def test_help_into_a_closed_pipe_is_not_an_error(words: str) -> None:
    """`--help | head -1`: exit code 0, and silence, whatever has the lines printed."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "crawler", *words.split()]
    done = subprocess.run(
        command, stdout=writer, stderr=subprocess.PIPE, check=False, timeout=PATIENCE
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.slow
def test_a_closed_pipe_is_no_error() -> None:
    """`| head -1`: exit code 0, and silence."""
    with started("crawl", *WORDS, "--mock", "3000", "--progress", "none") as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline().startswith("{")
        process.stdout.close()
        assert (process.stderr.read(), process.wait(PATIENCE)) == ("", 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "number"),
    [("async", signal.SIGINT), ("threaded", signal.SIGTERM), ("async", signal.SIGHUP)],
)
def test_a_signal_ends_a_crawl_with_everything_written(
    tmp_path: Path, engine: str, number: signal.Signals
) -> None:
    """Without a state: its exit code, a record for all that was read, summary, no traceback."""
    output = tmp_path / "out.jsonl"
    with running(MockWeb(pages=50_000, latency=0.05)) as web:
        listed = tmp_path / "list.txt"
        listed.write_text("\n".join(web.urls()))
        words = ("-i", str(listed), "-o", str(output), "--engine", engine, "--drain-timeout", "2")
        with started("crawl", *WORDS, *words, "--state", "none") as process:
            wait_for_requests(web, 20, process)
            process.send_signal(number)
            out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (128 + number, "")
    assert "stopping: finishing" in err and "Traceback" not in err
    read = int(err.rpartition("accounted for: ")[2].split()[0].replace(",", ""))
    assert len(output.read_text().splitlines()) == read
    assert "every URL is accounted for" in err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "number"),
    [("async", signal.SIGKILL), ("threaded", signal.SIGKILL), ("async", signal.SIGTERM)],
)
def test_the_same_command_continues_what_a_signal_has_ended(
    tmp_path: Path, engine: str, number: signal.Signals
) -> None:
    """Killed or stopped in the middle, then run again: one record for each URL, and a receipt."""
    output, listed = tmp_path / "out.jsonl", tmp_path / "list.txt"
    with running(MockWeb(pages=200, latency="exponential:0.15")) as web:
        listed.write_text("\n".join(web.urls()))
        words = ("-i", str(listed), "-o", str(output), "--engine", engine, "--drain-timeout", "0")
        words = ("crawl", *WORDS, *words, "--concurrency", "8", "--parse", "inline")
        with started(*words) as process:
            wait_for_requests(web, 60, process)
            process.send_signal(number)
            process.communicate(timeout=PATIENCE)
        assert len(output.read_text().splitlines()) < 200
        code, _, err = crawler(*words)
        assert (code, "every URL is accounted for: 200 read = " in err) == (0, True)
        assert crawler(*words)[0] == 0
    records = [json.loads(line) for line in output.read_text().splitlines()]
    assert sorted(record["url"] for record in records) == sorted(web.urls())
    assert {record["outcome"] for record in records} == {"page"}
    assert (tmp_path / "out.jsonl.receipt.json").exists()


@pytest.mark.slow
def test_two_signals_leave_at_once(tmp_path: Path) -> None:
    """The second Ctrl-C does not wait for answers that never come."""
    output = str(tmp_path / "out.jsonl")
    with (
        running(MockWeb(latency=3_600)) as web,
        started("crawl", *WORDS, *web.urls(5), "-o", output) as process,
    ):
        wait_for_requests(web, 5, process)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert process.stderr.readline().startswith("stopping: finishing 5 in flight")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130 and "Traceback" not in err


def wait_for_requests(web: Served, number: int, process: subprocess.Popen[str]) -> None:
    """Until the mock web has had so many requests; fails if the crawl ends before."""
    while web.statistics().requests < number:
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)


@pytest.mark.slow
def test_the_mock_web_says_where_it_listens_and_ends_gently() -> None:
    """`crawler mock` prints its address when it listens, and SIGTERM is a clean end."""
    with started("mock", "--port", "0") as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        process.terminate()
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (143, "", "")


def test_a_port_in_use_is_one_line() -> None:
    """A second server on the same port ends with exit code 3 and the reason."""
    with running(MockWeb()) as web:
        code, out, err = crawler("mock", "--port", str(web.port))
    assert (code, out) == (3, "")
    assert err == f"crawler: cannot listen on 127.0.0.1, port {web.port}: Address already in use\n"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sitemap.xml", "sitemap.xml.gz"])
def test_a_sitemap_is_a_list(tmp_path: Path, name: str) -> None:
    """A local sitemap, packed or not, is crawled; an index is a usage error of one line."""
    pack = gzip.compress if name.endswith(".gz") else bytes
    path = tmp_path / name
    with running(MockWeb(pages=5)) as web:
        rows = "".join(f"<url><loc>{url}</loc></url>" for url in web.urls())
        path.write_bytes(pack(f"<urlset>{rows}</urlset>".encode()))
        code, out, err = crawler("crawl", *WORDS, "-i", str(path), "-q")
        assert (code, err) == (0, "")
        assert {json.loads(line)["url"] for line in out.splitlines()} == set(web.urls())
    rows = "<sitemap><loc>http://a.example/s.xml</loc></sitemap>"
    path.write_bytes(pack(f"<sitemapindex>{rows}</sitemapindex>".encode()))
    code, out, err = crawler("crawl", "-i", str(path))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert f"{name}: is an index of sitemaps" in err and "--sitemap" in err


@pytest.mark.slow
def test_tracebacks_only_with_debug(tmp_path: Path) -> None:
    """An unreadable list is one line and exit code 3; --debug shows where it was noticed."""
    missing = str(tmp_path / "missing.txt")
    code, _, err = crawler("crawl", "-i", missing)
    assert (code, err.count("\n")) == (3, 1) and "missing.txt" in err
    code, _, err = crawler("crawl", "-i", missing, "--debug")
    assert code == 3 and "Traceback" in err


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's /dev/full")
@pytest.mark.parametrize("engine", ["async", "threaded"])
@pytest.mark.parametrize("more", [(), ("--stats", "/dev/full", "--audit", "/dev/full")])
def test_a_full_disk_is_the_first_line(engine: str, more: tuple[str, ...]) -> None:
    """L12: exit code 3, the output's failure before all others, and then what was done."""
    words = ("--mock", "20", "-o", "/dev/full", "--engine", engine, "--parse", "inline")
    code, out, err = crawler("crawl", *WORDS, *words, *more)
    assert (code, out) == (3, "")
    lines = err.splitlines()
    failed = "crawler: /dev/full: cannot be written: No space left on device"
    assert lines[0].startswith(f"{failed}; 0 records are whole")
    assert "start again" not in err and "NOT ACCOUNTED FOR" in err and "Traceback" not in err
    assert (lines[-1] == failed) == bool(more)
