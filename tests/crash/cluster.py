"""Kill what a crawl on a cluster consists of: drivers, workers, their rounds, the scheduler.

A scheduler and two workers run on loopback. At random times one of their processes is killed or
stopped (SIGSTOP, for longer than a lease), or the scheduler is started anew; a driver that is
killed is started again by the same command. A list and a site that is followed take turns. In the
end each URL has one record, a site is complete by the mock's judge, and the ledger of
the mock web shows no host that two have visited at once, or sooner than its delay allows: at least
`GAP`, as a busy machine brings a request late, and the next one on time.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, closing, suppress
from math import inf
from pathlib import Path
from typing import Any

from crawler.mock import MockWeb, Served
from crawler.mock.judge.ledger import LedgerSnapshot, check
from crawler.mock.judge.score import Score
from crawler.mock.server.running import running
from tests.crash.processes import below

HOSTS, PAGES = 6, 90
DELAY, LEASE = 0.25, 2.0
GAP = DELAY / 2
_WORKERS = 2
_MOST = 40
"""Commands until a crawl has to have come to its end."""


class LoopbackCluster:
    """A scheduler and workers, each a process of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.stopped: dict[int, float] = {}
        self.scheduler = self._schedule()
        self.workers = [self._work() for _ in range(_WORKERS)]

    def __repr__(self) -> str:
        return f"LoopbackCluster({self.address!r})"

    def _start(self, program: str, *words: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.{program}", *words]
        log = (self._folder / f"{program}.log").open("ab")
        with log:
            return subprocess.Popen(command, cwd=self._folder, stdout=log, stderr=log)

    def _schedule(self) -> subprocess.Popen[bytes]:
        words = ("--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard")
        return self._start("dask_scheduler", *words, "--no-show")

    def _work(self) -> subprocess.Popen[bytes]:
        words = ("--host", "127.0.0.1", "--nthreads", "1", "--no-dashboard", "--memory-limit", "0")
        return self._start("dask_worker", self.address, *words)

    def victims(self) -> list[int]:
        """Return the processes of workers, and of the rounds that they crawl."""
        return [pid for each in self.workers for pid in [each.pid, *below(each.pid)]]

    def stop(self, pid: int) -> None:
        """Stop a process for longer than a lease."""
        os.kill(pid, signal.SIGSTOP)
        self.stopped[pid] = time.monotonic() + 2 * LEASE

    def restart_scheduler(self) -> None:
        """Kill the scheduler, and start another one in its place."""
        self.scheduler.kill()
        self.scheduler.wait()
        self.scheduler = self._schedule()

    def mend(self) -> None:
        """Let stopped processes go on when their time has come, and start what has died anew."""
        for pid, until in list(self.stopped.items()):
            if time.monotonic() >= until:
                del self.stopped[pid]
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
        if self.scheduler.poll() is not None:
            self.scheduler = self._schedule()
        for number, worker in enumerate(self.workers):
            if worker.poll() is not None:
                self.workers[number] = self._work()

    def close(self) -> None:
        """End every process that was started here, and see that they have ended."""
        left = [self.scheduler.pid, *self.victims()]
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for each in (self.scheduler, *self.workers):
            each.wait()
        until = time.monotonic() + 10
        while any(map(_runs, left)):
            assert time.monotonic() < until, f"orphans: {[pid for pid in left if _runs(pid)]}"
            time.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def kill_clusters(number: int, draw: random.Random, *, gap: float | None = GAP) -> str:
    """Kill so many processes of clusters, and tell of it; return what is wrong, or "".

    gap: the smallest between two requests to a host, in seconds; None for any.
    """
    kills: Counter[str] = Counter()
    smallest = inf
    crawls = requests = 0
    while kills.total() < number:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            web = stack.enter_context(
                running(MockWeb(port=0, hosts=HOSTS, pages=PAGES, latency="0.05"))
            )
            cluster = stack.enter_context(closing(LoopbackCluster(folder)))
            case = Site(web) if crawls % 2 else Listed(web, folder)
            problem = _killed(folder, cluster, draw, kills, number, case.words)
            rows = web.ledger().hosts.values()
            problem = problem or wrong(folder, case, web.ledger(), gap)
            if problem:
                return f"after {dict(kills)}: {problem}"
            requests += sum(row.requests for row in rows)
            smallest = min(smallest, *(row.smallest_gap or inf for row in rows))
        crawls += 1
    text = ", ".join(f"{times} x {what}" for what, times in sorted(kills.items()))
    print(
        f"{text} in {crawls} crawls on a cluster: nothing lost, nothing repeated, no host visited "
        f"by two at once; {requests:,} requests for {PAGES * crawls:,} pages, the smallest gap at "
        f"a host {smallest:.3f} s with a delay of {DELAY:g} s",
        flush=True,
    )
    return ""


def _killed(
    folder: Path,
    cluster: LoopbackCluster,
    draw: random.Random,
    kills: Counter[str],
    number: int,
    words: list[str],
) -> str:
    """Crawl to the end, with kills; return what is wrong."""
    command = [sys.executable, "-m", "crawler", "crawl", "-o", "out/", *words]
    command += ["--cluster", cluster.address, "--round", "2s"]
    command += ["--lease", f"{LEASE}s", "--delay", f"{DELAY}s", "--per-host", "1", "--quiet"]
    command += ["--allow-private", "--per-ip", "0", "--engine", "async"]
    said = ""
    for _ in range(_MOST):
        with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE) as process:
            while not _waited(process, draw.uniform(0.5, 4.0)):
                cluster.mend()
                if kills.total() < number:
                    kills[_kill_one(process, cluster, draw)] += 1
            said = process.communicate()[1].decode()
        if process.returncode == 0:
            return ""
        if process.returncode not in (-signal.SIGKILL, 3):  # without a scheduler, for example
            return f"exit code {process.returncode}: {said}"
    return f"does not come to its end: {said}"


