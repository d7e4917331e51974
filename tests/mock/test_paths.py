"""Each path's behaviour over a socket, on both kinds of event loop."""

from __future__ import annotations

import gzip
import http.client
import json
import time
import zlib
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

import brotli
import pytest
import zstandard

from crawler.mock import MockWeb, Served
from crawler.mock.graph.plain_paths import CHARSET_TEXT
from tests.patience import PATIENCE

from .conftest import ask, connect, get, read_all, read_until, status_of

Fetched = tuple[int, dict[str, str], bytes]


def fetch(served: Served, target: str, method: str = "GET") -> Fetched:
    """Status, header fields (names in lower case) and body, as the standard library reads them."""
    client = http.client.HTTPConnection("127.0.0.1", served.port, timeout=PATIENCE)
    try:
        client.request(method, target)
        reply = client.getresponse()
        fields = {name.lower(): value for name, value in reply.getheaders()}
        return reply.status, fields, reply.read()
    finally:
        client.close()


@pytest.mark.parametrize("status", [200, 204, 304, 404, 410, 418, 429, 500, 503, 999])
def test_status(web: Served, status: int) -> None:
    """/status/N answers with that status, with a body only where HTTP allows one."""
    found, _, body = fetch(web, f"/status/{status}")
    assert found == status
    assert bool(body) == (status not in (204, 304))


def test_retry_after(web: Served) -> None:
    """/status takes the Retry-After to send."""
    assert fetch(web, "/status/503?retry-after=7")[1]["retry-after"] == "7"
    assert "retry-after" not in fetch(web, "/status/503")[1]


@pytest.mark.parametrize("value", ["-5", "1e9", "soon", "99999999999999999999"])
def test_absurd_retry_after(web: Served, value: str) -> None:
    """What is no number of seconds and no date is sent as it stands."""
    assert fetch(web, f"/status/429?retry-after={value}")[1]["retry-after"] == value


@pytest.mark.parametrize("offset", ["+30", "%2B30", "30", "-30"])
def test_retry_after_as_a_date(web: Served, offset: str) -> None:
    """`date:` is an HTTP date so many seconds from now, before or after."""
    before = int(time.time())
    status, fields, _ = fetch(web, f"/status/503?retry-after=date:{offset}")
    moment = parsedate_to_datetime(fields["retry-after"]).timestamp()
    wanted = -30 if offset.startswith("-") else 30
    assert status == 503 and fields["retry-after"].endswith(" GMT")
    assert before + wanted <= moment <= time.time() + wanted


@pytest.mark.parametrize("offset", ["", "+", "x", "+1e3", "+9999999999"])
def test_wrong_retry_after_date(web: Served, offset: str) -> None:
    """A date that cannot be made is a 400."""
    assert fetch(web, f"/status/503?retry-after=date:{offset}")[0] == 400


def test_etag(web: Served) -> None:
    """/etag/NAME is the same for ever, and another NAME is another text."""
    first, second = fetch(web, "/etag/one"), fetch(web, "/etag/two")
    assert first == fetch(web, "/etag/one")
    assert first[1]["etag"] != second[1]["etag"]


def test_redirect_chain(web: Served) -> None:
    """/redirect/3 takes three hops to a page."""
    target, hops = "/redirect/3", 0
    while (reply := fetch(web, target))[0] == 302:
        target, hops = reply[1]["location"], hops + 1
    assert (hops, target, reply[0]) == (3, "/page/0", 200)


def test_redirect_loop_and_target(web: Served) -> None:
    """The loop points at itself; redirect-to goes where it is told with the status it is told."""
    assert fetch(web, "/redirect-loop")[1]["location"] == "/redirect-loop"
    status, fields, _ = fetch(web, "/redirect-to?url=http://other.test/x%3Fy=1&status=308")
    assert (status, fields["location"]) == (308, "http://other.test/x?y=1")


@pytest.mark.parametrize("size", [0, 1, 65536, 65537, 3_000_000])
def test_bytes(web: Served, size: int) -> None:
    """/bytes/N is N bytes, also when they do not fit into any buffer at once."""
    status, fields, body = fetch(web, f"/bytes/{size}")
    assert (status, len(body), fields["content-length"]) == (200, size, str(size))


@pytest.mark.parametrize("framing", ["chunked", "until-close", "slow/7/0.001"])
def test_framings_carry_the_same_page(web: Served, framing: str) -> None:
    """However a body is delivered, it is the same body."""
    assert fetch(web, f"/{framing}/page/3")[2] == fetch(web, "/page/3")[2]


def test_http_1_0_gets_no_chunks(web: Served) -> None:
    """A client of HTTP/1.0 is spared the chunked coding and the connection closes."""
    with connect(web) as client:
        client.sendall(b"GET /chunked/page/3 HTTP/1.0\r\nHost: mock.test\r\n\r\n")
        head, _, body = read_all(client).partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert len(body) == web.options.page_bytes


DECODERS: dict[str, tuple[str, Callable[[bytes], Any]]] = {
    "gzip": ("gzip", gzip.decompress),
    "deflate": ("deflate", zlib.decompress),
    "deflate-raw": ("deflate", lambda body: zlib.decompress(body, -zlib.MAX_WBITS)),
    "br": ("br", brotli.decompress),
    "zstd": ("zstd", zstandard.decompress),
}


@pytest.mark.parametrize("prefix", DECODERS)
def test_encodings(web: Served, prefix: str) -> None:
    """Every content coding decodes to the page itself and is declared."""
    token, decode = DECODERS[prefix]
    _, fields, body = fetch(web, f"/{prefix}/page/3")
    assert fields["content-encoding"] == token
    assert decode(body) == fetch(web, "/page/3")[2]


