"""Several processes: one web, one end, no orphan."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import signal
import socket
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

import crawler
from crawler.mock import MockWeb, Served, main_loop, running, serve
from crawler.mock.server.supervisor import Supervisor
from crawler.model.errors import ConfigurationError, EnvironmentFailure
from tests.patience import PATIENCE

from .conftest import ask, connect, get, read_all, status_of

SOURCE = str(Path(crawler.__file__).parent.parent)
ENVIRONMENT = {**os.environ, "PYTHONPATH": SOURCE}


def pids(served: Served) -> list[int]:
    """The worker processes of a mock web."""
    crew = served._crew
    assert isinstance(crew, Supervisor)
    return [worker.pid for worker in crew._workers]


def gone(pid: int, seconds: float = PATIENCE) -> bool:
    """Whether a process has ended, or does so within a while (Linux: a pidfd)."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    with open(descriptor, closefd=True):
        return bool(select.select([descriptor], [], [], seconds)[0])


@pytest.mark.slow
def test_all_processes_serve_the_same_web(tmp_path: Path) -> None:
    """Every process takes clients, and none answers with other bytes than a single one would."""
    log = tmp_path / "access.jsonl"
    options = MockWeb(pages=50, processes=2, access_log=str(log))
    targets = [f"/page/{number % 50}" for number in range(60)]
    with running(options) as many, running(MockWeb(pages=50)) as one:
        assert [ask(many, target) for target in targets] == [ask(one, target) for target in targets]
    records = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert {record["process"] for record in records} == {0, 1}
    assert sorted(record["target"] for record in records) == sorted(targets)


@pytest.mark.slow
def test_the_counters_are_those_of_all_together() -> None:
    """Statistics and last targets cover all processes, while they serve and afterwards."""
    with running(MockWeb(processes=3)) as web:
        for number in range(12):
            ask(web, f"/page/{number}")
        assert web.statistics().requests == 12
        assert sorted(web.recent()) == sorted(f"/page/{number}" for number in range(12))
    assert web.statistics().requests == web.statistics().connections == 12
    assert web.statistics().open_connections == 0
    assert len(web.recent()) == 12


@pytest.mark.slow
async def test_serve_inside_a_loop() -> None:
    """`serve` with several processes is ready when entered and gone when left."""
    async with serve(MockWeb(processes=2)) as web:
        workers = pids(web)
        with connect(web) as client:
            client.sendall(get("/page/1", "Connection: close"))
            assert status_of(read_all(client)) == 200
    assert all(gone(pid, 0) for pid in workers)


@pytest.mark.slow
def test_a_port_in_use_is_found() -> None:
    """Two webs of several processes cannot share a port by mistake, though processes can."""
    with running(MockWeb(processes=2)) as web:
        taken = MockWeb(processes=2, port=web.port)
        with pytest.raises(OSError, match="in use"), running(taken):
            pass
        with pytest.raises(OSError, match="in use"):
            main_loop(taken, pytest.fail)
        assert status_of(ask(web, "/page/1")) == 200


@pytest.mark.slow
@pytest.mark.parametrize("authority", ["addresses", "ports"])
def test_every_host_is_served_by_every_process(authority: str) -> None:
    """Each address or port of the hosts accepts, in each process."""
    with running(MockWeb(processes=2, hosts=5, authority=authority)) as web:  # type: ignore[arg-type]
        for host in range(5):
            by_address = authority == "addresses"
            place = (
                (f"127.0.0.{1 + host}", web.port) if by_address else ("127.0.0.1", web.port + host)
            )
            for _ in range(4):
                with socket.create_connection(place, PATIENCE) as client:
                    client.sendall(get("/page/1", "Connection: close"))
                    assert status_of(read_all(client)) == 200


@pytest.mark.slow
def test_an_attempt_is_counted_once_for_all_processes() -> None:
    """A page that fails twice fails twice in all, whichever process is asked."""
    with running(MockWeb(processes=2)) as web:
        for number in range(10):
            found = [status_of(ask(web, f"/flaky/2/n{number}")) for _ in range(4)]
            assert found == [503, 503, 200, 200]


@pytest.mark.slow
def test_a_stop_ends_the_connections_of_all() -> None:
    """Leaving the block closes silent and delayed clients of every process."""
    with running(MockWeb(processes=2)) as web:
        workers = pids(web)
        clients = [connect(web) for _ in range(12)]
        for client in clients:
            client.sendall(get("/fault/never"))
    for client in clients:
        with client, contextlib.suppress(ConnectionResetError):
            assert read_all(client) == b""
    assert all(gone(pid, 0) for pid in workers)
    with pytest.raises(ConnectionRefusedError):
        connect(web)


