"""Fetch over urllib3, one exchange per thread: the one module that imports it.

urllib3 pools the connections and writes the requests. `crawler.fetch.wire` opens connections and
reads responses strictly; `crawler.fetch.reaper` enforces deadlines. The request target is sent
exactly as in the URL; urllib3 would encode it again.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import (
    HTTPError,
    LocationValueError,
    ProtocolError,
    ReadTimeoutError,
)
from urllib3.exceptions import SSLError as PoolSSLError
from urllib3.response import BaseHTTPResponse

from crawler.fetch import fetch_fault
from crawler.fetch.address_guard import check_url
from crawler.fetch.budget import STALLED, Account, Budget
from crawler.fetch.credentials import Credentials, Headers, RequestHeaders
from crawler.fetch.exchange import (
    IDLE_HOSTS,
    STALE_CONNECTIONS,
    ExchangeProgress,
    default_port,
    forwarding,
    request_headers,
    target,
)
from crawler.fetch.names import Names
from crawler.fetch.reaper import Reaper
from crawler.fetch.room import DROPPED_BODY, Values, worth_reading
from crawler.fetch.wire import PIECE, Call, WireResponse, here
from crawler.model.config import CrawlConfig
from crawler.model.fault import Fault
from crawler.model.outcome import Fetched, Kind, Received, Resolved
from crawler.model.proxies import Proxies, Proxy
from crawler.model.request import Purpose, Request
from crawler.runtime.pulse import Pulse

_STILL = 1.0  # seconds without a beat that are reported by whichever thread notices first
_LOOK = 0.1  # seconds between checks of a thread that waits for memory for its own end


class ThreadedFetcher:
    """Makes one HTTP exchange at a time per thread: `with ThreadedFetcher(config) as fetcher`.

    `on_beat` is called about 20 times a second with the seconds by which that call is late.

    `fetch` returns failures (unexpected errors propagate with `config.debug`). Raises
    `ConfigurationError` for an invalid proxy. `headers` returns further headers for a request;
    `keep_headers` keeps those of all responses.
    """

    def __init__(
        self,
        config: CrawlConfig,
        *,
        names: Names | None = None,
        proxies: Proxies | None = None,
        budget: Budget | None = None,
        headers: RequestHeaders | None = None,
        keep_headers: bool = False,
    ) -> None:
        self._config = config
        self._keep_headers = keep_headers or bool(config.parsing.custom)
        self._budget = budget or Budget()
        self.on_beat: Callable[[float], None] = lambda _late: None
        self._pulse = Pulse()
        self._proxies = proxies or Proxies(config.network.proxy)
        self._policy = config.network.addresses
        self._credentials = Credentials(config, headers)
        self._headers = urllib3.HTTPHeaderDict(map(_sent, request_headers(config)))
        self._timeout = urllib3.Timeout(None)  # the reaper enforces deadlines
        context = fetch_fault.tls_context(verify=not config.network.insecure)
        ways = (None, *self._proxies.all)
        self._pools = {way: _pools(config, context, way) for way in ways}
        self._names = names or Names(config.network.dns_ttl)
        self._reaper = Reaper(self._pulse, self._beat)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the pooled connections and end the fetcher's threads."""
        self._reaper.close()
        self._names.close()
        for pools in self._pools.values():
            pools.clear()

    def abort(self) -> None:
        """End every exchange, in flight or still to come, as `Failed(CANCELLED)`."""
        self._reaper.abort(Fault(Kind.CANCELLED, "cancelled"))
        self._names.close()

    def fetch(self, request: Request) -> Fetched:
        """Make one exchange within `config.network.timeout` seconds; do not follow redirects."""
        progress = ExchangeProgress(request)
        seconds = self._config.network.timeout
        watch = self._reaper.watch(self._pulse() + seconds, fetch_fault.overdue(seconds))
        proxy = self._proxies.route(request.url.host_key)
        call = Call(
            self._config,
            self._names,
            progress,
            watch,
            self._pulse,
            policy=self._policy,
            proxy=proxy,
        )
        here.call = call
        try:
            outcome = self._made(call)
        finally:
            self._budget.received(request)
            self._reaper.leave(watch)
            if self._pulse.late >= _STILL:  # a thread may be back before the reaper is
                self.on_beat(self._pulse.late)
            del here.call
        if watch.cause is None:
            return outcome
        late = watch.cause.kind is Kind.TIMEOUT
        return progress.overdue(watch.cause) if late else progress.failed(watch.cause)

    def forget(self, request: Request) -> None:
        """Release the memory of a request's body, after its visit."""
        self._budget.release(request)

    def _made(self, call: Call) -> Fetched:
        try:
            return self._exchange(call)
        except Fault as found:
            return call.progress.failed(found)
        except Exception as error:
            known = self._translated(error, call.progress)
            if known is None and self._config.debug and call.watch.cause is None:
                raise
            return call.progress.failed(known or Fault(Kind.INTERNAL, repr(error)))

    def _exchange(self, call: Call) -> Fetched:
        if call.watch.cause is not None:
            raise call.watch.cause
        progress = call.progress
        if progress.request.purpose is Purpose.ADDRESS:
            return _look_up(call)
        if call.proxy is not None and call.proxy.looks_up:
            check_url(self._policy, progress.request.url)
        response = self._open(call)
        try:
            values = call.values
            progress.answered(response.status, values)
            if self._keep_headers:
                progress.fields = call.fields
            if 200 <= response.status < 300 and progress.wanted(self._config):
                return self._read(call, response, values)
            progress.refuse(values, proxied=call.forwarded)
            self._rest(call, response, values)
            return progress.settled()
        finally:
            if not response.closed:
                response.close()
            response.release_conn()

    def _open(self, call: Call) -> BaseHTTPResponse:
        """Send the request and wait for the response's header."""
        request = call.progress.request
        goal = target(request.url)
        headers = self._headers_with(self._credentials.headers(request, goal))
        parts = urlsplit(goal.href)
        by_http = call.proxy is not None and not call.proxy.socks
        call.forwarded = by_http and parts.scheme == "http"
        call.target = goal.href if call.forwarded else goal.href[goal.href.index("/", 8) :]
        pools = self._pools[call.proxy]
        pool = pools.connection_from_host(parts.hostname or "", parts.port, parts.scheme)
        path = goal.href if by_http else "/"  # the scheme decides about a tunnel
        stale = 0
        while True:
            call.fresh = False
            try:
                return pool.urlopen(
                    "GET",
                    path,
                    headers=headers,
                    retries=False,
                    redirect=False,
                    assert_same_host=False,
                    timeout=self._timeout,
                    release_conn=False,
                    preload_content=False,
                    decode_content=False,
                )
            except ProtocolError as error:
                stale += 1
                # Repeat only what an idle connection explains that the server has closed.
                hung_up = isinstance(error.args[-1], ConnectionError)
                if call.fresh or not hung_up or stale > STALE_CONNECTIONS:
                    raise

    def _headers_with(self, credentials: Headers) -> urllib3.HTTPHeaderDict:
        if not credentials:
            return self._headers
        headers = self._headers.copy()
        for name, _ in credentials:  # replace the headers that go to every server, as in aiohttp
            headers.discard(name)
        for name, value in map(_sent, credentials):
            headers.add(name, value)
        return headers

    def _read(self, call: Call, response: BaseHTTPResponse, values: Values) -> Received:
        progress = call.progress
        # Before reading, as urllib3 also raises on too many codings.
        progress.expect(values, self._config)
        progress.allowed = self._budget.step
        if progress.packed and self._budget.full:
            self._ask(call, self._budget.step)
        while data := response.read1(PIECE, decode_content=False):
            if not progress.take(data):
                break
            if progress.held > progress.allowed and not self._ask(call, progress.need):
                break
        return progress.received()

    def _ask(self, call: Call, need: int) -> bool:
        """Ask for memory and wait for it; return False if this body gets no more."""
        progress, watch = call.progress, call.watch

        def opened() -> Account:
            return Account(
                progress.heard, threading.Event(), partial(watch.end, fetch_fault.stalled())
            )

        request, held, now = progress.request, progress.held, self._pulse()
        account = self._budget.grow(request, held, need, now, opened)
        if account.waits:
            with call.waiting():
                while not account.room.wait(_LOOK) and watch.cause is None:
                    pass
            progress.listens()
        if watch.cause is not None:
            raise watch.cause
        progress.allowed = account.granted
        if account.cut:
            progress.cut()
        return not account.cut

    def _beat(self, late: float) -> None:
        self._budget.sweep(self._pulse(), self._pulse.quiet_since(STALLED))
        self.on_beat(late)

    def _rest(self, call: Call, response: BaseHTTPResponse, values: Values) -> None:
        """Read an error page, or a small unwanted body, so that its connection can be reused.

        Failures are ignored, as the status is all that counts; the connection is closed then.
        """
        progress = call.progress
        with suppress(HTTPError, OSError, Fault):
            if progress.wanted(self._config):
                self._read(call, response, values)
            elif worth_reading(values):
                for data in response.stream(PIECE // 4, decode_content=False):
                    progress.wire_bytes += len(data)
                    if progress.wire_bytes > DROPPED_BODY:
                        return

    def _translated(self, error: Exception, progress: ExchangeProgress) -> Fault | None:
        """Return the fault for an exception of urllib3 or http.client; None if unexpected."""
        match error:
            case ReadTimeoutError():
                return fetch_fault.overdue(self._config.network.timeout)
            case ProtocolError():
                return _broken(error, progress)
            case PoolSSLError() if isinstance(error.args[0], ssl.SSLError):
                return fetch_fault.handshake(
                    error.args[0], verify=not self._config.network.insecure
                )
            case LocationValueError():
                return Fault(Kind.INVALID_URL, "the host is not valid")
            case http.client.HTTPException():
                return fetch_fault.malformed(str(error))
            case ssl.SSLError():
                return fetch_fault.handshake(error, verify=not self._config.network.insecure)
            case OSError():
                return fetch_fault.exchanging(error)
        return None


def _sent(pair: tuple[str, str]) -> tuple[str, str]:
    """Return a header whose value http.client, which writes Latin-1, sends as UTF-8.

    RFC 9110, 5.5, leaves the meaning of such octets open; aiohttp sends UTF-8, too.
    """
    name, value = pair
    return name, value.encode().decode("latin-1")


def _look_up(call: Call) -> Resolved:
    request = call.progress.request
    parts = urlsplit(request.url.host_key)
    try:
        address = call.look_up(parts.hostname or "", default_port(parts))
    except OSError as error:
        raise fetch_fault.connecting(error) from None
    return Resolved(request=request, address=address)


def _broken(error: ProtocolError, progress: ExchangeProgress) -> Fault:
    """Return the fault for the cause of a `ProtocolError`, which is its last argument, if any."""
    match error.args[-1]:
        case http.client.RemoteDisconnected() if progress.status is None:
            return fetch_fault.closed()
        case http.client.IncompleteRead():
            return fetch_fault.cut_short()
        case ConnectionError() if progress.status is not None:
            return fetch_fault.cut_short()
        case http.client.HTTPException() as cause:
            return fetch_fault.malformed(str(cause))
        case OSError() as cause:
            return fetch_fault.exchanging(cause)
        case text:
            return fetch_fault.malformed(str(text).lower())


def _pools(
    config: CrawlConfig, context: ssl.SSLContext, proxy: Proxy | None
) -> urllib3.PoolManager:
    """Return the pools for one way to connect; `Call` handles SOCKS proxies."""
    options: dict[str, Any] = {
        "num_pools": max(IDLE_HOSTS, 2 * config.concurrency),
        "maxsize": min(config.politeness.per_host, config.concurrency),
        "block": False,
        "ssl_context": context,
    }
    if config.network.insecure:
        warnings.simplefilter("ignore", urllib3.exceptions.InsecureRequestWarning)
    pools: urllib3.PoolManager
    if proxy is None or proxy.socks:
        pools = urllib3.PoolManager(**options)
    else:
        options["maxsize"] = config.concurrency
        proxied = forwarding(proxy)
        credentials = proxied.authorization
        options["proxy_headers"] = {"Proxy-Authorization": credentials} if credentials else {}
        pools = urllib3.ProxyManager(proxied.href, proxy_ssl_context=context, **options)
    pools.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}
    return pools


class _Connection(HTTPConnection):
    """A connection that serves the current thread's call."""

    response_class = WireResponse

    def connect(self) -> None:
        """Connect within the exchange's deadlines."""
        here.call.connect(super().connect)

    def _new_conn(self) -> socket.socket:
        return here.call.open(self._dns_host, self.port, self.socket_options)

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:
        """Send the request, with the target exactly as in the URL."""
        call = here.call
        if self.sock is None:
            self.connect()
        call.watch.hold(self.sock)
        super().request(method, call.target, *args, **kwargs)


class _SecureConnection(_Connection, HTTPSConnection):
    """A connection over TLS."""

    def _new_conn(self) -> socket.socket:
        return here.call.shadow(super()._new_conn())


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection
