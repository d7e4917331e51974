"""Traces of URLs: what a collector receives, what it never learns, and that nobody waits for it."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from crawler.engine import span_export
from crawler.engine.span_export import exporting_visits
from crawler.engine.steps import VisitEnd
from crawler.engine.visit_traces import VisitIds, VisitTraces, sampler
from crawler.mock import MockWeb, running
from crawler.model.errors import ConfigurationError
from crawler.model.outcome import Failed, Kind
from crawler.model.request import Request
from crawler.model.transfer import Exchange
from crawler.model.url import Url
from crawler.model.watching_config import WatchingConfig
from tests.cli.test_command import crawler
from tests.unmannered import WORDS

SPAN_ERROR = 2  # opentelemetry/proto/trace/v1/trace.proto: STATUS_CODE_ERROR


class Collector(ThreadingHTTPServer):
    """Takes traces over HTTP, as an OpenTelemetry collector does, or answers with `status`."""

    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taker)
        self.received: list[ExportTraceServiceRequest] = []
        self.paths: set[str] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def spans(self) -> list[Any]:
        scopes = (scope for each in self._resources for scope in each.scope_spans)
        return [span for scope in scopes for span in scope.spans]

    @property
    def resources(self) -> list[dict[str, Any]]:
        return [told(each.resource) for each in self._resources]

    @property
    def _resources(self) -> Iterator[Any]:
        return (each for request in self.received for each in request.resource_spans)


class _Taker(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.paths.add(self.path)
        self.server.received.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def collecting() -> Iterator[Collector]:
    with Collector() as collector:
        thread = threading.Thread(target=collector.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield collector
        finally:
            collector.shutdown()
            thread.join()


def told(thing: Any) -> dict[str, Any]:
    """The attributes of a span or a resource."""
    return {
        each.key: getattr(each.value, each.value.WhichOneof("value")) for each in thing.attributes
    }


@pytest.mark.slow
@pytest.mark.parametrize("how", [("--engine", "async"), ("--engine", "threaded")])
def test_a_collector_receives_the_way_of_each_url(how: Sequence[str]) -> None:
    """Its wait, exchange, parse and write, one within the other, by the conventions of HTTP."""
    with running(MockWeb(pages=10)) as web, collecting() as collector:
        urls = [f"http://me:pass@127.0.0.1:{web.port}/page/{n}?key=hidden" for n in range(9)]
        urls.append(f"http://127.0.0.1:{web.port}/nowhere")
        words = [*WORDS, *how, "-o", "-", "--parse", "inline", "--otlp", collector.url]
        code, out, err = crawler("crawl", *words, "--otlp-sample", "100%", *urls)
    assert code == 0 and len(out.splitlines()) == 10, err
    assert err.count("otlp: ") == 1 and collector.paths == {"/v1/traces"}
    assert {each["service.name"] for each in collector.resources} == {"crawler"}
    spans = collector.spans
    names = Counter(span.name for span in spans)
    assert {name: names[name] for name in ("visit", "wait", "GET", "response", "write")} == (
        dict.fromkeys(("visit", "wait", "GET", "response", "write"), 10)
    )
    assert names["parse"] == 9 and 1 <= names["connect"] <= 10
    check_nesting(spans)
    check_exchanges([span for span in spans if span.name == "GET"], web.port)
    assert b"hidden" not in (text := b"".join(r.SerializeToString() for r in collector.received))
    assert b"me:pass" not in text


def check_nesting(spans: Sequence[Any]) -> None:
    """Ten traces with one root each; all else is within its parent."""
    by_id = {span.span_id: span for span in spans}
    assert len(by_id) == len(spans) and len({span.trace_id for span in spans}) == 10
    assert {span.name for span in spans if not span.parent_span_id} == {"visit"}
    for span in spans:
        assert span.start_time_unix_nano <= span.end_time_unix_nano
        if span.parent_span_id:
            parent = by_id[span.parent_span_id]
            assert parent.name == ("GET" if span.name in {"connect", "response"} else "visit")
            assert parent.trace_id == span.trace_id
            assert parent.start_time_unix_nano <= span.start_time_unix_nano
            assert span.end_time_unix_nano <= parent.end_time_unix_nano


def check_exchanges(spans: Sequence[Any], port: int) -> None:
    """A client's spans, of which the one without a page has failed with its status."""
    for span in spans:
        about = told(span)
        assert span.kind == span.SPAN_KIND_CLIENT and about["http.request.method"] == "GET"
        assert (about["server.address"], about["server.port"]) == ("127.0.0.1", port)
        missing = about["url.full"].endswith("/nowhere")
        assert about["http.response.status_code"] == (404 if missing else 200)
        assert about.get("error.type") == ("404" if missing else None)
        assert (span.status.code == SPAN_ERROR) is missing
        assert missing or about["url.full"].endswith("?...")


@pytest.mark.slow
def test_partitions_are_one_service(tmp_path: Path) -> None:
    """Each process sends its own spans, with the same resource; they tell of their partition."""
    with running(MockWeb(pages=10)) as web, collecting() as collector:
        hosts = ("127.0.0.1", "localhost")
        urls = [f"http://{host}:{web.port}/page/{n}" for host in hosts for n in range(5)]
        words = ["-o", str(tmp_path / "out.jsonl"), "--workers", "2", "--otlp", collector.url]
        code, _, err = crawler("crawl", *WORDS, *words, "--otlp-sample", "1", *urls)
    assert code == 0 and err.count("otlp: ") == 1, err
    visits = [told(span) for span in collector.spans if span.name == "visit"]
    assert {each["crawler.partition"] for each in visits} <= {0, 1}
    assert sum(each["crawler.purpose"] == "page" for each in visits) == 10
    assert len({each["service.instance.id"] for each in collector.resources}) == 1


