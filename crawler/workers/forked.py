"""Prepare each process that the fork server forks; the server preloads this module first.

The server blocks the signals that end a command (`spawning`), and its children inherit the mask.
A program that crawls may have other pools behind the same server, whose executors end their workers
with `terminate`, so SIGTERM is unblocked.

A crawl may end while a worker starts. The pool's semaphores are gone then, and the worker fails to
open them. Nobody needs that worker, so its traceback is not printed.
"""

from __future__ import annotations

import os
import signal
import sys
from multiprocessing import synchronize
from traceback import walk_tb
from types import TracebackType

_SAY = sys.excepthook


def say(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print an exception that ends a worker, unless its pool has gone in the meantime."""
    frames = [frame for frame, _ in walk_tb(trace)]
    gone = frames and frames[-1].f_globals.get("__name__") == synchronize.__name__
    if not (gone and kind is FileNotFoundError):
        _SAY(kind, error, trace)


def _begin() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    sys.excepthook = say


os.register_at_fork(after_in_child=_begin)
