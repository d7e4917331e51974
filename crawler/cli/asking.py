"""Signals that ask for progress: SIGUSR1, and SIGINFO (Ctrl-T on BSD and macOS).

A crawl answers with a line, as `dd` and `rsync` do. By default these signals end the process, so
`main` blocks them for every command, in all threads and child processes, which inherit the mask
(`pkill -USR1 crawler` reaches the parser workers, too). A dedicated thread waits for them, so that
no other thread is interrupted.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

ASKING = tuple(getattr(signal, name) for name in ("SIGUSR1", "SIGINFO") if hasattr(signal, name))


@contextmanager
def blocked() -> Iterator[None]:
    """Block the signals while the block runs. Call it before any thread is started."""
    former = signal.pthread_sigmask(signal.SIG_BLOCK, ASKING)
    try:
        yield
    finally:
        for number in signal.sigpending() & set(ASKING):  # it would be delivered now
            signal.sigwait([number])
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


@contextmanager
def reporting(report: Callable[[], None]) -> Iterator[None]:
    """Call `report` for each signal while the block runs, from a dedicated thread."""
    over = threading.Event()

    def wait() -> None:
        while signal.sigwait(ASKING) and not over.is_set():
            report()

    thread = threading.Thread(target=wait, name="crawler-asked", daemon=True)
    with blocked():  # by `main` before, unless that is not who runs the crawl
        thread.start()
        try:
            yield
        finally:
            over.set()
            if thread.ident is not None:
                signal.pthread_kill(thread.ident, ASKING[0])
            thread.join()
