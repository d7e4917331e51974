"""Certificates for a mock web over TLS: a good one, and those that a client must refuse.

All are signed by an authority made with them, which clients trust only if told to
(`Certificates.ca_pem`). They are made once, in a directory that several processes load. Keys and
dates are the only part of a mock web that differs between two runs.

A client that refuses a certificate never sends a path, so the faults of TLS have addresses instead,
in the order of `TLS_FAULTS`: 127.0.200.1, 127.0.200.2, and so on, all at the web's port. The
addresses of hosts never reach that far.
"""

from __future__ import annotations

import enum
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Self

from crawler.model.errors import ConfigurationError
from crawler.model.extras import install

if TYPE_CHECKING:
    import trustme

_GOOD = "good"
_AUTHORITY = "ca.pem"
_FIRST_FAULT = "127.0.200.1"
# Every faulty certificate except wrong-host's is valid for all addresses, so that each is wrong in
# one way only.
_DAY = timedelta(days=1)


class Behaviour(enum.Enum):
    """The behaviour of a server at a TLS port instead of a handshake.

    PLAIN: speaks HTTP without TLS. GARBAGE: answers the first bytes with anything but TLS, and
    closes. CLOSE: closes after the first bytes. RESET: resets after them. SILENT: reads and never
    answers.
    """

    PLAIN = "plain"
    GARBAGE = "garbage"
    CLOSE = "close"
    RESET = "reset"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class TlsFault:
    """One way to break TLS, at its own address: a certificate or a behaviour."""

    name: str
    help: str
    address: str
    context: ssl.SSLContext | None = None
    behaviour: Behaviour | None = None


@dataclass(frozen=True, slots=True)
class _Issue:
    """The authority, its child, a foreign authority and the names, to issue certificates from."""

    authority: trustme.CA
    stranger: trustme.CA
    child: trustme.CA
    names: Sequence[str]

    def leaf(
        self, issuer: trustme.CA, first: int | None = None, last: int | None = None
    ) -> trustme.LeafCert:
        """Issue a certificate for all names, valid between two days counted from today."""
        now = datetime.now(UTC)
        begin, end = (None if day is None else now + day * _DAY for day in (first, last))
        return issuer.issue_cert(*self.names, not_before=begin, not_after=end)


def _good(issue: _Issue) -> bytes:
    return _pem(issue.leaf(issue.authority))


def _expired(issue: _Issue) -> bytes:
    return _pem(issue.leaf(issue.authority, -400, -30))


def _not_yet(issue: _Issue) -> bytes:
    return _pem(issue.leaf(issue.authority, 30, 400))


def _wrong_host(issue: _Issue) -> bytes:
    return _pem(issue.authority.issue_cert("elsewhere.invalid"))


def _self_signed(issue: _Issue) -> bytes:
    stranger = issue.stranger
    return stranger.private_key_pem.bytes() + stranger.cert_pem.bytes()


def _unknown_authority(issue: _Issue) -> bytes:
    return _pem(issue.leaf(issue.stranger))


def _incomplete(issue: _Issue) -> bytes:
    leaf = issue.leaf(issue.child)
    return leaf.private_key_pem.bytes() + leaf.cert_chain_pems[0].bytes()


def _pem(leaf: trustme.LeafCert) -> bytes:
    return leaf.private_key_and_cert_chain_pem.bytes()


_CERTIFICATES: Mapping[str, tuple[str, Callable[[_Issue], bytes]]] = {
    "expired": ("A certificate that expired a month ago.", _expired),
    "not-yet-valid": ("A certificate that becomes valid in a month.", _not_yet),
    "wrong-host": ("A certificate for another host.", _wrong_host),
    "self-signed": ("A self-signed certificate.", _self_signed),
    "unknown-authority": ("A certificate of an unknown authority.", _unknown_authority),
    "incomplete": ("A chain without its intermediate certificate.", _incomplete),
}

_BEHAVIOURS: Mapping[str, tuple[str, Behaviour]] = {
    "plain-http": ("HTTP without TLS.", Behaviour.PLAIN),
    "handshake-garbage": ("Bytes that are not TLS.", Behaviour.GARBAGE),
    "handshake-close": ("Closes in the handshake.", Behaviour.CLOSE),
    "handshake-reset": ("Resets in the handshake.", Behaviour.RESET),
    "handshake-silent": ("Never answers the handshake.", Behaviour.SILENT),
}


def fault_address(name: str) -> str:
    """Return the address of a fault of `TLS_FAULTS`."""
    start, _, last = _FIRST_FAULT.rpartition(".")
    return f"{start}.{int(last) + [*_CERTIFICATES, *_BEHAVIOURS].index(name)}"


# Names and descriptions, in the order of their addresses.
TLS_FAULTS: tuple[tuple[str, str], ...] = tuple(
    (name, f"{fault_address(name)}: {text}")
    for name, (text, _) in (*_CERTIFICATES.items(), *_BEHAVIOURS.items())
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """The TLS contexts of one process.

    good: the context of the web itself. faults: by name, in the order of `TLS_FAULTS`. ca_pem: the
    authority, for clients that should trust it.
    """

    good: ssl.SSLContext
    faults: Mapping[str, TlsFault]
    ca_pem: bytes

    @classmethod
    def make(cls, directory: Path, addresses: Sequence[str]) -> Self:
        """Make all certificates, write them into an existing private directory, and load them.

        addresses: further names and IP addresses of the good certificate, next to `localhost`,
        127.0.0.1 and ::1; a name may begin with `*.`. Raises `ConfigurationError` if trustme is not
        installed, OSError if they cannot be written.
        """
        issue = _issue(addresses)
        directory.joinpath(_AUTHORITY).write_bytes(issue.authority.cert_pem.bytes())
        directory.joinpath(f"{_GOOD}.pem").write_bytes(_good(issue))
        for name, (_, make) in _CERTIFICATES.items():
            directory.joinpath(f"{name}.pem").write_bytes(make(issue))
        return cls.load(directory)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Load the certificates that `make` wrote into the directory; may raise OSError."""
        broken = [
            TlsFault(name, text, fault_address(name), context=_context(directory, name))
            for name, (text, _) in _CERTIFICATES.items()
        ]
        rude = [
            TlsFault(name, text, fault_address(name), behaviour=behaviour)
            for name, (text, behaviour) in _BEHAVIOURS.items()
        ]
        return cls(
            good=_context(directory, _GOOD),
            faults={fault.name: fault for fault in (*broken, *rude)},
            ca_pem=directory.joinpath(_AUTHORITY).read_bytes(),
        )


def _issue(addresses: Sequence[str]) -> _Issue:
    try:
        import trustme
    except ImportError:
        raise ConfigurationError(
            f"tls: certificates are made by trustme: {install('mock')}"
        ) from None
    faulty = (fault_address(name) for name, _ in TLS_FAULTS)
    names = dict.fromkeys(("localhost", "127.0.0.1", "::1", *addresses, *faulty))
    authority = trustme.CA(organization_name="Mock web", organization_unit_name="Authority")
    return _Issue(
        authority=authority,
        stranger=trustme.CA(organization_name="Mock web", organization_unit_name="Stranger"),
        child=authority.create_child_ca(),
        names=tuple(names),
    )


def _context(directory: Path, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / f"{name}.pem")
    context.set_alpn_protocols(["http/1.1"])
    return context
