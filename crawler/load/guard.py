"""Where load may go: this machine, unless the user says that the target is theirs.

A name is resolved once, before the first hit, and that address is used for the whole run: what was
checked is what is loaded, and no hit waits for a resolver.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Self

from crawler.load.request import Origin
from crawler.model.errors import EnvironmentFailure
from crawler.model.option import OptionError

RESOLVE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Target:
    """An origin and the one address that stands for it; `context` is None for plain HTTP."""

    origin: Origin
    address: str
    context: ssl.SSLContext | None

    @classmethod
    def at(cls, origin: Origin, address: str) -> Self:
        """A target whose address was found before."""
        return cls(origin, address, _context(address) if origin.tls else None)


async def resolve(origin: Origin, *, mine: bool) -> Target:
    """The target of a run.

    mine: any address will do. Else all that the name has must be loopback, or `OptionError` says
    so. Raises `EnvironmentFailure` if the name cannot be resolved.
    """
    addresses = await _addresses(origin)
    outside = [each for each in addresses if not _is_loopback(each)]
    if outside and not mine:
        place = origin.host if outside[0] == origin.host else f"{origin.host} ({outside[0]})"
        raise OptionError(
            "target_is_mine", f"{place} is not this machine; say that you may load it by this flag"
        )
    return Target.at(origin, addresses[0])


async def _addresses(origin: Origin) -> list[str]:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(RESOLVE_SECONDS):
            found = await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
    except TimeoutError:
        raise EnvironmentFailure(
            f"cannot resolve {origin.host}: no answer in {RESOLVE_SECONDS:g} s"
        ) from None
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not a host's name"
        raise EnvironmentFailure(f"cannot resolve {origin.host}: {why}") from error
    return [str(row[4][0]) for row in found]


def _is_loopback(address: str) -> bool:
    ip = ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    return (mapped or ip).is_loopback


def _context(address: str) -> ssl.SSLContext:
    """Verification is off for loopback alone, where certificates are of one's own making."""
    context = ssl.create_default_context()
    if _is_loopback(address):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
