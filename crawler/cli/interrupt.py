"""Ctrl-C and SIGTERM: the first stops the crawl gently, the second ends it, a third leaves.

A signal handler may run between any two bytecodes, also while a lock is held, so it does nothing
but put a token into a `SimpleQueue`, which is made for that. A thread takes the tokens and acts.

After the second signal the crawl has `GRACE` seconds to give back control. If it does not, workers
are killed and the process ends where it is: a run always ends.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from types import FrameType, TracebackType
from typing import Any, Protocol, Self

from crawler.core.statistics import Snapshot
from crawler.model.errors import ExitCode

GRACE = 3.0
"""Seconds from the second signal until the process is ended from within."""

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stoppable(Protocol):
    """A crawl that can be told to end; every method may be called from any thread."""

    def stop(self) -> None:
        """Start nothing more, let what is in flight end."""

    def stop_now(self) -> None:
        """End what is in flight, too."""

    def statistics(self) -> Snapshot:
        """What was done so far."""


class Interrupts:
    """Handles the signals while the block runs, and puts the former handlers back after it.

    `interrupted` tells whether any came. Must be entered in the main thread.
    """

    def __init__(
        self,
        crawl: Stoppable,
        say: Callable[[str], None],
        *,
        leave: Callable[[], None] | None = None,
        grace: float = GRACE,
    ) -> None:
        self.interrupted = False
        self._crawl = crawl
        self._say = say
        self._leave = leave if leave is not None else leave_at_once
        self._grace = grace
        self._tokens: SimpleQueue[bool] = SimpleQueue()
        self._thread = threading.Thread(target=self._watch, name="crawler-signals", daemon=True)
        self._former: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        self._former = {number: signal.signal(number, self._on_signal) for number in SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)
        self._tokens.put(False)
        self._thread.join()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.interrupted = True
        self._tokens.put(True)

    def _watch(self) -> None:
        """One step a signal; returns as soon as the block has ended."""
        # Python runs handlers in the main thread only, so it should be the one that is woken.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        if not self._tokens.get():
            return
        in_flight = self._crawl.statistics().in_flight
        self._say(f"stopping: finishing {in_flight:,} in flight; Ctrl-C again leaves at once")
        self._crawl.stop()
        if not self._tokens.get():
            return
        self._crawl.stop_now()
        if self._still_running():
            self._leave()

    def _still_running(self) -> bool:
        try:
            return self._tokens.get(timeout=self._grace)
        except Empty:
            return True


def leave_at_once() -> None:
    """End this process and its workers, without running anything that may wait."""
    for worker in multiprocessing.active_children():
        worker.kill()
    os._exit(ExitCode.INTERRUPTED)
