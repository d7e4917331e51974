"""Lanes: one worker each behind a stdlib executor. Swapping the executor means swapping one class.

With a single worker an executor runs its batches in the order of submission, and what breaks it has
broken this worker alone. The marker (`crawler.workers.work`) tells which page is being parsed.

| lane | executor | a page that hangs | a page that ends its worker |
|---|---|---|---|
| `ProcessLane` | `ProcessPoolExecutor` | the worker is killed | costs the worker |
| `ThreadLane` | `ThreadPoolExecutor` | the thread is left behind | ends the crawler |
| `InterpreterLane` | `InterpreterPoolExecutor` | the thread is left behind | ends the crawler |

A thread cannot be killed. One that is left behind occupies its core until its page ends, but blocks
nothing else, not even the interpreter's exit: it is a daemon (inherited from the thread that starts
the lane) and is removed from the threads that `concurrent.futures` joins at exit.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from concurrent import futures
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import wait as wait_for
from multiprocessing.context import BaseContext
from typing import Any, Final, cast

from crawler.model.errors import ConfigurationError
from crawler.workers import own, parser_worker
from crawler.workers.hang_up import hang_up
from crawler.workers.recovery import LaneProgress
from crawler.workers.spawning import apart, quiet_start, recording_context
from crawler.workers.work import (
    ABANDONED,
    INDEX,
    SERIAL,
    SINCE,
    Marker,
    Packed,
    Parser,
    Work,
    run_batch,
)
from crawler.workers.worker_answer import MAX_MESSAGE, Answer

_DEATH: Final = 2.0  # seconds for the kernel to end a process after SIGKILL; milliseconds, mostly
_AGAIN: Final = 0.02  # seconds between two tries to reach the fork server


class Lane(ABC):
    """An executor with one worker, and its marker. No method except `start` blocks for long."""

    _executor: Executor
    _marker: Marker

    @abstractmethod
    def start(self) -> Future[Any]:
        """Start the worker; the future ends when it is ready or has failed. Called once, first."""

    @abstractmethod
    def submit(self, serial: int, pages: list[Packed]) -> Future[list[Answer]]:
        """Queue a batch behind those before it."""

    def progress(self) -> LaneProgress | None:
        """Return the page being parsed, None between pages."""
        serial, index, since = (self._marker[cell] for cell in (SERIAL, INDEX, SINCE))
        return None if index < 0 else LaneProgress(int(serial), int(index), since)

    def cpu_seconds(self) -> float:
        """Return the CPU time of the worker so far; 0 for a thread, whose time is the crawler's."""
        return 0.0

    @abstractmethod
    def kill(self) -> None:
        """End the worker now, whatever it does; on return nothing changes the marker any more."""

    def settle(self, deadline: float) -> None:  # noqa: B027  an abandoned thread is not waited for
        """Wait for threads that still wind up after the worker's end; see `ProcessLane.settle`."""

    def close(self) -> None:
        """Let the worker end by itself when it has nothing left to do, without waiting."""
        self._executor.shutdown(wait=False)

    @abstractmethod
    def join(self, deadline: float) -> None:
        """Wait for the worker's end until `deadline` (monotonic seconds), then kill it."""


class ProcessLane(Lane):
    """A worker process behind a `ProcessPoolExecutor`."""

    _executor: ProcessPoolExecutor

    def __init__(self, work: Work) -> None:
        self._recording = recording_context()
        self._marker = self._recording.RawArray("d", [0.0, -1.0, 0.0, 0.0])
        by_name = f"{work.parser} {work.page}"
        self._with_main = own.needs_main(work.given) or "__main__:" in by_name
        self._initargs = work, self._marker
        self._manager: threading.Thread | None = None
        self._make()

    def _make(self) -> None:
        self._recording.made.clear()
        with apart():  # creating its semaphores may start the resource tracker
            self._executor = ProcessPoolExecutor(
                1,
                cast(BaseContext, self._recording),
                initializer=parser_worker.start_process,
                initargs=self._initargs,
            )
        calls: Any = getattr(self._executor, "_call_queue", None)
        self._call_reader: Any = getattr(calls, "_reader", None)

    def start(self) -> Future[int]:
        """Start the process, with the fork server if needed; the future's result is its id.

        A killed fork server refuses connections until the kernel has ended it, and only then is a
        new one started: keep trying until then.
        """
        deadline = time.monotonic() + _DEATH
        while (started := self._reached(deadline)) is None:
            time.sleep(_AGAIN)
            self._make()
        hang_up(self._executor, most=MAX_MESSAGE)
        return started

    def _reached(self, deadline: float) -> Future[int] | None:
        """Ask the fork server for the process; return None if the caller should try again."""
        try:
            with quiet_start(with_main=self._with_main):
                return self._executor.submit(parser_worker.ready)
        except (ConnectionError, EOFError):
            if time.monotonic() > deadline:
                raise
            return None

    def submit(self, serial: int, pages: list[Packed]) -> Future[list[Answer]]:
        """Queue a batch; the executor's threads pickle and send it."""
        return self._executor.submit(parser_worker.run, serial, pages)

    def cpu_seconds(self) -> float:
        """Read the process's CPU clock, whose number Linux derives from the process id."""
        total = 0.0
        for process in self._recording.made:
            with suppress(OSError, TypeError):  # it has ended, or has not begun
                # clock_getcpuclockid(3) does this sum
                total += time.clock_gettime(~process.pid << 3 | 2)  # type: ignore[operator]
        return total

    def kill(self) -> None:
        """Send SIGKILL and wait for the process to end."""
        processes = [process for process in self._recording.made if process.pid is not None]
        for process in processes:
            if not wait_for([process.sentinel], 0):
                process.kill()
        for process in processes:
            wait_for([process.sentinel], _DEATH)
        self._unblock()

    def _unblock(self) -> None:
        """End the executor's feeder thread, which may be writing a batch that nobody reads.

        CPython does this itself since 3.11.5 (gh-94777); Debian 12 has 3.11.2. If both did it, the
        second close could hit a descriptor that has been reused.
        """
        if sys.hexversion < 0x030B05F0:
            with suppress(AttributeError, OSError):
                self._call_reader.close()

    def close(self) -> None:
        """Let the worker end when it has nothing left to do."""
        # `shutdown` drops the executor's thread, a daemon like the thread that started it; `settle`
        # has to wait for it.
        self._manager = self._manager or getattr(self._executor, "_executor_manager_thread", None)
        super().close()

    def settle(self, deadline: float) -> None:
        """Let the executor's thread release its semaphores before the interpreter exits.

        The thread is a daemon: stopped between unlinking a semaphore and unregistering it, it would
        make the resource tracker warn of a leak.
        """
        self.close()
        if self._manager is not None and self._manager is not threading.current_thread():
            self._manager.join(max(0.0, deadline - time.monotonic()))
        self._manager = None

    def join(self, deadline: float) -> None:
        """Wait for the process until `deadline`, then kill it."""
        sentinels = [p.sentinel for p in self._recording.made if p.pid is not None]
        if sentinels and not wait_for(sentinels, max(0.0, deadline - time.monotonic())):
            self.kill()


