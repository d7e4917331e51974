"""The code that starts, limits and ends a parser worker: a process or a subinterpreter.

A worker process ignores the signals that end a command, which reach the whole process group from a
terminal or a service manager: the crawler drains. The programs that a parser starts do not inherit
that. The worker runs at lower priority, so that the event loop is scheduled first. It never
outlives the crawler, even if that is killed while the worker holds the GIL in an endless loop of C
code: on Linux the kernel ends it, and everywhere a thread waits for the crawler's end. Its memory
is limited. What a parser prints goes to stderr, as stdout belongs to the records.
"""

from __future__ import annotations

import ctypes
import gc
import mmap
import multiprocessing
import os
import signal
import sys
import threading
from contextlib import suppress
from types import FrameType
from typing import Any, Final

from crawler.formats import html
from crawler.runtime.heap import give_back
from crawler.runtime.signals import ENDING
from crawler.workers.work import Marker, Packed, Parser, Work, alarm, run_batch
from crawler.workers.worker_answer import Answer

NICENESS: Final = 5
_PR_SET_PDEATHSIG: Final = 1  # prctl(2)

MARKER_BYTES: Final = 4 * 8


class _WorkerState:
    """A worker's parser and marker, or the error that prevented them."""

    parser: Parser
    marker: Marker
    failure: BaseException | None = None


def start_process(work: Work, marker: Any) -> None:
    """Initialize a worker process. Errors are kept for `ready` to raise."""
    with suppress(OSError, ValueError, AttributeError):
        _obey()
    _die_with_the_crawler()
    give_back()
    limited = _limit_memory(work.memory * 10**6)
    _load(work, marker, own_process=True, memory_limited=limited)
    gc.freeze()  # the modules' objects stay; the collector need not look at them again


def start_interpreter(work: Work, marker_file: int) -> None:
    """Initialize a subinterpreter; `marker_file` is a descriptor that both sides map."""
    _load(work, map_marker(marker_file), own_process=False)


def ready() -> int:
    """Return the worker's process id; raise the error of its start, if any."""
    if _WorkerState.failure is not None:
        raise _WorkerState.failure
    return os.getpid()


def run(serial: int, pages: list[Packed]) -> list[Answer]:
    """Parse a batch in this worker."""
    return run_batch(_WorkerState.parser, _WorkerState.marker, serial, pages)


def map_marker(file: int) -> Marker:
    """Return a marker in a mapped file, so that two interpreters of one process share it."""
    return memoryview(mmap.mmap(file, MARKER_BYTES)).cast("d")  # type: ignore[return-value]


def _load(work: Work, marker: Any, *, own_process: bool, memory_limited: bool = False) -> None:
    _WorkerState.marker = marker
    try:
        limit = alarm(work.timeout) if own_process else None
        _WorkerState.parser = Parser(work, limit, isolated=True, memory_limited=memory_limited)
        html.finder(work.html)  # its import is not the first page's time
    except BaseException as error:
        _WorkerState.failure = error.with_traceback(None)


def _obey() -> None:
    for number in ENDING:
        if signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
            signal.signal(number, _disregard)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {*ENDING, signal.SIGALRM})
    os.nice(NICENESS)
    os.dup2(2, 1)


def _disregard(_number: int, _frame: FrameType | None) -> None:
    """Ignore a signal; SIG_IGN would be inherited by the programs that a parser starts."""


def _limit_memory(size: int) -> bool:
    """Limit this process to `size` bytes (0: no limit); return False if there is no limit.

    On Linux only writable memory counts (RLIMIT_DATA since 4.7), as address space is reserved by
    the gigabyte.
    """
    if not size:
        return False
    try:
        import resource

        which = resource.RLIMIT_DATA if sys.platform == "linux" else resource.RLIMIT_AS
        _, most = resource.getrlimit(which)
        limit = size if most == resource.RLIM_INFINITY else min(size, most)
        resource.setrlimit(which, (limit, limit))
    except (ImportError, OSError, ValueError, AttributeError):
        return False
    return True


def _die_with_the_crawler() -> None:
    if (crawler := multiprocessing.parent_process()) is None:
        return
    if sys.platform == "linux":  # its parent, the fork server, ends with the crawler
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

    def wait() -> None:
        if hasattr(signal, "pthread_sigmask"):  # an alarm is for the main thread
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
        crawler.join()
        os._exit(1)

    threading.Thread(target=wait, name="crawler-watch", daemon=True).start()
