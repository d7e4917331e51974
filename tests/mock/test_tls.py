"""TLS: a context of one's own, certificates made at the start, and what is wrong on purpose."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
import trustme

from crawler.mock import LoopFactory, MockWeb, Served, running
from crawler.mock.server.certificates import TLS_FAULTS, fault_address
from tests.patience import PATIENCE

from .conftest import connect, get, read_all


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A certificate authority for this module's servers."""
    return trustme.CA()


def _server_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.mark.slow
def test_tls(loop_factory: LoopFactory, authority: trustme.CA) -> None:
    """With a context the web is served over https, absolute links and broken ends included."""
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with running(MockWeb(), context=_server_context(authority), loop_factory=loop_factory) as web:
        with urllib.request.urlopen(f"{web.url}/page/1", context=trusting) as reply:
            assert f'"{web.url}/page/'.encode() in reply.read()
        assert web.url.startswith("https://127.0.0.1:")
        client = http.client.HTTPSConnection(
            "127.0.0.1", web.port, context=trusting, timeout=PATIENCE
        )
        client.request("GET", "/fault/reset")
        with pytest.raises((ConnectionError, ssl.SSLError)):
            client.getresponse()
        client.close()


def test_tls_survives_clients_that_speak_none(
    loop_factory: LoopFactory, authority: trustme.CA
) -> None:
    """Plain HTTP and silence on the TLS port neither stop the server nor its stopping."""
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with running(MockWeb(), context=_server_context(authority), loop_factory=loop_factory) as web:
        silent = connect(web)
        with connect(web) as client:
            client.sendall(get("/page/1"))
            with contextlib.suppress(ConnectionResetError):  # an alert or a reset: both refuse
                assert b"200" not in read_all(client)
        with urllib.request.urlopen(f"{web.url}/page/1", context=trusting) as reply:
            assert reply.status == 200
    with silent:
        assert silent.recv(1) == b""


def test_a_stop_misses_no_handshake(loop_factory: LoopFactory, authority: trustme.CA) -> None:
    """Clients in the middle of a TLS handshake are closed by the stop, however new they are."""
    context = _server_context(authority)
    for _ in range(10):
        with running(MockWeb(), context=context, loop_factory=loop_factory) as web:
            clients = [connect(web) for _ in range(5)]
        for client in clients:
            with contextlib.suppress(ConnectionResetError), client:
                assert client.recv(1) == b""


@pytest.fixture(scope="module", params=[1, 2])
def secure(request: pytest.FixtureRequest) -> Iterator[Served]:
    """A web with the option `tls`, of one process and of two."""
    with running(MockWeb(tls=True, processes=request.param, hosts=3)) as served:
        yield served


def _fetch(web: Served, address: str, path: str, seconds: float = 10) -> bytes:
    """A body, by a client that trusts the web's authority."""
    trusting = ssl.create_default_context(cadata=web.ca_pem.decode())
    url = f"https://{address}:{web.port}{path}"
    with urllib.request.urlopen(url, context=trusting, timeout=seconds) as reply:
        data: bytes = reply.read()
    return data


@pytest.mark.slow
def test_the_option_tls_makes_certificates(secure: Served) -> None:
    """Whoever trusts `ca_pem` is served at every host's address, by every process."""
    for address in ("127.0.0.1", "127.0.0.2", "127.0.0.3") * 3:
        assert _fetch(secure, address, "/__ca.pem") == secure.ca_pem
    assert secure.url == f"https://127.0.0.1:{secure.port}"


REFUSALS = {
    "expired": "certificate has expired",
    "not-yet-valid": "certificate is not yet valid",
    "wrong-host": "IP address mismatch",
    "self-signed": "self[- ]signed certificate",
    "unknown-authority": "unable to get local issuer",
    "incomplete": "unable to get local issuer",
    "plain-http": "WRONG_VERSION_NUMBER|HTTP_REQUEST|RECORD_LAYER|PACKET_LENGTH",
    "handshake-garbage": "WRONG_VERSION_NUMBER|RECORD_LAYER|PACKET_LENGTH",
    "handshake-close": "EOF|reset|closed",
    "handshake-reset": "reset|EOF",
    "handshake-silent": "timed out",
}


def test_every_fault_is_tested() -> None:
    """The table below has the faults of the catalogue."""
    assert set(REFUSALS) == {name for name, _ in TLS_FAULTS}


@pytest.mark.parametrize("fault", REFUSALS)
def test_a_fault_is_what_its_name_says(secure: Served, fault: str) -> None:
    """A client that trusts the authority fails for the fault's reason, and for no other."""
    seconds = 0.2 if fault == "handshake-silent" else 10
    with pytest.raises((urllib.error.URLError, OSError), match=REFUSALS[fault]):
        _fetch(secure, fault_address(fault), "/page/1", seconds)
    assert _fetch(secure, "127.0.0.1", "/__ready") == b"ready\n"


def test_whoever_checks_nothing_is_served_by_a_bad_certificate(secure: Served) -> None:
    """Behind a certificate that a client should refuse is the same web."""
    careless = ssl._create_unverified_context()
    for name in ("expired", "wrong-host", "self-signed"):
        url = f"https://{fault_address(name)}:{secure.port}/page/1"
        with urllib.request.urlopen(url, context=careless) as reply:
            assert reply.status == 200


@pytest.mark.slow
def test_silent_handshakes_do_not_hold_up_a_stop(loop_factory: LoopFactory) -> None:
    """A stop ends the clients of the rude faults as well."""
    with running(MockWeb(tls=True), loop_factory=loop_factory) as web:
        place = (fault_address("handshake-silent"), web.port)
        client = socket.create_connection(place, PATIENCE)
        client.sendall(b"hello?")
    with client, contextlib.suppress(ConnectionResetError):
        assert client.recv(1) == b""
