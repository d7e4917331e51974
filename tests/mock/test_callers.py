"""Whom the control paths obey: no page of another origin, and nobody who asks by a foreign name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crawler.mock import MockWeb, Served, running
from crawler.mock.server.callers import refusal

from .conftest import connect, read_all

CONTROL = [
    ("GET", "/__scenario"),
    ("PUT", "/__scenario"),
    ("GET", "/__truth"),
    ("GET", "/__ledger"),
    ("GET", "/__statistics"),
    ("POST", "/__reset"),
    ("GET", "/__faults"),
    ("GET", "/__ca.pem"),
    ("DELETE", "/__nothing"),
]
LOCAL = "127.0.0.1:8000"
NAMED = MockWeb(hosts=3, authority="names", port=8000)
PUBLIC = MockWeb(host="0.0.0.0", public=True, port=8000)
SECURE = MockWeb(port=8000, tls=True)


@pytest.fixture(scope="module", params=[1, 2])
def web(request: pytest.FixtureRequest) -> Iterator[Served]:
    """A web of one process, and one of two."""
    with running(MockWeb(pages=9, processes=request.param)) as served:
        yield served


def answered(web: Served, method: str, path: str, *fields: str) -> tuple[int, str]:
    """The status and the body of an answer."""
    head = "".join(f"{field}\r\n" for field in (*fields, "Connection: close"))
    body = "{}" if method == "PUT" else ""
    head += f"Content-Length: {len(body)}\r\n"
    with connect(web) as client:
        client.sendall(f"{method} {path} HTTP/1.1\r\n{head}\r\n{body}".encode("latin-1"))
        head, _, body = read_all(client).decode("latin-1").partition("\r\n\r\n")
    return int(head.split()[1]), body


@pytest.mark.slow
@pytest.mark.parametrize(("method", "path"), CONTROL)
@pytest.mark.parametrize(
    "fields",
    [
        ("Host: other.test",),
        ("Host: other_site.test:{port}",),
        ("Host: 127.0.0.1.other.test:{port}",),
        ("Host: localhost.other.test:{port}",),
        ("Host: other.test:{port}", "Origin: http://other.test:{port}"),
        ("Host: 127.0.0.1:{port}", "Origin: http://other.test"),
        ("Host: 127.0.0.1:{port}", "Origin: null"),
        ("Host: 127.0.0.1:{port}", "Origin: http://127.0.0.1:1"),
        ("Host: 127.0.0.1:{port}", "Origin: https://127.0.0.1:{port}"),
        ("Host: 127.0.0.1:{port}", "Sec-Fetch-Site: cross-site"),
        ("Host: 127.0.0.1:{port}", "Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: no-cors"),
        ("Host: 127.0.0.1:{port}", "Host: other.test"),
    ],
)
def test_a_foreign_page_controls_nothing(
    web: Served, method: str, path: str, fields: tuple[str, ...]
) -> None:
    """LD14: DNS rebinding and cross-origin requests get 403, a line and no word of the state."""
    status, body = answered(web, method, path, *(field.format(port=web.port) for field in fields))
    assert (status, body.count("\n")) == (403, 1)
    assert body.startswith("control paths are ")


@pytest.mark.parametrize(
    "fields",
    [
        ("Host: 127.0.0.1:{port}",),
        ("Host: LOCALHOST:{port}",),
        ("Host: localhost.",),
        ("Host: mock.localhost:1",),
        ("Host: [::1]:{port}",),
        ("Host: 127.9.9.9",),
        ("Host: 127.0.0.1:{port}", "Origin: http://127.0.0.1:{port}"),
        ("Host: localhost:{port}", "Origin: http://LOCALHOST:{port}", "Sec-Fetch-Site: none"),
        ("Host: localhost:{port}", "Sec-Fetch-Site: same-origin"),
    ],
)
def test_its_own_clients_control_it(web: Served, fields: tuple[str, ...]) -> None:
    """LD14: a loopback name in any spelling, and a page of the very origin that is asked."""
    told = [field.format(port=web.port) for field in fields]
    assert answered(web, "PUT", "/__scenario", *told)[0] == 200
    assert answered(web, "POST", "/__reset", *told)[0] == 200


def test_readiness_is_told_to_everybody(web: Served) -> None:
    """A probe asks by whatever name it has, and learns nothing but that the server is up."""
    assert answered(web, "GET", "/__ready", "Host: other.test") == (200, "ready\n")


def test_pages_are_for_everybody(web: Served) -> None:
    """Only the control paths look at who asks: the web itself has hosts of any name."""
    status, _ = answered(web, "GET", "/page/1", "Host: other.test", "Origin: http://other.test")
    assert status == 200


@pytest.mark.parametrize(
    ("options", "local", "host", "allowed"),
    [
        (NAMED, LOCAL, NAMED.authority_of(0), True),
        (NAMED, LOCAL, NAMED.authority_of(2).upper(), True),
        (NAMED, LOCAL, "h3.mock.test:8000", False),
        (NAMED, LOCAL, "mock.test:8000", False),
        (PUBLIC, "192.0.2.7:8000", "192.0.2.7:8000", True),
        (PUBLIC, "172.17.0.2:8000", "192.0.2.7:18000", True),
        (PUBLIC, "192.0.2.7:8000", "other.test:8000", False),
        (PUBLIC, "192.0.2.7:8000", "192.0.2.7.other.test", False),
        (MockWeb(port=8000), LOCAL, "192.0.2.7:8000", False),
        (MockWeb(port=8000), LOCAL, "", False),
        (MockWeb(host="::1", port=8000), "[::1]:8000", "[::1]:8000", True),
    ],
)
def test_which_names_are_its_own(options: MockWeb, local: str, host: str, allowed: bool) -> None:
    """Its hosts, loopback, and with --public any address: an address cannot be rebound."""
    assert (refusal([(b"Host", host.encode())], options, local) == "") is allowed


@pytest.mark.slow
def test_a_client_without_host_is_no_browser() -> None:
    """HTTP/1.0 has no Host field; with TLS the origin is https."""
    assert refusal([], MockWeb(port=8000), LOCAL) == ""
    fields = [(b"Host", b"localhost:8000"), (b"Origin", b"https://localhost:8000")]
    assert refusal(fields, SECURE, LOCAL) == ""
    assert refusal(fields, MockWeb(port=8000), LOCAL)
