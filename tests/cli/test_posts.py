"""Lists with methods and bodies: what is sent and recorded, and that nothing goes twice."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from crawler.cli.app import run
from crawler.engine.retried_requests import RetriedRequests
from crawler.model.command_config import CommandConfig
from crawler.model.errors import ExitCode
from crawler.store.written import written_record
from tests.patience import PATIENCE, until
from tests.unmannered import MANNERS_OFF

ENGINES = ("async", "threaded")


class Api(ThreadingHTTPServer):
    """Counts requests by method, path and body; answers to `hold` once `released` is set.

    `/flaky` is unavailable while it is `down`.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.asked: Counter[tuple[str, str, str]] = Counter()
        self.headers: list[dict[str, str]] = []
        self.released = threading.Event()
        self.down = True

    def url(self, path: str) -> str:
        """Return the URL of a path."""
        return f"http://127.0.0.1:{self.server_port}{path}"

    @property
    def posted(self) -> Counter[tuple[str, str, str]]:
        """What was asked for, without robots.txt."""
        return Counter({k: n for k, n in self.asked.items() if k[1] != "/robots.txt"})

    def handle_error(self, *_: Any) -> None:
        """Say nothing of a client that was killed."""


class Answering(BaseHTTPRequestHandler):
    """Answers as the path says."""

    server: Api
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Take the request and answer."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self.server.asked[self.command, self.path, body] += 1
        self.server.headers.append({name.lower(): text for name, text in self.headers.items()})
        if body == "hold":
            self.server.released.wait(PATIENCE)
        if self.path == "/cut":
            self.close_connection = True
            return
        if self.path == "/flaky":
            self.path = "/503" if self.server.down else "/page"
        moved = {"/303": (303, "/got"), "/307": (307, "/page"), "/503": (503, "")}
        status, location = moved.get(self.path, (200, ""))
        page = f'<title>{self.command} {body}</title><a href="/found">x</a>'.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        if location:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(page)

    do_GET = do_PUT = do_POST  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


@pytest.fixture
def api() -> Iterator[Api]:
    with Api() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.released.set()
            server.shutdown()
            thread.join()


