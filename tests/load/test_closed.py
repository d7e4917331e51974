"""The closed loop: all connections busy, as many hits as asked for, and not one more."""

from __future__ import annotations

import asyncio

import pytest

from crawler.load.hit import Failure, Measured
from crawler.load.load_config import LoadConfig
from crawler.load.run import run_load
from crawler.model.option import OptionError
from tests.load.servers import OK, answering, counting, load, read_request, serving, silent


@pytest.mark.parametrize("connections", [1, 3, 16])
async def test_as_many_requests_as_asked_for_are_sent(connections: int) -> None:
    """However many connections share them."""
    count = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        while True:
            await read_request(reader)
            count += 1
            writer.write(OK)

    async with serving(handler) as url:
        measured, _ = await load(url, connections=connections, requests=40)
    assert count == measured.attempts == 40 and measured.statuses == {200: 40}


async def test_the_list_is_asked_for_in_order() -> None:
    """URL after URL, and from the beginning again."""
    paths: list[bytes] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            paths.append((await read_request(reader)).split()[1])
            writer.write(OK)

    async with serving(handler) as url:
        await load([f"{url}{name}" for name in "abc"], requests=5)
    assert paths == [b"/a", b"/b", b"/c", b"/a", b"/b"]


async def test_several_servers_share_the_requests() -> None:
    """Each server gets some, all together as many as asked for."""
    async with serving(answering(OK)) as one, serving(answering(OK)) as other:
        measured, _ = await load([one, other], connections=4, requests=20)
    assert measured.statuses == {200: 20}


async def test_more_servers_than_connections_are_refused() -> None:
    """Each needs one."""
    with pytest.raises(OptionError, match="connections: 1: the list has 2 servers"):
        await load(["http://127.0.0.1:1/", "http://127.0.0.1:2/"])


async def test_intended_is_sent_in_a_closed_loop() -> None:
    """Response and service are the same, there is no lag."""
    async with serving(answering(OK)) as url:
        measured, _ = await load(url)
    assert measured.response == measured.service and measured.lag.largest == 0


@pytest.mark.slow
async def test_what_is_in_flight_at_the_end_stays_as_a_lower_bound() -> None:
    """A run that ends while its requests wait counts them; they are in flight, and no others."""
    async with serving(silent) as url:
        measured, probes = await load(url, connections=3, requests=0, duration=0.1)
    assert measured.unfinished == measured.response.lower_bounds == 3
    assert 0 < probes.mean_in_flight <= 3  # fewer at first, for as long as the machine takes


@pytest.mark.slow
async def test_a_warm_up_is_not_counted() -> None:
    """Requests ahead of the measurement are sent, beside as many as were asked for."""
    count = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        while True:
            await read_request(reader)
            count += 1
            writer.write(OK)

    async with serving(handler) as url:
        measured, _ = await load(url, warmup=0.1, requests=10)
    assert measured.attempts == 10 and count > 20


@pytest.mark.slow
async def test_a_server_that_dies_in_mid_run_is_failures_not_an_error() -> None:
    """Hits fail one after the other, with pauses, until the run is ended."""
    handler, answered = counting(20)
    halted = asyncio.Event()

    def look(measured: Measured) -> None:
        if measured.failures:
            halted.set()

    async with serving(handler) as url:
        config = LoadConfig(connections=2, duration=60.0)
        run = asyncio.create_task(run_load(config, [url], halt=halted, on_second=look))
        await answered.wait()
    measured, _ = await run
    assert measured.statuses[200] > 10
    assert 0 < measured.failures[Failure.CONNECT] < 100
