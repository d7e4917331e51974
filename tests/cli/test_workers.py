"""`crawler crawl --workers`: several processes, one output, whatever is killed meanwhile."""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from crawler.mock import MockWeb, Served, running
from tests.cli.test_command import crawler, started, wait_for_requests
from tests.patience import PATIENCE, until
from tests.unmannered import WORDS

HOSTS, PAGES = 6, 240
QUIET = ("--progress", "none", "--concurrency", "8", "--parse", "inline")

pytestmark = pytest.mark.slow


def listed(web: Served, folder: Path) -> Path:
    """A list of the web's pages, a part of them twice."""
    urls = urls_of(web)
    path = folder / "list.txt"
    path.write_text("\n".join([*urls, *urls[::10]]))
    return path


def urls_of(web: Served) -> list[str]:
    """Every page, at one of the hosts."""
    port = urlsplit(web.url).port
    return [f"http://127.0.0.{n % HOSTS + 1}:{port}/page/{n}" for n in range(PAGES)]


def records(path: Path) -> list[dict[str, Any]]:
    """The records of a file, or of all parts in a directory."""
    if path.is_dir():
        return [record for part in sorted(path.iterdir()) for record in records(part)]
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in data.splitlines()]


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


@pytest.mark.parametrize(("engine", "seed"), [("async", 1), ("threaded", 3)])
def test_kills_at_random_moments_lose_and_repeat_nothing(
    tmp_path: Path, engine: str, seed: int
) -> None:
    """Parents and children are killed; in the end there is one record for each URL of the list.

    No host was crawled by two partitions, and none of its pages is missing in the ledger.
    """
    draw = random.Random(seed)
    output = tmp_path / "out"
    with running(MockWeb(hosts=HOSTS, pages=PAGES, latency="exponential:0.1")) as web:
        given = ("-i", str(listed(web, tmp_path)), "-o", f"{output}/", "--engine", engine)
        words = ("crawl", *WORDS, *QUIET, *given, "--workers", "2")
        for _ in range(2):
            before = web.statistics().requests
            with started(*words) as process:
                wait_for_requests(web, before + draw.randrange(1, 40), process)
                os.kill(draw.choice(children(process.pid)), signal.SIGKILL)
                wait_for_requests(web, before + draw.randrange(40, 80), process)
                process.kill()
        code, _, err = crawler(*words)
        assert code == 0, err
        ledger = web.ledger()
    found = records(output)
    assert sorted(record["url"] for record in found) == sorted(urls_of(web))
    assert {record["outcome"] for record in found} == {"page"}
    parts = [{urlsplit(each["url"]).netloc for each in records(p)} for p in output.iterdir()]
    assert sum(map(len, parts)) == len(set().union(*parts)) == HOSTS
    assert all(ledger.hosts[host].requests >= PAGES // HOSTS for host in set().union(*parts))
    assert not (tmp_path / "out.state").exists()


def test_a_page_that_kills_its_partition_ends_alone(tmp_path: Path) -> None:
    """Parsed inline, it takes the process with it once; then it fails, and no other page does."""
    output = tmp_path / "out.jsonl.gz"
    (tmp_path / "deadly.py").write_text(
        "import os, signal\n"
        "def parse(response):\n"
        "    if 'deadly' in response.url:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return {}\n"
    )
    with running(MockWeb(hosts=HOSTS, pages=PAGES)) as web:
        path = listed(web, tmp_path)
        deadly = f"{urls_of(web)[0]}?deadly"
        path.write_text(f"{path.read_text()}\n{deadly}")
        parser = f"{tmp_path / 'deadly.py'}:parse"
        given = ("-i", str(path), "-o", str(output), "--parser", parser, "--workers", "2")
        code, _, err = crawler("crawl", *WORDS, *QUIET, *given, "--audit", f"{tmp_path}/a.jsonl")
    assert (code, err.count("is started again: its process was killed by SIGKILL")) == (0, 1), err
    outcomes = {record["url"]: record["kind"] or record["outcome"] for record in records(output)}
    assert outcomes.pop(deadly) == "parse_crash"
    assert sorted(outcomes) == sorted(urls_of(web)) and set(outcomes.values()) == {"page"}
    audited = {host["host"] for host in records(tmp_path / "a.jsonl")}
    assert len(audited) == HOSTS


def test_urls_of_a_partition_that_always_dies_have_records_with_the_reason(tmp_path: Path) -> None:
    """Four deaths without progress: each URL ends with that, and the run comes to its end."""
    output = tmp_path / "out"
    with running(MockWeb(hosts=HOSTS, pages=PAGES, latency=3_600)) as web:
        given = ("-i", str(listed(web, tmp_path)), "-o", f"{output}/")  # one partition
        with started("crawl", *WORDS, *QUIET, *given) as process:
            killed: set[int] = set()
            while len(killed) < 4 and process.poll() is None:
                for pid in set(children(process.pid)) - killed:
                    os.kill(pid, signal.SIGKILL)
                    killed.add(pid)
            _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1, err
    found = records(output)
    assert sorted(record["url"] for record in found) == sorted(urls_of(web))
    reason = "its partition was given up after 4 deaths: killed by SIGKILL"
    assert {(each["kind"], each["reason"]) for each in found} == {("internal", reason)}
    receipt = json.loads((tmp_path / "out.receipt.json").read_bytes())
    assert receipt["read"] == receipt["records"] + receipt["repeats"] == PAGES + PAGES // 10


def test_a_signal_stops_all_and_fewer_workers_go_on(tmp_path: Path) -> None:
    """Ctrl-C leaves a state of three partitions, which one worker crawls to the end in turns."""
    output = tmp_path / "out.jsonl"
    with running(MockWeb(hosts=HOSTS, pages=PAGES, latency="exponential:0.05")) as web:
        given = ("-i", str(listed(web, tmp_path)), "-o", str(output), "--drain-timeout", "0")
        words = ("crawl", *WORDS, *QUIET, *given, "--workers")
        with started(*words, "3") as process:
            assert until(lambda: len(children(process.pid)) == 3)
            wait_for_requests(web, 30, process)
            below = children(process.pid)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=PATIENCE)
        assert (process.returncode, len(below)) == (130, 3)
        assert "interrupted: the same command continues it" in err
        assert "every URL is accounted for" in err
        assert not any(map(os.path.exists, (f"/proc/{pid}" for pid in below)))
        code, _, err = crawler(*words, "1")
        assert (code, "continuing" in err) == (0, True), err
        assert crawler(*words, "2")[0] == 0  # complete, whatever the number
    assert sorted(record["url"] for record in records(output)) == sorted(urls_of(web))


