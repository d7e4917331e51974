"""The workers of a mock web as their parent sees them."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from crawler.model.errors import EnvironmentFailure
from crawler.runtime.children import environment, python
from crawler.runtime.companion import obituary

# A worker always reads immediately; one that does not is stopped or swapped out.
SEND_SECONDS = 15.0
# Seconds from the end of its line until a worker is killed.
LEAVING_SECONDS = 3.0

_READ_BYTES = 1 << 18

Message = dict[str, Any]


@dataclass(slots=True, eq=False)
class WorkerHandle:
    """One process and the line to it: a socket with lines of JSON both ways."""

    number: int
    process: subprocess.Popen[bytes]
    line: socket.socket
    unread: bytes = b""

    def __str__(self) -> str:
        return f"process {self.process.pid} of the mock web"

    def send(self, message: Message) -> None:
        """Send a message; ignore a dead worker, as its end of file follows."""
        try:
            self.line.sendall(orjson.dumps(message) + b"\n")
        except BrokenPipeError:
            return
        except TimeoutError:
            raise EnvironmentFailure(f"{self} does not read; the mock web stops") from None

    def read(self) -> list[Message] | None:
        """Wait for messages and return them; None at the end of the line."""
        try:
            data = self.line.recv(_READ_BYTES)
        except ConnectionResetError:  # it has died with something unread
            data = b""
        if not data:
            return None
        *lines, self.unread = (self.unread + data).split(b"\n")
        return [orjson.loads(line) for line in lines]

    def obituary(self) -> str:
        """Return the reason why it has closed its line."""
        try:
            code = self.process.wait(LEAVING_SECONDS)
        except subprocess.TimeoutExpired:
            return f"{self} has closed its line"
        return obituary(str(self), code)


def spawn(number: int) -> WorkerHandle:
    """Start a worker, which waits for its first order; it inherits the caller's signal mask."""
    ours, theirs = socket.socketpair()
    with theirs:
        command = python("-m", "crawler.mock.server.worker_process", str(theirs.fileno()))
        try:
            process = subprocess.Popen(  # noqa: S603 - this very Python and this very package
                command,
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                env=environment(),
            )
        except OSError as error:
            ours.close()
            raise EnvironmentFailure(f"cannot start a process: {error.strerror}") from error
    ours.settimeout(SEND_SECONDS)
    return WorkerHandle(number, process, ours)


def bury(workers: Iterable[WorkerHandle]) -> None:
    """Close the lines and wait for all workers; kill those that do not leave."""
    for worker in workers:
        worker.line.close()
    deadline = time.monotonic() + LEAVING_SECONDS
    for worker in workers:
        try:
            worker.process.wait(max(deadline - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()