def visited(url: str, attempt: int = 1) -> VisitEnd:
    """A visit that has ended after a second, without an answer."""
    first = Request(url=Url(url), seed=url, input=url, admitted_at=1.0)
    request = first.again(1.0) if attempt > 1 else first
    exchange = Exchange(connect=0.25, total=0.75, started_at=1.25)
    reason = "no answer from http://secret.test/?key=hidden"
    failed = Failed(request=request, kind=Kind.TIMEOUT, reason=reason, exchange=exchange)
    return VisitEnd(failed, 2.0, 2.0, 2.0, 0)


def traced(share: float, run: str, visits: Sequence[VisitEnd]) -> tuple[ReadableSpan, ...]:
    """The spans of visits in a process of a run."""
    spans, ids = InMemorySpanExporter(), VisitIds()
    provider = TracerProvider(sampler(share), shutdown_on_exit=False, id_generator=ids)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    traces = VisitTraces(provider.get_tracer("test"), ids, run, {})
    for visit in visits:
        traces(visit)
    return spans.get_finished_spans()


def test_retries_belong_to_the_trace_of_the_url() -> None:
    """Also when another process makes them: the first visit is the parent; kinds tell, no texts."""
    url = "http://a.test:81/"
    first, second = (
        next(each for each in traced(1, "run", [visited(url, n)]) if each.name == "visit")
        for n in (1, 2)
    )
    assert first.context and second.context and second.parent
    assert first.parent is None and second.parent.span_id == first.context.span_id
    assert first.context.trace_id == second.context.trace_id == second.parent.trace_id
    assert first.context.span_id != second.context.span_id
    assert second.attributes and second.attributes["error.type"] == "timeout"
    assert "hidden" not in first.to_json()
    other = traced(1, "another run", [visited(url)])[-1].context
    assert other and other.trace_id != first.context.trace_id
    spans = {each.name: each for each in traced(1, "run", [visited(url, 2)])}
    assert spans.keys() == {"visit", "wait", "GET", "connect"}
    assert spans["GET"].attributes and spans["GET"].attributes["http.request.resend_count"] == 1


def test_a_share_of_the_urls_is_traced_with_all_their_visits() -> None:
    """About that share, by the URL alone, so that no trace lacks a part; with 0 there is none."""
    urls = [f"http://a.test/{n}" for n in range(200)]

    def chosen(share: float, attempt: int) -> set[object]:
        spans = traced(share, "run", [visited(url, attempt) for url in urls])
        return {(each.attributes or {})["url.full"] for each in spans if each.name == "visit"}

    some = chosen(0.25, 1)
    assert some == chosen(0.25, 2) and 20 <= len(some) <= 80
    assert chosen(0, 1) == set()


@contextmanager
def mute() -> Iterator[str]:
    """The URL of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@contextmanager
def refusing() -> Iterator[str]:
    """The URL of a collector that takes nothing."""
    with collecting() as collector:
        collector.status = 403
        yield collector.url


@contextmanager
def absent() -> Iterator[str]:
    """A URL where nobody listens."""
    with mute() as url:
        pass
    yield url


@pytest.mark.slow
@pytest.mark.parametrize(
    ("collector", "why"),
    [(absent, "Connection refused"), (mute, "timed out"), (refusing, "code: 403")],
)
def test_a_collector_that_is_away_costs_one_line(
    collector: Any, why: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """With what was lost and why, after a bounded time, and nothing else is printed."""
    monkeypatch.setattr(span_export, "CLOSING", 0.3)
    said: list[str] = []
    with (
        collector() as url,
        exporting_visits(WatchingConfig(otlp=url, otlp_sample=1), "run", said.append) as take,
    ):
        take(visited("http://a.test/"))
    (line,) = said
    assert line.startswith("otlp: 4 of 4 spans did not reach http://127.0.0.1:") and why in line
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("localhost:4318", "is not a URL"),
        ("ftp://a.test/", "is not a URL"),
        ("http://", "is not a URL"),
        ("http://a.test:port/", "Port could not be cast"),
        ("http://me:secret@a.test/", "OTEL_EXPORTER_OTLP_HEADERS"),
        (1, "is not a URL"),
    ],
)
def test_what_is_not_a_collector_is_refused(url: object, why: str) -> None:
    """Before anything is opened; credentials are not repeated."""
    with pytest.raises(ConfigurationError, match=why) as refused:
        WatchingConfig(otlp=url)  # type: ignore[arg-type]
    assert "secret" not in str(refused.value)


def test_a_collector_has_the_path_of_the_protocol() -> None:
    """Unless the URL has one of its own."""
    paths = {"http://a.test:4318/": "/v1/traces", "https://a.test/otlp": "/otlp"}
    for url, path in paths.items():
        assert str(WatchingConfig(otlp=url).otlp).endswith(path)  # type: ignore[arg-type]


def test_without_the_extra_the_command_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line, and nothing is crawled."""
    monkeypatch.setattr(span_export, "find_spec", lambda _name: None)
    code, out, err = crawler("crawl", *WORDS, "--otlp", "http://127.0.0.1:9", "http://127.0.0.1:9/")
    assert code == 3 and not out
    told_in = "crawler: --otlp needs OpenTelemetry, which is not installed; pip install "
    assert err.splitlines() == [f"{told_in}'crawler-cli[otlp]'"]
