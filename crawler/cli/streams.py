"""Standard streams as a command may find them: closed, full, broken, or with nobody who reads.

Services and cron start programs with closed ones. The next file that is opened would get the number
0, 1 or 2: a socket as standard error, into which a library writes, or which libuv takes for its
own. So the null device takes their place.

What is said on standard error is never a reason to fail, nor to wait once a signal came: a log on a
full disk, a pipe that was closed, or one whose reader stands still.
"""

from __future__ import annotations

import io
import os
import select
import sys
from typing import Any

from crawler.runtime import signals

_TICK = 100  # milliseconds between two looks at whether a signal came


def hold_standard_streams() -> None:
    """Open the null device on each of 0, 1 and 2 that is closed, and put streams over them.

    `sys.__stdin__` and `sys.__stdout__` stay None, by which a list or an output that was asked for
    there is refused.
    """
    for number in (0, 1, 2):
        if _is_closed(number):
            os.set_inheritable(_null_device(number), True)
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
    if sys.stderr is sys.__stderr__ and isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr = _uninsistent(sys.stderr)


class Uninsistent(io.FileIO):
    """A descriptor whose write errors are nobody's concern.

    After a signal its reader has one more tick, and after that what it does not take is dropped.
    """

    def __init__(self, fd: int) -> None:
        super().__init__(fd, "w", closefd=False)
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)
        self._given_up = False

    def write(self, data: Any) -> int:
        """Write some of `data`, or drop all of it."""
        view = memoryview(data).cast("B")
        while not self._poll.poll(0 if self._given_up else _TICK):
            if signals.first():
                self._given_up = True
                return len(view)
        try:
            return super().write(view[: select.PIPE_BUF]) or 0  # so much fits, and does not block
        except OSError:
            return len(view)


def _uninsistent(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    raw = io.BufferedWriter(Uninsistent(stream.fileno()))
    return io.TextIOWrapper(
        raw, encoding=stream.encoding, errors=stream.errors, line_buffering=True
    )


def _is_closed(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return True
    return False


def _null_device(number: int) -> int:
    found = os.open(os.devnull, os.O_RDWR)
    if found != number:
        os.dup2(found, number)
        os.close(found)
    return number
