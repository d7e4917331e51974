"""Load goes to this machine alone, unless the user says that the target is theirs."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from crawler.load.guard import resolve
from crawler.load.request import Origin
from crawler.model.errors import EnvironmentFailure
from crawler.model.option import OptionError


def names(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    async def getaddrinfo(*args: Any, **options: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 80)) for each in addresses]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)


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
    with pytest.raises(OptionError, match=r"not this machine") as caught:
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


async def test_a_name_that_is_none_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the resolver says, and for which name."""

    async def getaddrinfo(*args: Any, **options: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    with pytest.raises(EnvironmentFailure, match=r"cannot resolve no\.test: Name or service"):
        await resolve(Origin(False, "no.test", 80), mine=False)


async def test_certificates_are_verified_away_from_loopback_only() -> None:
    """On loopback they are of one's own making."""
    near = await resolve(Origin(True, "127.0.0.1", 443), mine=False)
    far = await resolve(Origin(True, "192.0.2.1", 443), mine=True)
    assert near.context is not None and far.context is not None
    assert not near.context.check_hostname and far.context.check_hostname
