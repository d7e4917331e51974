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
from socket import socket
from typing import Any

from crawler.mock.judge.event_log import EventLog, Shared
from crawler.mock.judge.ledger import Ledger, LedgerSnapshot
from crawler.mock.scenario import MockWeb
from crawler.mock.server.access_log import AccessLog
from crawler.mock.server.certificates import Certificates, fault_addresses
from crawler.mock.server.client_connection import Connection
from crawler.mock.server.listen import Welcome, accepting, welcome
from crawler.mock.server.open_connections import Opened
from crawler.mock.server.responder import Responder, Site
from crawler.mock.server.table import Table

# Connections are aborted, so this is never reached; it keeps a bug from being a hang.
STOP_SECONDS = 2.0
# Maximum lag of the access log and the event log.
FLUSH_SECONDS = 0.2
# A loop that has not answered by then has ended.
_ORDER_SECONDS = 10.0
ORDERS = ("statistics", "recent")
"""Orders whose last results are kept after the end."""


class Serving:
    """The state of one serving process; for its event loop, unless a method says otherwise."""

    def __init__(self, options: MockWeb, site: Site, shared: Shared) -> None:
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        self.shared = shared
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
            "apply": lambda changes: self.responder.apply(self.options.changed(changes)),
            "reset": lambda _: self._reset(),
            "ledger": lambda _: self._ledger_part(),
            "statistics": lambda _: self.responder.statistics(),
            "recent": lambda _: self.responder.recent(),
        }

    def execute(self, order: str, argument: object = None) -> Any:
        """Execute an order and return its result; raise `OptionError` as `changed`."""
        return self._orders[order](argument)

    async def alone(self, order: str, argument: object) -> list[Any]:
        """Execute an order in all processes, where this is the only one."""
        return [self.execute(order, argument)]

    def all(self, order: str) -> list[Any]:
        """Do the same from any thread; the loop executes the order, as it changes the rows."""
        if threading.get_ident() == self._thread or self._loop.is_closed():
            return [self.execute(order)]
        made: Future[Any] = Future()
        self._loop.call_soon_threadsafe(lambda: made.set_result(self.execute(order)))
        return [made.result(_ORDER_SECONDS)]

    @property
    def options(self) -> MockWeb:
        """The options in force."""
        return self.responder.options

    def close(self) -> None:
        """Write and close the logs."""
        if self._log is not None:
            self._log.close()
        if self._events is not None:
            self._events.close()
        self.responder.table.close()

    def flush(self) -> None:
        """Write the logs; call this regularly."""
        if self._log is not None:
            self._log.flush()
        if self._events is not None:
            self._events.flush()

    def _reset(self) -> None:
        self.responder.table.clear()
        (self._events or self._ledger).reset()
        self.responder.reset()

    def _ledger_part(self) -> LedgerSnapshot | bool:
        """Return the ledger; if it is in the event logs, whether this process's is truncated."""
        if self._events is None:
            return self._ledger.snapshot()
        self._events.flush()
        return self._events.truncated


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
            house = asyncio.create_task(_keep_house(part))
            try:
                yield part
            finally:
                house.cancel()
                part.opened.stop()
                with contextlib.suppress(asyncio.CancelledError):
                    await house
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await part.opened.none_left()


def _greetings(
    part: Serving, count: int, tls: Certificates | ssl.SSLContext | None
) -> list[Welcome]:
    loop = asyncio.get_running_loop()

    def make() -> Connection:
        return Connection(part.responder, part.opened, loop)

    if not isinstance(tls, Certificates):
        return [welcome(make, tls)] * count
    faults = tls.greetings(make, part.opened) if fault_addresses(part.options) else []
    return [welcome(make, tls.good)] * (count - len(faults)) + faults


async def _keep_house(part: Serving) -> None:
    swept = time.monotonic()
    while True:
        interval = part.options.idle_timeout / 4
        await asyncio.sleep(min(FLUSH_SECONDS, interval))
        part.flush()
        if (now := time.monotonic()) - swept >= interval:
            swept = now
            part.opened.sweep(now, part.options.idle_timeout)
