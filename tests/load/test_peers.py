"""What is counted of servers that people run agrees with their own logs, from both engines."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from crawler.load.hit import Failure
from tests.load.peers import PEERS, program_of, serving_peer
from tests.load.servers import OK, Handler, answering, load, read_request, serving

ENGINES = pytest.mark.parametrize("engine", ["raw", "aiohttp"])


@pytest.mark.slow
@pytest.mark.parametrize("name", PEERS)
@ENGINES
async def test_counts_agree_with_the_servers_log(name: str, engine: str, tmp_path: Path) -> None:
    """One in ten fails; connections end after 100 requests, or a second of idleness (LD6, LD7).

    A closed loop meets the one, a schedule of a request a second the other: no answer is missing,
    none is counted twice, and no connection that was closed while idle is an error.
    """
    program = program_of(name)
    if program is None:
        pytest.skip(f"{name} is not installed")
    with serving_peer(name, program, tmp_path) as url:
        urls = [f"{url}/{number}" for number in range(9)] + [f"{url}/fail"]
        closed, _ = await load(urls, connections=2, requests=500, duration=60.0, engine=engine)
        paced, _ = await load(urls[8:], connections=1, rate=0.99, requests=3, engine=engine)
    assert not closed.failures and not paced.failures
    counted = Counter(closed.statuses) + Counter(paced.statuses)
    logged = Counter(int(line) for line in (tmp_path / "access.log").read_text().split())
    assert counted == logged and counted.total() == 503
    assert closed.statuses == {200: 450, 500: 50} and closed.errors == closed.unexpected == 50


def closing(after: int, *, last: bytes = OK) -> Handler:
    """Close each connection after so many answers, without saying so."""

    async def handler(reader, writer) -> None:  # type: ignore[no-untyped-def]
        for number in range(after):
            await read_request(reader)
            writer.write(last if number == after - 1 else OK)

    return handler


@ENGINES
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
async def test_a_failure_before_a_close_is_one(engine: str, method: str) -> None:
    """A 500 after which the connection is closed counts once; the next is sent again (LD6)."""
    failed = OK.replace(b"200 OK", b"500 Oops")
    if method == "HEAD":
        failed = failed.removesuffix(b"ok")
    handler = closing(1, last=failed)
    async with serving(handler) as url:
        measured, _ = await load(url, engine=engine, method=method)
    assert measured.statuses == {500: 5} and not measured.failures
    assert measured.reopened <= 4  # a close that is seen before the next request costs nothing


@ENGINES
async def test_a_request_is_sent_again_once(engine: str) -> None:
    """Where the new connection ends without an answer, too, the hit has failed."""
    connections = 0

    async def handler(reader, writer) -> None:  # type: ignore[no-untyped-def]
        nonlocal connections
        connections += 1
        await read_request(reader)
        if connections <= 2:  # the engines look whether the target is there with the first
            writer.write(OK)
            await read_request(reader)

    async with serving(handler) as url:
        measured, _ = await load(url, engine=engine, requests=3)
    assert measured.failures[Failure.DISCONNECTED] == 3 - measured.count >= 1
    assert 1 <= measured.reopened <= measured.count
    assert measured.messages[Failure.DISCONNECTED] == "closed without an answer (GET /)"


async def test_a_connection_that_was_closed_before_its_first_request_is_no_error() -> None:
    """A server may tire of connections that are opened ahead, as aiohttp's does: sent again."""
    connections = 0

    async def handler(reader, writer) -> None:  # type: ignore[no-untyped-def]
        nonlocal connections
        connections += 1
        await read_request(reader)
        while connections > 1:
            writer.write(OK)
            await read_request(reader)

    async with serving(handler) as url:
        measured, _ = await load(url, requests=3)
    assert (measured.statuses, measured.failures) == ({200: 3}, {})
    assert measured.reopened == 1


@ENGINES
async def test_a_part_of_an_answer_is_no_idle_close(engine: str) -> None:
    """A kept connection that ends in the middle of a head has seen the request: an error."""
    async with serving(closing(2, last=OK[:20])) as url:
        measured, _ = await load(url, engine=engine, requests=4)
    assert (measured.statuses, measured.reopened) == ({200: 2}, 0)
    assert measured.failures == {Failure.DISCONNECTED: 2}


ODD = {
    "bare LF (RFC 9112, 2.2)": OK.replace(b"\r\n", b"\n"),
    "equal lengths (RFC 9110, 8.6)": OK.replace(b"\r\n\r\n", b"\r\nContent-Length: 2\r\n\r\n"),
    "length and chunks (RFC 9112, 6.3)": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"2\r\nok\r\n0\r\n\r\n"
    ),
    "a line without colon": OK.replace(b"\r\n\r\n", b"\r\nnonsense\r\n\r\n"),
    "another version (RFC 9110, 2.5)": OK.replace(b"HTTP/1.1", b"HTTP/1.2"),
    "120 fields": OK.replace(b"\r\n\r\n", b"\r\n" + b"X-Field: 1\r\n" * 120 + b"\r\n"),
    "an early hint in front": b"HTTP/1.1 103 Early Hints\nLink: x\n\n" + OK.replace(b"\r\n", b"\n"),
}


@ENGINES
@pytest.mark.parametrize("pieces", ["whole", "in pieces"])
@pytest.mark.parametrize("answer", ODD.values(), ids=ODD)
async def test_odd_answers_are_read_as_a_crawl_reads_them(
    answer: bytes, pieces: str, engine: str
) -> None:
    """What browsers and the crawl read is an answer for the load, too (LD8)."""
    cut = (answer,) if pieces == "whole" else (answer[:9], answer[9:30], answer[30:-1], answer[-1:])
    async with serving(answering(*cut)) as url:
        measured, _ = await load(url, engine=engine)
    assert measured.statuses == {200: 5} and not measured.failures


@ENGINES
@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"\x00\x01\x02SSH-2.0-OpenSSH\r\n", "malformed response: not HTTP"),
        (OK.replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\n\r\n"), "contradictory Content-Length"),
        (OK + b"JUNKJUNK", ""),
    ],
)
async def test_the_first_message_of_a_failure_is_kept(
    answer: bytes, said: str, engine: str
) -> None:
    """With what was asked for, in one line of printable text (LD8)."""
    async with serving(answering(answer)) as url:
        measured, _ = await load(f"{url}some/page", engine=engine)
    assert measured.failures == {Failure.PROTOCOL: 5}
    (message,) = measured.messages.values()
    assert said in message and message.endswith("(GET /some/page)") and message.isprintable()
    assert measured.merge(measured).messages == measured.messages
