"""A run always ends: one signal is enough, at any time and whoever stands still."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from crawler.mock import MockWeb, running
from tests.cli.test_command import started, wait_for_requests
from tests.fetch.raw import RawServer
from tests.patience import PATIENCE
from tests.unmannered import WORDS

pytestmark = pytest.mark.slow

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
ENGINES = pytest.mark.parametrize("engine", ["async", "threaded"])
PAIRS = pytest.mark.parametrize(
    ("engine", "number"), [("async", signal.SIGTERM), ("threaded", signal.SIGHUP)]
)
"""Which signal came and which engine runs are decided apart: each of them once."""

RAISES = """
import os, signal
os.kill(os.getpid(), {number})
for _ in range(100):  # where the handler runs
    pass
"""


@pytest.fixture
def stuck(tmp_path: Path) -> Iterator[tuple[str, int]]:
    """A named pipe with a reader that reads nothing yet."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    yield str(fifo), reader
    os.close(reader)


def rest(reader: int) -> bytes:
    """What is in a pipe whose writer has ended."""
    os.set_blocking(reader, True)
    return b"".join(iter(lambda: os.read(reader, 1 << 20), b""))


@PAIRS
def test_one_signal_is_enough_where_nobody_reads(
    stuck: tuple[str, int], engine: str, number: signal.Signals
) -> None:
    """T8: what the reader of the output did not take is counted and told, and the run has ended."""
    fifo, reader = stuck
    words = (*WORDS, "--mock", "3000", "--engine", engine, "--drain-timeout", "0.2")
    with started("crawl", *words, "-o", fifo) as process:
        _until_full(fifo)
        process.send_signal(number)
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + number and "Traceback" not in err
    lines = err.splitlines()
    (told,) = [line for line in lines if line.startswith("crawler: ")]
    lost = int(told.split("stands still; ")[1].split()[0].replace(",", ""))
    records = next(line for line in lines if " records in " in line)
    total = int(records.split()[0].replace(",", ""))
    assert rest(reader).count(b"\n") == total - lost > 0


def _until_full(fifo: str) -> None:
    """Wait until a pipe takes nothing more: 64 KB of it are full."""
    writer = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    try:
        while _has_room(writer):
            time.sleep(0.005)
    finally:
        os.close(writer)


def _has_room(writer: int) -> bool:
    import select

    poll = select.poll()
    poll.register(writer, select.POLLOUT)
    return bool(poll.poll(0))


@ENGINES
def test_one_signal_is_enough_where_nobody_reads_what_is_said(engine: str) -> None:
    """Records and lines in the same pipe, whose reader stands still: they do not keep the run."""
    reader, writer = os.pipe()
    words = (*WORDS, "--mock", "3000", "--engine", engine, "--drain-timeout", "0.2")
    command = [sys.executable, "-m", "crawler", "crawl", *words]
    with subprocess.Popen(command, stdout=writer, stderr=writer) as process:
        while _has_room(writer):
            assert process.poll() is None
            time.sleep(0.005)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 143
    os.close(writer)
    assert b"Traceback" not in rest(reader)
    os.close(reader)


@ENGINES
@pytest.mark.parametrize("end", ["2>/dev/full", "2>&1 >/dev/null | exec true"])
def test_what_cannot_be_said_costs_nothing_else(tmp_path: Path, engine: str, end: str) -> None:
    """A log on a full disk, or a pipe that was closed, is no reason to fail."""
    output, code = tmp_path / "out.jsonl", tmp_path / "code"
    words = ("crawl", *WORDS, "--mock", "30", "--engine", engine, "-o", str(output))
    script = f'{{ "$0" "$@"; echo $? >{code}; }} {end}'
    command = ["sh", "-c", script, sys.executable, "-m", "crawler", *words]
    subprocess.run(command, timeout=PATIENCE, check=True, capture_output=True)
    assert code.read_text() == "0\n"
    assert len(output.read_text().splitlines()) == 30