class Listed:
    """A list in a directory, and the crawl of it."""

    def __init__(self, folder: Path, engine: str, *lines: dict[str, Any]) -> None:
        self.output = folder / "out.jsonl"
        path = folder / "targets.jsonl"
        path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        manners = [f"--{name.replace('_', '-')}={value}" for name, value in MANNERS_OFF.items()]
        self.words = ["crawl", "-i", str(path), "-o", str(self.output), "--engine", engine]
        self.words += [*manners, "--allow-private", "--parse", "inline", "-q", "--backoff", "0.01"]
        self.words += ["--per-host", "1"]

    def crawl(self, *more: str) -> int:
        """Crawl in this process."""
        return int(run([*self.words, *more]))

    def records(self) -> list[dict[str, Any]]:
        """Return the records."""
        return [json.loads(line) for line in self.output.read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_each_request_is_sent_once_and_recorded(tmp_path: Path, api: Api, engine: str) -> None:
    """Entries differ by method, URL and body; failures of a POST are not retried, of a PUT are."""
    bad = {"url": api.url("/page"), "body": 3}
    lines = [
        {"url": api.url("/page"), "body": {"n": 1}, "headers": {"X-Run": "one"}},
        {"url": api.url("/page"), "method": "POST", "body": "n=2"},
        {"url": api.url("/page"), "method": "POST", "body": "n=2"},
        {"url": api.url("/page")},
        {"url": api.url("/303"), "method": "POST", "body": "x"},
        {"url": api.url("/307"), "method": "PUT", "body": "x"},
        {"url": api.url("/503"), "method": "POST"},
        {"url": api.url("/cut"), "method": "POST", "body": "x"},
        {"url": api.url("/503"), "method": "PUT"},
        bad,
    ]
    listed = Listed(tmp_path, engine, *lines)
    listed.crawl("--retries", "2")
    assert api.posted == {
        ("POST", "/page", '{"n":1}'): 1,
        ("POST", "/page", "n=2"): 1,
        ("GET", "/page", ""): 1,
        ("POST", "/303", "x"): 1,
        ("GET", "/got", ""): 1,
        ("PUT", "/307", "x"): 1,
        ("PUT", "/page", "x"): 1,
        ("POST", "/503", ""): 1,
        ("POST", "/cut", "x"): 1,
        ("PUT", "/503", ""): 3,
    }
    sent = [each for each in api.headers if each.get("x-run")]
    assert [each["content-type"] for each in sent] == ["application/json"]
    told = Counter((r["url"], r.get("method"), r["kind"]) for r in listed.records())
    assert told == {
        (api.url("/page"), "POST", None): 2,
        (api.url("/page"), None, None): 1,
        (api.url("/303"), "POST", None): 1,
        (api.url("/307"), "PUT", None): 1,
        (api.url("/503"), "POST", "unavailable"): 1,
        (api.url("/cut"), "POST", "disconnected"): 1,
        (api.url("/503"), "PUT", "unavailable"): 1,
        (json.dumps(bad), None, "invalid_url"): 1,
    }


def test_links_of_a_posted_page_are_followed_by_get(tmp_path: Path, api: Api) -> None:
    """What a POST led to is crawled as any link, and the URL itself may be found as a page."""
    listed = Listed(tmp_path, "async", {"url": api.url("/found"), "body": "x"})
    assert listed.crawl("--follow") == ExitCode.FINISHED
    assert api.posted == {("POST", "/found", "x"): 1, ("GET", "/found", ""): 1}
    assert [(r.get("method"), r["depth"]) for r in listed.records()] == [("POST", 0), (None, 1)]


def test_a_record_in_a_list_is_its_url(tmp_path: Path, api: Api) -> None:
    """An earlier output as a list sends no headers of responses, and no POST without its body."""
    kept = {"url": api.url("/page"), "outcome": "page", "headers": {"server": ["x"]}}
    posted = {"url": api.url("/page"), "outcome": "page", "method": "POST"}
    listed = Listed(tmp_path, "async", kept, posted)
    listed.crawl()
    assert api.posted == {("GET", "/page", ""): 1}
    assert [r["outcome"] for r in listed.records()] == ["skipped", "page"]


def killed(listed: Listed, api: Api) -> None:
    """Kill a crawl while the server holds the request that it has sent last."""
    api.released.clear()
    asked = sum(api.posted.values())
    process = subprocess.Popen([sys.executable, "-m", "crawler", *listed.words])
    try:
        assert until(
            lambda: sum(api.posted.values()) > asked and ("POST", "/page", "hold") in api.posted
        )
    finally:
        process.kill()
        process.wait()
        api.released.set()


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_is_sent_twice_after_a_kill(tmp_path: Path, api: Api, engine: str) -> None:
    """A POST that had left ends as `uncertain`; the rest of the list is sent as ever."""
    lines = [{"url": api.url("/page"), "body": body} for body in ("hold", "b", "c")]
    listed = Listed(tmp_path, engine, *lines)
    killed(listed, api)
    listed.crawl()
    assert api.posted == {("POST", "/page", body): 1 for body in ("hold", "b", "c")}
    told = Counter((r["method"], r["outcome"], r["kind"]) for r in listed.records())
    assert told == {("POST", "failed", "uncertain"): 1, ("POST", "page", None): 2}
    assert not list(tmp_path.glob("*.state"))


@pytest.mark.slow
def test_what_may_be_repeated_is_sent_again_after_a_kill(tmp_path: Path, api: Api) -> None:
    """With --repeat-unsafe the request that was in flight is a page in the end."""
    listed = Listed(tmp_path, "async", {"url": api.url("/page"), "body": "hold"})
    killed(listed, api)
    assert listed.crawl("--repeat-unsafe") == ExitCode.FINISHED
    assert api.posted == {("POST", "/page", "hold"): 2}
    assert [r["kind"] for r in listed.records()] == [None]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_a_retry_takes_requests_from_their_list(
    tmp_path: Path, api: Api, engine: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """PUT and headers go again as listed; POST with --repeat-unsafe; each has one record."""
    lines = [
        {"url": api.url("/flaky"), "method": "PUT", "body": {"n": 1}},
        {"url": api.url("/flaky"), "method": "PUT", "body": {"n": 2}},
        {"url": api.url("/flaky"), "headers": {"X-Run": "again"}},
        {"url": api.url("/flaky"), "body": "once"},
        {"url": api.url("/page"), "body": "fine"},
    ]
    listed = Listed(tmp_path, engine, *lines)
    chosen = ["--fields", "url,kind,title,redirects"]
    listed.crawl("--retries", "0", *chosen)
    again = ["retry", str(listed.output)]
    api.down = False
    api.asked.clear()
    api.headers.clear()
    assert run(again) == ExitCode.FINISHED
    told = capsys.readouterr().err
    assert "3 with a method, headers or a body are left" in told and "1 may have reached" in told
    assert not api.posted
    assert run([*again, "-q", "-i", str(tmp_path / "targets.jsonl")]) == ExitCode.FINISHED
    assert api.posted == {
        ("PUT", "/flaky", '{"n":1}'): 1,
        ("PUT", "/flaky", '{"n":2}'): 1,
        ("GET", "/flaky", ""): 1,
    }
    assert [each["x-run"] for each in api.headers if "x-run" in each] == ["again"]
    assert sum(record["kind"] is None for record in listed.records()) == 4
    words = ["-q", "-i", str(tmp_path / "targets.jsonl"), "--repeat-unsafe"]
    assert run([*again, *words]) == ExitCode.FINISHED
    assert api.posted["POST", "/flaky", "once"] == 1 and sum(api.posted.values()) == 4
    assert Counter(record["method"] for record in listed.records()) == {
        "PUT": 2,
        "POST": 2,
        "GET": 1,
    }
    assert all(record["kind"] is None for record in listed.records())


@pytest.mark.slow
def test_a_retry_posts_what_has_not_left(tmp_path: Path, api: Api) -> None:
    """A request that no server was asked for goes once, and only if the list still has it."""
    lines = [{"url": api.url("/page"), "body": body} for body in ("a", "b")]
    listed = Listed(tmp_path, "async", *lines)
    listed.crawl("--cache", str(tmp_path / "cache"), "--offline")
    assert not api.posted and {each["kind"] for each in listed.records()} == {"not_cached"}
    part = tmp_path / "part.jsonl"
    part.write_text(json.dumps(lines[0]))
    words = ["retry", str(listed.output), "-q", "--offline=false", "-i"]
    for source in (part, part, tmp_path / "targets.jsonl"):
        run([*words, str(source)])
    assert api.posted == {("POST", "/page", "a"): 1, ("POST", "/page", "b"): 1}
    assert [each["kind"] for each in listed.records()] == [None, None]
    assert run([*words, "-"]) == ExitCode.USAGE


@pytest.mark.parametrize(
    ("fields", "taken"),
    [
        ({"kind": "connect", "method": "POST"}, True),
        ({"kind": "disconnected", "method": "POST"}, False),
        ({"kind": "disconnected", "method": "PUT"}, True),
        ({"kind": "uncertain", "method": "POST"}, False),
        ({"kind": "connect", "method": "POST", "redirects": [{"url": "http://b/"}]}, False),
        ({"kind": "tls", "method": "PUT"}, False),
        ({"kind": "connect", "method": "POST", "sent_hash": "0"}, False),
    ],
)
def test_a_retry_repeats_what_nothing_can_have_reached(
    tmp_path: Path, fields: dict[str, Any], taken: bool
) -> None:
    """Neither what left, nor what a redirect led on, nor another body than the list has."""
    record = written_record("x", json.dumps({"url": "http://a.test/", **fields}).encode())
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps({"url": "http://a.test/", "method": record.method}))
    requests = RetriedRequests([str(path)], CommandConfig())
    requests.want(record)
    requests.find()
    assert requests.takes(record) is taken
    assert [each.seed for each in requests.requests()] == ["http://a.test/"] * taken
