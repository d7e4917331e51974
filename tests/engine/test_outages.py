"""Servers, name servers and whole networks that go away and come back, over real sockets."""

from __future__ import annotations

import errno
import os
import socket
import socketserver
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from crawler.core.collector import Snapshot
from crawler.engine.crawl_session import CrawlSession
from crawler.fetch import fetch_fault
from crawler.model.config import CrawlConfig
from crawler.model.outcome import Failed, Kind, Page, Skipped
from crawler.store.sources import IterableSource
from tests.engine.harness import ListSink
from tests.patience import PATIENCE

from .whole import ENGINES, MANNERLY


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> dict[str, Any]:
    return ENGINES[request.param]


class Site:
    """A server at a port of its own that goes away, connections and all, and comes back."""

    def __init__(self) -> None:
        self.served = 0
        self.goes_after = -1
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listen(0)
        self.port: int = self._server.server_address[1]

    def _listen(self, port: int) -> None:
        handler = type("Handler", (_Handler,), {"site": self})
        self._server = _Server(("127.0.0.1", port), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def gone(self) -> bool:
        """Whether it went away, and is not back."""
        return 0 <= self.goes_after <= self.served

    def sent(self, method: str, path: str) -> None:
        """Take note of a request that has come."""

    def asked(self, connection: socket.socket) -> bool:
        """Whether a request is answered; the last one takes the server with it."""
        with self._lock:
            self._open.add(connection)
            self.served += 1
            if self.served != self.goes_after:
                return self.goes_after < 0 or self.served < self.goes_after
            self._server.socket.close()  # who connects is refused from now on
            for each in self._open:
                each.shutdown(socket.SHUT_RDWR)
            return False

    def cut(self) -> None:
        """End all connections, as a machine between the two does that has forgotten them."""
        with self._lock:
            for connection in self._open:
                with suppress(OSError):  # it has ended by itself
                    connection.shutdown(socket.SHUT_RDWR)
            self._open.clear()

    def back(self) -> None:
        """Serve again, at the same port."""
        self.close()
        self.goes_after = -1
        self._listen(self.port)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def get_request(self) -> Any:
        try:
            return super().get_request()
        except ValueError:  # closed between the look and the call
            raise OSError(errno.EBADF, "closed") from None

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Connections are cut here: no traceback says so."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.do_GET()

    do_PUT = do_POST  # noqa: N815

    def do_GET(self) -> None:
        self.site.sent(self.command, self.path)
        if not self.site.asked(self.connection):
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", "12")
        self.end_headers()
        self.wfile.write(b"<p>hello</p>")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def site() -> Iterator[Site]:
    served = Site()
    yield served
    served.close()


def crawled(
    urls: Iterable[str], announce: Callable[[str], None], **options: Any
) -> tuple[Counter[Kind | None], Snapshot, CrawlSession]:
    """Crawl to the end: how many URLs ended as what, None for pages."""
    config = CrawlConfig(**MANNERLY | options)
    sink = ListSink()
    session = CrawlSession(config, IterableSource(urls, config), sink, announce=announce)
    snapshot = session.run()
    assert snapshot.pending == snapshot.in_flight == 0
    ended = [final.kind if isinstance(final, Failed | Skipped) else None for final in sink.finals]
    pages = [final for final in sink.finals if isinstance(final, Page)]
    assert sum(page.request.attempts for page in pages) <= len(pages) + snapshot.retries
    return Counter(ended), snapshot, session


@pytest.mark.slow
@pytest.mark.parametrize("retries", [0, 2])
def test_a_server_that_goes_and_comes_back_costs_no_url(
    site: Site, engine: dict[str, Any], retries: int
) -> None:
    """img2dataset#452: killed in the middle, with requests in flight, and started again."""
    site.goes_after = 60
    lines: list[str] = []

    def announce(line: str) -> None:
        lines.append(line)
        if "does not answer any more" in line:
            site.back()

    urls = [f"http://127.0.0.1:{site.port}/{n}" for n in range(200)]
    ended, snapshot, session = crawled(
        urls, announce, retries=retries, breaker=5, breaker_pause=0.05, **engine
    )
    assert ended == {None: 200}
    assert snapshot.outages == 1 and snapshot.hosts_away == 0
    assert session.totals().pauses == 1 and session.totals().away > 0.0
    assert [line.partition("0.1:")[2].partition(" ")[2][:7] for line in lines[-2:]] == [
        "does no",
        "answers",
    ]


@pytest.mark.slow
def test_a_server_that_stays_away_is_given_up(site: Site, engine: dict[str, Any]) -> None:
    """Its URLs end as `host_down` once they have waited long enough, and not before."""
    site.goes_after = 60
    urls = [f"http://127.0.0.1:{site.port}/{n}" for n in range(200)]
    ended, snapshot, _ = crawled(
        urls, str, retries=0, breaker=5, breaker_pause=0.05, breaker_give_up=0.5, **engine
    )
    assert set(ended) == {None, Kind.HOST_DOWN} and ended[None] >= 50
    assert snapshot.elapsed >= 0.5


class Names:
    """`getaddrinfo` without a name server until `back`; every name is this machine then."""

    def __init__(self) -> None:
        self.there = False
        self._look_up = socket.getaddrinfo

    def __call__(self, host: Any, port: Any, *rest: Any, **options: Any) -> Any:
        if not self.there:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return self._look_up("127.0.0.1", port, *rest, **options)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    names = Names()
    monkeypatch.setattr(socket, "getaddrinfo", names)
    return names


@pytest.mark.slow
def test_no_url_fails_for_want_of_a_name_server(
    site: Site, names: Names, engine: dict[str, Any]
) -> None:
    """All hosts fall silent at once: the crawl pauses, says so, and goes on when they are back."""
    lines: list[str] = []

    def announce(line: str) -> None:
        lines.append(line)
        names.there = names.there or line.startswith("no host can be reached")

    urls = [f"http://h{n % 20}.example:{site.port}/{n}" for n in range(60)]
    ended, snapshot, _ = crawled(urls, announce, retries=0, **engine)
    assert ended == {None: 60}
    assert snapshot.network_pauses == 1 and snapshot.network_paused > 0.0
    said = [line for line in lines if "network" in line]
    assert len(said) == 2 and said[1].startswith("the network is back after")


@pytest.mark.slow
def test_a_network_that_never_comes_ends_the_crawl(names: Names, engine: dict[str, Any]) -> None:
    """Bounded by `breaker_give_up`; the URLs end as what their hosts show."""
    lines: list[str] = []
    urls = [f"http://h{n % 20}.example/{n}" for n in range(60)]
    ended, snapshot, _ = crawled(urls, lines.append, retries=0, breaker_give_up=0.3, **engine)
    assert ended == {Kind.DNS_TEMPORARY: 60}
    assert snapshot.elapsed >= 0.3
    assert lines[-1].startswith("the network is not back after")


@pytest.mark.slow
def test_a_run_ends_when_its_time_is_up(site: Site, engine: dict[str, Any]) -> None:
    """`max_time` stops the crawl as Ctrl-C does: what waits is interrupted, the rest drains."""
    lines: list[str] = []
    urls = [f"http://127.0.0.1:{site.port}/{n}" for n in range(50)]
    ended, _, session = crawled(urls, lines.append, delay=30.0, max_time=0.3, **engine)
    assert session.overdue
    assert ended[None] <= 1 and ended[Kind.INTERRUPTED] >= 49
    assert lines[-1].startswith("--max-time 0.3 s is over: finishing")


@pytest.mark.slow
def test_a_run_within_its_time_is_not_stopped(site: Site, engine: dict[str, Any]) -> None:
    """The clock of `max_time` ends with the crawl."""
    before = set(threading.enumerate())
    urls = [f"http://127.0.0.1:{site.port}/{n}" for n in range(5)]
    ended, _, session = crawled(urls, str, max_time=3_600.0, **engine)
    assert ended == {None: 5} and not session.overdue
    for timer in set(threading.enumerate()) - before:
        if isinstance(timer, threading.Timer):
            timer.join(PATIENCE)  # it ends by itself, and long before its time
            assert not timer.is_alive()


@pytest.mark.parametrize(
    ("number", "lost"),
    [
        (errno.ENETUNREACH, "network"),
        (errno.ENETDOWN, "network"),
        (errno.EHOSTUNREACH, "host"),
        (errno.ECONNREFUSED, None),
    ],
)
def test_what_there_is_no_way_to_is_told_apart(number: int, lost: str | None) -> None:
    """The network and a host beyond reach are no refusals."""
    told = fetch_fault.connecting(OSError(number, os.strerror(number)))
    assert (told.kind, told.lost and told.lost.value) == (Kind.CONNECT, lost)
