"""Connections over time: reuse, stale ones, what is sent on them, names, and a clean end."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import trustme
import uvloop

from crawler.fetch.aiohttp_connections import GuardedResolver
from crawler.fetch.names import Addresses, Names, ResolvedAddress
from crawler.fetch.urllib3_client import ThreadedFetcher
from crawler.model.outcome import Failed, Fetched, Kind, Received, Redirect
from tests.fetch.conftest import CONFIG, Way, certified, on_a_loop, request
from tests.fetch.raw import RawServer, header
from tests.fetch.sites import PAGE, SITE, message, never, says
from tests.patience import PATIENCE


def test_keep_alive(way: Way) -> None:
    """Pages, redirects and small errors share one connection; only the first pays for it."""
    paths = ["/plain", "/gzip", "/redirect", "/404", "/404-chunked", "/nothing", "/chunked"]
    with RawServer(SITE) as server:
        outcomes = way.fetch([server.url(path) for path in paths])
        assert server.connections == 1
    connects = [each.exchange.connect for each in outcomes if each.exchange]
    assert connects[0] > 0
    assert connects[1:] == [0] * (len(paths) - 1)


@pytest.mark.parametrize(
    "path", ["/404-large", "/large-chunked", "/long", "/corrupt-gzip", "/404-cut"]
)
def test_no_reuse_after_trouble(way: Way, path: str) -> None:
    """A connection whose response was not read off whole, or was broken, is not used again."""
    with RawServer(SITE) as server:
        _, after = way.fetch([server.url(path), server.url("/plain")])
        expected = 1 if path == "/corrupt-gzip" else 2  # that one was whole on the wire
        assert server.connections == expected
    assert isinstance(after, Received)
    assert after.response.body == PAGE


def hangs_up_second(server: RawServer, sock: socket.socket, head: bytes) -> bool:
    """Answer the first request of a connection, and hang up on its second."""
    if len(server.heads) % 2:
        sock.sendall(message())
    return len(server.heads) % 2 == 1


def test_stale_connection(way: Way) -> None:
    """A kept connection that the server gave up is replaced without a failure, once it shows."""
    with RawServer({"/": hangs_up_second}) as server:
        outcomes = way.fetch([server.url(), server.url()])
        assert len(server.heads) == 3
        assert server.connections == 2
    assert all(isinstance(each, Received) for each in outcomes)


def test_no_second_request_on_a_new_connection(way: Way) -> None:
    """A server that hangs up on a new connection is asked once; retries are the core's."""
    with RawServer(SITE) as server:
        way.fetch([server.url("/empty-reply")])
        assert len(server.heads) == 1


def test_request_headers(way: Way) -> None:
    """The defaults are sent once each, and a header of the user's replaces its default."""
    with RawServer(SITE) as server:
        way.fetch([server.url("/plain?a=b|c&d=%7c")])
        config = replace(CONFIG, header=("accept-encoding: br", "X-Own: 1", "X-Own: 2"))
        way.fetch([server.url("/plain")], config)
        plain, own = server.heads
    assert plain.startswith(b"GET /plain?a=b|c&d=%7c HTTP/1.1\r\n")
    assert header(plain, "User-Agent") == "tester/1"
    assert header(plain, "Accept-Encoding") == "gzip, deflate, br, zstd"
    assert header(plain, "Host") == f"127.0.0.1:{server.port}"
    assert own.lower().count(b"accept-encoding") == 1
    assert header(own, "Accept-Encoding") == "br"
    assert own.count(b"X-Own: 1") == own.count(b"X-Own: 2") == 1


def test_headers_are_sent_as_utf_8(way: Way) -> None:
    """A header of one's own goes out as UTF-8, whatever its characters (RFC 9110, 5.5)."""
    header_lines = ("X-Name: Łódź é", "Cookie: city=Łódź")
    config = replace(CONFIG, header=header_lines, user_agent="Łódź/1")
    with RawServer(SITE) as server:
        (outcome,) = way.fetch([server.url("/plain")], config)
        (head,) = server.heads
    assert isinstance(outcome, Received)
    lines = head.decode("utf-8").split("\r\n")
    assert {*header_lines, "User-Agent: Łódź/1"} <= set(lines)


@pytest.mark.parametrize(
    "path", ["/plain", "/plain?", "/plain??", "/plain?a?", "/plain?a=1", "/plain?%3F", "/plain?&"]
)
def test_the_target_is_sent_as_recorded(way: Way, path: str) -> None:
    """A `?` with nothing after it is sent: it may lead to another page (requests#2912)."""
    with RawServer(SITE) as server:
        (outcome,) = way.fetch([server.url(path)])
        (head,) = server.heads
    assert head.startswith(f"GET {path} HTTP/1.1\r\n".encode())
    assert outcome.request.url.href == server.url(path)


