"""Kill processes of crawls with SIGKILL: parents, partitions, parsers, at random times.

A process that dies is replaced, and a parent that dies is started again by the same command. In the
end each URL has one record; the servers count the requests, as pages that were not recorded yet are
fetched again. A third of them are POST, and no server gets one of those twice.
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
import threading
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path

from tests.crash.ledger import targets
from tests.engine.test_outages import Site as Server
from tests.unmannered import WORDS

PAGES = 300
_KINDS = (
    ("--parse", "process", "--parse-workers", "2"),
    ("--workers", "2"),
    ("--engine", "threaded", "--parse", "process", "--parse-workers", "2"),
    ("--workers", "2", "--parse", "process", "--parse-workers", "2"),
)
_TICK = 0.1  # seconds between two looks at whether the crawl has ended
_MOST = 120  # kills of one crawl before it has to come to its end


class CountingServer(Server):
    """A server that wakes who waits for requests."""

    def __init__(self, changed: threading.Condition) -> None:
        self._changed = changed
        self.posted: Counter[str] = Counter()
        super().__init__()

    def sent(self, method: str, path: str) -> None:
        if method == "POST":
            with self._changed:
                self.posted[path] += 1

    def asked(self, connection: socket.socket) -> bool:
        answered = super().asked(connection)
        with self._changed:
            self._changed.notify_all()
        return answered


class Web:
    """A few servers, which are hosts to a crawl, as each has a port of its own."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.servers = [CountingServer(self._changed) for _ in range(4)]
        ports = [server.port for server in self.servers]
        self.urls = [f"http://127.0.0.1:{ports[n % len(ports)]}/{n}" for n in range(PAGES)]

    @property
    def served(self) -> int:
        """The number of requests so far."""
        return sum(server.served for server in self.servers)

    def wait(self, number: int, process: subprocess.Popen[bytes], looks: int | None = None) -> bool:
        """Wait for so many requests in all; return False if the process ends before.

        looks: how often nothing may come meanwhile.
        """
        with self._changed:
            while self.served < number and process.poll() is None and looks != 0:
                if not self._changed.wait(_TICK) and looks is not None:
                    looks -= 1
        return process.poll() is None

    def cut(self) -> None:
        """End all connections, as a machine between the two does that has forgotten them."""
        for server in self.servers:
            server.cut()

    def back(self, line: str) -> None:
        """Let a server that is said to have gone serve again; all of them if none is named."""
        named = [server for server in self.servers if f":{server.port} " in line]
        for server in named or self.servers:
            if server.gone:
                server.back()

    @property
    def posted_twice(self) -> list[str]:
        """The paths that were sent a POST more than once."""
        counts = Counter(path for server in self.servers for path in server.posted.elements())
        return [path for path, number in counts.items() if number > 1]

    def close(self) -> None:
        """End the servers."""
        for server in self.servers:
            server.close()


def kill_processes(number: int, draw: random.Random) -> str:
    """Kill so many processes, and tell of it; return what is wrong, or ""."""
    kills: Counter[str] = Counter()
    crawls = asked = 0
    while kills.total() < number:
        words = _KINDS[crawls % len(_KINDS)]
        with tempfile.TemporaryDirectory() as name, closing(Web()) as web:
            folder = Path(name)
            (folder / "list.jsonl").write_text(targets(web.urls))
            problem = _killed(folder, web, words, draw, kills) or wrong(folder, web)
            if problem:
                return f"{' '.join(words)}: {problem}"
            asked += web.served
        crawls += 1
    text = f"{kills.total():,} processes killed ({kills['parent']:,} of them parents) in {crawls:,}"
    text += (
        f" crawls: nothing lost, nothing repeated; {asked:,} requests for {PAGES * crawls:,} pages"
    )
    print(text, flush=True)
    return ""


def _killed(
    folder: Path,
    web: Web,
    words: tuple[str, ...],
    draw: random.Random,
    kills: Counter[str],
) -> str:
    """Crawl to the end, with kills; return what is wrong."""
    command = [sys.executable, "-m", "crawler", "crawl", "-i", "list.jsonl", "-o", "out.jsonl"]
    command += [*WORDS, "--quiet", *words]
    for _ in range(_MOST):
        with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE) as process:
            while web.wait(web.served + draw.randrange(1, 60), process):
                victim = draw.choice([process.pid, *below(process.pid)])
                with suppress(ProcessLookupError):  # it has ended by itself
                    os.kill(victim, signal.SIGKILL)
                    kills["parent" if victim == process.pid else "child"] += 1
                if victim == process.pid:
                    break
            said = process.communicate()[1].decode()
        if process.returncode == 0:
            return ""
        if process.returncode != -signal.SIGKILL:
            return f"exit code {process.returncode}: {said}"
    return "does not come to its end"


def below(pid: int) -> list[int]:
    """Return the processes below one, as Linux lists them."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            parents.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found, left = [], [pid]
    while left:
        children = parents.get(left.pop(), [])
        found += children
        left += children
    return found


def wrong(folder: Path, web: Web) -> str:
    """Return what is wrong with the records of a crawl, and with the requests for it."""
    if web.posted_twice:
        return f"sent twice: {web.posted_twice[:3]}"
    urls = web.urls
    records = [json.loads(line) for line in (folder / "out.jsonl").read_bytes().splitlines()]
    found = Counter(record["url"] for record in records)
    if twice := [url for url, number in found.items() if number > 1]:
        return f"recorded twice: {twice[:3]}"
    lost, added = set(urls) - found.keys(), found.keys() - set(urls)
    return f"lost {sorted(lost)[:3]}, added {sorted(added)[:3]}" if lost or added else ""
