"""TLS of a mock web: a good certificate, and servers that a client must refuse.

The certificates are signed by an authority made with them, which clients trust only if told to
(`Certificates.ca_pem`). They are made once, in a directory that several processes load. Keys and
dates are the only part of a mock web that differs between two runs.

A client that refuses a certificate never sends a path, so the faults of TLS have addresses instead,
in the order of `TLS_FAULTS`: 127.0.200.1, 127.0.200.2, and so on, all at the web's port. The
addresses of hosts never reach that far. Every faulty certificate except wrong-host's is valid for
all addresses, so that each is wrong in one way only.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from crawler.mock.scenario import MockWeb
from crawler.mock.server.listen import ProtocolFactory, Welcome, welcome
from crawler.mock.server.open_connections import OpenConnection, Opened, reset
from crawler.model.errors import ConfigurationError
from crawler.model.extras import install

if TYPE_CHECKING:
    import trustme

_GOOD = "good"
_AUTHORITY = "ca.pem"
_GARBAGE = b"\x00This is not TLS, whatever you have heard.\r\n" * 3


class _Issue:
    """The authority, its child, a foreign authority and the names, to issue certificates from."""

    def __init__(self, names: Iterable[str]) -> None:
        try:
            import trustme
        except ImportError:
            raise ConfigurationError(
                f"tls: certificates are made by trustme: {install('mock')}"
            ) from None
        name = "Mock web"
        self.authority = trustme.CA(organization_name=name, organization_unit_name="Authority")
        self.stranger = trustme.CA(organization_name=name, organization_unit_name="Stranger")
        self.child = self.authority.create_child_ca()
        self._names = tuple(names)

    def chain(self, issuer: trustme.CA, first: int | None = None, last: int | None = None) -> bytes:
        """Issue a certificate for all names, valid between two days counted from today."""
        return self.leaf(issuer, first, last).private_key_and_cert_chain_pem.bytes()

    def leaf(
        self, issuer: trustme.CA, first: int | None = None, last: int | None = None
    ) -> trustme.LeafCert:
        """Do the same as `chain`, for its parts."""
        now = datetime.now(UTC)
        begin, end = (
            None if days is None else now + timedelta(days=days) for days in (first, last)
        )
        return issuer.issue_cert(*self._names, not_before=begin, not_after=end)


def _wrong_host(issue: _Issue) -> bytes:
    return issue.authority.issue_cert("elsewhere.invalid").private_key_and_cert_chain_pem.bytes()


def _self_signed(issue: _Issue) -> bytes:
    return issue.stranger.private_key_pem.bytes() + issue.stranger.cert_pem.bytes()


def _incomplete(issue: _Issue) -> bytes:
    leaf = issue.leaf(issue.child)
    return leaf.private_key_pem.bytes() + leaf.cert_chain_pems[0].bytes()


def _garbage(transport: asyncio.Transport) -> None:
    transport.write(_GARBAGE)
    transport.close()


class _TlsFault(NamedTuple):
    """One way to break TLS, at its own address.

    make: issues its certificate. act: answers a client's first bytes. Without either it is a web
    without TLS.
    """

    name: str
    help: str
    make: Callable[[_Issue], bytes] | None = None
    act: Callable[[asyncio.Transport], object] | None = None


_FAULTS = (
    _TlsFault(
        "expired",
        "A certificate that expired a month ago.",
        lambda issue: issue.chain(issue.authority, -400, -30),
    ),
    _TlsFault(
        "not-yet-valid",
        "A certificate that becomes valid in a month.",
        lambda issue: issue.chain(issue.authority, 30, 400),
    ),
    _TlsFault("wrong-host", "A certificate for another host.", _wrong_host),
    _TlsFault("self-signed", "A self-signed certificate.", _self_signed),
    _TlsFault(
        "unknown-authority",
        "A certificate of an unknown authority.",
        lambda issue: issue.chain(issue.stranger),
    ),
    _TlsFault("incomplete", "A chain without its intermediate certificate.", _incomplete),
    _TlsFault("plain-http", "HTTP without TLS."),
    _TlsFault("handshake-garbage", "Bytes that are not TLS.", act=_garbage),
    _TlsFault("handshake-close", "Closes in the handshake.", act=lambda peer: peer.close()),
    _TlsFault("handshake-reset", "Resets in the handshake.", act=reset),
    _TlsFault("handshake-silent", "Never answers the handshake.", act=lambda _: None),
)
_ADDRESSES = {fault.name: f"127.0.200.{number}" for number, fault in enumerate(_FAULTS, 1)}
TLS_FAULTS = tuple((fault.name, f"{_ADDRESSES[fault.name]}: {fault.help}") for fault in _FAULTS)
"""Names and descriptions, in the order of their addresses."""


def fault_address(name: str) -> str:
    """Return the address of a fault of `TLS_FAULTS`."""
    return _ADDRESSES[name]


def fault_addresses(options: MockWeb) -> list[str]:
    """Return the addresses of a web's TLS faults: none unless it is at an IPv4 loopback address."""
    host = "127.0.0.1" if options.host == "localhost" else options.host
    address = ipaddress.ip_address(host)
    if not options.tls or address.version == 6 or not address.is_loopback:
        return []
    return list(_ADDRESSES.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """The TLS contexts of one process.

    good: the context of the web itself. broken: by name, of the faults that have a certificate.
    ca_pem: the authority, for clients that should trust it.
    """

    good: ssl.SSLContext
    broken: Mapping[str, ssl.SSLContext]
    ca_pem: bytes

    @classmethod
    def make(cls, directory: Path, addresses: Sequence[str]) -> Self:
        """Make all certificates, write them into an existing private directory, and load them.

        addresses: further names and IP addresses of the good certificate, next to `localhost`,
        127.0.0.1 and ::1; a name may begin with `*.`. Raises `ConfigurationError` if trustme is not
        installed, OSError if they cannot be written.
        """
        named = ("localhost", "127.0.0.1", "::1", *addresses, *_ADDRESSES.values())
        issue = _Issue(dict.fromkeys(named))
        directory.joinpath(_AUTHORITY).write_bytes(issue.authority.cert_pem.bytes())
        directory.joinpath(f"{_GOOD}.pem").write_bytes(issue.chain(issue.authority))
        for fault in _FAULTS:
            if fault.make is not None:
                directory.joinpath(f"{fault.name}.pem").write_bytes(fault.make(issue))
        return cls.load(directory)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Load the certificates that `make` wrote into the directory; may raise OSError."""
        return cls(
            good=_context(directory, _GOOD),
            broken={each.name: _context(directory, each.name) for each in _FAULTS if each.make},
            ca_pem=directory.joinpath(_AUTHORITY).read_bytes(),
        )

    @classmethod
    def of_web(cls, options: MockWeb, directory: Path) -> Self:
        """Make certificates for all hosts of a web in a directory; raise as `make`."""
        if options.authority == "names":
            return cls.make(directory, (options.host, options.domain, f"*.{options.domain}"))
        return cls.make(directory, [options.address_of(host) for host in range(options.hosts)])

    def greetings(self, make: ProtocolFactory, opened: Opened) -> list[Welcome]:
        """Return each fault's handler of accepted clients; `make` is for an ordinary connection."""
        return [
            welcome(partial(_Rude, fault.act, opened))
            if fault.act
            else welcome(make, self.broken.get(fault.name))
            for fault in _FAULTS
        ]


def _context(directory: Path, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / f"{name}.pem")
    context.set_alpn_protocols(["http/1.1"])
    return context


class _Rude(OpenConnection):
    """A server that breaks the handshake."""

    def __init__(self, act: Callable[[asyncio.Transport], object], opened: Opened) -> None:
        super().__init__(opened)
        self._act = act

    def data_received(self, data: bytes) -> None:
        self._act(self._transport)
