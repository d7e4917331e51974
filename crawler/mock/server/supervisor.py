"""The parent of a mock web of several processes: starts them, passes orders on, ends with any.

    caller (any thread) --order--> supervisor's thread --order--> every worker --result--> back
    worker's control path --relay--> supervisor's thread --order--> every worker --results--> back

Workers are separate programs (`crawler.mock.server.worker_process`), not forks, as this process may
have threads. Each has one end of a socket pair; messages are lines of JSON. All orders pass through
one thread, so every worker executes the same ones in the same order.

- Ready means that every worker listens.
- A worker that dies ends the web, with one line that names it, as part of a web would be wrong.
- The death of the parent closes the socket pairs; the workers notice and leave.
- Ctrl-C, SIGTERM and SIGHUP reach the workers of a process group, too; they start with these
  signals blocked and leave when the parent says so.
"""

from __future__ import annotations

import contextlib
import selectors
import signal
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from crawler.mock.judge.event_log import merged
from crawler.mock.judge.ledger import LedgerSnapshot
from crawler.mock.scenario import MockWeb
from crawler.mock.server.responder import Statistics, total
from crawler.mock.server.worker_handles import WorkerHandle, bury, spawn
from crawler.model.errors import EnvironmentFailure
from crawler.runtime.signals import ENDING

START_SECONDS = 60.0
# An order takes microseconds; a worker that exceeds this is stopped or swapped out.
ORDER_SECONDS = 15.0
# Seconds from "stop" until workers are killed.
LAST_SECONDS = 5.0

Done = Callable[[list[Any] | Exception], None]


@dataclass(slots=True)
class _Round:
    """An order in progress, and the results so far by worker."""

    order: str
    argument: object
    done: Done
    results: dict[int, Any] = field(default_factory=dict)


