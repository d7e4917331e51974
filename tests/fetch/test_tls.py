"""TLS that not every client speaks, and servers that speak HTTP/2 alone: reached, or named."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme

from crawler.fetch.fetch_fault import tls_context
from crawler.model.fault import ONLY_HTTP2
from crawler.model.outcome import Failed, Kind, Received
from tests.fetch.conftest import CONFIG, RAW_ON_ASYNCIO, Way
from tests.fetch.raw import RawServer, closed_port
from tests.fetch.sites import SITE, message, says
from tests.patience import PATIENCE

INSECURE = replace(CONFIG, insecure=True)
WAY_OUT = " (--insecure accepts it)"

DH_1024 = """-----BEGIN DH PARAMETERS-----
MIGHAoGBAN8o3BNJ31N76yi/8K76xp+gVqTwR9X75XCBzGljXCXHR353vN6fEJGY
wIcDC6jb2rjk0QwE5bsuVAb4lvVq+bzsC9+i1eh1yVm0xpRt7Byom9hjtHKy7IV6
WCIDaOTzSd/MxM1UXwW+PxKYrNdqPc1HXZT6otJwDiFczp3Iay+3AgEC
-----END DH PARAMETERS-----
"""


@pytest.fixture(scope="module")
def rsa() -> trustme.CA:
    """An authority with RSA keys: key exchange by RSA needs one."""
    return trustme.CA(key_type=trustme.KeyType.RSA)


def old(rsa: trustme.CA, ciphers: str, version: ssl.TLSVersion) -> ssl.SSLContext:
    """A server's context of no later version, with these ciphers at the lowest security level."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.maximum_version = version
    context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    rsa.issue_cert("127.0.0.1", key_type=trustme.KeyType.RSA).configure_cert(context)
    return context


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ciphers", "version"),
    [
        ("AES128-SHA", ssl.TLSVersion.TLSv1_2),
        ("AES256-GCM-SHA384", ssl.TLSVersion.TLSv1_2),
        ("ECDHE-RSA-AES128-SHA", ssl.TLSVersion.TLSv1_2),
        ("DEFAULT", ssl.TLSVersion.TLSv1_1),
        ("DEFAULT", ssl.TLSVersion.TLSv1),
    ],
)
def test_old_tls(way: Way, rsa: trustme.CA, ciphers: str, version: ssl.TLSVersion) -> None:
    """What OpenSSL speaks and does not trust is reached with `insecure`, and else says how.

    RSA key exchange, a SHA-1 MAC, TLS 1.0 and 1.1: urllib3#3031, requests#4619, yt-dlp#8187,
    pyeapi#222.
    """
    with RawServer(SITE, old(rsa, ciphers, version)) as server:
        (refused,) = way.fetch([server.url("/plain")])
        (outcome,) = way.fetch([server.url("/plain")], INSECURE)
    assert isinstance(outcome, Received), outcome
    assert isinstance(refused, Failed)
    assert refused.kind is Kind.TLS and refused.reason.endswith(WAY_OUT)
    assert not refused.kind.retryable


@pytest.mark.slow
def test_small_diffie_hellman(way: Way, rsa: trustme.CA, tmp_path: Path) -> None:
    """Servers with short Diffie-Hellman parameters are reached with `insecure` (Logjam, 2015)."""
    path = tmp_path / "dh.pem"
    path.write_text(DH_1024)
    context = old(rsa, "DHE-RSA-AES256-GCM-SHA384", ssl.TLSVersion.TLSv1_2)
    context.load_dh_params(path)
    with RawServer(SITE, context) as server:
        (refused,) = way.fetch([server.url("/plain")])
        (outcome,) = way.fetch([server.url("/plain")], INSECURE)
    assert isinstance(outcome, Received), outcome
    assert isinstance(refused, Failed) and refused.reason.endswith(WAY_OUT)


