"""One process's part of a mock web: from bound sockets to a responder that answers.

Each process of a web has one `Serving`. They share all that changes an answer: options, start,
attempts and token buckets. An *order* is a word with a JSON value that all of them execute
(`Serving.execute`).
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from pathlib import Path
from socket import socket
from typing import Any

from crawler.mock.judge.event_log import EventLog, merged
from crawler.mock.judge.ledger import Ledger, LedgerSnapshot
from crawler.mock.scenario import MockWeb
from crawler.mock.server.access_log import AccessLog
from crawler.mock.server.certificates import Certificates
from crawler.mock.server.client_connection import Connection
from crawler.mock.server.handshakes import fault_addresses, greetings
from crawler.mock.server.listen import Welcome, accepting, welcome
from crawler.mock.server.open_connections import Opened
from crawler.mock.server.responder import Everyone, Responder, Site, Statistics
from crawler.mock.server.table import Table

# Connections are aborted, so this is never reached; it keeps a bug from being a hang.
STOP_SECONDS = 2.0
# Maximum lag of the access log and the event log.
FLUSH_SECONDS = 0.2
# A loop that has not answered by then has ended.
LEDGER_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """The state that the processes of one web share.

    start: of the web, by `time.monotonic`. directory: of the event logs and `table`; None if a
    single process keeps both in memory. process: number of this one, from 0.
    """

    start: float
    directory: Path | None = None
    process: int = 0

    @property
    def table(self) -> Path | None:
        """The file of attempts and token buckets."""
        return None if self.directory is None else self.directory / "table"


class Serving:
    """The state of one serving process; for its event loop, unless a method says otherwise."""

    def __init__(self, options: MockWeb, site: Site, shared: Shared) -> None:
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        self._directory = shared.directory
        self._log = AccessLog(options.access_log, shared.process) if options.access_log else None
        self._events = EventLog(shared.directory, shared.process) if shared.directory else None
        self._ledger = Ledger()
        self.opened = Opened()
        self.responder = Responder(
            options,
            site,
            ledger=self._events or self._ledger,
            table=Table(shared.table),
            log=self._log,
            start=shared.start,
        )
        self._orders: Mapping[str, Callable[[Any], object]] = {
            "apply": self._apply,
            "reset": self._reset,
            "flush": self._flush,
            "statistics": lambda _: asdict(self.statistics()),
            "recent": lambda _: self.recent(),
        }

    def execute(self, order: str, argument: object) -> Any:
        """Execute an order and return its result as JSON; raise `OptionError` as `changed`."""
        return self._orders[order](argument)

    async def alone(self, order: str, argument: object) -> list[Any]:
        """Execute an order in all processes, where this is the only one."""
        return [self.execute(order, argument)]

    async def whole_ledger(self, everyone: Everyone) -> LedgerSnapshot:
        """Return the ledger of all processes, after each has flushed its log."""
        if self._directory is None:
            return self._ledger.snapshot()
        await everyone("flush", None)
        return (await asyncio.to_thread(merged, self._directory)).snapshot()

    @property
    def options(self) -> MockWeb:
        """The options in force."""
        return self.responder.options

    def statistics(self) -> Statistics:
        """Return the counters of this process; from any thread."""
        return self.responder.statistics()

    def recent(self) -> tuple[str, ...]:
        """Return the last targets of this process, oldest first; from any thread."""
        return self.responder.recent()

    def ledger(self) -> LedgerSnapshot:
        """Return the ledger of this process, if it is the only one; from any thread.

        The loop makes the snapshot, as it changes the rows.
        """
        if threading.get_ident() == self._thread or self._loop.is_closed():
            return self._ledger.snapshot()
        made: Future[LedgerSnapshot] = Future()
        self._loop.call_soon_threadsafe(lambda: made.set_result(self._ledger.snapshot()))
        return made.result(LEDGER_SECONDS)

    def keep_house(self, now: float, *, sweep: bool) -> None:
        """Flush the logs and, with `sweep`, close idle connections; call this regularly."""
        self._flush(None)
        if sweep:
            self.opened.sweep(now, self.responder.options.idle_timeout)

    def close(self) -> None:
        """Write and close the logs."""
        if self._log is not None:
            self._log.close()
        if self._events is not None:
            self._events.close()
        self.responder.table.close()

    def _apply(self, changes: Mapping[str, object]) -> None:
        self.responder.apply(self.responder.options.changed(changes))

    def _reset(self, _: object) -> None:
        self.responder.table.clear()
        (self._events or self._ledger).reset()
        self.responder.reset()

    def _flush(self, _: object) -> None:
        if self._log is not None:
            self._log.flush()
        if self._events is not None:
            self._events.flush()


@contextlib.asynccontextmanager
async def serving(
    options: MockWeb,
    site: Site,
    sockets: Sequence[socket],
    shared: Shared,
    *,
    tls: Certificates | ssl.SSLContext | None = None,
) -> AsyncIterator[Serving]:
    """Serve on the running loop within the block, then close every connection and socket.

    sockets: bound, not listening; those of `fault_addresses` come last, if `tls` has faults. Raises
    OSError if another program listens there by now, `EnvironmentFailure` if the access log cannot
    be opened.
    """
    with contextlib.ExitStack() as stack:
        for each in sockets:
            stack.enter_context(each)
        part = Serving(options, site, shared)
        stack.callback(part.close)
        greets = _greetings(part, len(sockets), tls)
        async with accepting(list(zip(sockets, greets, strict=True))):
            house = _House(part)
            try:
                yield part
            finally:
                house.stop()
                part.opened.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await part.opened.none_left()


def _greetings(
    part: Serving, count: int, tls: Certificates | ssl.SSLContext | None
) -> list[Welcome]:
    """Return the handler of accepted clients for each of `count` sockets."""
    loop = asyncio.get_running_loop()

    def make() -> Connection:
        return Connection(part.responder, part.opened, loop)

    if not isinstance(tls, Certificates):
        return [welcome(make, tls)] * count
    faults = tuple(tls.faults.values()) if fault_addresses(part.options) else ()
    good = [welcome(make, tls.good)] * (count - len(faults))
    return good + greetings(faults, make, part.opened)


class _House:
    """The timer that keeps a process's logs and connections in order."""

    def __init__(self, part: Serving) -> None:
        self._part = part
        self._loop = asyncio.get_running_loop()
        self._swept = time.monotonic()
        self._timer = self._next()

    def stop(self) -> None:
        """Stop the timer."""
        self._timer.cancel()

    @property
    def _sweep_seconds(self) -> float:
        return self._part.responder.options.idle_timeout / 4

    def _next(self) -> asyncio.TimerHandle:
        return self._loop.call_later(min(FLUSH_SECONDS, self._sweep_seconds), self._keep)

    def _keep(self) -> None:
        now = time.monotonic()
        sweep = now - self._swept >= self._sweep_seconds
        if sweep:
            self._swept = now
        self._timer = self._next()
        self._part.keep_house(now, sweep=sweep)
