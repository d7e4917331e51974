"""Deadlines for threads: one thread shuts down the sockets of overdue exchanges.

A thread blocked in `recv` cannot be told to stop, and a socket's timeout restarts with every byte,
so a server that sends one byte a second would hold a thread for ever. Therefore every exchange is
watched: when it is overdue or aborted, its socket is shut down, the blocked call returns, and the
exchange finds the reason in its `ExchangeWatch`.

The reaper checks with every beat of its `pulse`, whose time stands still while the process does.
After a late beat nothing is ended yet: data that came meanwhile is read before the next.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass

from crawler.model.fault import Fault
from crawler.runtime.pulse import INTERVAL, TOLERANCE, Pulse


@dataclass(slots=True, eq=False)
class ExchangeWatch:
    """One exchange: its deadline, the fault for missing it, and its current socket."""

    due: float
    verdict: Fault
    _lock: threading.Lock
    cause: Fault | None = None
    _sock: socket.socket | None = None

    def hold(self, sock: socket.socket) -> None:
        """Use `sock` from now on; raise the `Fault` of an exchange that was cut already."""
        with self._lock:
            self._sock = sock
            if self.cause is not None:
                raise self.cause

    def limit(self, due: float, verdict: Fault) -> None:
        """Change the exchange's deadline."""
        with self._lock:
            self.due, self.verdict = due, verdict

    def end(self, cause: Fault) -> None:
        """End the exchange with `cause`."""
        with self._lock:
            self.cut(cause)

    def cut(self, cause: Fault) -> None:
        """End the exchange with `cause`; the caller holds the lock."""
        if self.cause is not None:
            return
        self.cause = cause
        if self._sock is not None:
            try:
                # Not `self._sock.shutdown`, which under TLS would change the reader's state.
                socket.socket.shutdown(self._sock, socket.SHUT_RDWR)
            except OSError:
                return  # closed already, or not connected yet


class Reaper:
    """Watches exchanges and beats `pulse`; calls `on_beat` with the seconds a beat is late."""

    def __init__(self, pulse: Pulse, on_beat: Callable[[float], None] = lambda _late: None) -> None:
        self._pulse = pulse
        self._on_beat = on_beat
        self._lock = threading.Lock()
        self._watches: set[ExchangeWatch] = set()
        self._aborted: Fault | None = None
        self._waited = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="crawler-reaper", daemon=True)
        self._thread.start()

    def watch(self, due: float, verdict: Fault) -> ExchangeWatch:
        """Begin to watch an exchange that is `due` by the pulse's time."""
        watch = ExchangeWatch(due, verdict, self._lock)
        with self._lock:
            self._watches.add(watch)
            watch.cause = self._aborted
        return watch

    def leave(self, watch: ExchangeWatch) -> None:
        """Stop watching an exchange."""
        with self._lock:
            self._watches.discard(watch)

    def abort(self, cause: Fault) -> None:
        """Cut all exchanges, including those that have not begun yet."""
        with self._lock:
            self._aborted = cause
            for watch in self._watches:
                watch.cut(cause)

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(INTERVAL):
            late = self._pulse.beat()
            self._on_beat(late)
            self._waited = late > TOLERANCE and not self._waited
            if not self._waited:
                self._reap()

    def _reap(self) -> None:
        now = self._pulse()
        with self._lock:
            for watch in self._watches:
                if watch.due <= now:
                    watch.cut(watch.verdict)