def test_an_unknown_certificate_says_how_to_accept_it(way: Way) -> None:
    """A certificate that cannot be verified ends in TLS, and the reason names the option."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with RawServer(SITE, context) as server:
        (outcome,) = way.fetch([server.url("/plain")])
    assert isinstance(outcome, Failed)
    assert outcome.kind is Kind.TLS and outcome.reason.endswith(WAY_OUT)


def test_only_insecure_contexts_are_weak() -> None:
    """Verified connections keep Python's defaults; the others renegotiate as it once was."""
    safe, weak = tls_context(verify=True), tls_context(verify=False)
    plain = ssl.create_default_context()
    assert safe.get_ciphers() == plain.get_ciphers()
    assert (safe.options, safe.minimum_version) == (plain.options, plain.minimum_version)
    assert weak.options & 0x4
    names = {cipher["name"] for cipher in weak.get_ciphers()}
    assert {"AES128-SHA", "ECDHE-RSA-AES128-SHA"} <= names
    assert not any("NULL" in name or name.startswith(("ADH", "AECDH")) for name in names)


def test_a_failing_handshake_names_no_way_that_was_taken(way: Way, rsa: trustme.CA) -> None:
    """Where `insecure` is on already, a reason does not advise it."""
    with alerting(40) as port:
        (outcome,) = way.fetch([f"https://127.0.0.1:{port}/"], INSECURE)
    assert isinstance(outcome, Failed)
    assert (outcome.kind, outcome.reason) == (Kind.TLS, "sslv3 alert handshake failure")


# -- HTTP/2 alone

SETTINGS = b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64"
EMPTY_SETTINGS = b"\0\0\0\x04\0\0\0\0\0"
GOAWAY = b"\0\0\x08\x07\0\0\0\0\0" + bytes(7) + b"\x01"


@contextmanager
def alerting(description: int) -> Iterator[int]:
    """A server that answers every ClientHello with a fatal alert; yields its port."""
    with answering(lambda sock: sock.sendall(b"\x15\x03\x03\0\x02\x02%c" % description)) as port:
        yield port


@contextmanager
def answering(
    answer: Callable[[socket.socket], None],
    *,
    first: bytes = b"",
    tls: ssl.SSLContext | None = None,
) -> Iterator[int]:
    """A server that sends `first` at once, and `answer`s what comes; yields its port."""

    def serve(raw: socket.socket) -> None:
        sock = tls.wrap_socket(raw, server_side=True) if tls else raw
        with sock:
            sock.sendall(first)
            if sock.recv(65_536):
                answer(sock)
                while sock.recv(65_536):
                    pass

    def accept() -> None:
        with suppress(OSError):
            while True:
                raw, _ = listener.accept()
                with raw, suppress(OSError):
                    serve(raw)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(PATIENCE)


def only_http2(outcome: object) -> None:
    assert isinstance(outcome, Failed), outcome
    assert (outcome.kind, outcome.reason) == (Kind.PROTOCOL, ONLY_HTTP2)
    assert not outcome.kind.retryable


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("first", [b"", SETTINGS, EMPTY_SETTINGS])
def test_frames_of_http2(way: Way, rsa: trustme.CA, secure: bool, first: bytes) -> None:
    """A server of HTTP/2 alone is named as such, and not retried: over TLS and without.

    Its frames may come before the request or after it. scrapy#1854, #4531, scrapy-impersonate#24.
    """
    tls = None
    if secure:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        rsa.issue_cert("127.0.0.1").configure_cert(tls)
        tls.set_alpn_protocols(["h2"])
    with answering(lambda sock: sock.sendall(GOAWAY), first=first, tls=tls) as port:
        url = f"{'https' if secure else 'http'}://127.0.0.1:{port}/"
        (outcome,) = way.fetch([url], INSECURE)
    only_http2(outcome)


@pytest.mark.parametrize("config", [CONFIG, INSECURE])
def test_no_common_application_protocol(way: Way, config: object) -> None:
    """A server that refuses HTTP/1.1 in the handshake is named, too (RFC 7301, 3.2)."""
    with alerting(120) as port:
        (outcome,) = way.fetch([f"https://127.0.0.1:{port}/"], config)  # type: ignore[arg-type]
    only_http2(outcome)


