"""The aiohttp engine counts as the raw one does."""

from __future__ import annotations

import asyncio

import pytest

from crawler.load.hit import Failure
from crawler.mock import MockWeb, running
from crawler.model.errors import EnvironmentFailure
from tests.load.servers import OK, answering, load, serving, silent


@pytest.mark.parametrize("options", [{}, {"keepalive": False}, {"rate": 200.0}])
async def test_every_request_is_answered(options: dict[str, object]) -> None:
    """In both loops, with and without kept connections."""
    async with serving(answering(OK)) as url:
        measured, probes = await load(url, engine="aiohttp", connections=4, requests=20, **options)
    assert measured.statuses == {200: 20} and measured.received == 40
    assert probes.lateness.count == (20 if options.get("rate") else 0)


@pytest.mark.slow
async def test_a_silent_server_times_out() -> None:
    """With the timeout as a lower bound."""
    async with serving(silent) as url:
        measured, _ = await load(url, engine="aiohttp", timeout=1.0, requests=2)
    assert measured.failures == {Failure.TIMEOUT: 2}


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (b"220 smtp.example\r\n", Failure.PROTOCOL),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", Failure.DISCONNECTED),
        (b"", Failure.DISCONNECTED),
    ],
)
async def test_a_bad_answer_is_a_failure(answer: bytes, failure: Failure) -> None:
    """Each of its own kind, as in the raw engine."""
    async with serving(answering(answer, keep=False)) as url:
        measured, _ = await load(url, engine="aiohttp", requests=2)
    assert measured.failures == {failure: 2}


@pytest.mark.slow
async def test_what_is_in_flight_at_the_end_is_counted() -> None:
    """In flight and waiting, as lower bounds."""
    async with serving(silent) as url:
        measured, _ = await load(
            url, engine="aiohttp", connections=2, rate=100.0, requests=0, duration=0.3
        )
    assert 28 <= measured.unfinished <= 30


async def test_a_refused_port_is_one_line() -> None:
    """Before any hit."""
    async with serving(silent) as url:
        pass
    with pytest.raises(EnvironmentFailure, match="refused; is the server running"):
        await load(url, engine="aiohttp")


def test_tls_on_loopback() -> None:
    """The mock web's own certificate is taken."""
    with running(MockWeb(tls=True, pages=3)) as web:
        measured, _ = asyncio.run(load(list(web.urls()), engine="aiohttp", requests=6))
    assert measured.statuses == {200: 6}
