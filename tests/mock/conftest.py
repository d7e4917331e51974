"""Fixtures and a raw client for the mock web's tests."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
import uvloop

from crawler.mock import LoopFactory, MockWeb, Served, running
from tests.patience import PATIENCE

LOOPS: dict[str, LoopFactory] = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(params=LOOPS)
def loop_factory(request: pytest.FixtureRequest) -> LoopFactory:
    """Each kind of event loop in turn."""
    return LOOPS[request.param]


@pytest.fixture(scope="session", params=LOOPS)
def web(request: pytest.FixtureRequest) -> Iterator[Served]:
    """A mock web of 100 pages, on each kind of event loop in turn."""
    options = MockWeb(seed=7, pages=100, page_bytes=4096, links=5)
    with running(options, loop_factory=LOOPS[request.param]) as served:
        yield served


def connect(served: Served) -> socket.socket:
    """A raw connection to a mock web."""
    parts = urlsplit(served.url)
    return socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE)


def read_all(client: socket.socket) -> bytes:
    """Everything until the server closes; a reset raises ConnectionResetError."""
    received = b""
    while data := client.recv(65536):
        received += data
    return received


def read_until(client: socket.socket, enough: Callable[[bytes], bool]) -> bytes:
    """What arrives until `enough` says so; fails if the server closes before."""
    received = b""
    while not enough(received):
        data = client.recv(65536)
        assert data, f"closed after {received[-200:]!r}"
        received += data
    return received


def get(target: str, *fields: str) -> bytes:
    """A GET request for `mock.test`, so that answers do not depend on the port."""
    lines = [f"GET {target} HTTP/1.1", "Host: mock.test", *fields]
    return "\r\n".join([*lines, "", ""]).encode()


def ask(served: Served, target: str, *fields: str) -> bytes:
    """The whole raw answer to one GET on a connection of its own."""
    with connect(served) as client:
        client.sendall(get(target, "Connection: close", *fields))
        return read_all(client)


def status_of(raw: bytes) -> int:
    """The status of a raw answer."""
    return int(raw.split(b" ", 2)[1])
