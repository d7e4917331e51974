"""Machines that fail in other ways than by a kill: each URL has its record in the end, and one.

Full and read-only disks, descriptors that run out, processes that stand still, clocks that go back,
networks that go away, little memory and one core. Whatever the command said, it is run again until
it is complete.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from crawler.cli.crawl_run import Order, open_crawl
from crawler.engine import partition_handle
from crawler.model.command_config import CommandConfig
from crawler.model.errors import ExitCode
from crawler.model.outcome import Fetched
from crawler.model.request import Request
from crawler.store import descriptor, sinks
from crawler.store.journal import disk
from tests.crash import crawl as crash
from tests.crash import workers
from tests.crash.crawl import FORMS, Case, Site, crawl, wrong
from tests.crash.processes import Web, below
from tests.crash.stopped import name_of
from tests.engine.partition_web import ManyHosts
from tests.engine.test_outages import Site as Server
from tests.engine.whole import MANNERLY
from tests.patience import PATIENCE
from tests.unmannered import WORDS

ENGINES = ("async", "threaded")
NOBODY = 65_534
FAULTS = {"full": errno.ENOSPC, "read-only": errno.EROFS, "descriptors": errno.EMFILE}


class FailingDisk:
    """Lets each change to the disk fail from one of them on; of a write, half is made."""

    def __init__(self, fault: int, after: int) -> None:
        self._fault = fault
        self._left = count(after, -1)
        self._real = {name: getattr(disk, name) for name in ("rename", "truncate", "settle")}
        self._write, self._record = disk.write, descriptor.Descriptor.write

    def __enter__(self) -> None:
        for name, real in self._real.items():
            setattr(disk, name, partial(self._changed, real))
        disk.write = self._written
        descriptor.Descriptor.write = lambda own, data: (  # type: ignore[method-assign]
            self._written(own._fd, data) or len(data)
        )

    def __exit__(self, *_ended: object) -> None:
        for name, real in self._real.items():
            setattr(disk, name, real)
        disk.write, descriptor.Descriptor.write = self._write, self._record  # type: ignore[method-assign]

    def _changed(self, real: Callable[..., Any], *arguments: Any) -> Any:
        if next(self._left) <= 0:
            raise OSError(self._fault, os.strerror(self._fault))
        return real(*arguments)

    def _written(self, number: int, data: bytes | memoryview) -> None:
        if next(self._left) <= 0:
            os.write(number, data[: len(data) // 2])
            raise OSError(self._fault, os.strerror(self._fault))
        self._write(number, bytes(data))


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commit whatever comes, so that a short crawl has many changes to the disk."""
    monkeypatch.setattr(sinks, "_COMMIT", 2_000)
    monkeypatch.setattr(sinks, "_COMMIT_PACE", 0.0)


def ends(case: Case, folder: Path) -> None:
    """The same command comes to its end, with a record for each URL."""
    assert crawl(case, folder) == ExitCode.FINISHED
    assert wrong(case, folder, complete=True) == ""


@pytest.mark.slow
@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(
    ("engine", "form"), [*(("async", form) for form in FORMS), ("threaded", FORMS[0])]
)
def test_a_disk_that_fails_costs_no_record_once_it_works_again(
    tmp_path: Path, fault: str, engine: str, form: str
) -> None:
    """Full, read-only or without descriptors, from its 1st, 2nd, 3rd, ... change on.

    The engines share what writes: the second has one format.
    """
    case = Case(engine, "list", form)
    for after in (0, 1, 2, 5, 9, 14):
        with FailingDisk(FAULTS[fault], after):
            assert crawl(case, tmp_path) == ExitCode.ENVIRONMENT
        assert wrong(case, tmp_path, complete=False) == ""
    ends(case, tmp_path)