class ThreadLane(Lane):
    """A thread behind a `ThreadPoolExecutor`. Start it from a daemon thread."""

    def __init__(self, work: Work) -> None:
        self._parser = Parser(work)
        self._marker = [0.0, -1.0, 0.0, 0.0]
        self._executor = ThreadPoolExecutor(1, "crawler-parse")

    def start(self) -> Future[Any]:
        """Start the thread."""
        return self._executor.submit(bool)

    def submit(self, serial: int, pages: list[Packed]) -> Future[list[Answer]]:
        """Queue a batch."""
        return self._executor.submit(run_batch, self._parser, self._marker, serial, pages)

    def kill(self) -> None:
        """Abandon the thread: it stops after its current page, if that ever ends."""
        self._marker[ABANDONED] = 1.0
        self._executor.shutdown(wait=False, cancel_futures=True)
        joined_at_exit: Any = getattr(futures.thread, "_threads_queues", {})
        for thread in self._threads():
            joined_at_exit.pop(thread, None)

    def join(self, deadline: float) -> None:
        """Wait for the thread until `deadline`, then abandon it."""
        for thread in self._threads():
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                self.kill()

    def _threads(self) -> Iterable[threading.Thread]:
        return tuple(getattr(self._executor, "_threads", ()))


def check_interpreters(work: Work) -> None:
    """Raise `ConfigurationError` if the parser of `work` cannot run in a subinterpreter.

    Many compiled libraries cannot be loaded in one (as of Python 3.14).
    """
    if not hasattr(futures, "InterpreterPoolExecutor"):
        running = ".".join(map(str, sys.version_info[:2]))
        raise ConfigurationError(
            f"parse: interpreter needs Python 3.14 or later, this is {running}; use process"
        )
    wanted = ["import crawler.workers.parser_worker, crawler.formats.page"]
    if work.parser:
        wanted.append("from crawler.workers import own")
        wanted.append(f"own.load({work.parser!r}, {work.folder!r}, keep=True)")
    problem = unloadable(*wanted)
    if problem:
        raise ConfigurationError(
            f"parse: interpreter cannot run the parser: {problem}; use process"
        )


def unloadable(*statements: str) -> str:
    """Run statements in a subinterpreter; return the error message, "" if they succeed."""
    interpreters: Any = import_module("concurrent.interpreters")
    made = interpreters.create()
    try:
        made.exec("\n".join(statements))
    except interpreters.ExecutionFailed as error:
        return str(error.excinfo.msg)
    finally:
        made.close()
    return ""


class InterpreterLane(ThreadLane):
    """A subinterpreter in its own thread, behind an `InterpreterPoolExecutor`.

    Call `check_interpreters` first.
    """

    def __init__(self, work: Work) -> None:
        pool: Any = futures.InterpreterPoolExecutor  # type: ignore[attr-defined]  # from 3.14 on
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  (closed when the worker has mapped it)
        self._file.truncate(parser_worker.MARKER_BYTES)
        self._marker = parser_worker.map_marker(self._file.fileno())
        self._marker[INDEX] = -1.0
        self._executor = pool(
            1,
            "crawler-parse",
            initializer=parser_worker.start_interpreter,
            initargs=(work, self._file.fileno()),
        )

    def start(self) -> Future[Any]:
        """Create the interpreter; the future raises if a library cannot be loaded in one."""
        started: Future[Any] = self._executor.submit(parser_worker.ready)
        started.add_done_callback(lambda _: self._file.close())
        return started

    def submit(self, serial: int, pages: list[Packed]) -> Future[list[Answer]]:
        """Queue a batch."""
        return self._executor.submit(parser_worker.run, serial, pages)


LANES: dict[str, Callable[[Work], Lane]] = {
    "process": ProcessLane,
    "thread": ThreadLane,
    "interpreter": InterpreterLane,
}
"""The lane for each kind of worker."""
