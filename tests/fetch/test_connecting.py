"""What can go wrong before a request is sent: names, ports, TLS, proxies."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace

import pytest
import trustme

from crawler.fetch.aiohttp_client import AioFetcher
from crawler.fetch.names import Addresses, Names, ResolvedAddress
from crawler.fetch.urllib3_client import ThreadedFetcher
from crawler.model.errors import ConfigurationError
from crawler.model.outcome import Failed, Kind, Received
from tests.fetch.conftest import CONFIG, Way, certified, through_proxies
from tests.fetch.raw import Behaviour, RawServer, closed_port, header
from tests.fetch.sites import PAGE, SITE, message, never, says
from tests.patience import PATIENCE


def failure(way: Way, url: str, **options: object) -> tuple[Kind, str]:
    """How fetching `url` fails."""
    names = options.pop("names", None)
    assert names is None or isinstance(names, Names)
    (outcome,) = way.fetch([url], replace(CONFIG, **options), names)  # type: ignore[arg-type]
    assert isinstance(outcome, Failed), outcome
    return outcome.kind, outcome.reason


def raising(error: OSError) -> Names:
    """Name look-ups that all end in `error`."""

    def look_up(host: str) -> Addresses:
        raise error

    return Names(60, look_up=look_up)


def test_refused_port(way: Way) -> None:
    """A port where nobody listens is a failed connection, not a bug."""
    found = failure(way, f"http://127.0.0.1:{closed_port()}/")
    assert found == (Kind.CONNECT, "connection refused")


@pytest.fixture
def full_port() -> Iterator[int]:
    """A port whose backlog is full, so that nobody answers a further connection."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@pytest.mark.slow
def test_connect_deadline(way: Way, full_port: int) -> None:
    """A host that does not answer at all is left at the connect deadline."""
    found = failure(way, f"http://127.0.0.1:{full_port}/", connect_timeout=0.15)
    assert found == (Kind.CONNECT_TIMEOUT, "no connection within 0.15 s")


@pytest.mark.slow
def test_total_deadline_while_connecting(way: Way, full_port: int) -> None:
    """The total deadline holds while the connection is being made, too."""
    found = failure(way, f"http://127.0.0.1:{full_port}/", timeout=0.15)
    assert found == (Kind.TIMEOUT, "not finished within 0.15 s")


@pytest.mark.slow
def test_handshake_deadline(way: Way) -> None:
    """A server that takes the connection but no part in TLS is left at the connect deadline."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
        found = failure(way, url, connect_timeout=0.15)
    assert found == (Kind.CONNECT_TIMEOUT, "no connection within 0.15 s")


def test_unknown_name(way: Way) -> None:
    """A name that the system does not resolve is a DNS failure, temporary where it says so."""
    kind, reason = failure(way, "http://nonexistent.invalid/")
    assert kind in (Kind.DNS, Kind.DNS_TEMPORARY)  # without a network it is the latter
    assert reason


def test_impossible_name(way: Way) -> None:
    """A label longer than DNS allows is a DNS failure, too."""
    assert failure(way, f"http://{'x' * 70}.example/") == (Kind.DNS, "no host name")


@pytest.mark.parametrize(
    ("code", "kind"),
    [(socket.EAI_NONAME, Kind.DNS), (socket.EAI_AGAIN, Kind.DNS_TEMPORARY)],
)
def test_name_failures(way: Way, code: int, kind: Kind) -> None:
    """Whether a failed look-up may be tried again follows from the resolver's code."""
    names = raising(socket.gaierror(code, "no luck"))
    assert failure(way, "http://site.test/", names=names) == (kind, "no luck")


def test_next_address(way: Way, site: RawServer) -> None:
    """When one address of a host refuses, the next is tried."""
    addresses = (
        ResolvedAddress(socket.AF_INET, "127.0.0.9"),
        ResolvedAddress(socket.AF_INET, "127.0.0.1"),
    )
    names = Names(60, look_up=lambda host: addresses)
    (outcome,) = way.fetch([site.url("/plain", host="two.test")], names=names)
    assert isinstance(outcome, Received)


def secure(authority: trustme.CA, name: str) -> RawServer:
    """A TLS server for `name`."""
    return RawServer(SITE, certified(authority, name))


