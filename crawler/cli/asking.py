"""Signals that ask how far a program is: SIGUSR1, and SIGINFO (Ctrl-T on BSD and macOS).

A crawl answers with a line (`dd` and `rsync` do so, too). Every other command ignores them, as
their default is to end the process.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

ASKING = tuple(getattr(signal, name) for name in ("SIGUSR1", "SIGINFO") if hasattr(signal, name))


def ignore_asking() -> None:
    """Ignore the signals in this process and in those that it starts."""
    if threading.current_thread() is threading.main_thread():
        for number in ASKING:
            signal.signal(number, signal.SIG_IGN)


@contextmanager
def reporting(report: Callable[[], None]) -> Iterator[None]:
    """Call `report` for each signal while the block runs, from the signal's handler."""
    former = {number: signal.signal(number, lambda *_: report()) for number in ASKING}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