@pytest.mark.parametrize("frames", [SETTINGS + GOAWAY, GOAWAY])
def test_frames_in_pieces(way: Way, frames: bytes) -> None:
    """However the network cuts the first frame, it is known for what it is."""

    def in_pieces(server: RawServer, sock: socket.socket, head: bytes) -> bool:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in frames:
            sock.sendall(bytes((byte,)))
            server.over.wait(0.002)
        return False

    with RawServer({"/": in_pieces}) as server:
        (outcome,) = way.fetch([server.url("/")])
    only_http2(outcome)


def test_other_bytes_are_not_called_http2(way: Way) -> None:
    """Bytes that look a little like a frame are not HTTP, and no more is said of them."""
    with RawServer({"/": says(b"\0\0\x06\x05\0\0\0\0\0 none of it", close=True)}) as server:
        (outcome,) = way.fetch([server.url("/")])
    assert isinstance(outcome, Failed)
    assert (outcome.kind, outcome.reason) == (Kind.PROTOCOL, "malformed response: not HTTP")


# -- no TLS at all


def closes(sock: socket.socket) -> None:
    sock.shutdown(socket.SHUT_RDWR)


def resets(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def in_plain(sock: socket.socket) -> None:
    sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@pytest.mark.parametrize("answer", [closes, resets, in_plain])
def test_a_port_without_tls_is_known(way: Way, answer: Callable[[socket.socket], None]) -> None:
    """Whether it closes, resets or answers in plain text: the outcome tells that it has no TLS."""
    with answering(answer) as port:
        (outcome,) = way.fetch([f"https://127.0.0.1:{port}/"])
    assert isinstance(outcome, Failed)
    assert outcome.no_tls, outcome.reason


def test_a_closed_port_has_no_tls(way: Way) -> None:
    """A refused connection says so of https, and nothing of http."""
    secure, plain = way.fetch([f"{s}://127.0.0.1:{closed_port()}/" for s in ("https", "http")])
    assert isinstance(secure, Failed) and isinstance(plain, Failed)
    assert (secure.no_tls, plain.no_tls) == (True, False)


@pytest.mark.slow
def test_other_failures_of_tls_say_nothing_of_the_kind(way: Way, rsa: trustme.CA) -> None:
    """A wrong certificate, an alert and silence are no reason to do without TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    rsa.issue_cert("127.0.0.1").configure_cert(context)
    with RawServer(SITE, context) as server, alerting(40) as port:
        outcomes = way.fetch([server.url("/plain"), f"https://127.0.0.1:{port}/"])
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/"
        outcomes += way.fetch([url], replace(CONFIG, connect_timeout=0.15))
    for outcome in outcomes:
        assert isinstance(outcome, Failed)
        assert not outcome.no_tls, outcome.reason


# -- sessions


class Resumed(ssl.SSLContext):
    """A server's context that notes of each handshake whether it resumed a session."""

    seen: list[bool]

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:
        sock = super().wrap_socket(*args, **options)
        self.seen.append(bool(sock.session_reused))
        return sock


@pytest.mark.parametrize("name", ["raw", RAW_ON_ASYNCIO])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_raw_client_resumes_sessions(
    authority: trustme.CA, name: str, version: ssl.TLSVersion
) -> None:
    """The next connection to a server resumes the session of the last; the certificate is known."""
    tls = Resumed(ssl.PROTOCOL_TLS_SERVER)
    tls.seen, tls.minimum_version, tls.maximum_version = [], version, version
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    site = {"/": says(message(connection="close"), close=True), "/kept": says(message())}
    with RawServer(site, tls) as server:
        urls = [server.url(), server.url("/kept"), server.url("/kept"), server.url()]
        outcomes = Way(name=name).fetch([*urls, *urls], replace(CONFIG, keep_connection=True))
    assert tls.seen == [False, True, True, True]
    for outcome in outcomes:
        assert isinstance(outcome, Received) and outcome.exchange.particulars is not None
        facts = outcome.exchange.particulars.connection
        assert facts is not None and facts.certificate_expires is not None