def test_a_second_parent_is_told_of_the_first(tmp_path: Path) -> None:
    """It names the process that has the state, and changes nothing."""
    output = tmp_path / "out"
    with running(MockWeb(hosts=HOSTS, pages=PAGES, latency=3_600)) as web:
        words = ("crawl", *WORDS, *QUIET, "-i", str(listed(web, tmp_path)), "-o", f"{output}/")
        with started(*words) as process:
            wait_for_requests(web, 1, process)
            code, _, err = crawler(*words)
            assert code == 3
            assert f"is being written by process {process.pid}" in err


@pytest.mark.parametrize("engine", ["async", "threaded"])
def test_standard_input_is_dealt_out_and_records_come_together(engine: str) -> None:
    """A list from a pipe, records to a pipe: each URL once, and exit code 0."""
    given = ("-i", "-", "--workers", "2", "--engine", engine)
    with running(MockWeb(hosts=HOSTS, pages=PAGES)) as web:
        done = subprocess.run(
            [sys.executable, "-m", "crawler", "crawl", *WORDS, *QUIET, *given],
            input="\n".join(urls_of(web)),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted(record["url"] for record in found) == sorted(urls_of(web))


def test_what_waits_has_a_record_where_nobody_goes_on() -> None:
    """Records to a pipe, and a stop: every entry of the list ends, as interrupted if need be."""
    with running(MockWeb(hosts=HOSTS, pages=PAGES, latency=3_600)) as web:
        words = ("crawl", *WORDS, *QUIET, "--workers", "2", "--drain-timeout", "0", *urls_of(web))
        with started(*words) as process:
            wait_for_requests(web, 8, process)  # 4 of each partition
            process.terminate()
            out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 143
    assert "interrupted: every URL has its record" in err and "is accounted for" in err
    found = [json.loads(line) for line in out.splitlines()]
    assert sorted(record["url"] for record in found) == sorted(urls_of(web))
    assert {record["kind"] for record in found} == {"interrupted", "cancelled"}


def test_links_are_followed_across_partitions(tmp_path: Path) -> None:
    """Three workers find what one finds, each page once, by a link or by a redirect to it."""
    with running(MockWeb(hosts=HOSTS, pages=PAGES)) as web:
        given = ("--follow", "--depth", "0", "--scope", "any", web.url)
        found = []
        for workers in ("1", "3"):
            output = tmp_path / f"{workers}.jsonl"
            words = ("crawl", *WORDS, *QUIET, *given, "-o", str(output), "--workers", workers)
            assert crawler(*words)[0] == 0
            pages = [each for each in records(output) if each["outcome"] == "page"]
            found.append(sorted(page["final_url"] for page in pages))
    assert found[0] == found[1] and len(found[0]) > PAGES // 2


def test_a_reader_that_has_had_enough_ends_all(tmp_path: Path) -> None:
    """`| head -1`: exit code 0, nothing on stderr, no process left."""
    with running(MockWeb(hosts=HOSTS, pages=PAGES, latency=0.05)) as web:
        words = ("crawl", *WORDS, *QUIET, "-i", str(listed(web, tmp_path)), "--workers", "2", "-q")
        with started(*words) as process:
            assert process.stdout is not None and process.stderr is not None
            assert json.loads(process.stdout.readline())["outcome"] == "page"
            below = children(process.pid)
            process.stdout.close()
            assert (process.stderr.read(), process.wait(PATIENCE)) == ("", 0)
    assert not any(map(os.path.exists, (f"/proc/{pid}" for pid in below)))


def test_one_worker_writes_a_directory_of_one_part(tmp_path: Path) -> None:
    """A name with a slash is a directory, whatever the number of workers; it may be added to."""
    output = tmp_path / "out"
    with running(MockWeb(hosts=HOSTS, pages=PAGES)) as web:
        words = ("crawl", *WORDS, *QUIET, "-i", str(listed(web, tmp_path)), "-o", f"{output}/")
        assert crawler(*words)[0] == 0
        assert [path.name for path in output.iterdir()] == ["part-00000.jsonl"]
        assert crawler(*words)[0] == 0  # complete
        assert crawler(*words, "--append", "--format", "jsonl.gz")[0] == 0
    names = sorted(path.name for path in output.iterdir())
    assert names == ["part-00000.jsonl", "part-00001.jsonl.gz"]
    assert sorted(each["url"] for each in records(output)) == sorted(urls_of(web) * 2)
