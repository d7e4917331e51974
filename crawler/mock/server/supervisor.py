"""The parent of a mock web of several processes: starts them, passes orders on, ends with any.

    caller (any thread) --order--> every worker --result--> caller
    worker's control path --relay--> its listener here --order--> every worker --results--> worker

Workers are companions (`crawler.runtime.companion`), each with a thread here that hears it. Orders
are told under one lock, so every worker executes the same ones in the same order, and answers them
in that order.

- Ready means that every worker listens.
- A worker that dies ends the web, with one line that names it, as part of a web would be wrong.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Any

from crawler.mock.judge.event_log import Shared
from crawler.mock.scenario import MockWeb
from crawler.model.errors import EnvironmentFailure
from crawler.runtime.companion import Companion, companions

_MODULE = "crawler.mock.server.worker_process"
_START_SECONDS = 60.0
# An order takes microseconds; a worker that exceeds this is stopped or swapped out.
_ORDER_SECONDS = 15.0
# Seconds from "stop" until workers are killed.
_LAST_SECONDS = 5.0

_STOPPED = "the mock web has stopped"
_Answers = deque[Future[Any]]


class Supervisor:
    """The workers of one web. `start` it, wait for `started`; `stop` it, wait for `ended`.

    options: those in force. `started` raises the error of the start (OSError,
    `EnvironmentFailure`), `ended` that of the run (`EnvironmentFailure`).
    """

    def __init__(self, options: MockWeb, shared: Shared) -> None:
        self.options = options
        self.started: Future[None] = Future()
        self.ended: Future[None] = Future()
        self._shared = shared
        self._lock = threading.Lock()
        self._workers: Sequence[Companion] = ()
        self._awaited: Sequence[_Answers] = ()  # by worker, of the orders it has not answered
        self._leave = threading.Event()
        self._stopping = False
        self._failure: Exception | None = None
        self._lost = False  # a worker is not heard any more, or all have ended
        self._last: list[dict[str, Any]] | None = None
        for future in (self.started, self.ended):
            future.set_running_or_notify_cancel()  # a cancelled wait must not cancel it

    def __repr__(self) -> str:
        return f"Supervisor({[worker.pid for worker in self._workers]})"

    def start(self) -> None:
        """Start the thread: a daemon, as workers leave by themselves when this process has gone."""
        threading.Thread(target=self._run, name="mock-supervisor", daemon=True).start()

    def stop(self) -> None:
        """Begin to stop; may be called again."""
        self._stopping = True
        self._leave.set()

    def all(self, order: str, argument: object = None) -> list[Any]:
        """Wait for the results of one order from every worker; after the end, the last ones.

        Raises `EnvironmentFailure` if one has died or does not answer.
        """
        if self._last is not None and order in self._last[0]:
            return [row[order] for row in self._last]
        if self._stopping:
            raise EnvironmentFailure(_STOPPED)
        results = self._all(order, [argument] * self.options.processes, _ORDER_SECONDS)
        if order == "apply":
            self.options = self.options.changed(argument)  # type: ignore[arg-type]
        return results

    def _all(self, order: str, arguments: Sequence[object], seconds: float) -> list[Any]:
        made: list[Future[Any]] = [Future() for _ in arguments]
        with self._lock:
            if self._failure is not None or self._lost:
                raise self._failure or EnvironmentFailure(_STOPPED)
            rows = zip(self._workers, self._awaited, arguments, made, strict=True)
            for worker, awaited, argument, answer in rows:
                awaited.append(answer)
                worker.tell((order, argument))
        done, late = wait(made, seconds, FIRST_EXCEPTION)
        for answer in done:
            answer.result()  # the first error is that of the order
        if late:
            raise EnvironmentFailure("a process of the mock web does not answer in time")
        return [answer.result() for answer in made]

    def _run(self) -> None:
        with ExitStack() as stack:
            try:
                self._serve(stack)
            except Exception as error:
                self._failure = self._failure or error
                if not self.started.done():
                    self.started.set_exception(error)
        self._lost = True
        if self._failure is None or self.started.exception() is not None:
            self.ended.set_result(None)
        else:
            self.ended.set_exception(self._failure)

    def _serve(self, stack: ExitStack) -> None:
        count = self.options.processes
        self._awaited = [deque() for _ in range(count)]
        self._workers = stack.enter_context(companions(_MODULE, count, "the mock web"))
        for each in zip(self._workers, self._awaited, strict=True):
            threading.Thread(target=self._listen, args=each, daemon=True).start()
        starts = [(self.options, replace(self._shared, process=number)) for number in range(count)]
        self._all("start", starts, _START_SECONDS)
        self.started.set_result(None)
        self._leave.wait()
        if self._failure is None:
            with suppress(EnvironmentFailure):  # who does not answer is killed next
                self._last = self._all("stop", [None] * count, _LAST_SECONDS)

    def _listen(self, worker: Companion, awaited: _Answers) -> None:
        """Hear a worker until it has gone."""
        while (message := worker.hear()) is not None:
            match message:
                case "result", result:
                    awaited.popleft().set_result(result)
                case "error", error:
                    awaited.popleft().set_exception(error)
                case "relay", number, order, argument:
                    relay = threading.Thread(
                        target=self._relay, args=(worker, number, order, argument), daemon=True
                    )
                    relay.start()
        why = EnvironmentFailure(f"{worker.obituary()}; the mock web stops")
        with self._lock:
            self._lost = True
            if not self._stopping:
                self._failure = self._failure or why
        for answer in awaited:
            answer.set_exception(self._failure or EnvironmentFailure(_STOPPED))
        self._leave.set()

    def _relay(self, worker: Companion, number: int, order: str, argument: object) -> None:
        results: list[Any] | EnvironmentFailure
        try:
            results = self.all(order, argument)
        except Exception as error:
            results = EnvironmentFailure(str(error))
        worker.tell(("relayed", (number, results)))
