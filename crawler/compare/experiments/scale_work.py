"""The arms of `scale`: many connections wait, some are woken up, and each notes how late.

Connections are made one after the other in the same way for all; who waits for them differs: a task
a connection on one event loop, or a thread a connection. Then the peer (`scale_peer`) wakes up
some of them, and a waiter notes how long ago the wake-up was sent.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from gc import collect
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

from crawler.compare.design import Done, Parameters, Watch
from crawler.compare.experiments.scale_peer import RESET, STAMP
from crawler.measure.processes import pss
from crawler.measure.quantity import ranked
from crawler.runtime.companion import Companion, companions

if TYPE_CHECKING:
    from crawler.model.choices import Loop

_WARM_UP = 10  # connections


class Calls(NamedTuple):
    """Wake-ups: how many, within how many seconds, drawn with which seed."""

    wake_ups: int
    seconds: float
    seed: int


class Waited(NamedTuple):
    """The lateness of each wake-up, bytes a connection, seconds to set up."""

    delays: Sequence[float]
    memory: float
    connecting: float


def work(parameters: Parameters, watch: Watch) -> Done:
    """Let so many connections wait, and wake some."""
    from crawler.runtime.files import allow_connections

    kind, count = parameters["kind"], parameters["connections"]
    calls = Calls(parameters["wake_ups"], parameters["seconds"], parameters["seed"])
    allow_connections(count)
    with peer() as other:
        _waited(kind, other, _WARM_UP, Calls(_WARM_UP, 0.01, 0))
        with watch:
            found = _waited(kind, other, count, calls)
    return _told(found, count)


class Peer:
    """The process at the other end."""

    def __init__(self, process: Companion) -> None:
        self._process = process
        self._port = process.hear()

    def connect(self, count: int) -> list[socket.socket]:
        """Open so many connections, all of them accepted."""
        self._process.tell(("take", count))
        found = [socket.create_connection(("127.0.0.1", self._port)) for _ in range(count)]
        for connection in found:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        if self._process.hear() != "taken":
            raise RuntimeError("the peer did not take all connections")
        return found

    def wake(self, calls: Calls) -> None:
        """Begin to wake; returns at once."""
        self._process.tell(("wake", calls.wake_ups, calls.seconds, calls.seed))


@contextmanager
def peer() -> Iterator[Peer]:
    """Start the peer; it ends with the block."""
    module = "crawler.compare.experiments.scale_peer"
    with companions(module, 1, "scale", blocked=()) as (process,):
        yield Peer(process)


def _waited(kind: str, other: Peer, count: int, calls: Calls) -> Waited:
    if kind == "threads":
        return _in_threads(other, count, calls)
    from crawler.runtime.event_loop import chosen_loop, loop_factory

    loop: Loop = "uvloop" if kind == "uvloop" else "asyncio"
    if chosen_loop(loop) != loop:
        raise RuntimeError(f"{loop} is not installed")
    with asyncio.Runner(loop_factory=loop_factory(loop)) as runner:
        return runner.run(_on_loop(other, count, calls))


def _in_threads(other: Peer, count: int, calls: Calls) -> Waited:
    began, before = perf_counter(), _memory()
    delays: list[float] = []
    done, ready = threading.Event(), threading.Semaphore(0)

    def wait(connection: socket.socket) -> None:
        ready.release()
        while stamp := connection.recv(STAMP.size, socket.MSG_WAITALL):
            delays.append(perf_counter() - STAMP.unpack(stamp)[0])
            if len(delays) >= calls.wake_ups:
                done.set()

    connections = other.connect(count)
    threads = [threading.Thread(target=wait, args=(each,)) for each in connections]
    try:
        for thread in threads:
            thread.start()
            ready.acquire()
        connecting, memory = perf_counter() - began, _memory()
        other.wake(calls)
        done.wait()
    finally:
        for connection in connections:
            connection.shutdown(socket.SHUT_RDWR)  # whoever waits for it reads its end
        for thread in threads:
            if thread.ident is not None:
                thread.join()
        for connection in connections:
            connection.close()
    return Waited(delays, (memory - before) / count, connecting)


async def _on_loop(other: Peer, count: int, calls: Calls) -> Waited:
    began, before = perf_counter(), _memory()
    delays: list[float] = []
    done = asyncio.Event()

    async def wait(connection: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=connection)
        ready.release()
        try:
            while True:
                stamp = await reader.readexactly(STAMP.size)
                delays.append(perf_counter() - STAMP.unpack(stamp)[0])
                if len(delays) >= calls.wake_ups:
                    done.set()
        finally:
            writer.transport.abort()

    ready = asyncio.Semaphore(0)
    tasks = [asyncio.create_task(wait(each)) for each in other.connect(count)]
    try:
        for _ in tasks:
            await ready.acquire()
        connecting, memory = perf_counter() - began, _memory()
        other.wake(calls)
        await done.wait()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    return Waited(delays, (memory - before) / count, connecting)


def _memory() -> int:
    """Return the private memory of this process in bytes; 0 where the system does not tell."""
    collect()
    return pss([os.getpid()])


def _told(found: Waited, count: int) -> Done:
    ordered = sorted(found.delays)
    if ordered[0] < 0:
        raise RuntimeError("the clocks of two processes differ: no wake-up can be timed")
    figures = {
        "wake_p50": ranked(ordered, 0.5),
        "wake_p99": ranked(ordered, 0.99),
        "wake_max": ordered[-1],
        "connecting": found.connecting,
    }
    if found.memory:
        figures["memory"] = found.memory
    notes = {"stack_size": threading.stack_size(), "waiting": count}  # 0: as the system has it
    return Done(checksum=str(len(ordered)), figures=figures, notes=notes)
