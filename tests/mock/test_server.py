"""Starting, stopping, statistics, TLS, the program and the fixture."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

import crawler
from crawler.mock import LoopFactory, MockWeb, Statistics, main_loop, running, serve
from crawler.mock.graph.site import answer
from crawler.mock.server.delivery import CACHE_BYTES
from crawler.mock.server.request_reader import ReceivedRequest
from crawler.mock.server.responder import Responder
from tests.patience import PATIENCE

from .conftest import ask, connect, get, read_all, status_of

SOURCE = str(Path(crawler.__file__).parent.parent)


@pytest.mark.slow
def test_latency_is_never_shorter_than_asked(loop_factory: LoopFactory) -> None:
    """With a latency every answer takes at least that long, 404s and cached pages included."""
    with running(MockWeb(latency=0.03), loop_factory=loop_factory) as web:
        for target in ("/page/0", "/page/0", "/nothing"):
            started = time.monotonic()
            ask(web, target)
            assert time.monotonic() - started >= 0.03


@pytest.mark.slow
def test_waiting_requests_are_counted(loop_factory: LoopFactory) -> None:
    """peak_waiting is the number of requests that were held back at the same time."""
    with running(MockWeb(latency=0.2), loop_factory=loop_factory) as web:
        clients = [connect(web) for _ in range(5)]
        for client in clients:
            client.sendall(get("/page/1", "Connection: close"))
        for client in clients:
            assert read_all(client)
            client.close()
        found = web.statistics()
    assert (found.waiting, found.peak_waiting, found.requests) == (0, 5, 5)


def test_a_stop_closes_every_connection(loop_factory: LoopFactory) -> None:
    """Leaving the block ends idle, delayed, silent and half-asked connections, frees the port."""
    threads = threading.active_count()
    starts = [b"", b"GET /pa", get("/delay/3000"), get("/fault/never"), get("/slow/100/60")]
    with running(MockWeb(), loop_factory=loop_factory) as web:
        assert status_of(ask(web, "/page/1")) == 200
        clients = [connect(web) for _ in starts]
        for client, start in zip(clients, starts, strict=True):
            client.sendall(start)
    for client in clients:
        with contextlib.suppress(ConnectionResetError):  # with input unread, a close is a reset
            read_all(client)
        client.close()
    assert web.statistics().open_connections == web.statistics().waiting == 0
    with pytest.raises(ConnectionRefusedError):
        connect(web)
    assert threading.active_count() == threads


@pytest.mark.slow
def test_a_stop_misses_no_client_that_has_just_come(loop_factory: LoopFactory) -> None:
    """Clients that connect in the very moment of the stop are closed too, not forgotten."""
    for _ in range(20):
        with running(MockWeb(), loop_factory=loop_factory) as web:
            clients = [connect(web) for _ in range(5)]
        for client in clients:
            with contextlib.suppress(ConnectionResetError), client:
                assert read_all(client) == b""


def test_serve_inside_a_loop(loop_factory: LoopFactory) -> None:
    """`serve` listens on the running loop when its block is entered."""

    async def visit() -> bytes:
        async with serve(MockWeb(pages=3)) as web:
            reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
            writer.write(get("/page/2", "Connection: close"))
            raw = await reader.read()
            writer.close()
            await writer.wait_closed()
            return raw

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        assert status_of(runner.run(visit())) == 200


def test_a_port_in_use_is_raised_in_the_caller(loop_factory: LoopFactory) -> None:
    """A taken port is an OSError from `running` and from `main_loop`, before any announcement."""
    announced: list[str] = []
    with running(loop_factory=loop_factory) as web:
        taken = MockWeb(port=web.port)
        with pytest.raises(OSError), running(taken, loop_factory=loop_factory):  # noqa: PT011
            pass
        with pytest.raises(OSError):  # noqa: PT011
            main_loop(taken, announced.append, loop_factory=loop_factory)
    assert announced == []


def test_an_error_in_the_block_still_stops_the_server() -> None:
    """The caller's exception passes through and the port is free afterwards."""
    with pytest.raises(KeyError), running() as web:
        raise KeyError
    with pytest.raises(ConnectionRefusedError):
        connect(web)


@pytest.mark.parametrize("authority", ["addresses", "ports"])
def test_every_host_listens(loop_factory: LoopFactory, authority: str) -> None:
    """Hosts that differ in address or port each have a listener, and an unknown one has none."""
    options = MockWeb(hosts=7, authority=authority)  # type: ignore[arg-type]
    with running(options, loop_factory=loop_factory) as web:
        for number in range(7):
            place = (web.options.address_of(number), web.options.port_of(number))
            with socket.create_connection(place, 10) as client:
                client.sendall(get("/page/1", "Connection: close"))
                assert status_of(read_all(client)) == 200
        if authority == "addresses":
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.8", web.port), 10)


