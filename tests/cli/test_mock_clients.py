"""The mock web under clients that nobody here wrote: curl and wrk, against the real command."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from crawler.mock import MockWeb
from crawler.mock.graph.site import answer
from crawler.mock.reply import Ask
from tests.patience import PATIENCE

from .test_command import started

needs_curl = pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
needs_wrk = pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not installed")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The address of a mock web in a process of its own."""
    with started("mock", "--port", "0", "--pages", "100") as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()
        assert process.wait(PATIENCE) == 143


@pytest.fixture
def page(url: str) -> bytes:
    """What `/page/1` is, computed here and not fetched."""
    return answer(Ask(target="/page/1", host=urlsplit(url).netloc), MockWeb(pages=100)).body


def curl(*words: str, input: bytes | None = None) -> bytes:
    """What curl prints; fails unless it is content."""
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--max-time", "20", "--noproxy", "*", *words],
        input=input,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def told(form: str, *words: str) -> str:
    """What curl tells about an exchange, by `--write-out`."""
    return curl("--output", "/dev/null", "--write-out", form, *words).decode()


@pytest.mark.slow
@needs_curl
@pytest.mark.parametrize("path", ["", "/chunked", "/until-close", "/slow/4/0.01", "/delay/0.01"])
def test_curl_reads_every_framing(url: str, page: bytes, path: str) -> None:
    """However the end of a body is marked, curl has the page, byte by byte."""
    assert curl(f"{url}{path}/page/1") == page


@needs_curl
@pytest.mark.parametrize(
    "path", ["/gzip", "/deflate", "/deflate-raw", "/br", "/zstd", "/gzip/br", "/chunked/gzip"]
)
def test_curl_decodes_every_coding(url: str, page: bytes, path: str) -> None:
    """What is encoded, stacked codings included, curl decodes to the page."""
    features = subprocess.run(["curl", "--version"], capture_output=True, check=True).stdout
    coding = {"/br": b"brotli", "/gzip/br": b"brotli", "/zstd": b"zstd"}.get(path, b"")
    if coding not in features:
        pytest.skip(f"this curl is built without {coding.decode()}")
    assert curl("--compressed", f"{url}{path}/page/1") == page


@needs_curl
def test_curl_reads_trailers(url: str, page: bytes, tmp_path: Path) -> None:
    """Fields after a chunked body reach curl, announced by a Trailer field."""
    head = tmp_path / "head"
    assert curl("--dump-header", str(head), f"{url}/trailers/page/1") == page
    fields, _, trailers = head.read_text().partition("\n\n")
    announced = re.search(r"^Trailer: (.+)$", fields, re.MULTILINE)
    assert announced and trailers.lower().startswith(announced[1].split(",")[0].lower())


@needs_curl
def test_curl_follows_redirects(url: str) -> None:
    """A chain of three ends at its page."""
    form = "%{http_code} %{num_redirects} %{url_effective}"
    assert told(form, "--location", f"{url}/redirect/3") == f"200 3 {url}/page/0"


@needs_curl
def test_curl_revalidates(url: str, tmp_path: Path) -> None:
    """A kept ETag, or a date, is answered with 304 and no body."""
    tag, form = str(tmp_path / "etag"), "%{http_code} %{size_download}"
    assert told(form, "--etag-save", tag, f"{url}/page/1") == "200 8192"
    assert told(form, "--etag-compare", tag, f"{url}/page/1") == "304 0"
    assert told(form, "--etag-compare", tag, f"{url}/page/2") == "200 8192"
    assert told(form, "--time-cond", "1 Jan 2100", f"{url}/page/1") == "304 0"


@needs_curl
def test_curl_asks_for_the_head_alone(url: str) -> None:
    """HEAD has the fields of GET and no body, and the connection goes on."""
    form = "%{http_code} %{size_download} %{num_connects}\n"
    said = curl("--head", f"{url}/page/1", f"{url}/page/2", "--write-out", form).decode()
    assert re.findall(r"(?i)^content-length: (\d+)", said, re.MULTILINE) == ["8192", "8192"]
    assert "\n200 0 1\n" in said and said.endswith("\n200 0 0\n")


@needs_curl
def test_curl_gets_all_of_it_when_it_asks_for_a_part(url: str, page: bytes) -> None:
    """Range is ignored, as RFC 9110, 14.2 allows: 200 with the whole page."""
    assert curl("--range", "0-9", f"{url}/page/1") == page
    assert told("%{http_code}", "--range", "0-9", f"{url}/page/1") == "200"


@needs_curl
@pytest.mark.parametrize("path", ["", "/chunked", "/gzip"])
def test_curl_speaks_http_1_0(url: str, page: bytes, path: str) -> None:
    """An HTTP/1.0 client gets no chunks (it could not read them), and the page."""
    assert curl("--http1.0", "--compressed", f"{url}{path}/page/1") == page
    assert b"Transfer-Encoding" not in curl("--http1.0", "--include", f"{url}{path}/page/1")


