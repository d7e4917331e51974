"""Processes of this package and the line to each: the one way to start, tell, hear and end them.

A companion is `python -m MODULE DESCRIPTOR`, a fresh process, as its parent may have threads. The
descriptor is its end of a socket pair, on which both sides send values by pickle: both are this
package, and nobody else holds an end. Standard streams stay free.

A parent without threads may fork one instead (`Companion.forked`): what it has imported need not be
imported again, and takes no more memory. The child keeps no descriptor of its parent's but the
standard streams, as a lock lasts as long as anyone has its file open. It neither returns nor runs
its parent's exit handlers.

- When one process ends, the other hears None. A companion ends then, so `kill -9` of the parent
  leaves nobody behind.
- `blocked` signals are blocked in a companion from its first moment: a terminal sends them to the
  whole process group, but it is the parent that says when to end.
- Leaving the block of `companions` ends their lines. Who is still there after 3 s is killed.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import Any, NoReturn, Protocol, Self

from crawler.model.errors import EnvironmentFailure
from crawler.runtime.children import environment, python
from crawler.runtime.signals import ENDING

LEAVING_SECONDS = 3.0
_PAUSE = 0.002  # seconds between two looks at whether a forked process has ended


class ProcessLine:
    """One end of the line between two processes; any thread may `tell`, one may `hear`."""

    def __init__(self, descriptor: int) -> None:
        self._connection = Connection(descriptor)
        self._telling = threading.Lock()

    @classmethod
    def to_parent(cls) -> Self:
        """Return a companion's own end; its descriptor is the first argument of the command."""
        descriptor = int(sys.argv[1])
        os.set_inheritable(descriptor, False)
        return cls(descriptor)

    def tell(self, value: object) -> None:
        """Send a value other than None; one for a process that has gone is dropped."""
        with self._telling, suppress(OSError):
            self._connection.send(value)

    def hear(self) -> Any:
        """Wait for the next value and return it; None once the other process has gone."""
        try:
            return self._connection.recv()
        except (EOFError, OSError):
            return None

    async def heard(self) -> Any:
        """Return the next value as `hear` does; the running loop goes on until it comes."""
        loop, come = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._connection.fileno(), come.set)
        try:
            await come.wait()
        finally:
            loop.remove_reader(self._connection.fileno())
        return self.hear()

    def hang_up(self) -> None:
        """Tell no more: the other process hears None, and what it still tells is heard."""
        with suppress(OSError), socket.socket(fileno=os.dup(self._connection.fileno())) as end:
            end.shutdown(socket.SHUT_WR)


