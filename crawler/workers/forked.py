"""What a fork server does in each process it forks, before that runs anything; its first preload.

The server itself blocks the signals that end a command (`spawning`), and what it forks has the
mask from it. A program that crawls may have pools of its own behind the same server, and
`terminate` is how an executor ends their workers: SIGTERM is let through.

A crawl may end while a worker starts. Its pool's semaphores are gone then, the worker fails to open
them, and ends: nobody needs it, so nothing is said.
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
    """Print an exception that ends a worker, but for a pool that has gone meanwhile."""
    frames = [frame for frame, _ in walk_tb(trace)]
    gone = frames and frames[-1].f_globals.get("__name__") == synchronize.__name__
    if not (gone and kind is FileNotFoundError):
        _SAY(kind, error, trace)


def _begin() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    sys.excepthook = say


os.register_at_fork(after_in_child=_begin)