@pytest.mark.parametrize(
    ("module", "number"), list(zip(["orjson", "ada_url", "zstandard"], SIGNALS, strict=True))
)
def test_a_signal_while_things_are_imported(
    tmp_path: Path, module: str, number: signal.Signals
) -> None:
    """The first 200 ms: one line, its exit code, no output made; as process 1, too, it is heard."""
    code = RAISES.format(number=int(number)) + f"raise RuntimeError('{module} was imported')\n"
    (tmp_path / f"{module}.py").write_text(code)
    output = tmp_path / "out.jsonl"
    words = ("crawl", "http://127.0.0.1:1/", "-o", str(output))
    done = subprocess.run(
        [sys.executable, "-c", "import sys, crawler.cli as c; sys.exit(c.main())", *words],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    said = f"crawler: interrupted by {number.name}\n"
    assert (done.returncode, done.stdout, done.stderr) == (128 + number, "", said)
    assert not output.exists()


def test_a_signal_in_the_summary_and_after_it(tmp_path: Path) -> None:
    """The summary is said to its end, and the exit code is the signal's."""
    script = f"""
import os, signal, sys
from crawler.cli import main
from crawler.cli.crawl_summary import Report
text = Report.text
def late(report):
    os.kill(os.getpid(), {int(signal.SIGTERM)})
    return text(report)
Report.text = late
code = main()
os.kill(os.getpid(), {int(signal.SIGTERM)})  # on the way out nothing changes any more
sys.exit(code)
"""
    output = str(tmp_path / "out.jsonl")
    done = subprocess.run(
        [sys.executable, "-c", script, "crawl", *WORDS, "--mock", "5", "-o", output],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 143
    assert done.stderr.endswith("every URL is accounted for: 5 read = 5 records + 0 repeats\n")
    assert "Traceback" not in done.stderr and "stopping" not in done.stderr


@ENGINES
def test_nohup_keeps_a_crawl_alive(tmp_path: Path, engine: str) -> None:
    """SIGHUP that is ignored from the start on is ignored by the crawl and its workers."""
    output = tmp_path / "out.jsonl"
    with running(MockWeb(pages=60, latency=0.05)) as web:
        listed = tmp_path / "list.txt"
        listed.write_text("\n".join(web.urls()))
        words = ("crawl", *WORDS, "-i", str(listed), "-o", str(output), "--engine", engine)
        command = ["nohup", sys.executable, "-m", "crawler", *words, "--parse", "process"]
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            process_group=0,
        ) as process:  # fmt: skip
            wait_for_requests(web, 5, process)
            os.killpg(process.pid, signal.SIGHUP)
            _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    assert len(output.read_text().splitlines()) == 60


@PAIRS
def test_a_signal_to_all_processes_is_the_crawler_s_alone(
    tmp_path: Path, engine: str, number: signal.Signals
) -> None:
    """Terminals and services signal the whole group: no page fails, and nobody complains."""
    output = tmp_path / "out.jsonl"
    with running(MockWeb(pages=2_000, latency=0.02)) as web:
        listed = tmp_path / "list.txt"
        listed.write_text("\n".join(web.urls()))
        words = ("crawl", *WORDS, "-i", str(listed), "-o", str(output), "--engine", engine)
        command = [sys.executable, "-m", "crawler", *words, "--parse", "process"]
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            process_group=0,
        ) as process:  # fmt: skip
            wait_for_requests(web, 40, process)
            os.killpg(process.pid, number)
            _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + number, err
    assert "every URL is accounted for" in err and "resource_tracker" not in err
    assert b'"parse_crash"' not in output.read_bytes()


def test_too_little_address_space_is_refused_with_the_number() -> None:
    """`ulimit -v`: one line before anything heavy is loaded, not a page or a thread that fails."""
    words = ("crawl", "http://127.0.0.1:1/")
    command = ["sh", "-c", 'ulimit -v 450000; exec "$0" "$@"', sys.executable, "-m", "crawler"]
    done = subprocess.run([*command, *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert "KB of address space, and the limit is 450,000; " in done.stderr


@pytest.mark.parametrize("options", ["ro", "size=4k"], ids=["read-only", "full"])
def test_a_broken_dev_shm_is_said_in_one_line(options: str) -> None:
    """The real thing, in a mount namespace: exit code 3, the reason and the cure."""
    full = "head -c 9999 /dev/zero >/dev/shm/x 2>&-"
    script = f'mount -t tmpfs -o {options} none /dev/shm || exit 77; {full}; exec "$0" "$@"'
    namespace = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script)
    words = ("-m", "crawler", "crawl", "--mock", "2", "--parse", "process", "-o", os.devnull)
    try:
        done = subprocess.run(
            [*namespace, sys.executable, *words], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        pytest.skip("there is no unshare")
    if done.returncode == 77 or done.stderr.startswith("unshare:"):
        pytest.skip(f"no mount namespaces here: {done.stderr.strip()}")
    said = [line for line in done.stderr.splitlines() if line.startswith("crawler: ")]
    assert (done.returncode, len(said)) == (3, 1), done.stderr
    assert said[0].startswith("crawler: parse: no worker starts: OSError: "), done.stderr
    assert said[0].endswith("room in /dev/shm; make it writable, or use --parse thread")


EARLY = """
import sys
class Interrupts:
    def find_spec(name, path=None, target=None):
        if name == "crawler.runtime.signals":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupts)
from crawler.cli import main
"""


def test_ctrl_c_before_signals_are_answered_shows_no_traceback() -> None:
    """The first milliseconds, while the handlers themselves are imported: a line and code 130."""
    command = [sys.executable, "-c", EARLY]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "crawler: interrupted by SIGINT\n")


@PAIRS
def test_an_interrupted_crawl_knows_every_host_that_was_asked(
    tmp_path: Path, engine: str, number: signal.Signals
) -> None:
    """Neither has answered when the signal comes: the audit and the summary have both of them."""
    asked, audit = threading.Semaphore(0), tmp_path / "audit.jsonl"

    def stands_still(server: RawServer, _sock: socket.socket, _head: bytes) -> bool:
        asked.release()
        server.over.wait(PATIENCE)
        return False

    with RawServer({"/": stands_still}) as one, RawServer({"/": stands_still}) as other:
        words = (*WORDS, "--engine", engine, "--audit", str(audit), "--drain-timeout", "0.1")
        with started("crawl", *words, "-o", os.devnull, one.url(), other.url()) as process:
            assert asked.acquire(timeout=PATIENCE) and asked.acquire(timeout=PATIENCE)
            process.send_signal(number)
            _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + number, err
    hosts = {json.loads(line)["host"]: line for line in audit.read_text().splitlines()}
    assert set(hosts) == {f"http://127.0.0.1:{each.port}" for each in (one, other)}
    assert " 2 hosts" in err and "every URL is accounted for" in err