@pytest.mark.slow
def test_a_killed_worker_ends_the_web_with_one_line() -> None:
    """A process that dies takes the others along; whoever holds the web is told which and how."""

    def serve_and_kill() -> None:
        with running(MockWeb(processes=3)) as web:
            workers.extend(pids(web))
            os.kill(workers[1], signal.SIGKILL)
            assert all(map(gone, (workers[0], workers[2])))
            with pytest.raises(EnvironmentFailure):
                web.statistics()

    workers: list[int] = []
    with pytest.raises(EnvironmentFailure) as caught:
        serve_and_kill()
    line = str(caught.value)
    assert line == f"process {workers[1]} of the mock web was killed by SIGKILL; the mock web stops"


@pytest.mark.slow
def test_what_hinders_a_start_is_raised_and_leaves_nobody(tmp_path: Path) -> None:
    """A worker that cannot begin is an error of the caller's, in one line, and no process stays."""
    log = tmp_path / "no such directory" / "log"
    options = MockWeb(processes=2, access_log=str(log))
    expected = pytest.raises(EnvironmentFailure, match=r"cannot write the access log .*: No such")
    with expected, running(options):
        pytest.fail("it has started")


def test_a_context_of_ones_own_is_for_one_process() -> None:
    """A TLS context cannot be given to other processes, and that is said at once."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    expected = pytest.raises(ConfigurationError, match="a single process")
    with expected, running(MockWeb(processes=2), context=context):
        pytest.fail("it has started")


PROGRAM = """
from crawler.mock import *
from crawler.model.errors import EnvironmentFailure
try:
    main_loop(MockWeb(processes=2), lambda url: print(url, flush=True))
except EnvironmentFailure as failure:
    raise SystemExit(str(failure))
"""


class Program:
    """`main_loop` with two processes, in a process group of its own."""

    def __init__(self, temporary: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**ENVIRONMENT, "TMPDIR": str(temporary)},
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        self.workers = [int(pid) for task in tasks for pid in task.read_text("ascii").split()]
        assert len(self.workers) == 2

    def connect(self) -> socket.socket:
        """A client."""
        port = int(self.url.rpartition(":")[2])
        return socket.create_connection(("127.0.0.1", port), PATIENCE)


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    """The program, announced; whatever is left of it is killed afterwards."""
    started = Program(tmp_path)
    with started.process:
        try:
            yield started
        finally:
            for pid in (started.process.pid, *started.workers):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_group_is_a_clean_end(program: Program, number: signal.Signals) -> None:
    """Ctrl-C reaches every process of the group: exit 0, nothing printed, nobody left."""
    with program.connect() as client:
        client.sendall(get("/fault/never"))
        os.killpg(program.process.pid, number)
        out, err = program.process.communicate(timeout=PATIENCE)
    assert (program.process.returncode, out, err) == (0, "", "")
    assert all(map(gone, program.workers))


@pytest.mark.slow
def test_a_killed_parent_leaves_nobody_and_nothing(program: Program, tmp_path: Path) -> None:
    """`kill -9` of the parent: the workers leave, the port is free, the shared files are gone."""
    assert list(tmp_path.iterdir())
    with program.connect() as client:
        client.sendall(get("/fault/never"))
        os.kill(program.process.pid, signal.SIGKILL)
        out, err = program.process.communicate(timeout=PATIENCE)
    assert (out, err) == ("", "")
    assert all(map(gone, program.workers))
    assert not list(tmp_path.iterdir())
    with pytest.raises(ConnectionRefusedError):
        program.connect()


@pytest.mark.slow
def test_a_killed_worker_is_one_line_of_the_program(program: Program) -> None:
    """The program ends by itself and says which process was killed and by what."""
    os.kill(program.workers[0], signal.SIGKILL)
    _, err = program.process.communicate(timeout=PATIENCE)
    assert program.process.returncode == 1
    assert err.count("\n") == 1
    assert f"process {program.workers[0]} of the mock web was killed by SIGKILL" in err
    assert gone(program.workers[1])


@pytest.mark.slow
def test_the_program_frees_its_directory(program: Program, tmp_path: Path) -> None:
    """What the processes shared in files is removed at the end."""
    with urllib.request.urlopen(f"{program.url}/page/1") as reply:
        assert reply.status == 200
    program.process.terminate()
    program.process.communicate(timeout=PATIENCE)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_the_ledger_of_a_served_web(processes: int) -> None:
    """`ledger` shows what all processes have seen, at once and from the caller's thread."""
    with running(MockWeb(processes=processes)) as web, connect(web) as waiting:
        waiting.sendall(get("/delay/5"))
        for _ in range(9):
            ask(web, "/page/1")
        row = web.ledger().hosts["mock.test"]
    assert (row.requests, row.largest_in_flight, row.in_flight) == (10, 2, 1)
    assert row.smallest_gap is not None


def test_a_directory_that_is_full_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """When what the processes share cannot be written the error says where, not that a port is."""

    def refuse(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("crawler.mock.server.running.Table", refuse)
    expected = pytest.raises(EnvironmentFailure, match=r"cannot write to .*mock-web-.*: No space")
    with expected, running(MockWeb(processes=2)):
        pytest.fail("it has started")
