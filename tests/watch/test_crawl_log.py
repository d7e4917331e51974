"""The log of a crawl: its lines, its rotation, and what it costs nobody."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from crawler.model.errors import EnvironmentFailure
from crawler.model.event import Event, Level
from crawler.watch import crawl_log
from crawler.watch.crawl_log import CrawlLog, as_json, as_text, open_log
from tests.cli.test_command import crawler
from tests.unmannered import WORDS

EVENT = Event(
    name="breaker_opened",
    level=Level.WARNING,
    at=1_000.5,
    fields={"host": "http://a.test", "reason": 'no "answer"\x1b[2J', "times": 3},
)


class Shelf:
    """A place that keeps lines, once it is let go."""

    failure: BaseException | None = None

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.go = threading.Event()

    def put(self, line: str) -> None:
        assert self.go.wait(60)
        self.lines.append(line)

    def close(self) -> None:
        pass


def test_a_line_is_words_or_json() -> None:
    """Both have time, level, name and fields; what a server sent moves no cursor."""
    head = "1970-01-01T00:16:40.500Z"
    assert as_text(EVENT) == (
        f"{head} WARNING breaker_opened host=http://a.test "
        r'reason="no \"answer\"\u001b[2J" times=3'
    )
    assert json.loads(as_json(EVENT)) == {
        "time": head,
        "level": "warning",
        "event": "breaker_opened",
        **EVENT.fields,
    }


def test_a_log_is_added_to_and_put_aside_by_size(tmp_path: Path) -> None:
    """What is there stays; above its size a file becomes .1, and five old ones are kept."""
    path = tmp_path / "x.log"
    path.write_text("from before\n")
    log = open_log(str(path), "json", 1_000)
    for _ in range(100):
        log.put(EVENT)
    assert log.close() == ""
    names = sorted(each.name for each in tmp_path.iterdir())
    assert names == ["x.log", *(f"x.log.{n}" for n in range(1, 6))]
    assert all(each.stat().st_size <= 1_000 for each in tmp_path.iterdir())
    log = open_log(str(tmp_path / "y.log"), "text", 0)
    log.put(EVENT)
    log.close()
    open_log(str(tmp_path / "y.log"), "text", 0).close()
    assert (tmp_path / "y.log").read_text() == f"{as_text(EVENT)}\n"


def test_nobody_waits_for_a_disk_that_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """What finds the queue full is dropped, and counted in the last line."""
    monkeypatch.setattr(crawl_log, "WAITING", 5)
    shelf = Shelf()
    log = CrawlLog(shelf, "json")
    for _ in range(50):
        log.put(EVENT)
    shelf.go.set()
    log.close()
    *kept, last = map(json.loads, shelf.lines)
    assert last["event"] == "log_lost" and last["events"] + len(kept) == 50 and len(kept) <= 6


def test_a_log_that_cannot_be_kept_is_told(tmp_path: Path) -> None:
    """At once if it cannot be opened, at the end if it cannot be written."""
    with pytest.raises(EnvironmentFailure, match=r"log: .*: Is a directory"):
        open_log(str(tmp_path), "text", 0)
    if not Path("/dev/full").exists():
        pytest.skip("needs a device that is full")
    log = open_log("/dev/full", "text", 10)
    log.put(EVENT)
    assert "No space left" in log.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    "how", [["--engine", "async"], ["--engine", "threaded"], ["--workers", "2"]], ids=" ".join
)
def test_a_crawl_is_logged(tmp_path: Path, how: list[str]) -> None:
    """Start, retries, pauses of all partitions, and the end with its counts and exit code."""
    log = tmp_path / "crawl.log"
    output = tmp_path / "out.jsonl"
    words = ["--mock", "20", "http://127.0.0.1:9/secret?key=hidden", "--retries", "1", *how]
    words += ["--log", str(log), "--log-format", "json", "-o", str(output), "--backoff", "0.01"]
    assert crawler("crawl", *WORDS, *words)[0] == 0
    first, *between, last = map(json.loads, log.read_text().splitlines())
    assert (first["event"], first["concurrency"]) == ("start", 512)
    retries = [each for each in between if each["event"] == "retry"]
    assert [each["url"] for each in retries] == ["http://127.0.0.1:9/secret?..."]
    assert {"partition" in each for each in retries} == {"--workers" in how}
    assert (last["event"], last["exit_code"], last["records"], last["failed"]) == ("end", 0, 21, 1)
    assert log.read_text().count("partition_started") == 2 * ("--workers" in how)


def test_a_log_is_not_the_output(tmp_path: Path) -> None:
    """One file for both is refused before anything is written."""
    place = str(tmp_path / "out.jsonl")
    code, _, err = crawler("crawl", *WORDS, "http://a.test/", "-o", place, "--log", place)
    assert code == 2 and "log: " in err and "is the file of --output, too" in err
    assert list(tmp_path.iterdir()) == []


def test_a_crawl_that_does_not_begin_is_logged(tmp_path: Path) -> None:
    """With the reason, as it has a line and an exit code, too."""
    out, log = tmp_path / "out.jsonl", tmp_path / "x.log"
    out.write_text("mine\n")
    words = ["http://a.test/", "-o", str(out), "--state", "none", "--log", str(log)]
    assert crawler("crawl", *WORDS, *words)[0] == 2
    first, last = log.read_text().splitlines()
    assert " start " in first and " ERROR   error reason=" in last and "out.jsonl" in last
