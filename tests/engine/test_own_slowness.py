"""What the crawler itself is late with is nobody else's fault: stops and little memory."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
import pytest

from crawler.core import capacity
from crawler.engine.crawl_session import CrawlSession
from crawler.model.config import CrawlConfig
from crawler.model.outcome import Page
from crawler.runtime.children import python
from tests.fetch.raw import Behaviour, RawServer
from tests.fetch.sites import HEAD, PAGE, message, says
from tests.patience import PATIENCE

from .harness import ListSink, ListSource
from .test_web import ENGINES, LOCAL, PAIR, crawled

pytestmark = pytest.mark.slow

HTML = HEAD + b"Content-Type: text/html\r\n"
LIMIT, STOP = 10, 12.0  # seconds: the time-out of an exchange, and a stop that is longer
PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
"""Runs a command from a small process: a child's peak begins with what its parent had."""
OPTIONS = (
    *("--allow-private", "--robots", "ignore", "--per-host", "64", "--delay", "0"),
    *("--ip-delay", "0", "--per-ip", "0", "--no-adapt", "--retries", "0", "--quiet"),
)


@pytest.fixture(params=PAIR)
def engine(request: pytest.FixtureRequest) -> dict[str, object]:
    """Return the options of each engine, in turn."""
    return dict(ENGINES[request.param])


class Gate:
    """Behaviours that wait for one event; `asked` counts who does."""

    def __init__(self) -> None:
        self.asked = threading.Semaphore(0)
        self.open = threading.Event()

    def answers(self, before: bytes, after: bytes, *, close: bool = False) -> Behaviour:
        """Send some, and the rest once the gate is open."""

        def behaviour(server: RawServer, sock: socket.socket, head: bytes) -> bool:
            sock.sendall(before)
            self.asked.release()
            self.open.wait(PATIENCE)
            sock.sendall(after)
            return not close

        return behaviour

    def breaks_once(self) -> Behaviour:
        """Hang up on the first who asks once the gate is open; answer the others."""
        first = threading.Event()

        def behaviour(server: RawServer, sock: socket.socket, head: bytes) -> bool:
            if first.is_set():
                sock.sendall(message(PAGE))
                return True
            first.set()
            self.asked.release()
            self.open.wait(PATIENCE)
            return False

        return behaviour


def stopped(name: str, parse: str, folder: Path) -> list[dict[str, object]]:
    """The records of a crawl that is stopped in the middle of all its exchanges."""
    gate = Gate()
    behaviours = {f"/head/{n}": gate.answers(b"", message(PAGE)) for n in range(4)}
    half = HTML + b"Content-Length: %d\r\n\r\n" % len(PAGE) + PAGE[:100]
    behaviours |= {f"/body/{n}": gate.answers(half, PAGE[100:]) for n in range(4)}
    behaviours |= {f"/broken/{n}": gate.breaks_once() for n in range(4)}
    out = folder / f"{name}-{parse}.jsonl"
    engine = [word for pair in ENGINES[name].items() for word in (f"--{pair[0]}", str(pair[1]))]
    limits = ["--timeout", str(LIMIT), "--connect-timeout", str(LIMIT), "--parse", parse]
    with RawServer(behaviours) as server:
        urls = [server.url(path) for path in behaviours]
        words = ["-m", "crawler", "crawl", "-o", str(out), *OPTIONS, *limits, *engine, *urls]
        crawl = subprocess.Popen(python(*words), start_new_session=True, cwd=Path.cwd())
        try:
            for _ in behaviours:
                assert gate.asked.acquire(timeout=PATIENCE)
            os.killpg(crawl.pid, signal.SIGSTOP)
            time.sleep(STOP)  # what is tested is that time passes
            gate.open.set()
            os.killpg(crawl.pid, signal.SIGCONT)
            assert crawl.wait(PATIENCE) == 0
        finally:
            os.killpg(crawl.pid, signal.SIGKILL) if crawl.poll() is None else None
    records = [orjson.loads(line) for line in out.read_bytes().splitlines()]
    assert len(records) == len(behaviours)
    return records


