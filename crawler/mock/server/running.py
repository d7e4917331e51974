"""Serve a mock web: on the running loop, on its own thread, or until a signal.

`serve` listens and, at the end, stops listening, aborts every connection and waits for the last
one. `running` does that on a thread and raises start-up errors in its caller; `main_loop` adds
signals. When they return control (or call `announce`), the port accepts.

With several `processes`, others do the serving (`crawler.mock.server.supervisor`) and have ended
when the block is left.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from itertools import chain
from pathlib import Path

from crawler.mock.graph.site import answer
from crawler.mock.judge.event_log import Shared
from crawler.mock.judge.ledger import LedgerSnapshot
from crawler.mock.scenario import MockWeb
from crawler.mock.server.certificates import Certificates, fault_addresses
from crawler.mock.server.control import Control
from crawler.mock.server.inventory import catalogue
from crawler.mock.server.listen import raise_descriptor_limit, reserve
from crawler.mock.server.process import STOP_SECONDS, Serving, serving
from crawler.mock.server.responder import Everyone, Statistics, total
from crawler.mock.server.supervisor import Supervisor
from crawler.mock.server.table import Table
from crawler.model.errors import ConfigurationError, EnvironmentFailure
from crawler.runtime import signals
from crawler.runtime.collecting import collect_rarely
from crawler.runtime.event_loop import LoopFactory, new_event_loop


class Served:
    """A listening mock web, as its starter sees it; every method from any thread.

    url: of host 0's listener. ca_pem: the authority to trust with the option `tls`, otherwise
    empty. Several processes are asked for their parts; one that has died is `EnvironmentFailure`.
    """

    def __init__(self, crew: Serving | Supervisor, shared: Shared, ca_pem: bytes) -> None:
        options = crew.options
        host = f"[{options.host}]" if ":" in options.host else options.host
        self.port = options.port
        self.url = f"{options.scheme}://{host}:{options.port}"
        self.ca_pem = ca_pem
        self._crew = crew
        self._shared = shared

    def __repr__(self) -> str:
        return f"Served({self.url!r})"

    @property
    def options(self) -> MockWeb:
        """The options in force, with the actual port."""
        return self._crew.options

    def urls(self, count: int | None = None) -> Iterator[str]:
        """Return the URLs of the first `count` flat pages, by default all; may raise ValueError."""
        there = self.options.pages
        wanted = there if count is None else count
        if not 0 <= wanted <= there:
            raise ValueError(f"this mock web has {there} pages, not {wanted}")
        return (f"{self.url}/page/{number}" for number in range(wanted))

    def statistics(self) -> Statistics:
        """Return the counters, those of several processes summed, peaks included."""
        return total(self._crew.all("statistics"))

    def recent(self) -> tuple[str, ...]:
        """Return the targets (path and query) of a process's last 4,096 requests, oldest first.

        Several processes follow one after the other.
        """
        return tuple(chain.from_iterable(self._crew.all("recent")))

    def ledger(self) -> LedgerSnapshot:
        """Return gaps, width and violations by host and address; of several, while it serves."""
        return self._shared.ledger(self._crew.all("ledger"))

    def call_at_end(self, act: Callable[[], None]) -> None:
        """Call `act`, on any thread, when the serving processes have ended, if there are several.

        They all end early if one of them dies.
        """
        if isinstance(self._crew, Supervisor):
            self._crew.ended.add_done_callback(lambda _: act())


@contextlib.asynccontextmanager
async def serve(
    options: MockWeb | None = None, *, context: ssl.SSLContext | None = None
) -> AsyncIterator[Served]:
    """Serve from the running loop within the block.

    context: another TLS context for the server. Raises OSError if an address is not available,
    `ConfigurationError` for a context with several processes, `EnvironmentFailure` if the access
    log cannot be written and, at the end, if a process has died.
    """
    options = options or MockWeb()
    if context is not None:
        options = replace(options, tls=True)
        if options.processes > 1:
            raise ConfigurationError("a TLS context needs a single process")
    async with _alone(options, context) if options.processes == 1 else _several(options) as served:
        yield served


@contextlib.asynccontextmanager
async def _alone(options: MockWeb, context: ssl.SSLContext | None) -> AsyncIterator[Served]:
    certificates = None
    if options.tls and context is None:
        with _directory() as name, _writing_to(Path(name)) as directory:
            certificates = Certificates.of_web(options, directory)
    settled, sockets = reserve(options, fault_addresses(options) if certificates else ())
    shared = Shared(start=time.monotonic())
    async with serving(settled, answer, sockets, shared, tls=certificates or context) as part:
        ca_pem = certificates.ca_pem if certificates else b""
        control(part, part.alone, ca_pem)
        yield Served(part, shared, ca_pem)


@contextlib.asynccontextmanager
async def _several(options: MockWeb) -> AsyncIterator[Served]:
    with contextlib.ExitStack() as stack:
        settled, sockets = reserve(options, fault_addresses(options), shared=True)
        for each in sockets:  # bound while it serves, so that nobody else takes the port
            stack.enter_context(each)
        directory = Path(stack.enter_context(_directory()))
        shared = Shared(start=time.monotonic(), directory=directory)
        with _writing_to(directory):
            ca_pem = Certificates.of_web(settled, directory).ca_pem if settled.tls else b""
            stack.enter_context(contextlib.closing(Table(shared.table)))
        crew = Supervisor(settled, shared)
        crew.start()
        try:
            await asyncio.wrap_future(crew.started)
            yield Served(crew, shared, ca_pem)
        finally:
            crew.stop()
            await asyncio.shield(asyncio.wrap_future(crew.ended))


def control(part: Serving, everyone: Everyone, ca_pem: bytes) -> None:
    """Have a process answer the control paths; `everyone` has all processes execute an order."""

    async def ledger() -> object:
        results = await everyone("ledger", None)
        return (await asyncio.to_thread(part.shared.ledger, results)).json

    controls = Control(
        options=lambda: part.options,
        everyone=everyone,
        ledger=ledger,
        catalogue=catalogue,
        ca_pem=ca_pem,
    )
    part.responder.control = controls.answer


def _directory() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="mock-web-", ignore_cleanup_errors=True)


@contextlib.contextmanager
def _writing_to(directory: Path) -> Iterator[Path]:
    """Raise an OSError as an `EnvironmentFailure` that names the directory."""
    try:
        yield directory
    except OSError as error:
        raise EnvironmentFailure(f"cannot write to {directory}: {error.strerror}") from error


@contextlib.contextmanager
def running(
    options: MockWeb | None = None,
    *,
    context: ssl.SSLContext | None = None,
    loop_factory: LoopFactory = new_event_loop,
) -> Iterator[Served]:
    """Serve on a thread with its own loop within the block; raise the errors of `serve`."""
    started: Future[tuple[Served, Callable[[], None]]] = Future()
    ended: Future[None] = Future()
    thread = threading.Thread(
        target=_serve_on_thread,
        args=(options or MockWeb(), context, loop_factory, started, ended),
        name="mock-web",
        daemon=True,  # do not hold up an interpreter that ends within the block
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
    ended.result()


def _serve_on_thread(
    options: MockWeb,
    context: ssl.SSLContext | None,
    loop_factory: LoopFactory,
    started: Future[tuple[Served, Callable[[], None]]],
    ended: Future[None],
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
        (ended if started.done() else started).set_exception(error)
    else:
        ended.set_result(None)


def _tell(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    loop.call_soon_threadsafe(event.set)


def main_loop(
    options: MockWeb,
    announce: Callable[[str], None],
    *,
    begun: Callable[[Served], None] | None = None,
    loop_factory: LoopFactory = new_event_loop,
) -> None:
    """Serve until SIGINT, SIGTERM or SIGHUP, then close every connection and return.

    `announce` is called once with the base URL, when the port accepts, and before that `begun`
    with the web, whose methods may then be called from other threads. Call this in the main
    thread; it raises the limit of descriptors. Raises the errors of `serve` (as soon as a process
    has died, too) and of `announce`.
    """
    raise_descriptor_limit()
    collect_rarely()
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(_until_signal(options, announce, begun))


async def _until_signal(
    options: MockWeb, announce: Callable[[str], None], begun: Callable[[Served], None] | None
) -> None:
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    with signals.answering(lambda: _tell(loop, stopped)):
        async with serve(options) as served:
            served.call_at_end(lambda: _tell(loop, stopped))
            if begun is not None:
                begun(served)
            announce(served.url)
            await stopped.wait()
