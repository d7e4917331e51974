"""Deadlines for threads: sockets of exchanges under way, and one thread that cuts overdue ones.

A thread that is blocked in `recv` cannot be told to stop, and a socket's own timeout starts anew
with every byte, so a server that sends one byte a second holds a thread for ever. Therefore every
exchange is watched: once it is overdue, or all are aborted, its socket is shut down, the blocked
call returns, and the exchange finds in its `Watch` why.

The reaper wakes at the earliest deadline it saw, and at the latest after the shortest budget that
an exchange can have: what begins after it looked cannot be overdue before it looks again. So the
threads that fetch never have to wake it.
"""

from __future__ import annotations

import socket
import threading
import time

from crawler.model.fault import Fault


class Watch:
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


class Reaper:
    """Watches exchanges; `shortest` is the shortest budget one can have, in seconds."""

    def __init__(self, shortest: float) -> None:
        self._shortest = shortest
        self._lock = threading.Lock()
        self._watches: set[Watch] = set()
        self._aborted: Fault | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="crawler-reaper", daemon=True)
        self._thread.start()

    def watch(self, due: float, verdict: Fault) -> Watch:
        """Begin to watch an exchange; `due` by `time.perf_counter`."""
        watch = Watch(due, verdict, self._lock)
        with self._lock:
            self._watches.add(watch)
            watch.cause = self._aborted
        return watch

    def leave(self, watch: Watch) -> None:
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
        while not self._stop.wait(self._reap()):
            pass

    def _reap(self) -> float:
        """Cut what is overdue; the seconds until there may be more."""
        now = time.perf_counter()
        pause = self._shortest
        with self._lock:
            for watch in self._watches:
                if watch.due <= now:
                    watch.cut(watch.verdict)
                else:
                    pause = min(pause, watch.due - now)
        return pause
