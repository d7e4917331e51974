"""The raw engine against servers that answer in every way that HTTP allows, and in some others."""

from __future__ import annotations

import asyncio

import pytest

from crawler.load.hit import Failure
from crawler.mock import MockWeb, running
from crawler.model.errors import EnvironmentFailure
from tests.load.servers import OK, answering, load, read_request, serving, silent
from tests.patience import PATIENCE


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param((OK,), id="length"),
        pytest.param((OK[:7], OK[7:20], OK[20:-1], OK[-1:]), id="in pieces"),
        pytest.param(
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"2\r\nok\r\n0\r\n\r\n"),
            id="chunked",
        ),
        pytest.param((b"HTTP/1.1 204 No Content\r\n\r\n",), id="204"),
        pytest.param((b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",), id="304"),
        pytest.param((b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", OK), id="103 before"),
        pytest.param((b"HTTP/1.1 100 Continue\r\n\r\n" + OK,), id="100 in front"),
    ],
)
async def test_an_answer_ends_where_http_says(pieces: tuple[bytes, ...]) -> None:
    """Every framing gives one answer a request, with its bytes, over one connection."""
    async with serving(answering(*pieces)) as url:
        measured, _ = await load(url)
    assert sum(measured.statuses.values()) == 5
    assert not measured.failures
    assert measured.received == 5 * len(b"".join(pieces))


async def test_an_answer_without_length_ends_with_its_connection() -> None:
    """It counts as whole, and the next request goes over a new connection."""
    async with serving(answering(b"HTTP/1.1 200 OK\r\n\r\n", b"abc", keep=False)) as url:
        measured, _ = await load(url)
    assert measured.statuses == {200: 5}


async def test_an_answer_cut_short_is_a_failure() -> None:
    """A body that ends before its length is no answer."""
    cut = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"
    async with serving(answering(cut, keep=False)) as url:
        measured, _ = await load(url)
    assert measured.failures == {Failure.DISCONNECTED: 5}
    assert measured.response.lower_bounds == 5


async def test_a_head_answer_has_no_body_whatever_its_length_says() -> None:
    """HEAD over one connection, with a length that announces what does not come."""
    async with serving(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")) as url:
        measured, _ = await load(url, method="HEAD")
    assert measured.statuses == {200: 5}


async def test_garbage_is_a_failure_of_protocol() -> None:
    """What is no HTTP ends its hit and its connection, and the run goes on."""
    async with serving(answering(b"220 smtp.example\r\n")) as url:
        measured, _ = await load(url)
    assert measured.failures == {Failure.PROTOCOL: 5}


async def test_connection_close_is_obeyed() -> None:
    """An answer that announces the end of its connection is followed on another one."""
    closing = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)
    async with serving(answering(closing)) as url:
        measured, _ = await load(url)
    assert measured.statuses == {200: 5}


async def test_without_keepalive_each_request_has_a_connection() -> None:
    """As many connections as requests, and each request says so."""
    seen: list[bytes] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        writer.write(OK)
        await reader.read()

    async with serving(handler) as url:
        measured, _ = await load(url, keepalive=False)
    assert measured.statuses == {200: 5}
    assert len(seen) == 5 and all(b"\r\nConnection: close\r\n" in head for head in seen)


@pytest.mark.slow
async def test_a_server_that_never_answers_costs_the_timeout() -> None:
    """Each hit ends as a timeout, with at least that time as its lower bound."""
    async with serving(silent) as url:
        measured, _ = await load(url, timeout=1.0, requests=2)
    assert measured.failures == {Failure.TIMEOUT: 2}
    assert 1.0 <= measured.service.smallest < PATIENCE


async def test_a_server_that_closes_idle_connections_is_asked_again() -> None:
    """A connection lost between two hits of a schedule is no failure."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(OK)

    async with serving(handler) as url:
        measured, _ = await load(url, rate=50.0, requests=5)
    assert measured.statuses == {200: 5} and not measured.failures


async def test_what_the_request_says_arrives() -> None:
    """Method, fields, body and path are those of the options; a field given replaces its own."""
    seen: list[bytes] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader) + await reader.readexactly(4))
        writer.write(OK)
        await reader.read()

    async with serving(handler) as url:
        fields = ("X-One: 1", "user-agent: me")
        await load(f"{url}a?b=c", method="POST", header=fields, body="data", requests=1)
    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"X-One: 1" in head and b"user-agent: me" in head and b"crawler-load" not in head
    assert b"Content-Length: 4" in head and body == b"data"


@pytest.mark.slow
def test_tls_on_loopback_needs_no_authority() -> None:
    """The mock web's own certificate is taken, as nobody else can be there."""
    with running(MockWeb(tls=True, pages=3)) as web:
        measured, _ = asyncio.run(load(list(web.urls()), requests=6))
    assert measured.statuses == {200: 6}


async def test_tls_that_fails_at_the_start_is_one_line() -> None:
    """A server that does not speak TLS at an https URL."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        writer.write(OK)

    async with serving(handler) as url:
        with pytest.raises(EnvironmentFailure, match=r"cannot connect to https://127.*TLS failed"):
            await load(url.replace("http:", "https:"))
