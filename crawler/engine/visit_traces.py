"""Traces of URLs for OpenTelemetry: a span for each visit, with what it was made of.

    visit     from joining the host's queue until its records are handed to the sink
      wait      for the host's turn, and for a place among the requests in flight
      GET       the exchange, by the semantic conventions of HTTP clients
        connect   name, connection and TLS, unless a connection was reused
        response  from sending to the end of the response header
      parse
      write     handing the records to the sink

Spans are made when a visit has ended, of the times that its record has, too. All visits of a URL,
its retries and redirects, are one trace: the first is its root, and the parent of the later ones.
Both have identities that derive from the run and the URL, so nothing is remembered, and whether a
URL is traced is the same in all processes. What a crawl asks of its own (a host's address, its
robots.txt) is a trace each.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from hashlib import blake2b
from time import perf_counter
from typing import NamedTuple

from opentelemetry.context import Context
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)

from crawler.core.rules import Ended, RobotsRead
from crawler.engine.steps import VisitEnd
from crawler.model.event import told_url
from crawler.model.outcome import Failed, Kind, Listing, Page
from crawler.model.request import Purpose, Request
from crawler.model.transfer import Exchange

_OWN_QUESTIONS = frozenset({Purpose.ADDRESS, Purpose.ROBOTS})
_PARSE_KINDS = frozenset({Kind.PARSE, Kind.PARSE_TIMEOUT, Kind.PARSE_CRASH})
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)

Attributes = dict[str, str | int]


class Identity(NamedTuple):
    """The trace of a URL, and the span of its first visit."""

    trace_id: int
    span_id: int

    @classmethod
    def of(cls, run: str, request: Request) -> Identity:
        """Derive the identity from the run and what makes the URL one of its own in a list."""
        payload = request.payload.mark if request.payload is not None else ""
        text = f"{run}\n{request.purpose.value}\n{payload}\n{request.seed}"
        found = blake2b(text.encode(errors="surrogatepass"), digest_size=24).digest()
        return cls(int.from_bytes(found[:16]) or 1, int.from_bytes(found[16:]) or 1)


class VisitIds(RandomIdGenerator):
    """Random identities, but for the first visit of a URL. Of use to many threads at once."""

    def __init__(self) -> None:
        self._next = threading.local()

    def choose(self, identity: Identity) -> None:
        """Give the next root of this thread this identity."""
        self._next.identity = identity

    def generate_trace_id(self) -> int:
        """Return the chosen identity, or a random one."""
        chosen: Identity | None = getattr(self._next, "identity", None)
        return chosen.trace_id if chosen is not None else super().generate_trace_id()

    def generate_span_id(self) -> int:
        """Return the chosen identity, once, or a random one."""
        chosen: Identity | None = getattr(self._next, "identity", None)
        self._next.identity = None
        return chosen.span_id if chosen is not None else super().generate_span_id()


def sampler(share: float) -> ParentBased:
    """Return what decides by the trace's identity alone, for its root and for later visits."""
    ratio = TraceIdRatioBased(share)
    return ParentBased(ratio, remote_parent_sampled=ratio, remote_parent_not_sampled=ratio)


