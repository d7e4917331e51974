"""Connections that behave as users do: they pause between requests, and keep their cookies."""

from __future__ import annotations

import asyncio
from time import perf_counter

import pytest

from crawler.load.load_config import LoadConfig
from crawler.load.planner import plan_of
from crawler.load.session_cookies import SessionCookies
from crawler.model.option import OptionError
from tests.load.servers import OK, answering, load, read_request, serving

ENGINES = pytest.mark.parametrize("engine", ["raw", "aiohttp"])
URL = "http://127.0.0.1:1/a/b"


@pytest.mark.slow
@ENGINES
async def test_a_connection_pauses_after_each_answer(engine: str) -> None:
    """Never for less than the range says, and without counting as a request in flight."""
    pauses: list[float] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answered = 0.0
        while True:
            await read_request(reader)
            pauses.append(perf_counter() - answered)
            answered = perf_counter()
            writer.write(OK)

    async with serving(handler) as url:
        options = {"engine": engine, "think_time": "30ms-50ms", "connections": 2, "requests": 8}
        measured, _ = await load(url, **options)
    assert measured.attempts == 8 and measured.errors == 0
    assert sum(pause >= 0.028 for pause in pauses) == 8


@ENGINES
async def test_nobody_thinks_after_the_last_request(engine: str) -> None:
    """The run ends with the last answer, however long the pause would be."""
    async with asyncio.timeout(60), serving(answering(OK)) as url:
        options = {"engine": engine, "think_time": "1h", "connections": 3, "requests": 3}
        measured, _ = await load(url, duration=600.0, **options)
    assert measured.statuses == {200: 3}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"think_time": "soon"}, "'soon' is not a pause; expected 2s or 500ms-2s"),
        ({"think_time": "3s-1s"}, "lower first"),
        ({"think_time": "2h"}, "expected 0 to 3600 s"),
        ({"think_time": "1s", "rate": 5}, "an open loop keeps to its schedule"),
    ],
)
def test_a_pause_that_cannot_be_is_refused(options: dict[str, str], said: str) -> None:
    """In one line that says what was expected."""
    with pytest.raises(OptionError, match="think_time: ") as caught:
        LoadConfig(**options)  # type: ignore[arg-type]
    assert said in str(caught.value)


@pytest.mark.parametrize("closing", [False, True])
@ENGINES
async def test_each_connection_keeps_its_cookies(engine: str, closing: bool) -> None:
    """It sends back its own, beside those of the options, and after it was opened anew, too."""
    numbers = iter(range(100))
    seen: list[str] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            lines = (await read_request(reader)).decode().split("\r\n")
            cookies = next(line for line in lines if line.lower().startswith("cookie:"))
            seen.append(cookies.partition(":")[2].strip())
            known = "sid=" in cookies
            given = b"" if known else b"Set-Cookie: sid=%d; HttpOnly\r\n" % next(numbers)
            writer.write(OK.replace(b"\r\n", b"\r\n" + given, 1))
            if closing:
                return

    async with serving(handler) as url:
        options = {"engine": engine, "connections": 2, "header": ("Cookie: own=1",)}
        await load(f"{url}a", sessions=True, requests=10, keepalive=not closing, **options)
    assert seen.count("own=1") == 2
    assert {*seen} == {"own=1", "own=1; sid=0", "own=1; sid=1"}


@pytest.mark.parametrize(
    ("set_cookies", "sent"),
    [
        (["a=1", "b=2; Path=/"], "a=1; b=2"),
        (["a=1; Path=/a", "b=2; path=/other", "c=3; Path=/a/b"], "c=3; a=1"),
        (["a=1", "a=2"], "a=2"),
        (["a=1", "a=; Max-Age=0"], ""),
        (["a=1", "a=x; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], ""),
        (["a=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure"], "a=1"),
        (["nothing", "=x", "e="], "e="),
        (["a=1; Path=/a/bc"], ""),
    ],
)
def test_cookies_follow_the_standard(set_cookies: list[str], sent: str) -> None:
    """By name and path, until they expire; longer paths first (RFC 6265, 5.3 and 5.4)."""
    request = plan_of(LoadConfig(), [URL]).order[0].at(0, 0)
    cookies = SessionCookies()
    for each in set_cookies:
        cookies.keep(each.encode(), request)
    head = cookies.sent_with(request).data.decode()
    assert head.partition("Cookie: ")[2].strip() == sent


def test_cookies_are_bounded() -> None:
    """A server that sets one after another fills no memory."""
    request = plan_of(LoadConfig(), [URL]).order[0].at(0, 0)
    cookies = SessionCookies()
    for number in range(1_000):
        cookies.keep(b"n%d=1" % number, request)
    assert repr(cookies) == "SessionCookies(180)"