def test_credentials(way: Way) -> None:
    """Credentials of a URL are sent as Basic, and appear in no reason."""
    with RawServer(SITE) as server:
        url = server.url("/not-gzip").replace("//", "//us%40er:se:cret@")
        (outcome,) = way.fetch([url])
        (head,) = server.heads
    assert header(head, "Authorization") == "Basic dXNAZXI6c2U6Y3JldA=="
    assert isinstance(outcome, Failed)
    assert "cret" not in outcome.reason


class Clock:
    """A clock that a test turns."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_name_is_kept_for_its_time(way: Way) -> None:
    """A name is looked up once for all connections within its time to live, and again after."""
    asked: list[str] = []
    clock = Clock()

    def look_up(host: str) -> Addresses:
        asked.append(host)
        return (ResolvedAddress(socket.AF_INET, "127.0.0.1"),)

    def turn(server: RawServer, sock: socket.socket, head: bytes) -> bool:
        sock.sendall(message())
        clock.now += 60
        return False

    with RawServer({"/": turn}) as server:
        names = Names(100, look_up=look_up, clock=clock)
        url = server.url(host="site.test")
        outcomes = way.fetch([url, url, url], names=names)
        assert server.connections == 3
    assert all(isinstance(each, Received) for each in outcomes)
    assert asked == ["site.test", "site.test"]  # at 100 and at 220; at 160 it was still fresh


@pytest.mark.slow
def test_nothing_is_left(way: Way, authority: trustme.CA) -> None:
    """After closing there is no socket, no thread of the fetcher's and no warning left."""
    urls = ["/plain", "/gzip", "/404-large", "/redirect", "/long", "/reset", "/large", "/plain"]
    before = set(threading.enumerate())
    with RawServer(SITE) as server, RawServer(SITE, certified(authority, "127.0.0.1")) as secure:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            hosts = [server.url(host="localhost")[:-1], server.url()[:-1], secure.url()[:-1]]
            kept: list[object] = []
            way.fetch([host + path for host in hosts for path in urls], kept=kept)
            gc.collect()
        peers = [port for port in connected() if port in (server.port, secure.port)]
    assert [str(each.message) for each in caught] == []
    assert peers == []
    for thread in set(threading.enumerate()) - before:
        if thread.name.startswith("crawler"):
            thread.join(PATIENCE)
            assert not thread.is_alive()


def connected() -> list[int]:
    """The remote ports of this process's connected sockets that a fetcher opened."""
    found = []
    for each in gc.get_objects():
        if isinstance(each, socket.socket) and each.fileno() >= 0:
            if each.family not in (socket.AF_INET, socket.AF_INET6):
                continue  # a pair of some other test's processes
            try:
                found.append(each.getpeername()[1])
            except OSError:
                continue  # not connected
    return found


@on_a_loop
def test_cancelling_passes_through(way: Way) -> None:
    """Cancelling a task from outside is no outcome: it arrives as `CancelledError`."""

    async def main() -> list[Fetched]:
        asked = asyncio.Event()
        loop = asyncio.get_running_loop()

        def stuck(server: RawServer, sock: socket.socket, head: bytes) -> bool:
            loop.call_soon_threadsafe(asked.set)
            return never(server, sock, head)

        with RawServer({"/": stuck}) as server:
            async with way.fetcher(CONFIG) as fetcher:
                task = asyncio.create_task(fetcher.fetch(request(server.url())))
                await asked.wait()
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert not fetcher._deadlines._entered
        return []

    way.run(main)


@pytest.mark.slow
@on_a_loop
def test_many_at_once(way: Way, site: RawServer) -> None:
    """Deadlines fall due one by one, and spare what is finished or younger."""

    async def main() -> list[Fetched]:
        async with way.fetcher(replace(CONFIG, timeout=1.0)) as fetcher:
            urls = [site.url(path) for path in ("/never", "/plain", "/drip-body", "/gzip")]
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(fetcher.fetch(request(url))) for url in urls]
            later = await fetcher.fetch(request(site.url("/plain")))
            current = asyncio.current_task()
            assert current is not None and current.cancelling() == 0
            return [task.result() for task in tasks] + [later]

    outcomes = way.run(main)
    kinds = [getattr(each, "kind", None) for each in outcomes]
    assert kinds == [Kind.TIMEOUT, None, Kind.TIMEOUT, None, None]


def test_abort() -> None:
    """`abort` ends all exchanges of a threaded fetcher, blocked or yet to come, as cancelled."""
    started = threading.Semaphore(0)

    def stuck(server: RawServer, sock: socket.socket, head: bytes) -> bool:
        started.release()
        return never(server, sock, head)

    with (
        RawServer({"/": stuck}) as server,
        ThreadedFetcher(CONFIG) as fetcher,
        ThreadPoolExecutor(4) as threads,
    ):
        under_way = [threads.submit(fetcher.fetch, request(server.url())) for _ in range(4)]
        for _ in under_way:
            assert started.acquire(timeout=PATIENCE)
        fetcher.abort()
        outcomes = [each.result(PATIENCE) for each in under_way]
        outcomes.append(fetcher.fetch(request(server.url())))
        assert server.connections == 4
    assert [getattr(each, "kind", None) for each in outcomes] == [Kind.CANCELLED] * 5


