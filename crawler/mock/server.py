"""Serving a mock web: on the running loop, on a thread of its own, or until a signal.

All three are the same server: `serve` listens and, on the way out, stops listening, aborts every
connection and waits until the last one is gone. `running` puts that on a thread and hands start-up
errors to its caller; `main_loop` adds signals. Readiness is an event in each of them: when control
comes back (or `announce` is called), the port accepts.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace

from crawler.mock.connection import Connection
from crawler.mock.listen import plain, secured
from crawler.mock.opened import Opened
from crawler.mock.options import MockWeb
from crawler.mock.responder import Responder, Statistics

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

# Connections are aborted, so this is never reached; it keeps a mistake from being a hang.
STOP_SECONDS = 2.0


class Served:
    """A mock web that is listening."""

    def __init__(self, options: MockWeb, responder: Responder, port: int) -> None:
        host = f"[{options.host}]" if ":" in options.host else options.host
        responder.authority = f"{host}:{port}"
        self.options = options
        self.port = port
        self.url = f"{options.scheme}://{responder.authority}"
        self._responder = responder

    def __repr__(self) -> str:
        return f"Served({self.url!r}, {self.statistics()!r})"

    def urls(self, count: int | None = None) -> Iterator[str]:
        """The URLs of the first `count` pages, of all by default; ValueError if there are fewer."""
        wanted = self.options.pages if count is None else count
        if not 0 <= wanted <= self.options.pages:
            raise ValueError(f"this mock web has {self.options.pages} pages, not {wanted}")
        return (f"{self.url}/page/{number}" for number in range(wanted))

    def statistics(self) -> Statistics:
        """The counters now; from any thread."""
        return self._responder.statistics()

    def recent(self) -> tuple[str, ...]:
        """The targets (path and query) of the last 4,096 requests, oldest first."""
        return self._responder.recent()


def new_event_loop() -> asyncio.AbstractEventLoop:
    """A uvloop loop if uvloop is installed, else asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


@contextlib.asynccontextmanager
async def serve(
    options: MockWeb | None = None, *, context: ssl.SSLContext | None = None
) -> AsyncIterator[Served]:
    """Serve on the running loop; listening when entered, every connection closed when left.

    context: a server's TLS context of one's own. Raises OSError if the address cannot be had.
    """
    options = options or MockWeb()
    if context is not None:
        options = replace(options, tls=True)
    responder = Responder(options)
    opened = Opened()
    async with _listening(options, responder, opened, context) as port:
        try:
            yield Served(options, responder, port)
        finally:
            opened.stop()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(STOP_SECONDS):
            await opened.none_left()


def _listening(
    options: MockWeb, responder: Responder, opened: Opened, context: ssl.SSLContext | None
) -> contextlib.AbstractAsyncContextManager[int]:
    loop = asyncio.get_running_loop()

    def connection() -> Connection:
        return Connection(responder, opened, loop)

    if context is None:
        return plain(options.host, options.port, connection)
    return secured(options.host, options.port, connection, context)


@contextlib.contextmanager
def running(
    options: MockWeb | None = None,
    *,
    context: ssl.SSLContext | None = None,
    loop_factory: LoopFactory = new_event_loop,
) -> Iterator[Served]:
    """Serve on a thread with a loop of its own; listening when entered, gone when left.

    Errors of start-up (OSError: the address cannot be had) are raised here, in the caller.
    """
    started: Future[tuple[Served, Callable[[], None]]] = Future()
    thread = threading.Thread(
        target=_serve_on_thread,
        args=(options or MockWeb(), context, loop_factory, started),
        name="mock-web",
        daemon=True,  # an interpreter that ends without leaving the block is not held up
    )
    thread.start()
    try:
        served, stop = started.result()
    except BaseException:
        thread.join(STOP_SECONDS)
        raise
    try:
        yield served
    finally:
        stop()
        thread.join()


def _serve_on_thread(
    options: MockWeb,
    context: ssl.SSLContext | None,
    loop_factory: LoopFactory,
    started: Future[tuple[Served, Callable[[], None]]],
) -> None:
    async def until_stopped() -> None:
        loop, stopped = asyncio.get_running_loop(), asyncio.Event()
        async with serve(options, context=context) as served:
            started.set_result((served, lambda: _tell(loop, stopped)))
            await stopped.wait()

    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(until_stopped())
    except Exception as error:
        if started.done():
            raise
        started.set_exception(error)


def _tell(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    loop.call_soon_threadsafe(event.set)


def main_loop(
    options: MockWeb,
    announce: Callable[[str], None],
    *,
    loop_factory: LoopFactory = new_event_loop,
) -> None:
    """Serve until SIGINT or SIGTERM, then close every connection and return.

    `announce` is called once with the base URL, when the port accepts. Must be called in the main
    thread. Raises OSError if the address cannot be had, and whatever `announce` raises.
    """
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(_until_signal(options, announce))


async def _until_signal(options: MockWeb, announce: Callable[[str], None]) -> None:
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, stopped.set)
    try:
        async with serve(options) as served:
            announce(served.url)
            await stopped.wait()
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