def test_names_need_one_listener_only(loop_factory: LoopFactory) -> None:
    """A hundred thousand names are served at one address and port."""
    with running(MockWeb(hosts=100_000, authority="names"), loop_factory=loop_factory) as web:
        assert web.url == f"http://127.0.0.1:{web.port}"
        assert status_of(ask(web, "/page/1")) == 200


def test_ipv6(loop_factory: LoopFactory) -> None:
    """The other loopback address is served, with its brackets in URLs."""
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    with running(MockWeb(host="::1"), loop_factory=loop_factory) as web:
        assert web.url == f"http://[::1]:{web.port}"
        with urllib.request.urlopen(f"{web.url}/page/1") as reply:
            assert f'"{web.url}/page/'.encode() in reply.read()


def test_one_taken_port_of_many_is_avoided() -> None:
    """Port 0 takes a port that is free for every host; a given one that is not is an error."""
    with running(MockWeb()) as web, running(MockWeb(hosts=3)) as other:
        assert other.port != web.port
        taken = MockWeb(hosts=3, authority="ports", port=web.port - 1)
        with pytest.raises(OSError, match="in use"), running(taken):
            pytest.fail("it has started")


def test_urls_name_the_pages() -> None:
    """`urls` gives the first pages' URLs, each of which exists, and refuses to invent more."""
    with running(MockWeb(pages=3)) as web:
        assert list(web.urls(2)) == [f"{web.url}/page/0", f"{web.url}/page/1"]
        assert len(list(web.urls())) == 3
        with urllib.request.urlopen(list(web.urls())[-1]) as reply:
            assert reply.status == 200
        with pytest.raises(ValueError, match="3 pages, not 4"):
            web.urls(4)


def test_statistics_and_recent_targets(loop_factory: LoopFactory) -> None:
    """The counters and the list of targets say exactly what was asked."""
    with running(MockWeb(), loop_factory=loop_factory) as web:
        assert web.statistics() == Statistics()
        sent = len(ask(web, "/robots.txt") + ask(web, "/page/1?x=1") + ask(web, "bad path"))
        found = web.statistics()
        assert web.recent() == ("/robots.txt", "/page/1?x=1")
    assert (found.connections, found.requests, found.bad_requests) == (3, 3, 1)
    assert found.bytes_sent == sent


def test_robots_are_an_option() -> None:
    """The text of robots.txt comes from the options."""
    with running(MockWeb(robots=("User-agent: *", "Disallow: /"))) as web:
        raw = ask(web, "/robots.txt")
    assert status_of(raw) == 200
    assert b"\r\n\r\nUser-agent: *\nDisallow: /\n" in raw


@pytest.mark.slow
def test_the_cache_is_bounded() -> None:
    """No number of pages makes the server hold more than its bound."""
    responder = Responder(MockWeb(pages=10**6, page_bytes=1_000_000, links=0), answer)
    for number in range(100):
        request = ReceivedRequest(b"GET", b"/page/%d" % number, b"a", [], keep_alive=True)
        responder.end(responder.take(request, "127.0.0.1:80", "127.0.0.1:9"))
    held = sum(kept.size for kept in responder._cache._entries.values())
    assert CACHE_BYTES / 2 < held <= CACHE_BYTES
    assert responder._cache.held_bytes == held


PROGRAM = "from crawler.mock import *; main_loop(MockWeb(), lambda url: print(url, flush=True))"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_main_loop_ends_cleanly_on_a_signal(number: signal.Signals) -> None:
    """Announced means listening; a signal with a client connected means exit 0, nothing printed."""
    environment = {**os.environ, "PYTHONPATH": SOURCE}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), 10) as client:
            client.sendall(get("/fault/never"))
            process.send_signal(number)
            try:
                out, err = process.communicate(timeout=PATIENCE)
            finally:
                process.kill()  # nothing happens to a process that has ended
    assert (process.returncode, out, err) == (0, "", "")


FIXTURE_TEST = """
import urllib.request
def test_fixture(mock_web):
    with urllib.request.urlopen(next(mock_web.urls())) as reply:
        assert reply.status == 200
"""


@pytest.mark.slow
def test_the_pytest_fixture(tmp_path: Path) -> None:
    """The plugin gives any test suite a running mock web."""
    (tmp_path / "test_it.py").write_text(FIXTURE_TEST)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "crawler.mock.pytest_plugin", "test_it.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": SOURCE},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


@pytest.mark.slow
def test_importing_the_mock_needs_no_pytest() -> None:
    """The package is usable where pytest is not installed."""
    code = "import sys, crawler.mock; sys.exit('pytest' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": SOURCE}
    assert (
        subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
    )
