"""Load goes to this machine alone, unless the user says that the target is theirs."""

from __future__ import annotations

import socket
from typing import Any
from urllib.parse import urlsplit

import pytest

from crawler.load.guard import resolve
from crawler.load.load_config import LoadConfig
from crawler.load.plan import Origin
from crawler.load.planner import plan_of
from crawler.model.errors import EnvironmentFailure
from crawler.model.option import OptionError
from tests.load.servers import answering, load, serving, silent


def names(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    def getaddrinfo(*args: Any, **options: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 80)) for each in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
async def test_loopback_is_allowed(host: str) -> None:
    """Every address of this machine's own, and the name for it."""
    target = await resolve(Origin(False, host, 80), mine=False)
    assert target.address in {host, "127.0.0.1", "::1"}


@pytest.mark.parametrize(
    "host", ["192.0.2.1", "10.0.0.1", "0.0.0.0", "::ffff:192.0.2.1", "fe80::1"]
)
async def test_another_address_is_refused(host: str) -> None:
    """The error names the option that would allow it."""
    with pytest.raises(OptionError, match=r"is not on loopback") as caught:
        await resolve(Origin(False, host, 80), mine=False)
    assert caught.value.option == "target_is_mine"


async def test_another_address_is_allowed_when_it_is_mine() -> None:
    """Nothing is sent to find out."""
    target = await resolve(Origin(False, "192.0.2.1", 80), mine=True)
    assert target.address == "192.0.2.1"


async def test_a_name_with_one_address_outside_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """All addresses of a name must be loopback, not only the first."""
    names(monkeypatch, "127.0.0.1", "192.0.2.1")
    with pytest.raises(OptionError, match=r"mixed\.test \(192\.0\.2\.1\)"):
        await resolve(Origin(False, "mixed.test", 80), mine=False)


async def test_of_two_addresses_the_one_that_answers_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`localhost` may be ::1 first, while the server listens at 127.0.0.1 alone."""
    async with serving(silent) as url:
        port = urlsplit(url).port or 0
        for order in (("127.0.0.9", "127.0.0.1"), ("127.0.0.1", "127.0.0.9")):
            names(monkeypatch, *order)
            target = await resolve(Origin(False, "both.test", port), mine=False)
            assert target.address == "127.0.0.1"
    names(monkeypatch, "127.0.0.9", "127.0.0.1")
    assert (await resolve(Origin(False, "both.test", port), mine=False)).address == "127.0.0.9"


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://127.1:8080/", "127.0.0.1"),
        ("http://2130706433:8080/", "127.0.0.1"),
        ("http://0x7f.1:8080/", "127.0.0.1"),
        ("http://[::ffff:127.0.0.1]:8080/", "::ffff:7f00:1"),
        ("http://3232235521:8080/", "192.168.0.1"),
        ("http://0:8080/", "0.0.0.0"),
        ("http://user@10.0.0.1:8080/", "10.0.0.1"),
    ],
)
async def test_spellings_of_an_address_hide_nothing(url: str, host: str) -> None:
    """The URL standard's many ways to write an address are read before it is judged."""
    (origin,) = plan_of(LoadConfig(), [url]).origins
    assert origin.host == host
    if host.startswith("127.") or host == "::ffff:7f00:1":
        assert (await resolve(origin, mine=False)).origin == origin
        return
    with pytest.raises(OptionError, match="is not on loopback"):
        await resolve(origin, mine=False)


@pytest.mark.parametrize("engine", ["raw", "aiohttp"])
async def test_a_redirect_is_an_answer(engine: str) -> None:
    """It is counted and not followed, wherever it points."""
    away = b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n"
    async with serving(answering(away)) as url:
        measured, _ = await load(url, engine=engine)
    assert measured.statuses == {302: 5} and not measured.failures


async def test_a_name_that_is_none_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the resolver says, and for which name."""

    def getaddrinfo(*args: Any, **options: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(EnvironmentFailure, match=r"cannot resolve no\.test: Name or service"):
        await resolve(Origin(False, "no.test", 80), mine=False)


async def test_certificates_are_verified_away_from_loopback_only() -> None:
    """On loopback they are of one's own making."""
    near = await resolve(Origin(True, "127.0.0.1", 443), mine=False)
    far = await resolve(Origin(True, "192.0.2.1", 443), mine=True)
    assert near.context is not None and far.context is not None
    assert not near.context.check_hostname and far.context.check_hostname
