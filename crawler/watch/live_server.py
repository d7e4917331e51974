"""A page that shows something while it runs, on a port of this machine, from a thread of its own.

Everything is below a path that is a random token, printed for the person who started the run: who
does not have it sees nothing. Orders are POST requests from the page itself, with its `Origin`;
what names another host than the one listened on is refused, as DNS rebinding would. The page needs
no network: style and script are in it, and nothing else may be loaded (Content-Security-Policy).

    GET  /TOKEN/         the page
    GET  /TOKEN/events   server-sent events: one board a second, then `end`
    POST /TOKEN/control  {"command": ..., "host": ...}

A board is made once a second, while somebody looks, for all who look.
"""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from hmac import compare_digest
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from crawler.model.errors import ConfigurationError, EnvironmentFailure
from crawler.model.output import dumps

EVERY = 1.0
"""Seconds between two boards."""
MOST_LOOKERS = 16
_BODY = 4_096  # bytes of an order, at most
_PATIENCE = 5.0  # seconds for a looker to take a board; then it is left
_LAST_PORT = 65_535
_LEAVING = 3.0  # seconds for the last boards at the end

_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_POLICY = (
    "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)

Board = Mapping[str, Any]
Order = Callable[[str, str], str]
"""Carries out a command, for a host or ""; returns what was done. Raises ValueError."""


def check_address(address: str, *, public: bool) -> None:
    """Raise `ConfigurationError` for an address that others reach, unless it was said twice."""
    try:
        loopback = ipaddress.ip_address(address).is_loopback
    except ValueError:
        raise ConfigurationError(f"live_address: {address!r} is not an IP address") from None
    if not (loopback or public):
        raise ConfigurationError(
            f"live_address: other machines may reach {address}, and whoever has the page's address "
            "controls the run; --live-public allows it"
        )


class LivePage:
    """The page, its boards and its orders, on the loop that runs."""

    def __init__(self, board: Callable[[], Board], order: Order | None) -> None:
        self.token = secrets.token_urlsafe(24)
        self.port = 0
        self._board = board
        self._order = order
        self._text = Path(__file__).with_name("live_page.html").read_text(encoding="utf-8")
        self._lookers: set[asyncio.Queue[bytes]] = set()

    def application(self) -> web.Application:
        """Return what answers."""
        application = web.Application(client_max_size=_BODY)
        application.router.add_get("/{token}/", self._page)
        application.router.add_get("/{token}/events", self._events)
        application.router.add_post("/{token}/control", self._control)
        return application

    async def run(self) -> None:
        """Make boards until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            if self._lookers:
                self._tell(await loop.run_in_executor(None, self._event))
            await asyncio.sleep(EVERY)

    def end(self) -> None:
        """Send the last board and the end."""
        self._tell(self._event() + b"event: end\ndata: end\n\n")

    def _event(self) -> bytes:
        return b"data: " + dumps(dict(self._board())) + b"\n\n"

    def _tell(self, event: bytes) -> None:
        for looker in self._lookers:
            if looker.full():  # it has not taken the last one yet
                looker.get_nowait()
            looker.put_nowait(event)

    def _check(self, request: web.Request) -> None:
        """Refuse who does not have the token, and pages of another name."""
        if not compare_digest(request.match_info["token"].encode(), self.token.encode()):
            raise web.HTTPNotFound
        if not _is_here(request.headers.get("Host", ""), self.port):
            raise web.HTTPForbidden(text="another host")

    async def _page(self, request: web.Request) -> web.Response:
        self._check(request)
        nonce = secrets.token_urlsafe(16)
        headers = {**_HEADERS, "Content-Security-Policy": _POLICY.format(nonce=nonce)}
        text = self._text.replace("{nonce}", nonce)
        return web.Response(text=text, content_type="text/html", headers=headers)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        self._check(request)
        if len(self._lookers) >= MOST_LOOKERS:
            raise web.HTTPServiceUnavailable(text="too many look at it")
        response = web.StreamResponse(headers={**_HEADERS, "Content-Type": "text/event-stream"})
        await response.prepare(request)
        looker: asyncio.Queue[bytes] = asyncio.Queue(1)
        self._lookers.add(looker)
        try:
            looker.put_nowait(self._event())
            while True:
                event = await looker.get()
                async with asyncio.timeout(_PATIENCE):
                    await response.write(event)
                if b"event: end" in event:
                    return response
        except (TimeoutError, ConnectionError):
            return response
        finally:
            self._lookers.discard(looker)

    async def _control(self, request: web.Request) -> web.Response:
        self._check(request)
        if request.headers.get("Origin") != f"http://{request.headers['Host']}":
            raise web.HTTPForbidden(text="orders come from the page alone")
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType(text="expected JSON")
        if self._order is None:
            raise web.HTTPForbidden(text="there is nothing to control")
        try:
            asked = orjson.loads(await request.read())
            command, host = str(asked["command"]), str(asked.get("host", ""))
            loop = asyncio.get_running_loop()
            done = await loop.run_in_executor(None, self._order, command, host)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise web.HTTPBadRequest(text=f"not done: {error}") from error
        return web.Response(text=done, headers=_HEADERS)


@contextmanager
def serving_live(
    board: Callable[[], Board],
    order: Order | None = None,
    *,
    port: int = 0,
    address: str = "127.0.0.1",
) -> Iterator[str]:
    """Serve the page for as long as the block lasts; yields its address, with the token.

    board, order: called from a thread. Raises `EnvironmentFailure` for a port that is taken,
    `ConfigurationError` for what is not one.
    """
    started: Future[tuple[str, Callable[[], None]]] = Future()
    page = LivePage(board, order)
    thread = threading.Thread(
        target=_serve, args=(page, address, port, started), name="crawler-live", daemon=True
    )
    if not 0 <= port <= _LAST_PORT:
        raise ConfigurationError(f"--live: {port} is not a port; expected 0 to {_LAST_PORT}")
    thread.start()
    url, stop = started.result()
    try:
        yield url
    finally:
        stop()
        thread.join()


def _serve(
    page: LivePage, address: str, port: int, started: Future[tuple[str, Callable[[], None]]]
) -> None:
    try:
        asyncio.run(_served(page, address, port, started))
    except BaseException as error:
        if started.done():
            raise
        started.set_exception(error)


async def _served(
    page: LivePage, address: str, port: int, started: Future[tuple[str, Callable[[], None]]]
) -> None:
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    runner = web.AppRunner(page.application(), access_log=None, shutdown_timeout=_LEAVING)
    await runner.setup()
    try:
        site = web.TCPSite(runner, address, port)
        try:
            await site.start()
        except OSError as error:
            reason = error.strerror or error
            raise EnvironmentFailure(f"--live: port {port}: {reason}") from None
        bound = runner.addresses[0][1]
        name = f"[{address}]" if ":" in address else address
        page.port = bound
        boards = asyncio.create_task(page.run())
        url = f"http://{name}:{bound}/{page.token}/"
        started.set_result((url, lambda: _told(loop, stopped)))
        await stopped.wait()
        boards.cancel()
        with suppress(asyncio.CancelledError):
            await boards
        page.end()
    finally:
        await runner.cleanup()


def _told(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    loop.call_soon_threadsafe(event.set)


def _is_here(host: str, port: int) -> bool:
    """Return whether a Host field is an address or localhost, which no name server can rebind."""
    name, _, number = host.rpartition(":")
    if number != str(port):
        return False
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return name == "localhost"
    return True