class Supervisor:
    """The workers of one web. `start` it, wait for `started`; `stop` it, wait for `ended`.

    start: the JSON of every worker's first order. `started` raises the error of the start (OSError,
    `EnvironmentFailure`), `ended` that of the run (`EnvironmentFailure`).
    """

    def __init__(self, options: MockWeb, start: dict[str, Any]) -> None:
        self.options = options
        self.started: Future[None] = Future()
        self.ended: Future[None] = Future()
        self._start_message = start
        self._directory = Path(start["directory"])
        self._workers: list[WorkerHandle] = []
        self._alive: set[WorkerHandle] = set()
        self._rounds: dict[int, _Round] = {}
        self._count = 0
        self._last: list[dict[str, Any]] | None = None
        self._stopping = False
        self._failure: Exception | None = None
        self._deadline = float("inf")
        self._asked: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._selector = selectors.DefaultSelector()
        self._bell, self._rope = socket.socketpair()
        for future in (self.started, self.ended):
            future.set_running_or_notify_cancel()  # a cancelled wait must not cancel it

    def __repr__(self) -> str:
        return f"Supervisor({[worker.process.pid for worker in self._workers]})"

    # For any thread.

    def start(self) -> None:
        """Start the thread: a daemon, as workers leave by themselves when this process has gone."""
        threading.Thread(target=self._run, name="mock-supervisor", daemon=True).start()

    def stop(self) -> None:
        """Begin to stop; may be called again."""
        self._ask(self._stop)

    def all(self, order: str, argument: object = None) -> list[Any]:
        """Wait for the results of one order from every worker.

        Raises `EnvironmentFailure` if one has died or does not answer.
        """
        made: Future[list[Any]] = Future()
        made.set_running_or_notify_cancel()

        def done(result: list[Any] | Exception) -> None:
            if isinstance(result, Exception):
                made.set_exception(result)
            else:
                made.set_result(result)

        self._ask(lambda: self._begin(order, argument, done))
        try:
            return made.result(ORDER_SECONDS)
        except TimeoutError:
            raise EnvironmentFailure("a process of the mock web does not answer") from None

    def statistics(self) -> Statistics:
        """Return the sum of all counters, after the end the last ones; waits for the workers."""
        return total(self._results("statistics"))

    def recent(self) -> tuple[str, ...]:
        """Return the last targets, one process after the other; waits for the workers."""
        return tuple(target for row in self._results("recent") for target in row)

    def ledger(self) -> LedgerSnapshot:
        """Return the merged ledger from the event logs, while it serves."""
        self.all("flush")
        return merged(self._directory).snapshot()

    def _results(self, order: str) -> list[Any]:
        """Return the workers' results, after the end the last ones."""
        last = self._last
        return self.all(order) if last is None else [row[order] for row in last]

    def _ask(self, act: Callable[[], None]) -> None:
        self._asked.put(act)
        with contextlib.suppress(OSError):  # ended: drained below
            self._rope.send(b"!")
        if self.ended.done():
            self._drain()

    # The supervisor's thread.

    def _run(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)  # the workers inherit this
        try:
            self._selector.register(self._bell, selectors.EVENT_READ, self._answer_bell)
            self._spawn()
            while self._alive:
                self._turn()
        except Exception as error:
            self._failure = error
        self._end()

    def _turn(self) -> None:
        left = max(self._deadline - time.monotonic(), 0)
        found = self._selector.select(None if left == float("inf") else left)
        if not found and time.monotonic() >= self._deadline:
            raise EnvironmentFailure("a process of the mock web does not answer in time")
        for key, _ in found:
            key.data()

    def _answer_bell(self) -> None:
        self._bell.recv(4096)
        self._drain()

    def _drain(self) -> None:
        with contextlib.suppress(Empty):
            while True:
                self._asked.get_nowait()()

    def _spawn(self) -> None:
        self._deadline = time.monotonic() + START_SECONDS
        for number in range(self.options.processes):
            worker = spawn(number)
            self._workers.append(worker)
            self._alive.add(worker)
            self._selector.register(worker.line, selectors.EVENT_READ, partial(self._read, worker))
        self._begin("start", self._start_message, self._begun)

    def _begun(self, result: list[Any] | Exception) -> None:
        if isinstance(result, Exception):
            if self._failure is None:
                raise result
        elif not self._stopping:
            self._deadline = float("inf")
            self.started.set_result(None)

    def _read(self, worker: WorkerHandle) -> None:
        messages = worker.read()
        if messages is None:
            self._lost(worker)
            return
        for message in messages:
            self._hear(worker, message)

    def _hear(self, worker: WorkerHandle, message: dict[str, Any]) -> None:
        if "relay" in message:
            self._relay(worker, message)
            return
        number = message["id"]
        found = self._rounds.get(number)
        if found is None:  # another worker's error has ended this round
            return
        if "error" in message:  # the first error is the result of the round
            del self._rounds[number]
            found.done(_error(message))
            return
        found.results[worker.number] = message["result"]
        if len(found.results) == len(self._workers):
            del self._rounds[number]
            if found.order == "apply":
                self.options = self.options.changed(found.argument)  # type: ignore[arg-type]
            found.done([found.results[number] for number in range(len(self._workers))])

    def _relay(self, worker: WorkerHandle, message: dict[str, Any]) -> None:
        number = message["relay"]

        def done(result: list[Any] | Exception) -> None:
            if worker in self._alive:
                failed = isinstance(result, Exception)
                key = "error" if failed else "results"
                worker.send({"relayed": number, key: str(result) if failed else result})

        self._begin(message["order"], message["argument"], done)

    def _begin(self, order: str, argument: object, done: Done) -> None:
        if self.ended.done() or (self._stopping and order != "stop"):
            done(self._failure or EnvironmentFailure("the mock web has stopped"))
            return
        self._count += 1
        self._rounds[self._count] = _Round(order, argument, done)
        for worker in tuple(self._alive):
            own = {"number": worker.number} if order == "start" else {}
            worker.send({"id": self._count, "order": order, "argument": argument, **own})

    def _lost(self, worker: WorkerHandle) -> None:
        self._selector.unregister(worker.line)
        worker.line.close()
        self._alive.discard(worker)
        if not self._stopping:
            raise EnvironmentFailure(f"{worker.obituary()}; the mock web stops")

    def _stop(self) -> None:
        if self._stopping:
            return

        def done(result: list[Any] | Exception) -> None:
            if not isinstance(result, Exception):
                self._last = result

        self._stopping = True
        self._deadline = time.monotonic() + LAST_SECONDS
        self._begin("stop", None, done)

    def _end(self) -> None:
        self._alive.clear()
        bury(self._workers)
        failure = self._failure or EnvironmentFailure("the mock web has stopped")
        for left in self._rounds.values():
            left.done(failure)
        for each in (self._selector, self._bell, self._rope):
            each.close()
        begun = self.started.done()
        if not begun:
            self.started.set_exception(failure)
        if self._failure is None or self._stopping or not begun:
            self.ended.set_result(None)
        else:
            self.ended.set_exception(failure)
        self._drain()


def _error(message: dict[str, Any]) -> Exception:
    number = message.get("errno")
    if number:
        return OSError(number, message["error"])
    return EnvironmentFailure(message["error"])