def _waited(process: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _kill_one(
    driver: subprocess.Popen[bytes], cluster: LoopbackCluster, draw: random.Random
) -> str:
    what = draw.choices(("driver", "worker", "stop", "scheduler"), (2, 4, 3, 1))[0]
    if what == "driver":
        driver.kill()
    elif what == "scheduler":
        cluster.restart_scheduler()
    else:
        victim = draw.choice(cluster.victims())
        with suppress(ProcessLookupError):  # it has ended by itself
            if what == "stop":
                cluster.stop(victim)
            else:
                os.kill(victim, signal.SIGKILL)
    return f"{what} stopped" if what == "stop" else f"{what} killed"


class Listed:
    """A list of pages, in more partitions than there are workers."""

    def __init__(self, web: Served, folder: Path) -> None:
        hosts = [f"http://127.0.0.{host + 1}:{web.port}" for host in range(HOSTS)]
        self._urls = {f"{hosts[page % HOSTS]}/page/{page}" for page in range(PAGES)}
        (folder / "list.txt").write_text("\n".join(sorted(self._urls)))
        self.words = ["-i", "list.txt", "--robots", "ignore", "--partitions", "4"]

    def missed(self, records: list[dict[str, Any]]) -> str:
        """Return what the records lack, or have beyond the list."""
        found = {record["url"] for record in records}
        lost, added = self._urls - found, found - self._urls
        return f"lost {sorted(lost)[:3]}, added {sorted(added)[:3]}" if lost or added else ""


class Site:
    """A site whose partitions hand over what they find, each with a worker."""

    def __init__(self, web: Served) -> None:
        self._web = web
        self.words = [f"http://127.0.0.1:{web.port}/", "--follow", "--depth", "0", "--scope", "any"]
        self.words += ["--retries", "0", "--partitions", str(_WORKERS)]

    def missed(self, records: list[dict[str, Any]]) -> str:
        """Return what the mock's judge has against the records."""
        score = Score(self._web.options)
        for record in records:
            score.add(record)
        found = score.result()
        good = found.recall == 1 and not (found.repeats or found.robots_violations)
        return "" if good else f"the judge says {found}"


def wrong(folder: Path, case: Listed | Site, ledger: LedgerSnapshot, gap: float | None) -> str:
    """Return what is wrong with the records and the visits; "" if nothing is."""
    parts = sorted((folder / "out").glob("part-*"))
    records = [json.loads(line) for part in parts for line in part.read_bytes().splitlines()]
    found = Counter(record["url"] for record in records)
    if twice := [url for url, number in found.items() if number > 1]:
        return f"recorded twice: {twice[:3]}"
    if missed := case.missed(records):
        return missed
    return "; ".join(check(ledger, max_in_flight=1, min_gap=gap))
