"""A process with all that it starts, none of which outlives the block, or this process.

It leads its own session, and so process group: Ctrl-C does not reach it, and the group is
killed as a whole. What is killed itself (`kill -9`) cleans nothing up any more, and workers of a
pool wait for ever when nobody is left to give them work. So a shell sits next to the group, which
waits for the end of a pipe that only this process holds open, costs nothing meanwhile, and then
kills the group.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

_WATCH = 'read -r group; read -r end; [ -z "$group" ] || kill -s KILL -- "-$group"'


@contextmanager
def guarded(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command; `options` are those of `Popen`. At the end its group is killed."""
    with _guard() as guard:
        process = subprocess.Popen(command, start_new_session=True, **options)  # noqa: S603  ours
        try:
            _tell(guard, process.pid)
            yield process
        finally:
            _end(process)


@contextmanager
def _guard() -> Iterator[subprocess.Popen[bytes]]:
    """Start the shell that guards, and then say what it is to kill."""
    guard = subprocess.Popen(  # noqa: S603  the text above, and no other
        ["/bin/sh", "-c", _WATCH],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield guard
    finally:  # killed, and only then its pipe closed: the group's number may be another's by now
        guard.kill()
        guard.wait()
        if guard.stdin is not None:
            guard.stdin.close()


def _tell(guard: subprocess.Popen[bytes], group: int) -> None:
    if guard.stdin is not None:
        with suppress(BrokenPipeError):  # somebody killed it; the group is none the worse for it
            guard.stdin.write(f"{group}\n".encode())
            guard.stdin.flush()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the group: itself, and workers that outlived it."""
    with suppress(ProcessLookupError, PermissionError):  # all of it has ended
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with suppress(BrokenPipeError):
                pipe.close()