@pytest.mark.slow
@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_disk_that_fails_costs_partitions_no_record_once_it_works_again(
    tmp_path: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same for two at the same time, and for what puts their parts together."""
    monkeypatch.setattr(partition_handle, "Companion", workers.ThreadCompanion)
    case = workers.WorkersCase("async", "list", "jsonl", 2)
    for after in (0, 3, 9, 20, 40):
        with FailingDisk(FAULTS[fault], after):
            assert workers.crawl_workers(case, tmp_path) == ExitCode.ENVIRONMENT
        assert workers.wrong_workers(case, tmp_path, complete=False) == ""
    assert workers.crawl_workers(case, tmp_path) == ExitCode.FINISHED
    assert workers.wrong_workers(case, tmp_path, complete=True) == ""


@pytest.mark.slow
@pytest.mark.usefixtures("often")
@pytest.mark.skipif(os.geteuid() != 0, reason="a file system is mounted")
@pytest.mark.parametrize("form", FORMS)
def test_a_full_file_system_costs_no_record_once_it_has_room(tmp_path: Path, form: str) -> None:
    """The same with a real one: as large as half the output, and then larger."""
    case = Case("async", "list", form)
    command = ["mount", "-t", "tmpfs", "-o", "size=40k", "tmpfs", str(tmp_path)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("nothing may be mounted here")
    try:
        assert crawl(case, tmp_path) == ExitCode.ENVIRONMENT
        larger = ["mount", "-o", "remount,size=20m", str(tmp_path)]
        subprocess.run(larger, capture_output=True, check=True)
        ends(case, tmp_path)
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


@contextmanager
def unprivileged() -> Iterator[Path]:
    """A directory of a user for whom permissions count, as they do not for root."""
    folder = Path(tempfile.mkdtemp())
    root = os.geteuid() == 0
    try:
        if root:
            os.chown(folder, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, 0)
        yield folder
    finally:
        if root:
            os.setresuid(0, 0, 0)
        shutil.rmtree(folder)


@pytest.mark.slow
@pytest.mark.parametrize("begun", [False, True])
def test_a_directory_that_may_not_be_written_is_refused_and_nothing_is_lost(
    begun: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the crawl, or between two runs of it."""
    case = Case("async", "list", "jsonl")
    with unprivileged() as folder:
        if begun:
            monkeypatch.setattr(sinks, "_COMMIT_PACE", 0.0)
            with FailingDisk(errno.EIO, 9):
                assert crawl(case, folder) == ExitCode.ENVIRONMENT
        else:
            (folder / "list.txt").touch()
        for path in (folder, *folder.glob("*.state")):
            path.chmod(0o555)
        before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        assert crawl(case, folder) in (ExitCode.USAGE, ExitCode.ENVIRONMENT)
        del before[folder / "list.txt"]  # which `crawl` writes
        assert {path: path.read_bytes() for path in before} == before
        for path in (folder, *folder.glob("*.state")):
            path.chmod(0o755)
        ends(case, folder)


class SteppingSite(Site):
    """A site, and a clock of the machine that is set back an hour at its 30th request."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._asked = count(1)

    def fetch(self, request: Request) -> Fetched:
        if next(self._asked) == 30:
            self._clock.set_back()
        return super().fetch(request)


class Clock:
    """The time of day; `offset` is what it was set by."""

    def __init__(self) -> None:
        self.offset = 0.0
        self._real = time.time

    def set_back(self) -> None:
        """Set it back an hour."""
        self.offset -= 3_600.0

    def __call__(self) -> float:
        return self._real() + self.offset


class SteppingHosts(ManyHosts):
    """Many hosts, and a clock that is set back an hour at the 30th request to them."""

    def __init__(self, clock: Clock) -> None:
        asked = count(1)
        super().__init__(lambda _: clock.set_back() if next(asked) == 30 else None)


@pytest.mark.slow
@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("kind", ["list", "follow"])
def test_a_clock_that_is_set_back_costs_partitions_no_record_and_no_hour(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of three partitions, and between two runs of them; hosts have delays."""
    clock = Clock()
    monkeypatch.setattr(time, "time", clock)
    monkeypatch.setattr(workers, "ManyHosts", lambda *_: SteppingHosts(clock))
    monkeypatch.setattr(partition_handle, "Companion", workers.ThreadCompanion)
    monkeypatch.setitem(workers.MANNERS_OFF, "delay", 0.001)
    case = workers.WorkersCase("async", kind, "jsonl", 3)
    with FailingDisk(errno.ENOSPC, 40):
        assert workers.crawl_workers(case, tmp_path) == ExitCode.ENVIRONMENT
    assert workers.wrong_workers(case, tmp_path, complete=False) == ""
    clock.set_back()
    assert workers.crawl_workers(case, tmp_path) == ExitCode.FINISHED
    assert workers.wrong_workers(case, tmp_path, complete=True) == ""
    assert clock.offset <= -3 * 3_600.0


@pytest.mark.slow
@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("engine", ENGINES)
def test_a_clock_that_is_set_back_an_hour_costs_no_record_and_no_hour(
    tmp_path: Path, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the crawl runs, and between two runs of it; hosts have delays."""
    clock = Clock()
    monkeypatch.setattr(time, "time", clock)
    monkeypatch.setattr(crash, "Site", lambda: SteppingSite(clock))
    monkeypatch.setitem(crash.MANNERS_OFF, "delay", 0.001)
    case = Case(engine, "list", "jsonl")
    with FailingDisk(errno.ENOSPC, 20):
        assert crawl(case, tmp_path) == ExitCode.ENVIRONMENT
    clock.set_back()
    ends(case, tmp_path)


class WatchedServer(Server):
    """A server that tells when it was asked so many times."""

    def __init__(self, number: int) -> None:
        self.reached = threading.Event()
        self._number = number
        super().__init__()

    def asked(self, connection: socket.socket) -> bool:
        answered = super().asked(connection)
        if self.served == self._number:
            self.reached.set()
        return answered


@pytest.fixture
def server() -> Iterator[WatchedServer]:
    served = WatchedServer(40)
    yield served
    served.close()


class Command:
    """`crawler crawl` of a list of the server's pages, as a process."""

    def __init__(self, server: Server | Web, folder: Path, *words: str) -> None:
        if isinstance(server, Web):
            self.urls = server.urls
        else:
            self.urls = [f"http://127.0.0.1:{server.port}/{n}" for n in range(150)]
        self.folder = folder
        (folder / "list.txt").write_text("\n".join(self.urls))
        self._words = [sys.executable, "-m", "crawler", "crawl", "-i", "list.txt", "-o"]
        self._words += ["out.jsonl", *WORDS, "--quiet", *words]

    def start(self, limits: str = "") -> subprocess.Popen[bytes]:
        """Start it; `limits` are commands of a shell."""
        words = ["sh", "-c", f'{limits} exec "$0" "$@"', *self._words]
        return subprocess.Popen(
            words, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def whole(self) -> Counter[str | None]:
        """The number of records by kind; each URL has one."""
        lines = (self.folder / "out.jsonl").read_bytes().splitlines()
        records = [json.loads(line) for line in lines]
        assert sorted(record["url"] for record in records) == sorted(self.urls)
        return Counter(record["kind"] for record in records)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_a_process_that_stood_still_loses_nothing(
    server: WatchedServer, tmp_path: Path, engine: str
) -> None:
    """Stopped, with its connections cut meanwhile, and let go on."""
    command = Command(server, tmp_path, "--engine", engine, "--retries", "3", "--backoff", "0")
    with command.start() as process:
        assert server.reached.wait(PATIENCE)
        process.send_signal(signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)
        server.cut()
        process.send_signal(signal.SIGCONT)
    assert process.returncode == 0
    assert command.whole() == {None: 150}


@pytest.mark.slow
@pytest.mark.parametrize("who", ["partition", "parser"])
def test_a_partition_or_parser_that_stood_still_loses_nothing(tmp_path: Path, who: str) -> None:
    """One of two that is stopped until the others have no more to do, its connections cut."""
    words = ["--workers", "2"] if who == "partition" else ["--parse", "process"]
    words += ["--retries", "3", "--backoff", "0", "--parse-workers", "1", "--concurrency", "8"]
    with closing(Web()) as web:
        command = Command(web, tmp_path, *words)
        with command.start() as process:
            assert web.wait(20, process)
            victim = next(pid for pid in below(process.pid) if name_of(pid) == who)
            os.kill(victim, signal.SIGSTOP)
            web.wait(len(web.urls), process, looks=5)
            web.cut()
            os.kill(victim, signal.SIGCONT)
        assert process.returncode == 0
        assert command.whole().keys() <= {None, "parse_timeout"}


LIMITS = {
    "descriptors": "ulimit -n 40;",
    "memory": "ulimit -v 1500000;",
    "core": f"taskset -p -c {min(os.sched_getaffinity(0))} $$;",
}


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("limits", LIMITS)
def test_a_process_with_little_of_everything_loses_nothing(
    server: WatchedServer, tmp_path: Path, engine: str, limits: str
) -> None:
    """Descriptors, memory, cores: whatever came of that, without the limits it is complete."""
    words = ["--engine", engine, "--concurrency", "200", "--per-host", "200", "--memory", "200MB"]
    command = Command(server, tmp_path, *words, "--parse", "process")
    command.start(LIMITS[limits]).wait(PATIENCE)
    assert command.start().wait(PATIENCE) == 0
    command.whole()


@pytest.mark.slow
@pytest.mark.parametrize("limits", LIMITS)
def test_partitions_with_little_of_everything_lose_nothing(tmp_path: Path, limits: str) -> None:
    """The same for two partitions, each of which has those limits."""
    words = ["--workers", "2", "--concurrency", "200", "--per-host", "200", "--memory", "400MB"]
    with closing(Web()) as web:
        command = Command(web, tmp_path, *words)
        command.start(LIMITS[limits]).wait(PATIENCE)
        assert command.start().wait(PATIENCE) == 0
        command.whole()


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_a_network_that_goes_and_comes_back_costs_no_record(
    server: WatchedServer, tmp_path: Path, engine: str
) -> None:
    """The server ends in the middle, and is started again at its port once that is noticed."""
    server.goes_after = 60
    urls = [f"http://127.0.0.1:{server.port}/{n}" for n in range(150)]
    (tmp_path / "list.txt").write_text("\n".join(urls))

    def announce(line: str) -> None:
        if "does not answer any more" in line:
            server.back()

    options = dict(MANNERLY, engine=engine, retries=0, breaker=5, breaker_pause=0.05, quiet=True)
    output = tmp_path / "out.jsonl"
    order = Order(
        config=CommandConfig(**options),
        seeds=[],
        inputs=[str(tmp_path / "list.txt")],
        output=str(output),
    )
    parts = open_crawl(order, announce)
    parts.session.run()
    parts.sink.close()
    records = [json.loads(line) for line in output.read_bytes().splitlines()]
    assert sorted(record["url"] for record in records) == sorted(urls)
    assert {record["kind"] for record in records} == {None}