def test_a_stop_fails_no_url(tmp_path: Path) -> None:
    """Ctrl-Z for longer than the time-outs, then `fg`: what was under way is finished.

    Heads and bodies that were awaited, and connections that the server closed meanwhile. All
    engines wait at once: a limit that is long for a busy machine makes a long stop.
    """
    cases = [(name, parse) for name in ENGINES for parse in ("inline", "process")]
    with ThreadPoolExecutor(len(cases)) as pool:
        found = pool.map(lambda case: stopped(*case, tmp_path), cases)
        ended = dict(zip(cases, found, strict=True))
    assert not {
        case: bad
        for case, records in ended.items()
        if (bad := [each for each in records if each["outcome"] != "page" or each["truncated"]])
    }


def test_more_bodies_than_there_is_memory_for_all_end(engine: dict[str, object]) -> None:
    """Bodies that stall give their memory up, those that wait for it are read (crawl4ai#303).

    With 200 MB there is room for some 16 MB of bodies, and 40 of 3 MB come at once.
    """
    size = 3_000_000
    whole = says(HTML + b"Content-Length: %d\r\n\r\n" % size + PAGE + bytes(size - len(PAGE)))
    cut = HTML + b"Content-Length: %d\r\n\r\n" % (size + 1) + PAGE + bytes(size - len(PAGE))

    def stalls(server: RawServer, sock: socket.socket, head: bytes) -> bool:
        sock.sendall(cut)
        server.over.wait(PATIENCE)
        return False

    behaviours: dict[str, Behaviour] = {f"/whole/{n}": whole for n in range(20)}
    behaviours |= {f"/stalls/{n}": stalls for n in range(20)}
    options = engine | {"memory": 200_000_000, "timeout": 20.0, "parse": "none"}
    with RawServer(behaviours) as server:
        urls = [server.url(path) for path in behaviours]
        finals = crawled(urls, retries=0, **{"concurrency": 64, "per_host": 64, **options})
    assert len(finals) == 40
    for final in finals:
        assert isinstance(final, Page)
        if "/stalls" in final.url:
            assert final.truncated


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_kept_to(engine: dict[str, object], tmp_path: Path) -> None:
    """All processes together stay below --memory, whatever many servers send at once."""
    body = b"<p>and more</p>\n" * 400_000
    stalls = HTML + b"Content-Length: %d\r\n\r\n" % (len(body) + 1) + body

    def behaviour(server: RawServer, sock: socket.socket, head: bytes) -> bool:
        sock.sendall(stalls)
        server.over.wait(PATIENCE)
        return False

    flags = [word for name, value in engine.items() for word in (f"--{name}", str(value))]
    limits = ["--timeout", "6", "--parse", "none", "--memory", "250MB", "-o", os.devnull]
    with RawServer({f"/{n}": behaviour for n in range(50)}) as server:
        urls = [server.url(f"/{n}") for n in range(50)]
        words = ["-m", "crawler", "crawl", *OPTIONS, *limits, *flags, *urls]
        small = [sys.executable, "-c", PEAK, *python(*words)]
        told = subprocess.run(small, capture_output=True, text=True, check=True, timeout=PATIENCE)
    assert int(told.stdout) * 1024 < 250_000_000


def test_a_machine_that_is_late_is_asked_for_less(
    engine: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where each look at the clock counts as late, each engine lowers its concurrency by itself."""
    monkeypatch.setattr(capacity, "LATE", -1.0)
    monkeypatch.setattr(capacity, "WINDOW", 0.3)
    lowered: list[int] = []

    def waits(server: RawServer, sock: socket.socket, head: bytes) -> bool:
        while not (now := session.statistics().lowered_to) and not server.over.wait(0.01):
            pass
        lowered.append(now)
        return answers(server, sock, head)

    answers = says(HTML + b"Content-Length: %d\r\n\r\n" % len(PAGE) + PAGE)
    with RawServer({"/": waits}) as server:
        sink = ListSink()
        config = CrawlConfig(**LOCAL, **engine, concurrency=12)  # type: ignore[arg-type]
        session = CrawlSession(config, ListSource([server.url("/")]), sink)
        session.run()
    assert [type(final) for final in sink.finals] == [Page]
    assert 0 < lowered[0] < 12
