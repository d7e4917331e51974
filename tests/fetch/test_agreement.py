"""The ways to fetch agree about responses that nobody thought of: heaps of HTTP's own words."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from crawler.model.outcome import Failed, Fetched, Received, Redirect
from tests.fetch.conftest import CONFIG, WAYS, Way
from tests.fetch.raw import RawServer
from tests.fetch.sites import says
from tests.fuzz.pieces import PIECES

CASES = 300
STARTS = (
    b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 200 OK\n", b"HTTP/1.1 404 X\r\n", b"HTTP/1.1 204 N\r\n",
    b"HTTP/1.1 302 F\r\nLocation: /x\r\n", b"HTTP/1.1 103 H\r\n\r\nHTTP/1.1 200 OK\r\n", b"",
)  # fmt: skip


def response(chance: random.Random) -> bytes:
    """A start, some lines, most often an empty one, and something behind it."""
    words = PIECES["messages"]
    lines = [chance.choice(words) + chance.choice((b"\r\n", b"\n", b"")) for _ in range(5)]
    lines = lines[: chance.randrange(6)]
    end = chance.choice((b"\r\n\r\n",) * 9 + (b"",))
    behind = chance.choices(words, k=chance.randrange(4))
    return b"".join((chance.choice(STARTS), *lines, end, *behind))


def told(outcome: Fetched) -> tuple[object, ...]:
    """Everything of an outcome that is not a time."""
    exchange = outcome.exchange
    assert exchange is not None
    read = (type(outcome), exchange.status, exchange.content_type)
    match outcome:
        case Received():
            return (*read, outcome.response.body)
        case Redirect():
            return (*read, outcome.location)
        case Failed():
            return (*read, outcome.kind, outcome.reason, outcome.retry_after)
    return read


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_any_response_ends_alike(seed: int) -> None:
    """Whatever a server sends, each way to fetch makes the same outcome of it."""
    chance = random.Random(seed)
    sent = {f"/{number}": response(chance) for number in range(CASES)}
    site = {path: says(data, close=True) for path, data in sent.items()}
    with RawServer(site) as server:
        urls = [server.url(path) for path in sent]
        config = replace(CONFIG, timeout=20)
        found = [map(told, Way(name=name).fetch(urls, config)) for name in WAYS]
    for data, *each in zip(sent.values(), *found, strict=True):
        assert each.count(each[0]) == len(each), data
