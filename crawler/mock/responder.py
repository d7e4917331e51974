"""What all connections of one server share: the bounded cache, the attempts, the counters.

The only state of the mock web. None of it changes an answer but the count of attempts, which
`/flaky/` paths alone look at. Used from the server's event loop only; `statistics()` and
`recent()` copy, and may be called from any thread.
"""

from __future__ import annotations

import re
from collections import OrderedDict, deque
from dataclasses import dataclass, replace
from typing import NamedTuple

from crawler.mock.answer import Ask, Ending, notice
from crawler.mock.options import MockWeb
from crawler.mock.web import answer
from crawler.mock.wire import Delivery, render

CACHE_BYTES = 64 * 1024 * 1024
# A page that would push everything else out is cheaper to build again.
MAX_CACHED_BYTES = CACHE_BYTES // 16
MAX_ATTEMPT_KEYS = 10_000
RECENT_TARGETS = 4096
# What a dict entry, its key and its delivery weigh beside the page.
_ENTRY_BYTES = 512

_HOST = re.compile(rb"[A-Za-z0-9._:\[\]-]{1,255}")


class Request(NamedTuple):
    """One parsed request; `problem` is a status to refuse it with, or 0."""

    method: bytes
    target: bytes
    host: bytes
    headers: list[tuple[bytes, bytes]]
    keep_alive: bool
    version: str
    problem: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """A snapshot of a mock web's counters.

    connections: accepted so far; open_connections: of them, open now.
    requests: answered or being answered. bad_requests: of them, refused as no good HTTP.
    bytes_sent: handed to the sockets. waiting: requests held back now by latency or delay;
    peak_waiting: the most of them at any time, which is the width of a client on a slow web.
    """

    connections: int = 0
    open_connections: int = 0
    requests: int = 0
    bad_requests: int = 0
    bytes_sent: int = 0
    waiting: int = 0
    peak_waiting: int = 0


class Responder:
    """Turns requests into deliveries and counts them; one for a server."""

    def __init__(self, options: MockWeb) -> None:
        self.options = options
        self.authority = "localhost"
        self.connections = self.open_connections = 0
        self.requests = self.bad_requests = self.bytes_sent = 0
        self.waiting = self.peak_waiting = 0
        self._recent: deque[bytes] = deque(maxlen=RECENT_TARGETS)
        self._attempts: OrderedDict[bytes, int] = OrderedDict()
        self._cache: dict[tuple[bytes, bytes], Delivery] = {}
        self._cached_bytes = 0

    def delivery(self, request: Request) -> Delivery:
        """What to send for a request; a page asked for before costs one look-up."""
        self.requests += 1
        if request.problem:
            return self._refusal(request.problem)
        self._recent.append(request.target)
        key = (request.host, request.target)
        ordinary = request.method == b"GET" and request.keep_alive
        if ordinary and (cached := self._cache.get(key)) is not None:
            return cached
        made = self._made(request)
        if ordinary and request.target.startswith(b"/page/") and len(made.pieces) == 1:
            self._keep(key, made)
        return made

    def statistics(self) -> Statistics:
        """The counters now."""
        return Statistics(
            connections=self.connections,
            open_connections=self.open_connections,
            requests=self.requests,
            bad_requests=self.bad_requests,
            bytes_sent=self.bytes_sent,
            waiting=self.waiting,
            peak_waiting=self.peak_waiting,
        )

    def recent(self) -> tuple[str, ...]:
        """The targets of the last requests (4,096 at most), oldest first."""
        return tuple(target.decode("latin-1") for target in self._recent.copy())

    def begin_wait(self) -> None:
        """A request starts to be held back."""
        self.waiting += 1
        self.peak_waiting = max(self.peak_waiting, self.waiting)

    def end_wait(self) -> None:
        """It is held back no longer, or its client has gone."""
        self.waiting -= 1

    def _made(self, request: Request) -> Delivery:
        reply = answer(self._ask(request), self.options)
        latency = self.options.latency.fixed or 0.0
        reply = replace(reply, delay=reply.delay + latency) if latency else reply
        return render(
            reply,
            head_only=request.method == b"HEAD",
            keep_alive=request.keep_alive,
            chunks=request.version != "1.0",
        )

    def _ask(self, request: Request) -> Ask:
        known = _HOST.fullmatch(request.host) is not None
        return Ask(
            target=_origin_form(request.target),
            scheme=self.options.scheme,
            host=request.host.decode("ascii") if known else self.authority,
            method=request.method.decode("latin-1"),
            fields=tuple((n.decode("latin-1"), v.decode("latin-1")) for n, v in request.headers),
            count=lambda: self._attempt(request.target),
        )

    def _attempt(self, target: bytes) -> int:
        """How often a target was asked before; the longest unasked is forgotten first."""
        attempt = self._attempts.pop(target, 0)
        self._attempts[target] = attempt + 1
        if len(self._attempts) > MAX_ATTEMPT_KEYS:
            self._attempts.popitem(last=False)
        return attempt

    def _keep(self, key: tuple[bytes, bytes], made: Delivery) -> None:
        size = len(made.pieces[0]) + _ENTRY_BYTES
        if size > MAX_CACHED_BYTES:
            return
        self._cache[key] = made
        self._cached_bytes += size
        while self._cached_bytes > CACHE_BYTES:
            oldest = self._cache.pop(next(iter(self._cache)))
            self._cached_bytes -= len(oldest.pieces[0]) + _ENTRY_BYTES

    def _refusal(self, status: int) -> Delivery:
        self.bad_requests += 1
        reply = notice(status, "this request is refused", ending=Ending.LINGER)
        return render(reply, head_only=False, keep_alive=False, chunks=False)


def _origin_form(target: bytes) -> str:
    """Path and query; a proxy's client sends a whole URL (RFC 9112 section 3.2.2)."""
    text = target.decode("latin-1")
    if text.startswith(("http://", "https://")):
        path = text.split("/", 3)[3:]
        return f"/{path[0] if path else ''}"
    return text.partition("#")[0]
