"""Processes of this package and the line to each: the one way to start, tell, hear and end them.

A companion is `python -m MODULE DESCRIPTOR`, a fresh process and not a fork, as its parent may have
threads. The descriptor is its end of a socket pair, on which both sides send values by pickle: both
are this package, and nobody else holds an end. Standard streams stay free.

- When one process ends, the other hears None. A companion ends then, so `kill -9` of the parent
  leaves nobody behind.
- `blocked` signals are blocked in a companion from its first moment: a terminal sends them to the
  whole process group, but it is the parent that says when to end.
- Leaving the block of `companions` ends their lines. Who is still there after 3 s is killed.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import Any, Self

from crawler.model.errors import EnvironmentFailure
from crawler.runtime.children import environment, python
from crawler.runtime.signals import ENDING

LEAVING_SECONDS = 3.0


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
        import asyncio  # whose loop runs

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


class Companion(ProcessLine):
    """A process as its parent sees it; `what` it belongs to is part of its name in messages."""

    def __init__(self, process: subprocess.Popen[bytes], what: str, descriptor: int) -> None:
        super().__init__(descriptor)
        self._process = process
        self._name = f"process {process.pid} of {what}"

    def __repr__(self) -> str:
        return f"Companion({self._name!r})"

    @classmethod
    def start(cls, module: str, what: str, *, blocked: Collection[int] = ENDING) -> Self:
        """Start a process; raise `EnvironmentFailure` if that fails."""
        ours, theirs = socket.socketpair()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, blocked)  # a child inherits the mask
        try:
            process = subprocess.Popen(  # noqa: S603  this very Python and this very package
                python("-m", module, str(theirs.fileno())),
                env=environment(),
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
            )
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
