"""Deadlines for threads: sockets of exchanges under way, and one thread that cuts overdue ones.

A thread that is blocked in `recv` cannot be told to stop, and a socket's own timeout starts anew
with every byte, so a server that sends one byte a second holds a thread for ever. Therefore every
exchange is watched: once it is overdue, or all are aborted, its socket is shut down, the blocked
call returns, and the exchange finds in its `ExchangeWatch` why.

The reaper looks with every beat of its `pulse`, in whose time deadlines are: while the process
stands still none comes nearer. When a beat is late nothing is ended yet: what came meanwhile is
read before the next.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

from crawler.model.fault import Fault
from crawler.runtime.pulse import INTERVAL, TOLERANCE, Pulse


class ExchangeWatch:
    """One exchange: when it is overdue, what it then fails with, and the socket it uses now."""

    __slots__ = ("_lock", "_sock", "cause", "due", "verdict")

    def __init__(self, due: float, verdict: Fault, lock: threading.Lock) -> None:
        self.due = due
        self.verdict = verdict
        self.cause: Fault | None = None
        self._lock = lock
        self._sock: socket.socket | None = None

    def hold(self, sock: socket.socket) -> None:
        """Use `sock` from now on; raises the `Fault` of an exchange that was cut already."""
        with self._lock:
            self._sock = sock
            if self.cause is not None:
                raise self.cause

    def limit(self, due: float, verdict: Fault) -> None:
        """Give the exchange another deadline."""
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
                # Not `self._sock.shutdown`: under TLS that would reach into the reader's state.
                socket.socket.shutdown(self._sock, socket.SHUT_RDWR)
            except OSError:
                return  # closed already, or not connected yet


def _nothing(_late: float) -> None:
    """The listener where nobody listens."""


class Reaper:
    """Watches exchanges, and beats `pulse`; `on_beat` is told how late each beat is."""

    def __init__(self, pulse: Pulse, on_beat: Callable[[float], None] = _nothing) -> None:
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
        """Begin to watch an exchange; `due` by the pulse."""
        watch = ExchangeWatch(due, verdict, self._lock)
        with self._lock:
            self._watches.add(watch)
            watch.cause = self._aborted
        return watch

    def leave(self, watch: ExchangeWatch) -> None:
        """The exchange is over; its socket is not touched any more."""
        with self._lock:
            self._watches.discard(watch)

    def abort(self, cause: Fault) -> None:
        """Cut all exchanges, those that have yet to begin included."""
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
