"""The state that all connections of one server share: the cache, the ledger, the counters.

Only the table (attempts and token buckets, shared by all processes) and the clock with its queue
change answers; everything else counts. For the server's event loop only, except `statistics()` and
`recent()`, which copy and may be called from any thread.
"""

from __future__ import annotations

import math
import re
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import astuple, dataclass, replace
from typing import Any

from crawler.mock.graph.robots_forms import rules as robots_rules
from crawler.mock.judge.event_log import EventLog
from crawler.mock.judge.ledger import Ledger
from crawler.mock.judge.robots_rules import Rules
from crawler.mock.reply import Answer, Ask, Ending, notice
from crawler.mock.scenario import MockWeb
from crawler.mock.server import callers
from crawler.mock.server.access_log import AccessLog
from crawler.mock.server.conditional import is_fresh, not_modified, with_validators
from crawler.mock.server.delivery import AnswerCache, CachedAnswer, Delivery, RequestTurn, render
from crawler.mock.server.request_reader import ReceivedRequest
from crawler.mock.server.table import Table
from crawler.mock.server.timing import Clock, Timing

RECENT_TARGETS = 4096
MAX_HOSTS = 10_000
OPEN_TO_ALL = "/__ready"  # reveals nothing, and container probes use any name

_HOST = re.compile(rb"[A-Za-z0-9._:\[\]-]{1,255}")