def test_trusted_certificate(way: Way, authority: trustme.CA) -> None:
    """A certificate of a trusted authority for the right name is accepted, and TLS is timed."""
    with secure(authority, "127.0.0.1") as server:
        (outcome,) = way.fetch([server.url("/gzip")])
    assert isinstance(outcome, Received), outcome
    assert outcome.response.body == PAGE
    assert outcome.exchange.connect > 0


def test_untrusted_certificate(way: Way) -> None:
    """A certificate of an unknown authority ends in TLS, with OpenSSL's reason."""
    with secure(trustme.CA(), "127.0.0.1") as server:
        kind, reason = failure(way, server.url("/plain"))
    assert kind is Kind.TLS
    assert reason.startswith("certificate: unable to get local issuer certificate")


def test_wrong_host(way: Way, authority: trustme.CA) -> None:
    """A certificate for another name ends in TLS, and the reason says so."""
    with secure(authority, "other.test") as server:
        kind, reason = failure(way, server.url("/plain"))
    assert kind is Kind.TLS
    assert "not valid for" in reason


def test_insecure(way: Way) -> None:
    """With `insecure`, unknown authorities and wrong names are accepted, and nothing warns."""
    with secure(trustme.CA(), "other.test") as server:
        (outcome,) = way.fetch([server.url("/plain")], replace(CONFIG, insecure=True))
    assert isinstance(outcome, Received)


def test_no_tls_at_all(way: Way) -> None:
    """A server that answers plain HTTP to a TLS handshake is a TLS failure."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.listen()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
        with _answering(listener, b"HTTP/1.1 400 Bad Request\r\n\r\n"):
            kind, reason = failure(way, url)
    assert (kind, reason) == (Kind.TLS, "wrong version number")


def _answering(listener: socket.socket, data: bytes) -> ExitStack:
    """Answer the first connection's first bytes with `data`, whatever they are."""

    def serve() -> None:
        sock, _ = listener.accept()
        with sock, suppress(ConnectionResetError):  # the client may be gone before it is all read
            sock.recv(65_536)
            sock.sendall(data)
            sock.recv(1)

    thread = threading.Thread(target=serve)
    thread.start()
    stack = ExitStack()
    stack.callback(thread.join, 5)
    return stack


def proxy(behaviour: Behaviour, origin: str) -> RawServer:
    """A proxy that answers requests for `origin`'s page, and refuses everything else."""
    return RawServer({origin: behaviour})


@through_proxies
def test_proxy(way: Way) -> None:
    """Through a proxy the whole URL is the target, and the proxy alone sees its credentials."""
    with proxy(says(message()), "http://site.test:81/page") as server:
        address = f"http://me:p%40ss@127.0.0.1:{server.port}"
        (outcome,) = way.fetch(["http://site.test:81/page"], replace(CONFIG, proxy=address))
        (head,) = server.heads
    assert isinstance(outcome, Received), outcome
    assert head.startswith(b"GET http://site.test:81/page HTTP/1.1\r\n")
    assert header(head, "Host") == "site.test:81"
    credentials = base64.b64encode(b"me:p@ss").decode()
    assert header(head, "Proxy-Authorization") == f"Basic {credentials}"


@through_proxies
def test_proxy_refuses_a_tunnel(way: Way) -> None:
    """A proxy that refuses CONNECT is a proxy failure, not one of the site."""
    refusal = says(message(b"", "407 Proxy Authentication Required"))
    with proxy(refusal, "site.test:443") as server:
        found = failure(way, "https://site.test/", proxy=f"http://127.0.0.1:{server.port}")
    assert found == (Kind.PROXY, "proxy answered HTTP 407")


@through_proxies
def test_proxy_wants_credentials(way: Way) -> None:
    """A proxy's 407 to a plain request is a proxy failure, too."""
    with proxy(says(message(b"", "407 X")), "http://site.test/") as server:
        found = failure(way, "http://site.test/", proxy=f"http://127.0.0.1:{server.port}")
    assert found == (Kind.PROXY, "HTTP 407 Proxy Authentication Required")


