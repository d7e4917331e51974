"""Short runs over every way to end, drawn by a seed: `python -m tests.load.endings RUNS [SEED]`.

Prints how late the latest was and exits with 1 if one was late by more than a second, or did not
end. Time in which the machine ran nothing of this process does not count: a thread looks at the
clock. One run in fifty has two processes, which take their time to start: those have only to end.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from threading import Event, Thread
from time import perf_counter
from typing import Any, cast

from crawler.load import aio  # noqa: F401  its imports are not to be the first run's
from crawler.load.load_config import LoadConfig
from crawler.load.run import run_load
from crawler.model.errors import EnvironmentFailure
from crawler.runtime.event_loop import new_event_loop
from tests.patience import PATIENCE

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SECONDS = 0.1
LATE = 1.0


class _Server(asyncio.Protocol):
    """Answers each request, or not, as `way` says."""

    def __init__(
        self, way: str, chance: random.Random, server: list[asyncio.Server], open: set[_Server]
    ) -> None:
        self._way, self._chance, self._server, self._open = way, chance, server, open

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._open.add(self)
        if self._way == "refuse" and self._chance.random() < 0.3:
            self._server[0].close()  # who comes later finds nobody
        if self._way == "reset at once" and self._chance.random() < 0.3:
            self._reset()

    def data_received(self, _data: bytes) -> None:
        if self._way == "silent":
            return
        if self._way == "reset" and self._chance.random() < 0.5:
            self._reset()
            return
        self._transport.write(OK)
        if self._way == "close" and self._chance.random() < 0.2:
            self._transport.close()

    def connection_lost(self, _error: Exception | None) -> None:
        self._open.discard(self)

    def abort(self) -> None:
        """End the connection."""
        self._transport.abort()

    def _reset(self) -> None:
        raw = self._transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()


WAYS = ("ok", "close", "reset", "reset at once", "refuse", "silent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One run: `halt` is the share of it after which it is ended early; None for not."""

    way: str
    factory: Callable[[], asyncio.AbstractEventLoop]
    options: dict[str, Any]
    halt: float | None

    @classmethod
    def drawn(cls, chance: random.Random) -> Case:
        """Draw a case."""
        processes = 2 if chance.random() < 0.02 else 1
        options: dict[str, Any] = {
            "connections": chance.choice((1, 4, 16)) * processes,
            "processes": processes,
            "keepalive": chance.random() < 0.5,
            "engine": "aiohttp" if chance.random() < 0.2 else "raw",
            "rate": chance.choice((0.0, 0.0, 200.0)),
            "timeout": chance.choice((0.05, 10.0)),
            "duration": SECONDS,
        }
        loop = chance.choice((asyncio.new_event_loop, new_event_loop))
        halt = chance.random() if chance.random() < 0.3 else None
        return cls(way=chance.choice(WAYS), factory=loop, options=options, halt=halt)

    async def late(self, chance: random.Random) -> float:
        """Carry it out, and return the seconds that it took beyond its time."""
        halt = asyncio.Event()
        loop = asyncio.get_running_loop()
        async with _serving(self.way, chance) as url:
            if self.halt is not None:
                loop.call_later(self.halt * SECONDS, halt.set)
            begun = perf_counter()
            with _stalls() as stalls, suppress(EnvironmentFailure):  # gone before the first hit
                await run_load(LoadConfig(**self.options), [url], halt=halt)
            return perf_counter() - begun - SECONDS - sum(stalls)


@contextmanager
def _stalls() -> Iterator[list[float]]:
    """The times, in seconds, that no thread of this process ran: each beyond a tenth of one."""
    found: list[float] = []
    over = Event()

    def look() -> None:
        before = perf_counter()
        while not over.wait(0.01):
            now = perf_counter()
            if now - before > 0.1:
                found.append(now - before)
            before = now

    thread = Thread(target=look, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


@asynccontextmanager
async def _serving(way: str, chance: random.Random) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    server: list[asyncio.Server] = []
    connections: set[_Server] = set()
    made = partial(_Server, way, chance, server, connections)
    server.append(await loop.create_server(made, "127.0.0.1", 0))
    try:
        yield f"http://127.0.0.1:{server[0].sockets[0].getsockname()[1]}/"
    finally:
        server[0].close()
        while connections:
            for connection in tuple(connections):
                connection.abort()
            await asyncio.sleep(0)


def latest(runs: int, seed: int) -> tuple[float, Case]:
    """Carry out so many cases and return the latest; TimeoutError for one that does not end."""
    chance = random.Random(seed)
    found: list[tuple[float, Case]] = []
    for number in range(runs):
        case = Case.drawn(chance)
        with asyncio.Runner(loop_factory=case.factory) as runner:
            try:
                late = runner.run(asyncio.wait_for(case.late(chance), PATIENCE))
            except TimeoutError:
                raise TimeoutError(f"run {number} of seed {seed} does not end: {case}") from None
        if case.options["processes"] == 1:
            found.append((late, case))
    return max(found, key=lambda each: each[0])


if __name__ == "__main__":
    late, case = latest(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    sys.stdout.write(f"the latest of {sys.argv[1]} runs was {late:.3f} s late: {case}\n")
    sys.exit(late > LATE)
