"""Standard streams that may be closed, full, broken, or without a reader.

Services and cron start programs with closed streams. The next file opened would get number 0, 1 or
2: a socket as standard error, which a library writes to, or which libuv takes for its own. So the
null device takes their place.

Writing to standard error never makes a command fail, nor wait after a signal: a log on a full disk,
a closed pipe, or one whose reader has stalled.
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

    `sys.__stdin__` and `sys.__stdout__` stay None, so that a list or an output there is refused.
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
    """A descriptor whose write errors are ignored.

    After a signal the reader has one more tick; after that, what it does not take is dropped.
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
