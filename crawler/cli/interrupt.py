"""Signals while a crawl runs: the first stops it gracefully, the second ends it, a third exits.

A signal handler may run between any two bytecodes, even while a lock is held, so it only puts a
token into a `SimpleQueue`, which is safe for that. A thread takes the tokens and acts.

A run always ends. After the first signal the crawl has its drain timeout; what follows (the last
records, workers, the summary) may go on as long as this process makes progress: after `IDLE`
seconds without any (a reader that has stalled) the process exits. After the second signal the crawl
has `GRACE` seconds to return.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import KW_ONLY, dataclass, field
from queue import Empty, SimpleQueue
from time import process_time
from typing import Protocol, Self

from crawler.core.collector import Snapshot
from crawler.runtime import signals
from crawler.runtime.pulse import INTERVAL, Pulse

GRACE = 3.0
"""Seconds from the second signal until the process is ended from within."""

IDLE = 1.5
"""Seconds without work, after the drain, that mean that nothing more will come of it."""

_TELLING = 0.2  # seconds that a line gets before the crawl is stopped
_WORK = 0.02  # seconds of CPU in that time: 2 %; threads that wait and look now and then take less


class Stoppable(Protocol):
    """A crawl that can be stopped; every method may be called from any thread."""

    def stop(self) -> None:
        """Start nothing more, and let the requests in flight end."""

    def stop_now(self) -> None:
        """End the requests in flight, too."""

    def statistics(self) -> Snapshot:
        """Return the statistics so far."""


def leave_at_once() -> None:
    """End this process and its workers, without running anything that may block."""
    if (started := sys.modules.get("multiprocessing")) is not None:
        for worker in started.active_children():
            worker.kill()
    os._exit(signals.code())


@dataclass(eq=False)
class Interrupts:
    """Handles the signals while the block runs. Enter it in the main thread.

    `interrupted` tells whether any came; after `over` is set there is nothing left to stop. drain:
    seconds that the crawl has for requests in flight after `stop`.
    """

    crawl: Stoppable
    say: Callable[[str], None]
    _: KW_ONLY
    drain: float = 0.0
    leave: Callable[[], None] = leave_at_once
    grace: float = GRACE
    idle: float = IDLE
    interrupted: bool = field(default=False, init=False)
    over: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._tokens: SimpleQueue[bool] = SimpleQueue()
        self._thread = threading.Thread(target=self._watch, name="crawler-signals", daemon=True)
        self._answering = ExitStack()

    def __enter__(self) -> Self:
        signals.check()
        self._thread.start()
        self._answering.enter_context(signals.answering(self._on_signal))
        return self

    def __exit__(self, *_: object) -> None:
        self._answering.close()
        self._tokens.put(False)
        self._thread.join()

    def _on_signal(self) -> None:
        self.interrupted = True
        self._tokens.put(True)

    def _watch(self) -> None:
        """Act on each signal in turn; return when the block has ended."""
        # Python runs handlers in the main thread only, so it should be the one that is woken.
        signal.pthread_sigmask(signal.SIG_BLOCK, signals.ENDING)
        if not self._tokens.get():
            return
        self._aside(self._tell).join(_TELLING)
        self._aside(self.crawl.stop)
        again = self._next(self.drain)
        while again is None:
            spent = process_time()
            again = self._next(self.idle)
            if again is None and process_time() - spent < _WORK * self.idle:
                self.leave()
                return
        if again:
            self.crawl.stop_now()
            if self._next(self.grace) is not False:
                self.leave()

    def _aside(self, work: Callable[[], None]) -> threading.Thread:
        """Run work that may block, on the reader of a line or on a lock of the crawl."""
        thread = threading.Thread(target=work, name="crawler-stop", daemon=True)
        thread.start()
        return thread

    def _tell(self) -> None:
        if not self.over:
            in_flight = self.crawl.statistics().in_flight
            self.say(f"stopping: finishing {in_flight:,} in flight; again to leave at once")

    def _next(self, seconds: float) -> bool | None:
        """Return the next token: a signal, or that the block has ended; None after `seconds`.

        Time in which this process was stopped, or had no CPU, does not count.
        """
        pulse = Pulse()
        end = pulse() + seconds
        while (left := end - pulse()) > 0:
            with suppress(Empty):
                return self._tokens.get(timeout=min(left, INTERVAL))
            pulse.beat()
        return None
