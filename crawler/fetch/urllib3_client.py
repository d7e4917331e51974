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
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

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

from crawler.core.cookies import Jar
from crawler.fetch import fetch_fault
from crawler.fetch.exchange import (
    IDLE_HOSTS,
    STALE_CONNECTIONS,
    ExchangeProgress,
    FetchTarget,
    connection_facts,
    forwarding,
    target,
)
from crawler.fetch.exchange_link import T
from crawler.fetch.http_fetcher import HttpFetcher, finished
from crawler.fetch.reaper import Reaper
from crawler.fetch.room import Values
from crawler.fetch.wire import PIECE, Call, WireResponse, here
from crawler.model.config import CrawlConfig
from crawler.model.fault import Fault
from crawler.model.head import legible
from crawler.model.outcome import Failed, Fetched, Kind, Resolved
from crawler.model.payload import GET, Payload
from crawler.model.proxies import Proxy
from crawler.model.request import Purpose, Request
from crawler.model.transfer import ConnectionFacts, Heads
from crawler.model.url import Url

_STILL = 1.0  # seconds without a beat that are reported by whichever thread notices first
_LOOK = 0.1  # seconds between checks of a thread that waits for memory for its own end
_NO_TIMEOUT = urllib3.Timeout(None)  # the reaper enforces deadlines


class ThreadedFetcher(HttpFetcher):
    """Makes one HTTP exchange at a time per thread: `with ThreadedFetcher(config) as fetcher`.

    `on_beat` is called about 20 times a second with the seconds by which that call is late.

    `fetch` returns failures (unexpected errors propagate with `config.debug`).
    """

    errors = (HTTPError, OSError)
    event = threading.Event

    def __init__(self, config: CrawlConfig, **parts: Any) -> None:
        super().__init__(config, **parts)
        self.on_beat: Callable[[float], None] = lambda _late: None
        self._headers = urllib3.HTTPHeaderDict(map(_sent, config.network.request_headers))
        context = fetch_fault.tls_context(verify=not config.network.insecure)
        ways = (None, *self._proxies.all)
        self._pools = {way: _pools(config, context, way) for way in ways}
        self._reaper = Reaper(self._pulse, self._beat)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
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
        return self._fetched(request)

    def submit(self, request: Request, form: bytes, page: str) -> Fetched:
        """Send a filled form of the page at the URL `page`, once, as `fetch` does a request."""
        return self._fetched(request, SentForm(form, page))

    def cookies(self) -> Jar:
        """Return all cookies that are kept."""
        return self._credentials.cookies()

    def _fetched(self, request: Request, form: SentForm | None = None) -> Fetched:
        progress = self._begun(request)
        seconds = self._config.network.timeout
        watch = self._reaper.watch(self._pulse() + seconds, fetch_fault.overdue(seconds))
        proxy = self._proxies.route(request.url.host_key)
        call = here.call = _UrllibLink(
            config=self._config,
            names=self._names,
            progress=progress,
            watch=watch,
            pulse=self._pulse,
            policy=self._policy,
            proxy=proxy,
            pools=self._pools[proxy],
            headers=self._headers_of,
            keep_headers=self._keep_headers,
            form=form,
        )
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

    def _made(self, call: _UrllibLink) -> Fetched:
        if call.watch.cause is not None:
            return call.progress.failed(call.watch.cause)
        if call.progress.request.purpose is Purpose.ADDRESS:
            return _look_up(call)
        return finished(self._exchange(call.progress, call))

    def _headers_of(self, progress: ExchangeProgress, goal: FetchTarget) -> urllib3.HTTPHeaderDict:
        own = self._own_headers(progress, goal)
        if not own:
            return self._headers
        headers = self._headers.copy()
        for name, _ in own:  # replace the headers that go to every server, as in aiohttp
            headers.discard(name)
        for name, value in map(_sent, own):
            headers.add(name, value)
        return headers

    def _beat(self, late: float) -> None:
        self._sweep()
        self.on_beat(late)

    def _translated(self, error: Exception, link: _UrllibLink) -> Fault | None:
        if isinstance(error, PoolSSLError) and isinstance(error.args[0], ssl.SSLError):
            error = error.args[0]
        match error:
            case ReadTimeoutError():
                return fetch_fault.overdue(self._config.network.timeout)
            case ProtocolError():
                return _broken(error, link.progress)
            case LocationValueError():
                return Fault(Kind.INVALID_URL, "the host is not valid")
            case http.client.HTTPException():
                return fetch_fault.malformed(str(error))
            case ssl.SSLError():
                return fetch_fault.handshake(error, verify=not self._config.network.insecure)
            case OSError():
                return fetch_fault.exchanging(error)
        return link.watch.cause


