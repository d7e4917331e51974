"""Who sees the page, who may order, and what a looker gets."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientSession

from crawler.model.errors import ConfigurationError, EnvironmentFailure
from crawler.watch import live_server
from crawler.watch.live_server import check_address, serving_live
from tests.patience import PATIENCE

PAGE = Path(live_server.__file__).with_name("live_page.html").read_text(encoding="utf-8")


def board() -> dict[str, Any]:
    return {"title": "</script>\u2028", "state": "running"}


def order(command: str, host: str) -> str:
    if command != "pause":
        raise ValueError(f"{command!r} is not known")
    return f"paused {host}".strip()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The page of a run."""
    with serving_live(board, order) as address:
        yield address


@pytest.fixture
async def client() -> AsyncIterator[ClientSession]:
    async with ClientSession() as session:
        yield session


async def told(
    client: ClientSession, url: str, body: object = None, **headers: str
) -> tuple[int, str]:
    """The status and text of an order, by default one as the page sends it."""
    parts = urlsplit(url)
    usual = {"Origin": f"http://{parts.netloc}", "Content-Type": "application/json"}
    sent = {name.replace("_", "-"): value for name, value in {**usual, **headers}.items() if value}
    data = json.dumps({"command": "pause"} if body is None else body)
    async with client.post(f"{url}control", data=data, headers=sent) as answer:
        return answer.status, await answer.text()


async def test_an_order_of_the_page_is_carried_out(client: ClientSession, url: str) -> None:
    """And answered in words; one that cannot be is refused in words."""
    assert await told(client, url) == (200, "paused")
    assert await told(client, url, {"command": "fly"}) == (400, "not done: 'fly' is not known")
    assert (await told(client, url, ["pause"]))[0] == 400
    assert (await told(client, url, {"command": "pause", "host": "x" * 5_000}))[0] == 413


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": ""}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://evil.test"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "http://evil.test:{port}", "Host": "evil.test:{port}"}, 403),
        ({"Content-Type": "text/plain"}, 415),
    ],
)
async def test_pages_of_others_order_nothing(
    client: ClientSession, url: str, headers: dict[str, str], status: int
) -> None:
    """Whatever they know: without our origin, by a name that was rebound, or as a plain form."""
    port = str(urlsplit(url).port)
    sent = {name.replace("-", "_"): text.format(port=port) for name, text in headers.items()}
    assert (await told(client, url, **sent))[0] == status


async def test_without_the_token_there_is_nothing(client: ClientSession, url: str) -> None:
    """Neither page nor events nor orders; and an order is not a GET."""
    wrong = re.sub(r"/[\w-]+/$", f"/{'x' * 32}/", url)
    for place in (wrong, f"{wrong}events", wrong.rsplit("/", 2)[0], f"{url}x"):
        async with client.get(place) as answer:
            assert answer.status == 404
    assert (await told(client, wrong))[0] == 404
    async with client.get(f"{url}control") as answer:
        assert answer.status == 405
    async with client.get(url, headers={"Host": "evil.test"}) as answer:
        assert answer.status == 403
    assert len(urlsplit(url).path) > 32


async def test_the_page_loads_nothing_from_elsewhere(client: ClientSession, url: str) -> None:
    """Style and script are in it, with a new nonce each time; nobody may frame or cache it."""
    policies = []
    for _ in range(2):
        async with client.get(url) as answer:
            text = await answer.text()
            policies.append(answer.headers["Content-Security-Policy"])
            assert answer.headers["Cache-Control"] == "no-store"
    nonces = [re.findall(r"nonce-([\w-]+)", policy) for policy in policies]
    assert nonces[0] != nonces[1] and text.count(f'nonce="{nonces[1][0]}"') == 2
    assert "default-src 'none'" in policies[0] and "frame-ancestors 'none'" in policies[0]
    assert not re.findall(r"https?://|@import|url\(", PAGE) and "innerHTML" not in PAGE


async def test_lookers_get_boards_and_the_end(client: ClientSession) -> None:
    """The first at once, the last with the end; what a server named cannot end a line."""
    with serving_live(board) as url:
        async with client.get(f"{url}events") as answer:
            assert answer.content_type == "text/event-stream"
            first = await answer.content.readline()
            assert json.loads(first.removeprefix(b"data: ")) == board()
            leaving = asyncio.create_task(asyncio.to_thread(_leave, url))
            async with asyncio.timeout(PATIENCE):
                assert (await told(client, url))[0] == 403  # there is nothing to control
            await leaving
    with serving_live(board) as url:
        looks = [await client.get(f"{url}events") for _ in range(live_server.MOST_LOOKERS)]
        async with client.get(f"{url}events") as answer:
            assert answer.status == 503
    for look in looks:
        assert (await look.text()).endswith("event: end\ndata: end\n\n")


def _leave(url: str) -> None:
    """Look, and go away without reading: nobody minds."""
    import socket

    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port or 0), timeout=PATIENCE) as end:
        end.sendall(f"GET {parts.path}events HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
        assert end.recv(15) == b"HTTP/1.1 200 OK"


def test_a_port_that_is_taken_is_one_line(url: str) -> None:
    """And says which option it was."""
    port = urlsplit(url).port or 0
    with (
        pytest.raises(EnvironmentFailure, match=f"--live: port {port}: "),
        serving_live(board, port=port),
    ):
        pass


@pytest.mark.parametrize("address", ["0.0.0.0", "192.0.2.1", "::"])
def test_an_address_for_others_is_said_twice(address: str) -> None:
    """Loopback needs no second word, a name is refused."""
    with pytest.raises(ConfigurationError, match="--live-public allows it"):
        check_address(address, public=False)
    check_address(address, public=True)
    check_address("::1", public=False)
    with pytest.raises(ConfigurationError, match="is not an IP address"):
        check_address("example.com", public=True)