class VisitTraces:
    """Makes the spans of each visit. run: names the run in identities. common: of every visit."""

    def __init__(self, tracer: Tracer, ids: VisitIds, run: str, common: Attributes) -> None:
        self._tracer = tracer
        self._ids = ids
        self._run = run
        self._common = common
        self._epoch = time.time() - perf_counter()  # Unix time of the core's zero

    def __repr__(self) -> str:
        return f"VisitTraces({self._run!r}, {self._common!r})"

    def __call__(self, visit: VisitEnd) -> None:
        """Take a visit that has ended; from any thread, without blocking."""
        request, exchange = visit.outcome.request, visit.outcome.exchange
        start = min(request.admitted_at or visit.ended, visit.ended)
        root = self._begin(self._place(request), "visit", start, self._about(request))
        if root.is_recording():
            self._parts(root, visit, exchange, start)
            if isinstance(visit.outcome, Failed):
                _fail(root, visit.outcome.kind)
        self._finish(root, visit.over)

    def _place(self, request: Request) -> Context:
        """Return what a visit's span belongs to, having chosen its identity if it is the first."""
        if request.purpose in _OWN_QUESTIONS:
            return Context()
        identity = Identity.of(self._run, request)
        if request.attempts == 1:
            self._ids.choose(identity)
            return Context()
        parent = SpanContext(*identity, is_remote=True, trace_flags=_SAMPLED)
        return set_span_in_context(NonRecordingSpan(parent), Context())

    def _about(self, request: Request) -> Attributes:
        return {
            "url.full": told_url(request.seed),
            "crawler.purpose": request.purpose.value,
            "crawler.attempt": request.attempts,
            "crawler.depth": request.depth,
            **self._common,
        }

    def _parts(self, root: Span, visit: VisitEnd, exchange: Exchange | None, start: float) -> None:
        context = set_span_in_context(root, Context())
        fetched = start
        if exchange is not None:
            fetched = exchange.started_at + exchange.total
            self._span(context, "wait", start, exchange.started_at)
            self._fetch(context, visit.outcome, exchange)
        if (seconds := _parse_seconds(visit, fetched)) is not None:
            self._parse(context, visit, seconds)
        if visit.written:
            self._span(context, "write", visit.handed, visit.over)

    def _fetch(self, context: Context, outcome: Ended, exchange: Exchange) -> None:
        sent_from, end = exchange.started_at, exchange.started_at + exchange.total
        about = _http(outcome.request, exchange)
        name = str(about["http.request.method"])
        span = self._begin(context, name, sent_from, about, SpanKind.CLIENT)
        if fault := _fetch_fault(outcome, exchange):
            _fail(span, fault)
        inner = set_span_in_context(span, Context())
        connected = sent_from + exchange.connect
        if exchange.connect:
            self._span(inner, "connect", sent_from, connected)
        if exchange.first_byte is not None:
            self._span(inner, "response", connected, connected + exchange.first_byte)
        self._finish(span, end)

    def _parse(self, context: Context, visit: VisitEnd, seconds: float) -> None:
        span = self._begin(context, "parse", visit.ended - seconds, {})
        if isinstance(visit.outcome, Failed) and visit.outcome.kind in _PARSE_KINDS:
            _fail(span, visit.outcome.kind)
        self._finish(span, visit.ended)

    def _span(self, context: Context, name: str, start: float, end: float) -> None:
        self._finish(self._begin(context, name, start, {}), max(start, end))

    def _begin(
        self,
        context: Context,
        name: str,
        start: float,
        about: Attributes,
        kind: SpanKind = SpanKind.INTERNAL,
    ) -> Span:
        at = self._nanoseconds(start)
        return self._tracer.start_span(name, context, kind, about, start_time=at)

    def _finish(self, span: Span, end: float) -> None:
        span.end(self._nanoseconds(end))

    def _nanoseconds(self, at: float) -> int:
        return int((self._epoch + at) * 1e9)


def _fail(span: Span, what: str) -> None:
    """Mark a span as failed; of reasons only the kind is told, as they may name URLs."""
    span.set_attribute("error.type", str(what))
    span.set_status(StatusCode.ERROR)


def _fetch_fault(outcome: Ended, exchange: Exchange) -> str:
    """Return the `error.type` of an exchange: its status, or the kind of failure; "" if none."""
    if exchange.status is not None and exchange.status >= 400:
        return str(exchange.status)
    if isinstance(outcome, Failed) and outcome.kind not in _PARSE_KINDS:
        return str(outcome.kind)
    return ""


def _parse_seconds(visit: VisitEnd, fetched: float) -> float | None:
    """Return the time of parsing, or that since the fetch where it was not measured, or None."""
    outcome = visit.outcome
    document = outcome.document if isinstance(outcome, Page | Failed) else None
    if document is not None:
        return document.seconds or None  # 0: it is that of an earlier crawl
    since = max(0.0, visit.ended - fetched)
    if isinstance(outcome, RobotsRead | Listing):
        return since
    return since if isinstance(outcome, Failed) and outcome.kind in _PARSE_KINDS else None


def _http(request: Request, exchange: Exchange) -> Attributes:
    """Return the attributes of an HTTP client's span."""
    sending, url = request.sending, request.url
    return dict(_http_pairs(request, exchange)) | {
        "http.request.method": sending.method if sending is not None else "GET",
        "url.full": told_url(url.href),
        "server.address": url.hostname,
        "server.port": url.port,
        "http.response.body.size": exchange.wire_bytes,
    }


def _http_pairs(request: Request, exchange: Exchange) -> Iterator[tuple[str, str | int]]:
    """Yield what not every exchange has."""
    if exchange.status is not None:
        yield "http.response.status_code", exchange.status
    if request.attempts > 1:
        yield "http.request.resend_count", request.attempts - 1
    particulars = exchange.particulars
    heads = particulars.heads if particulars is not None else None
    connection = particulars.connection if particulars is not None else None
    ip = (connection.ip if connection is not None else None) or (heads.ip if heads else None)
    if ip:
        yield "network.peer.address", ip
    if connection is not None and connection.http_version:
        yield "network.protocol.version", connection.http_version
