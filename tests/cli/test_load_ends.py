"""`crawler load` when something goes wrong in mid-run: signals, dead servers, full disks, pipes."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from crawler.load.load_result import LoadResult
from crawler.load.measured import Failure
from tests.patience import PATIENCE

from .loading import QUICK, load, mock
from .test_command import started

pytestmark = pytest.mark.slow

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A page that takes a while."""
    with mock("--latency", "0.1") as web:
        yield web.page


def test_a_full_disk_costs_the_file_and_not_the_figures(url: str, tmp_path: Path) -> None:
    """Code 3 and one line; the summary is printed, and other files are written, all the same."""
    hgrm = tmp_path / "a.hgrm"
    code, out, err = load(url, *QUICK, "--out", "/dev/full", "--hgrm", str(hgrm))
    assert (code, err) == (3, "crawler: /dev/full: cannot be written: No space left on device\n")
    assert "status    200: " in out and "Total count" in hgrm.read_text()


def test_a_reader_that_leaves_is_no_error(url: str) -> None:
    """As with `| head -1`: no traceback, and the run's own code."""
    with started("load", url, "--requests", "40") as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.wait(PATIENCE) in {0, 5}  # 5: the machine is busy
        assert process.stderr.read() == ""


def served(listener: socket.socket, times: int) -> socket.socket:
    """A connection on which so many requests were answered, and one more has come."""
    connection, _ = listener.accept()
    connection.settimeout(PATIENCE)
    for _ in range(times):
        assert connection.recv(65_536)
        connection.sendall(OK)
    assert connection.recv(65_536)
    return connection


@pytest.mark.parametrize(
    ("processes", "number"), [(1, signal.SIGINT), (1, signal.SIGTERM), (2, signal.SIGHUP)]
)
def test_ctrl_c_in_mid_run_leaves_a_partial_result(
    processes: int, number: signal.Signals, tmp_path: Path
) -> None:
    """Code 128 + number; what was measured is shown, and whole in its files, marked partial."""
    out, page = tmp_path / "out.json", tmp_path / "page.html"
    many = str(processes)
    words = ["-c", many, "--processes", many, "-d", "60", "--out", str(out), "--report", str(page)]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        target = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with started("load", target, *words) as process:
            connections = [served(listener, 5) for _ in range(processes)]
            process.send_signal(number)
            said, err = process.communicate(timeout=PATIENCE)
            for connection in connections:
                connection.close()
    assert (process.returncode, err) == (128 + number, "")
    assert "PARTIAL: stopped before its end" in said
    kept = LoadResult.read(str(out))
    assert kept.partial and kept.measured.statuses == {200: 5 * processes}
    assert kept.measured.unfinished == processes
    text = page.read_text()
    assert "stopped before its end" in text and text.endswith("</html>\n")


def requests(address: str) -> int:
    """How many requests a mock web has answered."""
    with urlopen(f"{address}/__statistics", timeout=PATIENCE) as answer:
        return int(json.load(answer)["requests"])


def test_a_server_killed_in_mid_run_is_counted(tmp_path: Path) -> None:
    """The run goes on to its end; lost and refused connections are failures in a whole result."""
    out = tmp_path / "out.json"
    with mock("--latency", "0.01") as web:
        words = ("-c", "4", "-d", "5", "--out", str(out), "--threshold", "errors<1%")
        with started("load", web.page, *words) as process:
            before = requests(web.address)
            while requests(web.address) < before + 50:
                assert process.poll() is None
            web.process.kill()
            said, err = process.communicate(timeout=PATIENCE)
    assert err == "" and process.returncode in {4, 5}
    measured = LoadResult.read(str(out)).measured
    assert measured.statuses[200] > 20 and measured.failures[Failure.CONNECT] > 0
    assert measured.elapsed >= 4.0
    assert "threshold errors<1%: MISSED" in said and "connect: " in said


@pytest.mark.parametrize("words", [("--against", ""), ("--find-limit", "p50<1s")])
def test_ctrl_c_in_a_series_of_runs_tells_what_there_is(words: tuple[str, str]) -> None:
    """A search and a comparison end with 130, and say that they were not finished."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        target = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        flag, value = words
        more = (flag, value or target, "-c", "1", "-d", "60", "--rate", "50")
        with started("load", target, *more) as process:
            connection = served(listener, 3)
            process.send_signal(signal.SIGINT)
            said, err = process.communicate(timeout=PATIENCE)
            connection.close()
    assert (process.returncode, err) == (130, "")
    assert "stopped" in said and "partial" in said.lower()


_STUCK = """
import os, signal, sys, threading
from crawler.cli import main
from crawler.load.part import Part

async def stuck(*_):
    print("stuck", flush=True)
    threading.Event().wait()

Part.run = stuck
sys.exit(main())
"""


def test_a_second_signal_leaves_where_the_loop_is_stuck(url: str) -> None:
    """As in a write to a terminal that was stopped: nothing runs any more but signal handlers."""
    words = [sys.executable, "-c", _STUCK, "load", url]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "stuck\n"
        for _ in range(10 * PATIENCE):
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.1)  # two signals that come at once are one
        try:
            assert process.poll() == 130
        finally:
            process.kill()