@pytest.mark.slow
@needs_curl
def test_curl_tries_again(url: str) -> None:
    """A page that fails once and then works is had by `--retry`."""
    words = ("--retry", "2", "--fail", f"{url}/flaky/1/curl")
    assert told("%{http_code}", *words) == "200"


@needs_curl
def test_curl_uses_the_web_as_its_proxy(url: str) -> None:
    """A request in absolute form, as for a proxy, is answered for the host that it names."""
    proxied = ("--proxy", url, "--noproxy", "", "http://other.test/echo-headers")
    assert json.loads(curl(*proxied))["host"] == "other.test"


@needs_curl
def test_curl_posts_a_body(url: str) -> None:
    """A body that waits for 100 (Continue) is taken, and the next request is not confused."""
    words = ("--data-binary", "@-", "--header", "Expect: 100-continue", f"{url}/echo-headers")
    answers = curl(*words, f"{url}/echo-headers", input=b"x" * 2_000)
    assert answers.count(b'"content-length": "2000"') == 2


@pytest.mark.slow
@needs_curl
@pytest.mark.parametrize(
    ("path", "told_ms"),
    [
        ("/page/1", {"latency": 50.0}),
        ("/delay/0.02/page/1", {"latency": 50.0, "delay": 20.0}),
        ("/transfer/0.03/page/1", {"latency": 50.0, "transfer": 30.0}),
        ("/delay/0.02/slow/4/0.01/page/1", {"latency": 50.0, "delay": 20.0, "transfer": 30.0}),
    ],
)
def test_the_injected_delay_is_told(path: str, told_ms: dict[str, float]) -> None:
    """Server-Timing says what the web and the path held back, and curl measured at least that."""
    with started("mock", "--port", "0", "--latency", "0.05") as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        form = "\n%{time_starttransfer} %{time_total}"
        said = curl("--include", "--write-out", form, f"{address}{path}").decode()
        process.terminate()
    (line,) = re.findall(r"(?im)^server-timing: (.*)", said)
    parts = {name: float(value) for name, value in re.findall(r"([a-z]+);dur=([0-9.]+)", line)}
    assert parts == told_ms
    first, last = map(float, said.split()[-2:])
    assert last >= sum(parts.values()) / 1000
    assert first >= (sum(parts.values()) - parts.get("transfer", 0.0)) / 1000


@needs_curl
def test_what_only_the_path_holds_back_is_told(url: str) -> None:
    """A web without latency tells the delay of a path, again and again, and no other."""
    fields = curl("--head", *(f"{url}{path}/page/1" for path in ("/delay/0.02", "", "/delay/0.02")))
    found = re.findall(rb"(?i)^server-timing: (.+)\r$", fields, re.MULTILINE)
    assert found == [b"delay;dur=20.000"] * 2


@pytest.mark.slow
@needs_wrk
@pytest.mark.parametrize("path", ["/page/1", "/gzip/page/1", "/delay/0.01/page/1"])
def test_wrk_sees_no_error(url: str, path: str) -> None:
    """A second of requests over eight connections: answers alone, no socket error, no status."""
    done = subprocess.run(
        ["wrk", "--threads", "1", "--connections", "8", "--duration", "1s", f"{url}{path}"],
        capture_output=True,
        check=True,
        text=True,
    )
    said = done.stdout
    requests = re.search(r"(\d+) requests in", said)
    assert requests and int(requests[1]) > 8
    assert "Non-2xx" not in said and "Socket errors" not in said, said


@pytest.mark.slow
@pytest.mark.parametrize("processes", ["1", "2"])
def test_an_address_in_use_is_named(processes: str) -> None:
    """Of the addresses of several hosts, the one that cannot be had is told: one line, code 3."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.2", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with started("mock", "--hosts", "3", "--port", port, "--processes", processes) as process:
            out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (3, "")
    assert err == f"crawler: cannot listen on 127.0.0.2, port {port}: Address already in use\n"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_with_connections_open(number: signal.Signals) -> None:
    """Ctrl-C does not wait for silent clients, half requests or answers that never come."""
    with started("mock", "--port", "0") as process:
        assert process.stdout is not None
        parts = urlsplit(process.stdout.readline().strip())
        requests = (b"", b"GET /page/1 HT", b"GET /fault/never HTTP/1.1\r\nHost: a\r\n\r\n")
        clients = [socket.create_connection((parts.hostname, parts.port)) for _ in requests]
        for client, request in zip(clients, requests, strict=True):
            client.sendall(request)
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE)
        for client in clients:
            client.close()
    assert (process.returncode, out, err) == (128 + number, "", "")