class ChildProcess(Protocol):
    """A process as `subprocess.Popen` has it."""

    pid: int

    def kill(self) -> None:
        """End it at once."""

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit code; raise `subprocess.TimeoutExpired` if it has not ended by then."""


class ForkedProcess:
    """A child of this process that runs the same program."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._code: int | None = None

    def __repr__(self) -> str:
        return f"ForkedProcess({self.pid}, code={self._code})"

    def kill(self) -> None:
        """End it at once."""
        if self._code is None:  # else the number may be another's by now
            os.kill(self.pid, signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit code; raise `subprocess.TimeoutExpired` if it has not ended by then."""
        until = None if timeout is None else time.monotonic() + timeout
        while self._code is None:
            pid, status = os.waitpid(self.pid, 0 if until is None else os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
            elif until is not None and time.monotonic() >= until:
                raise subprocess.TimeoutExpired(repr(self), timeout or 0.0)
            else:
                time.sleep(_PAUSE)
        return self._code


def may_fork() -> bool:
    """Return whether this process has a single thread, which alone a fork would have."""
    try:
        return len(os.listdir("/proc/self/task")) == 1
    except FileNotFoundError:  # not Linux, where alone it is also usual to fork
        return False


def _become(run: Callable[[ProcessLine], int], descriptor: int) -> NoReturn:
    """Be a forked companion to its end. No frame of the parent is ever returned to."""
    code = 1
    try:
        gc.freeze()  # what the parent left may hold descriptors, whose numbers are used again
        os.closerange(3, descriptor)
        os.closerange(descriptor + 1, os.sysconf("SC_OPEN_MAX"))
        with open(os.devnull, "rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        code = run(ProcessLine(descriptor))
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)


class Companion(ProcessLine):
    """A process as its parent sees it; `what` it belongs to is part of its name in messages."""

    def __init__(self, process: ChildProcess, what: str, descriptor: int) -> None:
        super().__init__(descriptor)
        self._process = process
        self._name = f"process {process.pid} of {what}"

    def __repr__(self) -> str:
        return f"Companion({self._name!r})"

    @classmethod
    def start(
        cls,
        module: str,
        what: str,
        *,
        blocked: Collection[int] = ENDING,
    ) -> Self:
        """Start a process; raise `EnvironmentFailure` if that fails."""

        def begin(descriptor: int) -> ChildProcess:
            return subprocess.Popen(  # noqa: S603  this very Python and this very package
                python("-m", module, str(descriptor)),
                env=environment(),
                stdin=subprocess.DEVNULL,
                pass_fds=(descriptor,),
            )

        return cls._begun(begin, what, blocked)

    @classmethod
    def forked(cls, run: Callable[[ProcessLine], int], what: str) -> Self:
        """Fork a process that calls `run` with its line, and exits with the code that it returns.

        Only where `may_fork()`. Raises `EnvironmentFailure` if that fails.
        """

        def begin(descriptor: int) -> ChildProcess:
            if pid := os.fork():
                return ForkedProcess(pid)
            _become(run, descriptor)

        return cls._begun(begin, what, ENDING)

    @classmethod
    def _begun(
        cls, begin: Callable[[int], ChildProcess], what: str, blocked: Collection[int]
    ) -> Self:
        """Begin a process with its end of a new line."""
        ours, theirs = socket.socketpair()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, blocked)  # a child inherits the mask
        try:
            process = begin(theirs.fileno())
        except OSError as error:
            ours.close()
            raise EnvironmentFailure(f"cannot start a process: {error.strerror}") from error
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            theirs.close()
        return cls(process, what, ours.detach())

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()

    def bury(self, seconds: float = LEAVING_SECONDS) -> int:
        """Hang up, and return the process's exit code; kill it if it is still there by then."""
        self.hang_up()
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._process.wait()

    def obituary(self) -> str:
        """Return why a process that is not heard any more has ended, as a sentence."""
        try:
            return obituary(self._name, self._process.wait(LEAVING_SECONDS))
        except subprocess.TimeoutExpired:
            return f"{self._name} has closed its line"


def heard_first(found: Iterable[Companion], seconds: float) -> list[Companion]:
    """Return those that can be heard or have gone, after at most so many seconds."""
    by_end = {each._connection: each for each in found}  # noqa: SLF001  of this module
    return [by_end[end] for end in wait(list(by_end), seconds) if isinstance(end, Connection)]


@contextmanager
def companions(
    module: str, count: int, what: str, *, blocked: Collection[int] = ENDING
) -> Iterator[list[Companion]]:
    """Run a module in so many processes, which have ended when the block is left."""
    found: list[Companion] = []
    try:
        for _ in range(count):
            found.append(Companion.start(module, what, blocked=blocked))  # noqa: PERF401 - those started must be ended
        yield found
    finally:
        for each in found:
            each.hang_up()
        deadline = time.monotonic() + LEAVING_SECONDS
        for each in found:
            each.bury(max(deadline - time.monotonic(), 0))


def ended(code: int) -> str:
    """Return what a process's exit code says: `exit code 3`, `killed by SIGKILL`."""
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def obituary(name: str, code: int) -> str:
    """Return the same as a sentence about a process."""
    return f"{name} {'was' if code < 0 else 'has ended with'} {ended(code)}"