@pytest.mark.parametrize("declare", ["header", "meta", "both", "none"])
@pytest.mark.parametrize("charset", ["windows-1251", "shift_jis", "utf-8", "utf-16"])
def test_charsets(web: Served, charset: str, declare: str) -> None:
    """A page comes in the charset asked for and declares it where asked to, and nowhere else."""
    _, fields, body = fetch(web, f"/charset/{charset}?declare={declare}")
    text = body.decode(charset)
    assert (charset in fields["content-type"]) == (declare in ("header", "both"))
    assert ("<meta charset" in text) == (declare in ("meta", "both"))
    assert "Привет" in text
    assert (CHARSET_TEXT in text) == charset.startswith("utf")


def test_echo_headers(web: Served) -> None:
    """The request's header fields come back as JSON, repeated ones joined."""
    raw = ask(web, "/echo-headers", "X-One: 1", "X-One: 2", "User-Agent: me")
    fields = json.loads(raw.partition(b"\r\n\r\n")[2])
    assert fields == {
        "host": "mock.test", "connection": "close", "x-one": "1, 2", "user-agent": "me",
    }  # fmt: skip


def test_flaky(web: Served) -> None:
    """/flaky/2/NAME fails twice and then works, each name for itself."""
    statuses = [fetch(web, "/flaky/2/one")[0] for _ in range(4)]
    assert statuses == [503, 503, 200, 200]
    assert fetch(web, "/flaky/2/another")[0] == 503


def test_robots(web: Served) -> None:
    """robots.txt begins with the lines of the options and ends with the sitemap's."""
    status, fields, body = fetch(web, "/robots.txt")
    text = "".join(f"{line}\n" for line in MockWeb().robots)
    assert (status, body.decode()) == (200, f"{text}Sitemap: {web.url}/sitemap.xml\n")
    assert fields["content-type"].startswith("text/plain")


def test_nonhtml(web: Served) -> None:
    """/nonhtml is declared as no HTML."""
    assert fetch(web, "/nonhtml")[1]["content-type"] == "application/pdf"


def test_head_has_the_length_and_no_body(web: Served) -> None:
    """HEAD is answered like GET without the body."""
    status, fields, body = fetch(web, "/page/3", "HEAD")
    assert (status, fields["content-length"], body) == (200, "4096", b"")


@pytest.mark.parametrize("target", ["/delay/0.05/page/3", "/slow/6/0.01/page/3"])
def test_delays_last_at_least_as_long_as_asked(web: Served, target: str) -> None:
    """A delayed or dripping answer never comes early: both paths ask for 0.05 s in all."""
    started = time.monotonic()
    body = fetch(web, target)[2]
    assert time.monotonic() - started >= 0.05
    assert len(body) == 4096


@pytest.mark.parametrize("fault", ["reset", "reset-mid-body"])
def test_resets(web: Served, fault: str) -> None:
    """A reset reaches the client as a reset, with the first half of a body before it or nothing."""
    half = 2048 if fault == "reset-mid-body" else 0
    with connect(web) as client:
        client.sendall(get(f"/fault/{fault}/page/3"))
        read_until(client, lambda data: len(data.partition(b"\r\n\r\n")[2]) == half)
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_close_early_lies_about_the_length(web: Served) -> None:
    """close-early promises a whole body, delivers half and closes in good order."""
    head, _, body = ask(web, "/fault/close-early/page/3").partition(b"\r\n\r\n")
    assert b"Content-Length: 4096" in head
    assert len(body) == 2048


@pytest.mark.parametrize(
    ("fault", "start"),
    [
        ("empty-reply", b""), ("malformed", b"\x00\xffthis is no HTTP"),
        ("half-head", b"HTTP/1.1 200 OK\r\nContent-Ty"), ("bad-chunk", b"HTTP/1.1 200 OK\r\n"),
    ],
)  # fmt: skip
def test_broken_replies_end_with_a_close(web: Served, fault: str, start: bytes) -> None:
    """Each of these writes its bytes, if any, and closes in good order."""
    raw = ask(web, f"/fault/{fault}")
    assert raw.startswith(start)
    assert bool(raw) == bool(start)


@pytest.mark.parametrize(("fault", "sent"), [("never", 0), ("stall", 2048)])
def test_silence_lasts_until_the_client_leaves(web: Served, fault: str, sent: int) -> None:
    """never and stall leave the connection open and silent, while the server serves others."""
    with connect(web) as client:
        client.sendall(get(f"/fault/{fault}/page/3") + get("/page/4"))
        if sent:
            read_until(client, lambda data: len(data.partition(b"\r\n\r\n")[2]) == sent)
        assert fetch(web, "/page/3")[0] == 200
        client.setblocking(False)
        with pytest.raises(BlockingIOError):
            client.recv(1)


@pytest.mark.slow
def test_broken_encodings(web: Served) -> None:
    """bad-gzip is no gzip, cut-gzip is half of one, the bomb is small and grows to 16 MiB."""
    with pytest.raises(gzip.BadGzipFile):
        gzip.decompress(fetch(web, "/fault/bad-gzip")[2])
    with pytest.raises(EOFError):
        gzip.decompress(fetch(web, "/fault/cut-gzip")[2])
    bomb = fetch(web, "/fault/gzip-bomb")[2]
    assert len(bomb) < 20_000
    assert len(gzip.decompress(bomb)) == 16 * 1024 * 1024


def test_huge_header(web: Served) -> None:
    """huge-header has a field of 128 KiB and is good HTTP otherwise."""
    raw = ask(web, "/fault/huge-header/page/3")
    assert status_of(raw) == 200
    assert len(raw.partition(b"\r\n\r\n")[0]) > 128 * 1024
