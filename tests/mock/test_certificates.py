"""The certificates of a mock web: the good one is accepted, each other refused for its reason."""

from __future__ import annotations

import re
import ssl
from pathlib import Path

import pytest

from crawler.mock.server.certificates import TLS_FAULTS, Certificates, fault_address

REASONS = {
    "expired": "certificate has expired",
    "not-yet-valid": "certificate is not yet valid",
    "wrong-host": "IP address mismatch",
    "self-signed": "self-signed certificate",
    "unknown-authority": "unable to get local issuer certificate",
    "incomplete": "unable to get local issuer certificate",
}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("certificates")
    Certificates.make(made, ("127.0.0.2", "*.mock.test"))
    return made


def shake_hands(server: ssl.SSLContext, ca_pem: bytes, host: str) -> None:
    """A handshake in memory, with a client that trusts the authority alone."""
    client = ssl.create_default_context(cadata=ca_pem.decode())
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client.wrap_bio(back, there, server_hostname=host),
        server.wrap_bio(there, back, server_side=True),
    ]
    while sides:
        for side in list(sides):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            sides.remove(side)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "127.0.0.2", "h7.mock.test"])
def test_the_good_one_holds_for_every_host(directory: Path, host: str) -> None:
    """Who trusts the authority shakes hands with each host of the web."""
    certificates = Certificates.load(directory)
    shake_hands(certificates.good, certificates.ca_pem, host)


@pytest.mark.parametrize("name", REASONS)
def test_each_broken_one_is_refused_for_its_reason(directory: Path, name: str) -> None:
    """Each is wrong in one way: what a client says at that fault's address is exactly it."""
    certificates = Certificates.load(directory)
    with pytest.raises(ssl.SSLCertVerificationError, match=REASONS[name]):
        shake_hands(certificates.broken[name], certificates.ca_pem, fault_address(name))


def test_the_list_is_what_is_made(directory: Path) -> None:
    """Every fault listed has an address of its own, named in its line; some have certificates."""
    assert list(Certificates.load(directory).broken) == list(REASONS)
    for number, (name, text) in enumerate(TLS_FAULTS, 1):
        assert fault_address(name) == f"127.0.200.{number}"
        assert re.fullmatch(rf"{re.escape(fault_address(name))}: .+\.", text)


def test_all_processes_load_the_same(directory: Path) -> None:
    """Loading makes nothing anew: two processes show one authority."""
    assert Certificates.load(directory).ca_pem == Certificates.load(directory).ca_pem


def test_no_certificates(tmp_path: Path) -> None:
    """A directory where none were made is an OSError."""
    with pytest.raises(OSError, match="No such file"):
        Certificates.load(tmp_path)
