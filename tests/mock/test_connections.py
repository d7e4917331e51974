"""Connections: order, keep-alive, bad clients, bounds."""

from __future__ import annotations

import re
import socket

import pytest

from crawler.mock import MockWeb, Served, running
from crawler.mock.server.client_connection import MAX_QUEUED

from .conftest import ask, connect, get, read_all, read_until, status_of


def test_two_servers_give_the_same_bytes() -> None:
    """Two servers of one seed and port answer with the same bytes, also from their caches."""
    asked = ["/page/0", "/page/7", "/page/7", "/gzip/page/3", "/status/404", "/", "/robots.txt"]
    options = MockWeb(seed=3, pages=50)
    with running(options) as one:
        first = [ask(one, target) for target in asked]
    with running(one.options) as two:
        assert two.port == one.port
        assert [ask(two, target) for target in asked] == first


def test_cached_and_fresh_pages_are_the_same(web: Served) -> None:
    """A page from the cache is byte for byte the page that was built."""
    with connect(web) as client:
        pages = []
        for _ in range(3):
            client.sendall(get("/page/42"))
            pages.append(read_until(client, lambda data: data.endswith(b"</html>\n")))
    assert pages[0] == pages[1] == pages[2]


def test_absolute_links_follow_the_host_asked_for(web: Served) -> None:
    """Absolute links lead to the Host of the request, and to the listening address without one."""
    assert b'"http://mock.test/page/' in ask(web, "/page/1")
    for host in (b"", b"Host: a<b\r\n"):
        with connect(web) as client:
            client.sendall(b"GET /page/1 HTTP/1.1\r\nConnection: close\r\n" + host + b"\r\n")
            assert f'"{web.url}/page/'.encode() in read_all(client)


def test_keep_alive_serves_many_on_one_connection(web: Served) -> None:
    """A connection is used again until the client asks to close it."""
    before = web.statistics()
    with connect(web) as client:
        for _ in range(5):
            client.sendall(get("/status/404"))
            read_until(client, lambda data: data.endswith(b"as asked\n"))
        client.sendall(get("/status/404", "Connection: close"))
        assert b"Connection: close" in read_all(client)
    after = web.statistics()
    assert after.connections - before.connections == 1
    assert after.requests - before.requests == 6


def test_pipelined_answers_keep_their_order(web: Served) -> None:
    """Answers leave in the order of the requests, also when an earlier one is delayed."""
    statuses = ["/status/201", "/delay/0.03/status/202", "/status/203", "/slow/3/0.005/status/206"]
    with connect(web) as client:
        requests = [get(target) for target in statuses] + [get("/status/207", "Connection: close")]
        client.sendall(b"".join(requests))
        raw = read_all(client)
    assert re.findall(rb"HTTP/1.1 (\d+)", raw) == [b"201", b"202", b"203", b"206", b"207"]


@pytest.mark.slow
def test_more_pipelined_requests_than_the_queue_holds(web: Served) -> None:
    """A pipeline longer than the queue behind a delayed answer is served whole and in order."""
    many = MAX_QUEUED * 20
    with connect(web) as client:
        last = get("/status/418", "Connection: close")
        client.sendall(get("/delay/0.02/status/201") + get("/status/202") * many + last)
        found = re.findall(rb"HTTP/1.1 (\d+)", read_all(client))
    assert found == [b"201"] + [b"202"] * many + [b"418"]


@pytest.mark.slow
def test_a_slow_reader_gets_everything(web: Served) -> None:
    """Big answers to a client that does not read at first arrive whole and in order."""
    with connect(web) as client:
        client.sendall(get("/bytes/4000000") * 3 + get("/status/418", "Connection: close"))
        assert status_of(ask(web, "/page/1")) == 200
        raw = read_all(client)
    assert raw.count(b"Content-Length: 4000000") == 3
    assert len(raw) > 12_000_000
    assert raw.endswith(b"status 418, as asked\n")


def test_a_request_in_single_bytes(web: Served) -> None:
    """A request may arrive in any pieces; its answer is the same."""
    with connect(web) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in get("/page/5", "Connection: close"):
            client.sendall(bytes([byte]))
        assert read_all(client) == ask(web, "/page/5")


def test_a_request_with_a_body(web: Served) -> None:
    """A body is read past, and the next request on the connection is understood."""
    with connect(web) as client:
        head = b"POST /status/201 HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n"
        client.sendall(head + bytes(200_000) + get("/status/202", "Connection: close"))
        assert re.findall(rb"HTTP/1.1 (\d+)", read_all(client)) == [b"201", b"202"]


def test_a_proxys_request(web: Served) -> None:
    """A whole URL as the target is answered by its path."""
    assert status_of(ask(web, "http://other.test/status/418")) == 418


GARBAGE = {
    "binary": bytes(range(256)) * 4,
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(400),
    "no header name": b"GET / HTTP/1.1\r\n: x\r\n\r\n",
    "two lengths": b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "connect": b"CONNECT a:1 HTTP/1.1\r\n\r\n" + bytes(range(256)),
}


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_is_refused_and_harms_nobody(web: Served, garbage: str) -> None:
    """A client that speaks no HTTP gets a 4xx and an end; the next client is served."""
    with connect(web) as client:
        client.sendall(GARBAGE[garbage])
        assert 400 <= status_of(read_all(client)) < 500
    assert status_of(ask(web, "/page/1")) == 200


def test_garbage_after_good_requests_does_not_cost_them(web: Served) -> None:
    """What came before the garbage is answered first, in order."""
    with connect(web) as client:
        client.sendall(
            get("/delay/0.02/status/418") + get("/status/201") + b"\x00\x01garbage\r\n\r\n"
        )
        assert re.findall(rb"HTTP/1.1 (\d+)", read_all(client)) == [b"418", b"201", b"400"]


HEADS = {
    "one long field": b"GET / HTTP/1.1\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n",
    "many fields": b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200_000 + b"\r\n",
    "long target": b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\n\r\n",
    "just over": b"GET / HTTP/1.1\r\nX: " + b"x" * 65_536 + b"\r\n\r\n",
}


@pytest.mark.parametrize("head", HEADS)
def test_a_huge_head_is_refused(web: Served, head: str) -> None:
    """More than 64 KiB of header section is a 431, which the client can read; the server lives."""
    with connect(web) as client:
        client.sendall(HEADS[head])
        assert status_of(read_all(client)) == 431
    assert status_of(ask(web, "/page/1")) == 200


def test_a_large_head_within_the_bound_is_served(web: Served) -> None:
    """60 KB of header fields are accepted, again and again on one connection."""
    with connect(web) as client:
        request = get("/status/418", "X: " + "x" * 60_000)
        client.sendall(request * 4 + get("/status/418", "Connection: close"))
        assert read_all(client).count(b"HTTP/1.1 418") == 5


@pytest.mark.parametrize("start", [b"", b"GET", b"GET /page/1 HTTP/1.1\r\nHost: a\r\n"])
def test_half_a_request_and_gone(web: Served, start: bytes) -> None:
    """A client that leaves in the middle of a request leaves nothing behind."""
    with connect(web) as client:
        client.sendall(start)
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b""
    assert status_of(ask(web, "/page/1")) == 200


def test_an_upgrade_is_ignored(web: Served) -> None:
    """A request to change the protocol is answered in this one, and the connection ends."""
    raw = ask(web, "/status/418", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c")
    assert status_of(raw) == 418