@through_proxies
def test_no_proxy_there(way: Way) -> None:
    """A proxy that cannot be reached is a proxy failure, which no retry will mend."""
    for url in ("http://site.test/", "https://site.test/"):
        found = failure(way, url, proxy=f"http://127.0.0.1:{closed_port()}")
        assert found == (Kind.PROXY, "proxy: connection refused")


@through_proxies
@pytest.mark.slow
def test_silent_proxy(way: Way) -> None:
    """A proxy that never answers CONNECT is left at the connect deadline."""
    with proxy(never, "site.test:443") as server:
        found = failure(
            way,
            "https://site.test/",
            proxy=f"http://127.0.0.1:{server.port}",
            connect_timeout=0.15,
        )
    assert found == (Kind.CONNECT_TIMEOUT, "no connection within 0.15 s")


@pytest.mark.parametrize("text", ["http://a b", "http://x%00y:81"])
def test_proxy_that_is_none(text: str) -> None:
    """A proxy that is no http URL is refused when the fetcher is made, by its name."""
    for fetcher in (AioFetcher, ThreadedFetcher):
        with pytest.raises(ConfigurationError, match=r"^proxy: "):
            fetcher(replace(CONFIG, proxy=text))


def tunnel(reply: bytes, port: int) -> Behaviour:
    """Answer CONNECT with `reply` and, where that is a 2xx, pass bytes on to `port` and back."""

    def behaviour(server: RawServer, sock: socket.socket, head: bytes) -> bool:
        assert head.startswith(b"CONNECT ")
        sock.sendall(reply)
        with socket.create_connection(("127.0.0.1", port)) as other:
            back = threading.Thread(target=pump, args=(other, sock), daemon=True)
            back.start()
            pump(sock, other)
            back.join(PATIENCE)
        return False

    return behaviour


def pump(source: socket.socket, sink: socket.socket) -> None:
    """Pass on what comes until one of the two sides is gone."""
    with suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
    with suppress(OSError):
        socket.socket.shutdown(sink, socket.SHUT_WR)


@through_proxies
@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 Connection established\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nProxy-Agent: x\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
    ],
)
def test_a_tunnel(way: Way, authority: trustme.CA, reply: bytes) -> None:
    """Through a tunnel pages come as without one, on one connection; the 2xx has no body.

    RFC 9110, 9.3.6: framing in a 2xx to CONNECT is ignored.
    """
    with RawServer(SITE, certified(authority, "site.test")) as origin:
        way_in = {"site.test:443": tunnel(reply, origin.port)}
        with RawServer(way_in) as server:
            config = replace(CONFIG, proxy=f"http://127.0.0.1:{server.port}")
            urls = ["https://site.test/plain", "https://site.test/gzip"]
            outcomes = way.fetch(urls, config)
            assert server.connections == 1
    assert all(isinstance(each, Received) for each in outcomes), outcomes


@through_proxies
@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (b"SSH-2.0-x\r\n", "malformed response: not HTTP"),
        (b"HTTP/1.1 twohundred\r\n\r\n", "malformed response: bad status line"),
        (b"", "closed without an answer"),
        (b"HTTP/1.1 2", "closed without an answer"),
    ],
)
def test_a_proxy_that_answers_oddly(way: Way, reply: bytes, reason: str) -> None:
    """What is not an answer to CONNECT ends alike in both engines."""
    with proxy(says(reply, close=True), "site.test:443") as server:
        found = failure(way, "https://site.test/", proxy=f"http://127.0.0.1:{server.port}")
    assert found == (Kind.DISCONNECTED if "closed" in reason else Kind.PROTOCOL, reason)


@through_proxies
@pytest.mark.parametrize("path", ["/page?", "/page??", "/page?a"])
def test_a_proxy_is_asked_for_what_is_recorded(way: Way, path: str) -> None:
    """A `?` with nothing after it reaches the proxy, too."""
    with proxy(says(message()), "http://site.test/page") as server:
        address = f"http://127.0.0.1:{server.port}"
        way.fetch([f"http://site.test{path}"], replace(CONFIG, proxy=address))
        (head,) = server.heads
    assert head.startswith(f"GET http://site.test{path} HTTP/1.1\r\n".encode())