Site = Callable[[Ask, MockWeb], Answer]
Everyone = Callable[[str, object], Awaitable[list[Any]]]
"""Has all processes execute an order and returns their results."""
Controlled = Callable[[Ask, bytes], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Statistics:
    """A snapshot of a mock web's counters.

    connections: accepted so far; open_connections: open now. requests: answered or being answered;
    bad_requests: of them, refused as invalid HTTP. bytes_sent: written to the sockets. waiting:
    requests held back now by latency or delay; peak_waiting: their maximum, which is the width of a
    client on a slow web.
    """

    connections: int = 0
    open_connections: int = 0
    requests: int = 0
    bad_requests: int = 0
    bytes_sent: int = 0
    waiting: int = 0
    peak_waiting: int = 0


def total(parts: Iterable[Statistics]) -> Statistics:
    """Return the sums of several processes' counters; that of the peaks is an upper bound."""
    return Statistics(*map(sum, zip(*map(astuple, parts), strict=True)))


@dataclass(slots=True)
class _Host:
    """A host, by one spelling of the Host field."""

    name: str
    rules: Rules
    key: bytes


class Responder:
    """Turns requests into deliveries and counts them; one per process.

    site: makes the answers. authority: replaces a missing Host field. ledger, table, log, start:
    the shared parts; by default those of a single process without a log. control: answers control
    paths, if set.
    """

    def __init__(
        self,
        options: MockWeb,
        site: Site,
        *,
        ledger: Ledger | EventLog | None = None,
        table: Table | None = None,
        log: AccessLog | None = None,
        start: float | None = None,
    ) -> None:
        self.authority = options.authority_of(0)
        self.ledger = Ledger() if ledger is None else ledger
        self.table = Table() if table is None else table
        self.log = log
        self._site = site
        self.control: Controlled | None = None
        self._start = time.monotonic() if start is None else start
        self.connections = self.open_connections = 0
        self.requests = self.bad_requests = self.bytes_sent = 0
        self.waiting = self.peak_waiting = 0
        self._recent: deque[bytes] = deque(maxlen=RECENT_TARGETS)
        self.apply(options)

    def apply(self, options: MockWeb) -> None:
        """Change the options from the next request on."""
        self.options = options
        self._clock = Clock(options, self._start)
        self._hosts: dict[bytes, _Host] = {}
        self._cache = AnswerCache()

    def reset(self) -> None:
        """Reset the counters, except that of open connections."""
        self.connections = self.requests = self.bad_requests = self.bytes_sent = 0
        self.peak_waiting = self.waiting
        self._recent.clear()
        self.apply(self.options)

    # A request's way.

    def take(self, request: ReceivedRequest, address: str, client: str) -> RequestTurn:
        """Begin a request's turn; its delivery is None if `controlled` must make it."""
        now = time.monotonic()
        if request.problem:
            turn = RequestTurn(request, "", address, client, now, self._refusal(request.problem))
            turn.counted = False
            return turn
        host = self._hosts.get(request.host) or self._host(request.host)
        turn = RequestTurn(request, host.name, address, client, now)
        if request.target.startswith(b"/__") and self.control is not None:
            turn.counted = False
            return turn
        self.requests += 1
        self._recent.append(request.target)
        turn.delivery, forbidden = self._delivery(request, host, now)
        self.ledger.begin(host.name, address, now, forbidden=forbidden)
        return turn

    async def controlled(self, turn: RequestTurn) -> Delivery:
        """Answer a control path, which may need the other processes."""
        request, control = turn.request, self.control
        if control is None:
            raise RuntimeError("this server has no control paths")
        ask = self._ask(request)
        problem = callers.refusal(request.headers, self.options, turn.address)
        if problem and ask.path != OPEN_TO_ALL:
            return _rendered(request, notice(403, problem))
        return _rendered(request, await control(ask, request.body))

    def end(self, turn: RequestTurn) -> None:
        """End a turn, after its last byte or when its client has gone; may be called again."""
        delivery = turn.delivery
        if turn.ended:
            return
        turn.ended = True
        if turn.counted and delivery is not None:
            now = turn.begun if delivery.at_once is not None else time.monotonic()
            self.ledger.end(turn.host, turn.address, now, delivery.retry_after)
            if self.log is not None:
                self._write_log(self.log, turn, delivery, now)

    # Counters.

    def statistics(self) -> Statistics:
        """Return the counters."""
        return Statistics(**{name: getattr(self, name) for name in Statistics.__slots__})

    def recent(self) -> tuple[str, ...]:
        """Return the targets of the last requests (at most 4,096), oldest first."""
        return tuple(target.decode("latin-1") for target in self._recent.copy())

    # Deciding.

    def _delivery(self, request: ReceivedRequest, host: _Host, now: float) -> tuple[Delivery, bool]:
        """Return the delivery, and True if robots.txt forbids the request."""
        # Only ordinary requests use the cache: the delivery of any other has another form.
        ordinary = request.method == b"GET" and request.keep_alive and request.version == "1.1"
        kept = self._cache.get((host.key, request.target)) if ordinary else None
        if kept is None:
            kept = self._made(request, host if ordinary else None)
        delivery = kept.delivery
        if request.conditional and is_fresh(kept.head, request.fields):
            delivery = _rendered(request, not_modified(kept.head))
        forbidden = self._forbidden(kept, host, request)
        if self.options.rate or not self._clock.idle or delivery.at_once is None:
            delivery = self._in_time(delivery, kept, request, host, now)
        return delivery, forbidden

    def _made(self, request: ReceivedRequest, keep_for: _Host | None) -> CachedAnswer:
        """Make an answer; cache it if it never changes."""
        ask = self._ask(request)
        reply = self._site(ask, self.options)
        if ask.settled:
            reply = with_validators(reply)
        kept = CachedAnswer(replace(reply, pieces=()), _rendered(request, reply))
        if ask.settled and keep_for is not None:
            self._cache.keep((keep_for.key, request.target), kept)
        return kept

    def _in_time(
        self,
        delivery: Delivery,
        kept: CachedAnswer,
        request: ReceivedRequest,
        host: _Host,
        now: float,
    ) -> Delivery:
        """Return the delivery with its timing, or a refusal if there are too many requests."""
        rate = self.options.rate
        if rate:
            wait = self.table.take(b"rate " + host.key, now, rate, self.options.burst)
            if wait:
                return self._too_much(request, 429, wait)
        if self._clock.idle and not (delivery.delay or delivery.pause):
            return delivery
        steady = self._clock.steady
        if steady is not None and delivery is kept.delivery:  # the same bytes each time
            if kept.timed is None:
                kept.timed = _timed(delivery, steady)
            return kept.timed
        label = f"{host.name}{_origin_form(request.target)}"
        attempt = self.table.count(b"time " + label.encode()) if self._clock.needs_attempt else 0
        timing = self._clock.plan(label, attempt, now)
        if timing.refused is not None:
            delivery = self._too_much(request, 503, timing.refused)
        return _timed(delivery, timing)

    def _too_much(self, request: ReceivedRequest, status: int, wait: float) -> Delivery:
        seconds = str(max(math.ceil(wait), 1))
        headers = (("Retry-After", seconds),) if self.options.retry_after else ()
        return _rendered(request, notice(status, "too many requests", headers=headers))

    def _forbidden(self, kept: CachedAnswer, host: _Host, request: ReceivedRequest) -> bool:
        verdict = kept.verdicts.get(request.agent)
        if verdict is None:
            target = _origin_form(request.target)
            verdict = not host.rules.allows(request.agent.decode("latin-1"), target)
            if len(kept.verdicts) < 4:
                kept.verdicts[request.agent] = verdict
        return verdict

    def _write_log(self, log: AccessLog, turn: RequestTurn, delivery: Delivery, now: float) -> None:
        request = turn.request
        log.write(
            client=turn.client,
            address=turn.address,
            host=turn.host,
            method=request.method,
            target=request.target,
            status=delivery.status,
            sent=turn.sent,
            delay=delivery.delay,
            seconds=now - turn.begun,
            kind=delivery.kind,
            agent=request.agent,
        )

    def _host(self, field: bytes) -> _Host:
        """Return the host of a Host field; unknown names have their own rows in the ledger."""
        name = field.decode("ascii").lower() if _HOST.fullmatch(field) else self.authority
        number = self.options.host_number(name) or 0
        host = _Host(name, robots_rules(self.options, number), name.encode())
        if len(self._hosts) >= MAX_HOSTS:
            self._hosts.clear()
        self._hosts[field] = host
        return host

    def _ask(self, request: ReceivedRequest) -> Ask:
        known = _HOST.fullmatch(request.host) is not None
        host = request.host.decode("ascii") if known else self.authority
        target = _origin_form(request.target)
        start = self._start
        return Ask(
            target=target,
            scheme=self.options.scheme,
            host=host,
            method=request.method.decode("latin-1"),
            fields=request.fields,
            count=lambda: self.table.count(f"{host.lower()}{target}".encode()),
            clock=lambda: time.monotonic() - start,
        )

    def _refusal(self, status: int) -> Delivery:
        self.requests += 1
        self.bad_requests += 1
        reply = notice(status, "this request is refused", ending=Ending.LINGER)
        return render(reply, head_only=False, keep_alive=False, chunks=False)


def _rendered(request: ReceivedRequest, reply: Answer) -> Delivery:
    return render(
        reply,
        head_only=request.method == b"HEAD",
        keep_alive=request.keep_alive,
        chunks=request.version != "1.0",
    )


def _timed(delivery: Delivery, timing: Timing) -> Delivery:
    return delivery.timed(timing.delay, timing.transfer, timing.parts)


def _origin_form(target: bytes) -> str:
    """Return path and query; a proxy's client sends a whole URL (RFC 9112 section 3.2.2)."""
    text = target.decode("latin-1")
    if text.startswith(("http://", "https://")):
        path = text.split("/", 3)[3:]
        return f"/{path[0] if path else ''}"
    return text.partition("#")[0]