def test_abort_during_a_look_up() -> None:
    """`abort` does not wait for a resolver that does not answer."""
    asked, release = threading.Event(), threading.Event()

    def look_up(host: str) -> Addresses:
        asked.set()
        release.wait(PATIENCE)
        return ()

    with (
        ThreadedFetcher(CONFIG, names=Names(60, look_up=look_up)) as fetcher,
        ThreadPoolExecutor(1) as threads,
    ):
        under_way = threads.submit(fetcher.fetch, request("http://site.test/"))
        assert asked.wait(PATIENCE)
        fetcher.abort()
        outcome = under_way.result(PATIENCE)
        release.set()
    assert isinstance(outcome, Failed)
    assert outcome.kind is Kind.CANCELLED


@pytest.mark.slow
def test_threads_share_a_fetcher(site: RawServer) -> None:
    """Many threads fetch through one fetcher, and each gets the answer to its own request."""
    paths = ["/plain", "/gzip", "/404", "/redirect"] * 25
    with ThreadedFetcher(CONFIG) as fetcher, ThreadPoolExecutor(8) as threads:
        requests = [request(site.url(path)) for path in paths]
        outcomes = list(threads.map(fetcher.fetch, requests))
    assert [each.request for each in outcomes] == requests
    assert [type(each) for each in outcomes] == [Received, Received, Failed, Redirect] * 25


class Surprise(Exception):
    """What nobody foresaw."""


def test_unforeseen(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug ends as INTERNAL with its repr, and comes through with `debug`."""

    def explode(*args: object) -> None:
        raise Surprise("boom")

    monkeypatch.setattr("crawler.fetch.aiohttp_client.target", explode)
    monkeypatch.setattr("crawler.fetch.raw_client.target", explode)
    monkeypatch.setattr("crawler.fetch.urllib3_client.target", explode)
    (outcome,) = way.fetch(["http://127.0.0.1/"])
    assert isinstance(outcome, Failed)
    assert (outcome.kind, outcome.reason) == (Kind.INTERNAL, "Surprise('boom')")
    with pytest.raises(Surprise):
        way.fetch(["http://127.0.0.1/"], replace(CONFIG, debug=True))


def test_record_of_an_exchange(way: Way, site: RawServer) -> None:
    """The record has the header as sent, both sizes, and times that fit into each other."""
    page, moved = way.fetch([site.url("/gzip"), site.url("/redirect")])
    exchange = page.exchange
    assert exchange is not None
    assert (exchange.status, exchange.content_type) == (200, "text/html")
    assert exchange.wire_bytes < exchange.body_bytes == len(PAGE)
    assert exchange.first_byte is not None
    assert 0 < exchange.first_byte + exchange.connect <= exchange.total
    assert exchange.fetched_at > 1_700_000_000
    assert moved.exchange is not None
    assert moved.exchange.started_at >= exchange.started_at + exchange.total


def test_no_content_type(way: Way) -> None:
    """A response without Content-Type has an empty one in its record."""
    with RawServer({"/": says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")}) as server:
        (outcome,) = way.fetch([server.url()])
    assert isinstance(outcome, Received)
    assert outcome.response.content_type == outcome.exchange.content_type == ""


def test_idle_connections_are_bounded(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections to hosts of long ago are closed, so that descriptors do not run out."""
    monkeypatch.setattr("crawler.fetch.aiohttp_connections.IDLE_HOSTS", 2)
    monkeypatch.setattr("crawler.fetch.raw_pool.IDLE_HOSTS", 2)
    monkeypatch.setattr("crawler.fetch.urllib3_client.IDLE_HOSTS", 2)
    names = Names(60, look_up=lambda host: (ResolvedAddress(socket.AF_INET, "127.0.0.1"),))
    config = replace(CONFIG, concurrency=1)
    with RawServer(SITE) as server:
        a, b, c = (server.url("/plain", host=f"{name}.test") for name in "abc")
        way.fetch([a, b, c, c, b, a], config, names)
        assert server.connections == 4  # c and b are still there, a made room for c


@pytest.mark.slow
@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_failed_look_up_that_nobody_waits_for_is_silent(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """A waiter that was cancelled leaves no complaint of asyncio's behind on stderr."""
    ready, complaints = threading.Event(), list[str]()

    def look_up(host: str) -> Addresses:
        ready.wait(PATIENCE)
        raise OSError("no such name")

    async def main() -> None:
        running = asyncio.get_running_loop()
        running.set_exception_handler(lambda _, context: complaints.append(context["message"]))
        names = Names(60.0, look_up=look_up)
        resolver = GuardedResolver(names, CONFIG.network.addresses)
        waiter = asyncio.create_task(resolver.resolve("a.example"))
        await asyncio.sleep(0)
        answer = asyncio.wrap_future(names.ask("a.example").answer)
        waiter.cancel()
        await asyncio.wait([waiter])
        ready.set()
        with pytest.raises(OSError, match="no such name"):
            await answer
        await resolver.close()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())
        gc.collect()
    assert not complaints
