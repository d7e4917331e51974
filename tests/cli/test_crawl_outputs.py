"""What becomes of outputs that are there already, as a person meets it on the command line."""

from __future__ import annotations

import csv
import gzip
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard
from warcio.archiveiterator import ArchiveIterator

from crawler.cli import main
from crawler.mock import MockWeb, running
from tests.cli.test_command import crawler, started, wait_for_requests
from tests.patience import PATIENCE
from tests.unmannered import WORDS

OLD = '{"a record": "of yesterday"}\n'
LATE = (
    *("--parser nosuch:thing", "--parser os:nosuch", "--parser nosuch:x --parse inline"),
    *("--parser nosuch:x --parse thread", "--parser nosuch:x --parse process"),
    *("--concurrency 100000 --parse inline", "--proxy nonsense", "--url-column 1x -i list.csv"),
    *("-i missing.txt", "-i list.gz", "-i - --input-format csv", "--mock 0", "--depth nine"),
    *(
        "--parse interpreter",
        "--config missing.toml",
        "--audit missing/a.jsonl",
        "--append",
    ),
)
"""Options with which a crawl fails before it has a record; some are noticed very late."""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of one's own, with an output of an earlier crawl."""
    monkeypatch.chdir(tmp_path)
    for name in ("out.jsonl", "stats.json", "audit.jsonl"):
        (tmp_path / name).write_text(OLD)
    (tmp_path / "list.csv").write_text("a,b\nhttp://127.0.0.1:1/,x\n")
    (tmp_path / "list.gz").write_bytes(b"no archive\n")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "engine"),
    [
        *((words, "async") for words in LATE),
        *((words, "threaded") for words in LATE if "pars" in words or "-i -" in words),
    ],
)
def test_a_usage_error_leaves_the_outputs_alone(here: Path, words: str, engine: str) -> None:
    """Whatever is wrong with a command, what an earlier run has written survives (L1)."""
    if words == "--parse interpreter" and sys.version_info >= (3, 14):
        pytest.skip("there are such executors here")
    onto = ["-o", "out.jsonl", "--stats", "stats.json", "--audit", "audit.jsonl", "--overwrite"]
    seeds = [] if "-i" in words else ["http://127.0.0.1:1/"]
    command = ["crawl", *seeds, "--allow-private", *onto, *words.split(), "--engine", engine]
    command += ["--robots", "ignore", "--retries", "0"]
    before = {path.name: path.read_bytes() for path in here.iterdir()}
    code, _, err = (_limited if "concurrency" in words or "-i -" in words else crawler)(*command)
    assert code in (2, 3), err
    assert err.splitlines()[-1].startswith("crawler: "), err
    assert {path.name: path.read_bytes() for path in here.iterdir()} == before


def _limited(*words: str) -> tuple[int, str, str]:
    """Run the command in a process with few descriptors and a table as its standard input."""
    command = ["sh", "-c", 'ulimit -n 1000; exec "$0" "$@"', sys.executable, "-m", "crawler"]
    done = subprocess.run(
        [*command, *words], input="c,d\n1,2\n", capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "words", ["-o out.jsonl", "--stats stats.json", "--audit audit.jsonl", "--repeats out.jsonl"]
)
def test_what_is_there_is_not_replaced_unasked(
    here: Path, capsys: pytest.CaptureFixture[str], words: str
) -> None:
    """A second run onto what an earlier one has written is one line and exit code 2 (L2)."""
    assert main(["crawl", "http://127.0.0.1:1/", *words.split()]) == 2
    out, err = capsys.readouterr()
    name = words.split()[1]
    assert err.startswith(f"crawler: {name}: holds 29 bytes already; ") and not out
    assert err.count("\n") == 1 and "--overwrite" in err
    assert (here / name).read_text() == OLD


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["async", "threaded"])
def test_records_are_replaced_or_added_when_told(here: Path, engine: str) -> None:
    """--overwrite starts anew, --append keeps what is there, and the audit follows suit."""
    files = ("-o", "out.jsonl", "--audit", "audit.jsonl")
    words = ("http://127.0.0.1:1/", "--engine", engine, *WORDS, "--retries", "0", "-q", *files)
    assert crawler("crawl", *words, "--append", "--overwrite")[0] == 2
    assert crawler("crawl", *words, "--append")[2] == ""
    assert crawler("crawl", *words, "--append")[2] == ""
    for name in ("out.jsonl", "audit.jsonl"):
        lines = (here / name).read_text().splitlines(keepends=True)
        assert lines[0] == OLD and len(lines) == 3
    assert json.loads((here / "out.jsonl").read_text().splitlines()[2])["kind"] == "connect"
    assert crawler("crawl", *words, "--overwrite")[2] == ""
    for name in ("out.jsonl", "audit.jsonl"):
        assert (here / name).read_text().count("\n") == 1


@pytest.mark.slow
def test_two_crawls_at_once_do_not_share_a_file(tmp_path: Path) -> None:
    """The second is told which process writes the output, and the first is not disturbed (L2)."""
    output = tmp_path / "out.jsonl"
    with running(MockWeb(pages=10, latency=3_600)) as web:
        words = ("crawl", *WORDS, *web.urls(3), "-o", str(output), "--drain-timeout", "0")
        words += ("--state", "none")
        with started(*words) as first:
            wait_for_requests(web, 3, first)
            code, _, err = crawler(*words, "--overwrite")
            assert (code, err.count("\n")) == (3, 1)
            assert f"out.jsonl: is being written by process {first.pid};" in err
            first.terminate()
            first.communicate(timeout=PATIENCE)
    assert len(output.read_text().splitlines()) == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "workers"), [("csv.gz", 2), ("warc.gz", 2), ("warc.gz", 1), ("csv.zst", 1)]
)
def test_a_pipe_is_packed_as_its_format_says(form: str, workers: int) -> None:
    """What several processes send, too: readers of the format take it as one whole archive."""
    with running(MockWeb(hosts=2, pages=20)) as web:
        urls = [f"{web.url}/page/{n}" for n in range(20)]
        words = ["crawl", *WORDS, "-q", "-o", "-", "--format", form, "--workers", str(workers)]
        command = [sys.executable, "-m", "crawler", *words, *urls]
        told = subprocess.run(command, stdout=subprocess.PIPE, timeout=PATIENCE, check=True).stdout
    if form.startswith("warc"):
        found = [
            each.rec_headers["WARC-Target-URI"]
            for each in ArchiveIterator(io.BytesIO(told))
            if each.rec_type in ("response", "revisit")
        ]
    else:
        with zstandard.ZstdDecompressor().stream_reader(told, read_across_frames=True) as frames:
            text = gzip.decompress(told) if form.endswith("gz") else frames.read()
        found = [row["url"] for row in csv.DictReader(io.StringIO(text.decode(), newline=""))]
    assert sorted(found) == sorted(urls)