class SentForm(NamedTuple):
    """A filled form as it is sent, and the URL of its page."""

    data: bytes
    page: str

    def headers(self, headers: urllib3.HTTPHeaderDict) -> urllib3.HTTPHeaderDict:
        """Return `headers` with those of a form; servers check where it comes from."""
        headers = headers.copy()
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        headers["Origin"] = Url(self.page).host_key
        headers["Referer"] = self.page
        return headers


@dataclass(slots=True, kw_only=True, eq=False)
class _UrllibLink(Call):
    """The `ExchangeLink` of an exchange in a thread; it has a response once it is `open`."""

    pools: urllib3.PoolManager
    headers: Callable[[ExchangeProgress, FetchTarget], urllib3.HTTPHeaderDict]
    form: SentForm | None = None
    _response: Any = field(default=None, init=False)
    _sent: urllib3.HTTPHeaderDict = field(default_factory=urllib3.HTTPHeaderDict, init=False)

    async def open(self) -> tuple[int, Values]:
        request = self.progress.request
        goal, url = target(request.url), request.url
        headers = self.headers(self.progress, goal)
        sending = request.sending or GET
        if self.form is not None:
            headers = self.form.headers(headers)
            sending = Payload("POST", (), self.form.data)
        self._sent = headers
        by_http = self.proxy is not None and not self.proxy.socks
        self.forwarded = by_http and url.scheme == "http"
        self.target = goal.href if self.forwarded else url.path
        pool = self.pools.connection_from_host(url.hostname, url.port, url.scheme)
        path = goal.href if by_http else "/"  # the scheme decides about a tunnel
        stale = 0
        while self._response is None:
            self.fresh = False
            try:
                self._response = pool.urlopen(
                    sending.method,
                    path,
                    body=sending.body or None,
                    headers=headers,
                    retries=False,
                    redirect=False,
                    assert_same_host=False,
                    timeout=_NO_TIMEOUT,
                    release_conn=False,
                    preload_content=False,
                    decode_content=False,
                )
            except ProtocolError as error:
                stale += 1
                # Repeat only what an idle connection explains that the server has closed.
                hung_up = isinstance(error.args[-1], ConnectionError)
                once = self.fresh or sending.once
                if once or not hung_up or stale > STALE_CONNECTIONS:
                    raise
        return self._response.status, self.head.values

    def fields(self) -> tuple[tuple[str, str], ...]:
        return self.head.pairs()

    def connection(self) -> ConnectionFacts | None:
        return self.over._replace(http_version=self.head.version)

    def heads(self) -> Heads | None:
        sent = [(name, legible(value.encode("latin-1"))) for name, value in self._sent.items()]
        if "host" not in self._sent:
            sent.insert(0, ("Host", self.progress.request.url.authority))
        return Heads(tuple(sent), legible(self.status_line), self.over.ip)

    async def read(self) -> bytes:
        data: bytes = self._response.read1(PIECE, decode_content=False)
        return data

    def left(self) -> bytes:
        return b""

    async def wait(self, room: threading.Event) -> None:
        with self.waiting():
            while not room.wait(_LOOK) and self.watch.cause is None:
                pass
        if self.watch.cause is not None:
            raise self.watch.cause

    async def aside(self, call: Callable[..., T], *args: Any) -> T:
        return call(*args)

    @property
    def end(self) -> Callable[[Fault], None]:
        return self.watch.end

    def close(self) -> None:
        if self._response is not None:
            if not self._response.closed:
                self._response.close()
            self._response.release_conn()


def _sent(pair: tuple[str, str]) -> tuple[str, str]:
    """Return a header whose value http.client, which writes Latin-1, sends as UTF-8.

    RFC 9110, 5.5, leaves the meaning of such octets open; aiohttp sends UTF-8, too.
    """
    name, value = pair
    return name, value.encode().decode("latin-1")


def _look_up(call: Call) -> Resolved | Failed:
    request = call.progress.request
    try:
        address = call.look_up(request.url.hostname, request.url.port)
    except Fault as found:
        return call.progress.failed(found)
    except OSError as error:
        return call.progress.failed(fetch_fault.connecting(error))
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
        here.call.connect(super().connect)

    def _new_conn(self) -> socket.socket:
        return here.call.socket_to(self._dns_host, self.port, self.socket_options)

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:
        """Send the request, with the target exactly as in the URL."""
        call = here.call
        if self.sock is None:
            self.connect()
        call.watch.hold(self.sock)
        if call.config.keep_connection or call.keep_headers:
            tls = self.sock if isinstance(self.sock, ssl.SSLSocket) else None
            call.over = connection_facts(None if call.proxy else self.sock.getpeername(), tls)
        super().request(method, call.target, *args, **kwargs)


class _SecureConnection(_Connection, HTTPSConnection):
    """A connection over TLS."""

    def _new_conn(self) -> socket.socket:
        return here.call.shadow(super()._new_conn())


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection
