"""The servers at the addresses of the TLS faults.

Those with a certificate use it and then serve the web like any other; the others answer a handshake
with their `Behaviour`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from crawler.mock.scenario import MockWeb
from crawler.mock.server.certificates import (
    TLS_FAULTS,
    Behaviour,
    Certificates,
    TlsFault,
    fault_address,
)
from crawler.mock.server.listen import ProtocolFactory, Welcome, welcome
from crawler.mock.server.open_connections import Opened, reset

_GARBAGE = b"\x00This is not TLS, whatever you have heard.\r\n" * 3


def fault_addresses(options: MockWeb) -> list[str]:
    """Return the addresses of a web's TLS faults: none unless it is at an IPv4 loopback address."""
    host = "127.0.0.1" if options.host == "localhost" else options.host
    address = ipaddress.ip_address(host)
    if not options.tls or address.version == 6 or not address.is_loopback:
        return []
    return [fault_address(name) for name, _ in TLS_FAULTS]


def certify(options: MockWeb, directory: Path) -> Certificates:
    """Make certificates for all hosts of a web in a directory; raise as `Certificates.make`."""
    if options.authority == "names":
        return Certificates.make(directory, (options.host, options.domain, f"*.{options.domain}"))
    addresses = dict.fromkeys(options.address_of(number) for number in range(options.hosts))
    return Certificates.make(directory, tuple(addresses))


def greetings(faults: Sequence[TlsFault], make: ProtocolFactory, opened: Opened) -> list[Welcome]:
    """Return each fault's handler of accepted clients; `make` creates an ordinary connection."""
    return [_greeting(fault, make, opened) for fault in faults]


def _greeting(fault: TlsFault, make: ProtocolFactory, opened: Opened) -> Welcome:
    behaviour = fault.behaviour
    if behaviour is None or behaviour is Behaviour.PLAIN:
        return welcome(make, fault.context)
    return welcome(lambda: _Rude(behaviour, opened))


class _Rude(asyncio.Protocol):
    """A server that breaks the handshake."""

    _transport: asyncio.Transport

    def __init__(self, behaviour: Behaviour, opened: Opened) -> None:
        self._behaviour = behaviour
        self._opened = opened
        self.quiet_since: float | None = time.monotonic()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register a new client."""
        self._transport = cast(asyncio.Transport, transport)
        self._opened.add(self)

    def data_received(self, data: bytes) -> None:
        """Answer the client's first bytes with the behaviour."""
        match self._behaviour:
            case Behaviour.GARBAGE:
                self._transport.write(_GARBAGE)
                self._transport.close()
            case Behaviour.RESET:
                reset(self._transport)
            case Behaviour.SILENT:
                pass
            case _:
                self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """Remove a client that has gone."""
        self._opened.discard(self)

    def abort(self) -> None:
        """Drop the client immediately."""
        self._transport.abort()

    def retire(self) -> None:
        """Close an idle connection in order."""
        self._transport.close()
