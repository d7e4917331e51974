"""One crawl of the endless list, seen from outside: fed, read, watched, and its workers killed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from crawler.measure.processes import pss, tree
from crawler.runtime.children import environment, python
from tests.real.command import DRIVERS
from tests.soak.account import Account
from tests.soak.judgement import Sample

CONCURRENCY = 128
MEMORY = 400_000_000
_NAMES = Path(__file__).with_name("names")
_PROC = Path("/proc")
_MARK = "SOAK_RUN"
# Short pauses, as a hostile host that is left alone would test nothing; memory as it is bounded.
_OPTIONS = (
    *("-i", "-", "-o", "-", "--fields", "url,outcome,kind", "--quiet"),
    *("--concurrency", str(CONCURRENCY), "--per-host", "16", "--per-ip", "0", "--no-adapt"),
    *("--delay", "0", "--ip-delay", "0", "--breaker", "0", "--allow-network", "127.0.0.0/8"),
    *("--throttle", "0.5", "--throttle-max", "1", "--retry-after-max", "2"),
    *("--timeout", "3", "--connect-timeout", "2", "--retries", "1", "--backoff", "0.1"),
    *("--max-body", "1MB", "--memory", str(MEMORY)),
    *("--parse", "process", "--parse-workers", "2", "--parse-timeout", "5"),
)


class Crawl:
    """`crawler crawl` on the list of an account; make it with `crawling`."""

    def __init__(self, process: subprocess.Popen[bytes], account: Account, mark: str) -> None:
        self._process, self._account, self._mark = process, account, mark
        self._threads = [
            threading.Thread(target=run, daemon=True) for run in (self._feed, self._read)
        ]
        self.killed = 0
        self.unreadable = 0  # lines of the output that are no records
        for thread in self._threads:
            thread.start()

    def running(self) -> bool:
        """Whether the crawl has not ended."""
        return self._process.poll() is None

    def look(self, at: float) -> Sample:
        """Return what the crawl and all that it started have at this moment."""
        pids = tree(self._process.pid)
        return Sample(
            at=at,
            memory=pss(pids),
            descriptors=sum(_entries(pid, "fd") for pid in pids),
            threads=sum(_entries(pid, "task") for pid in pids),
        )

    def kill_worker(self, chosen: random.Random) -> None:
        """Kill a parser worker, if there is one: a child of the crawl's fork server."""
        crawl = self._process.pid
        children = [pid for pid in tree(crawl) if _parent(pid) == crawl]
        workers = [pid for pid in tree(crawl) if _parent(pid) in children]
        if workers and _kill(chosen.choice(workers), children):
            self.killed += 1

    def end(self, seconds: float) -> int | None:
        """End the list and wait for the crawl's end; None when it takes longer."""
        self._account.close()
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        for thread in self._threads:
            thread.join(seconds)
        return code

    def left(self) -> list[int]:
        """Return the processes that the crawl started, whoever is their parent now."""
        mark = f"{_MARK}={self._mark}".encode()
        pids = [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal()]
        return [pid for pid in pids if mark in _environment(pid).split(b"\0")]

    def _feed(self) -> None:
        # A crawl that has ended takes no more; its exit code and the account say what that means.
        with suppress(BrokenPipeError), self._process.stdin as pipe:  # type: ignore[union-attr]
            for url in self._account.feed():
                pipe.write(f"{url}\n".encode())
                pipe.flush()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            try:
                record = json.loads(line)
                self._account.record(record["url"], record.get("kind") or record["outcome"])
            except (ValueError, KeyError):
                self.unreadable += 1


@contextmanager
def crawling(engine: str, account: Account, log: Path) -> Iterator[Crawl]:
    """Start a crawl; in the end nothing that it started is left. Its messages go to `log`."""
    mark = uuid.uuid4().hex
    inherited = environment()
    path = os.pathsep.join([str(_NAMES), *filter(None, [inherited.get("PYTHONPATH")])])
    clean = {k: v for k, v in inherited.items() if not k.startswith("CRAWLER_")}
    with log.open("wb") as messages:
        process = subprocess.Popen(
            python("-m", "crawler", "crawl", *DRIVERS[engine], *_OPTIONS),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=messages,
            env={**clean, "PYTHONPATH": path, _MARK: mark},
        )
    crawl = Crawl(process, account, mark)
    try:
        yield crawl
    finally:
        account.close()
        for pid in crawl.left():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def _kill(pid: int, parents: list[int]) -> bool:
    """Kill a process if it still is a child of these: its number may be another's by now."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        if _parent(pid) not in parents:
            return False
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True


def _parent(pid: int) -> int:
    """The parent of a process; 0 if it is gone."""
    fields = _bytes(pid, "stat").rpartition(b")")[2].split()
    return int(fields[1]) if fields else 0


def _environment(pid: int) -> bytes:
    return _bytes(pid, "environ")


def _entries(pid: int, folder: str) -> int:
    try:
        return len(os.listdir(_PROC / str(pid) / folder))
    except OSError:
        return 0


def _bytes(pid: int, name: str) -> bytes:
    """A file of a process; empty when it is gone, or another user's."""
    try:
        return (_PROC / str(pid) / name).read_bytes()
    except OSError:
        return b""
