"""The targets that load may go to: this machine, unless the user says that the target is theirs.

A name is resolved once, before the first hit, and one address is used for the whole run: what was
checked is what is loaded, and no hit waits for a resolver. Of several, such as ::1 and 127.0.0.1
for localhost, it is the first that takes a connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Self

from crawler.load.plan import Origin
from crawler.model.errors import EnvironmentFailure
from crawler.model.option import OptionError

RESOLVE_SECONDS = 10.0
CONNECT_SECONDS = 2.0
"""For each of several addresses."""


@dataclass(frozen=True, slots=True)
class Target:
    """An origin and the one address that stands for it; `context` is None for plain HTTP."""

    origin: Origin
    address: str
    context: ssl.SSLContext | None

    @classmethod
    def at(cls, origin: Origin, address: str) -> Self:
        """Return a target whose address was found before."""
        return cls(origin, address, _context(address) if origin.tls else None)

    async def connected(self, protocol: asyncio.BaseProtocol) -> asyncio.Transport:
        """Connect a protocol, and return its transport."""
        transport, _ = await asyncio.get_running_loop().create_connection(
            lambda: protocol,
            self.address,
            self.origin.port,
            ssl=self.context,
            server_hostname=self.origin.host if self.context else None,
        )
        return transport

    async def reach(self, seconds: float) -> None:
        """See that it takes a connection; raises OSError, or TimeoutError after so many seconds."""
        async with asyncio.timeout(seconds):
            transport = await self.connected(asyncio.Protocol())
        transport.abort()


async def resolve(origin: Origin, *, mine: bool) -> Target:
    """Return the target of a run.

    mine: any address will do. Else all that the name has must be loopback, or `OptionError` says
    so. Raises `EnvironmentFailure` if the name cannot be resolved.
    """
    addresses = await _addresses(origin)
    outside = [each for each in addresses if not _is_loopback(each)]
    if outside and not mine:
        place = origin.host if outside[0] == origin.host else f"{origin.host} ({outside[0]})"
        raise OptionError(
            "target_is_mine", f"{place} is not on loopback; say that you may load it by this flag"
        )
    return Target.at(origin, await _answering(addresses, origin.port))


async def _addresses(origin: Origin) -> list[str]:
    try:
        async with asyncio.timeout(RESOLVE_SECONDS):
            found = await _looked_up(origin.host, origin.port)
    except TimeoutError:
        raise EnvironmentFailure(
            f"cannot resolve {origin.host}: no answer in {RESOLVE_SECONDS:g} s"
        ) from None
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not a host's name"
        raise EnvironmentFailure(f"cannot resolve {origin.host}: {why}") from error
    return list(dict.fromkeys(str(row[4][0]) for row in found))


async def _looked_up(host: str, port: int) -> list[tuple[Any, ...]]:
    """Call `getaddrinfo` in a thread that nobody has to wait for.

    It may take minutes where a name server does not answer, and the loop's own threads are joined
    when a run ends.
    """
    found: Future[list[tuple[Any, ...]]] = Future()
    found.set_running_or_notify_cancel()  # so that it goes on where nobody waits any more

    def look_up() -> None:
        try:
            found.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            found.set_exception(error)

    threading.Thread(target=look_up, name="load-names", daemon=True).start()
    return await asyncio.wrap_future(found)


async def _answering(addresses: Sequence[str], port: int) -> str:
    """Return the first address that takes a connection; the first of all if none does."""
    for address in addresses if len(addresses) > 1 else ():
        with contextlib.suppress(OSError, TimeoutError):
            await Target(Origin(tls=False, host="", port=port), address, None).reach(
                CONNECT_SECONDS
            )
            return address
    return addresses[0]


def _is_loopback(address: str) -> bool:
    ip = ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    return (mapped or ip).is_loopback


def _context(address: str) -> ssl.SSLContext:
    """Return a TLS context; loopback, where certificates are self-made, is not verified."""
    context = ssl.create_default_context()
    if _is_loopback(address):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
