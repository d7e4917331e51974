"""The access log: whole lines of JSON, and a log that breaks harms no server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import crawler
from crawler.mock import MockWeb, running
from crawler.mock.server.access_log import MAX_LAG_BYTES, PIPE_BYTES, AccessLog
from crawler.model.errors import EnvironmentFailure
from tests.patience import PATIENCE

from .conftest import ask, connect, get, status_of

SOURCE = str(Path(crawler.__file__).parent.parent)


def write(log: AccessLog, **changes: Any) -> None:
    """One record, with some of its values changed."""
    values: dict[str, Any] = {
        "client": "127.0.0.1:9",
        "address": "127.0.0.1:80",
        "host": "a",
        "method": b"GET",
        "target": b"/",
        "agent": b"",
        "status": 200,
        "sent": 100,
        "delay": 0.0,
        "seconds": 0.0,
        "kind": "",
    }
    log.write(**{**values, **changes})


def read(path: Path) -> list[dict[str, Any]]:
    """The records of a log; each line has to be JSON."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_request_is_a_line(tmp_path: Path) -> None:
    """A record says who asked what, what was answered, when and how long it took."""
    path = tmp_path / "log"
    with running(MockWeb(access_log=str(path))) as web:
        with connect(web) as client:
            name = client.getsockname()
            client.sendall(get("/delay/0.02/page/1?x=1", "User-Agent: tester", "Connection: close"))
            size = len(client.makefile("rb").read())
        ask(web, "/status/404")
    first, second = read(path)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first.pop("time"))
    assert 0.02 <= first.pop("seconds") < PATIENCE
    assert first == {
        "client": f"{name[0]}:{name[1]}",
        "address": f"127.0.0.1:{web.port}",
        "host": "mock.test",
        "method": "GET",
        "target": "/delay/0.02/page/1?x=1",
        "status": 200,
        "bytes": size,
        "delay": 0.02,
        "kind": "",
        "user_agent": "tester",
        "process": 0,
    }
    assert (second["target"], second["status"], second["user_agent"]) == ("/status/404", 404, "")


@pytest.mark.slow
def test_a_log_is_there_before_the_end(tmp_path: Path) -> None:
    """A line is written soon after its request, while the server goes on."""
    path = tmp_path / "log"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with open(reader, encoding="utf-8") as lines, running(MockWeb(access_log=str(path))) as web:
        ask(web, "/page/7")
        os.set_blocking(reader, True)
        assert json.loads(lines.readline())["target"] == "/page/7"


def test_a_log_is_appended_to(tmp_path: Path) -> None:
    """Two logs of one file lose nothing of each other, nor what was there before."""
    path = tmp_path / "log"
    path.write_text('{"target": "old"}\n', encoding="utf-8")
    logs = [AccessLog(str(path), process) for process in range(2)]
    for number in range(2000):
        write(logs[number % 2], target=b"/%d" % number)
    for log in logs:
        log.close()
    targets = [record["target"] for record in read(path)]
    assert targets[0] == "old"
    assert sorted(targets[1:]) == sorted(f"/{number}" for number in range(2000))


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"/\xff\xfe", "/\\xff\\xfe"),
        ("/ü".encode(), "/ü"),
        (b'/"\x1b[31m\x00', '/"\x1b[31m\x00'),
        (b"/" + b"a" * 50_000, "/" + "a" * 2047),
        (b"\xff" * 50_000, "\\xff" * 256),
    ],
)
def test_any_bytes_are_one_line(tmp_path: Path, raw: bytes, text: str) -> None:
    """What is no text is escaped, a control character too, what is long is cut."""
    path = tmp_path / "log"
    log = AccessLog(str(path))
    write(log, target=raw, agent=raw)
    log.close()
    data = path.read_bytes()
    assert data.count(b"\n") == 1 and len(data) <= PIPE_BYTES
    assert all(byte >= 32 for byte in data[:-1])
    assert read(path)[0]["target"] == text


@pytest.mark.slow
def test_a_full_disk_ends_the_log_alone(capfd: pytest.CaptureFixture[str]) -> None:
    """When nothing more can be written there is one line on stderr; the server goes on."""
    with running(MockWeb(access_log="/dev/full")) as web:
        for number in range(500):
            assert status_of(ask(web, f"/page/{number}")) == 200
    warned = capfd.readouterr().err
    assert warned == (
        "mock web: the access log ends here, cannot write /dev/full: No space left on device\n"
    )


@pytest.mark.slow
def test_a_file_that_may_not_grow_keeps_its_whole_lines(tmp_path: Path) -> None:
    """At a limit in the middle of a line the log ends; what was written stays readable."""
    code = (
        "import resource; from tests.mock.test_access import *\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n"
        f"log = AccessLog({str(tmp_path / 'log')!r})\n"
        "for number in range(1000): write(log, target=b'/%d' % number)\n"
        "log.close()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": SOURCE},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.count("\n")) == (0, 1), done.stderr
    assert "File too large" in done.stderr
    *whole, _ = (tmp_path / "log").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["target"] for line in whole] == [f"/{n}" for n in range(len(whole))]
    assert whole


def test_a_log_that_cannot_be_opened_is_an_error_at_the_start(tmp_path: Path) -> None:
    """A path that cannot be written is one line before anybody listens."""
    expected = pytest.raises(EnvironmentFailure, match=r"cannot write the access log .*directory")
    with expected, running(MockWeb(access_log=str(tmp_path))):
        pytest.fail("it has started")


@pytest.mark.slow
def test_a_pipe_that_nobody_reads_holds_nobody_up(capfd: pytest.CaptureFixture[str]) -> None:
    """Lines for a slow reader wait up to a bound; then the log ends, with one line on stderr."""
    ours, theirs = os.pipe()
    try:
        log = AccessLog(f"/proc/self/fd/{theirs}")
        for number in range(MAX_LAG_BYTES // 2000):
            write(log, target=b"/%d/" % number + b"a" * 900)
        assert not capfd.readouterr().err
        lines = os.read(ours, 1 << 20).splitlines()
        assert all(json.loads(line) for line in lines)
        for number in range(MAX_LAG_BYTES // 1000):
            write(log, target=b"/%d/" % number + b"a" * 2000)
        log.close()
    finally:
        os.close(ours)
        os.close(theirs)
    assert capfd.readouterr().err.endswith("its reader is too slow\n")


def test_a_pipe_whose_reader_has_gone_ends_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    """A reader that leaves costs the log and no more."""
    ours, theirs = os.pipe()
    log = AccessLog(f"/proc/self/fd/{theirs}")
    os.close(ours)
    os.close(theirs)
    write(log)
    log.flush()
    log.close()
    assert capfd.readouterr().err.endswith("Broken pipe\n")


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_stdout_is_a_log_too(processes: int) -> None:
    """`-` writes to stdout, below the announcement, whole lines from every process."""
    code = (
        "from crawler.mock import *; import urllib.request\n"
        f"with running(MockWeb(access_log='-', processes={processes})) as web:\n"
        "    print(web.url, flush=True)\n"
        "    for n in range(40): urllib.request.urlopen(f'{web.url}/page/{n}').read()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": SOURCE},
        capture_output=True,
        text=True,
        check=True,
    )
    url, *lines = done.stdout.splitlines()
    assert url.startswith("http://127.0.0.1:")
    targets = {json.loads(line)["target"] for line in lines}
    assert targets == {f"/page/{number}" for number in range(40)}
