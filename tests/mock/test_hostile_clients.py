"""Clients that mean harm or know no better: the server answers the next one, whatever they do."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import select
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import crawler
from crawler.mock import LoopFactory, MockWeb, Served, running
from crawler.mock.server.listen import raise_descriptor_limit
from tests.patience import PATIENCE, until

from .conftest import LOOPS, ask, connect, get, read_all, read_until, status_of

SOURCE = str(Path(crawler.__file__).parent.parent)
RESET = struct.pack("ii", 1, 0)


@pytest.fixture(scope="module", params=LOOPS)
def hasty(request: pytest.FixtureRequest) -> Iterator[Served]:
    """A mock web that has no patience with silence."""
    with running(MockWeb(idle_timeout=0.2), loop_factory=LOOPS[request.param]) as served:
        yield served


@pytest.mark.slow
@pytest.mark.parametrize(
    "start", [b"", b"G", b"GET /page/1 HTTP/1.1\r\nHost: a\r\n", get("/page/1") + b"GET"]
)
def test_silence_is_ended(hasty: Served, start: bytes) -> None:
    """Nothing, half a request, or no next request: after the idle timeout an orderly end."""
    started = time.monotonic()
    with connect(hasty) as client:
        client.sendall(start)
        read_all(client)
        assert time.monotonic() - started > 0.15
    assert status_of(ask(hasty, "/page/1")) == 200


@pytest.mark.slow
def test_a_slow_loris_is_ended(hasty: Served) -> None:
    """A header line now and then does not keep a connection open beyond the idle timeout."""
    started = time.monotonic()
    with connect(hasty) as client:
        client.sendall(b"GET /page/1 HTTP/1.1\r\n")
        with contextlib.suppress(ConnectionError):
            while not select.select([client], [], [], 0.02)[0]:
                client.sendall(b"X: y\r\n")
                assert time.monotonic() - started < PATIENCE
    assert status_of(ask(hasty, "/page/1")) == 200


@pytest.mark.slow
def test_a_long_answer_is_no_silence(hasty: Served) -> None:
    """The idle timeout ends nobody who waits for an answer or is getting one."""
    for target in ("/delay/0.5/page/1", "/slow/10/0.05/page/1"):
        assert status_of(ask(hasty, target)) == 200
    with connect(hasty) as client:
        client.sendall(4 * get("/delay/0.1/status/404"))
        read_until(client, lambda data: data.count(b"as asked\n") == 4)


@pytest.mark.parametrize("target", ["/page/1", "/delay/0.1/page/1", "/bytes/3000000", "/page/1?x"])
def test_a_client_that_says_no_more_still_hears(web: Served, target: str) -> None:
    """After a half-close behind the request (RFC 9112 section 9.6) the whole answer comes."""
    with connect(web) as client:
        client.sendall(get(target))
        client.shutdown(socket.SHUT_WR)
        raw = read_all(client)
    assert status_of(raw) == 200
    length = re.search(rb"Content-Length: (\d+)", raw)
    assert length and len(raw.partition(b"\r\n\r\n")[2]) == int(length[1])


def test_a_pipeline_and_a_half_close(web: Served) -> None:
    """A thousand requests and the end of input: a thousand answers in order, then the end."""
    with connect(web) as client:
        client.sendall(b"".join(get(f"/status/{200 + number % 3}") for number in range(1000)))
        client.shutdown(socket.SHUT_WR)
        found = re.findall(rb"HTTP/1.1 (\d+)", read_all(client))
    assert found == [b"%d" % (200 + number % 3) for number in range(1000)]


@pytest.mark.slow
@pytest.mark.parametrize("target", ["/bytes/50000000", "/slow/100/0.01", "/delay/5", "/page/1"])
def test_a_reset_in_the_middle(loop_factory: LoopFactory, target: str) -> None:
    """Clients that reset while an answer is on its way leave nothing behind."""
    with running(MockWeb(), loop_factory=loop_factory) as web:
        for _ in range(10):
            with connect(web) as client:
                client.sendall(get(target))
                select.select([client], [], [], 0.01)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        assert status_of(ask(web, "/page/1")) == 200
        assert until(lambda: not web.statistics().open_connections)
        assert web.statistics().waiting == 0


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """As many descriptors as this process may have: both ends of each connection are in it."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    raise_descriptor_limit()
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 4500:
        pytest.skip("this machine allows too few descriptors")
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.slow
@pytest.mark.usefixtures("many_descriptors")
def test_two_thousand_connections_at_once(loop_factory: LoopFactory) -> None:
    """They are all accepted and answered, and all gone when their clients are."""
    count = 2000
    with running(MockWeb(), loop_factory=loop_factory) as web, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(web)) for _ in range(count)]
        for client in clients:
            client.sendall(get("/status/404", "Connection: close"))
        assert all(status_of(read_all(client)) == 404 for client in clients)
        assert web.statistics().requests == count


EXHAUSTED = """
import asyncio, resource, sys, uvloop
from crawler.mock import *
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
loops = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
main_loop(MockWeb(), lambda url: print(url, flush=True), loop_factory=loops[sys.argv[1]])
"""


@pytest.mark.slow
@pytest.mark.parametrize("loop", LOOPS)
def test_descriptors_run_out(loop: str) -> None:
    """With more clients than descriptors those inside are served, the others wait for a place.

    The server says so once, takes next to no processor time, and ends as ever.
    """
    with (
        subprocess.Popen(
            [sys.executable, "-c", EXHAUSTED, loop],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": SOURCE},
            text=True,
        ) as process,
        contextlib.ExitStack() as stack,
    ):
        assert process.stdout is not None
        port = int(process.stdout.readline().rpartition(":")[2])
        place = ("127.0.0.1", port)
        stack.callback(process.kill)
        many = [stack.enter_context(socket.create_connection(place, PATIENCE)) for _ in range(200)]
        many[0].sendall(get("/page/1"))
        assert status_of(read_until(many[0], lambda data: data.endswith(b"</html>\n"))) == 200
        many[199].sendall(get("/__ready", "Connection: close"))
        used = _processor_seconds(process.pid)
        assert not select.select([many[199]], [], [], 1.0)[0]
        assert _processor_seconds(process.pid) - used < 0.3
        for client in many[:199]:
            client.close()
        assert status_of(read_all(many[199])) == 200
        process.terminate()
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (0, "")
    assert err == (
        "mock web: no descriptor is left of 64 (ulimit -n); "
        "further clients wait until others leave\n"
    )


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
