"""A descriptor that can be abandoned, as the reader of a pipe may stall forever.

A thread that is blocked in write(2) cannot be ended from outside, and nobody knows how much of its
data was taken. So pipes and terminals are written without blocking, and polled in short ticks.

An inherited descriptor shares its flags with all processes that have it: a shell, or a terminal
that other programs write to. O_NONBLOCK would affect them, too, so the pipe is opened once more by
its name in /proc. Where that is not possible (other systems, sockets) writing blocks as usual.
"""

from __future__ import annotations

import errno
import os
import select
import stat

_TICK = 50  # milliseconds between two looks at whether it was left


class ReaderGone(OSError):
    """The reader took nothing more, and writing was abandoned."""

    def __init__(self) -> None:
        super().__init__(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))


class Descriptor:
    """Writes to `fd`, which is this process's own or `lent`. Does not close it."""

    __slots__ = ("_fd", "_left", "_made")

    def __init__(self, fd: int, *, lent: bool) -> None:
        self._fd = fd
        self._left = self._made = False
        if stat.S_ISREG(os.fstat(fd).st_mode):
            return
        if not lent:
            os.set_blocking(fd, False)
        elif (found := _again(fd)) is not None:
            self._fd, self._made = found, True

    def write(self, data: memoryview) -> int:
        """Write some of `data`; return the number of bytes.

        Raises `ReaderGone` after `leave`, if it would have to wait: a writer that was late itself,
        on a busy machine, has a reader yet.
        """
        while True:
            try:
                return os.write(self._fd, data)
            except BlockingIOError:
                if self._left:
                    raise ReaderGone from None
                poll = select.poll()
                poll.register(self._fd, select.POLLOUT)
                poll.poll(_TICK)

    def leave(self) -> None:
        """Wait for the reader no more; from any thread."""
        self._left = True

    def close(self) -> None:
        """Close what was opened here; an inherited descriptor stays open."""
        if self._made:
            self._made = False
            os.close(self._fd)


def _again(fd: int) -> int | None:
    """Reopen the same pipe or terminal with its own flags; None if that is not possible."""
    if not (stat.S_ISFIFO(os.fstat(fd).st_mode) or os.isatty(fd)):
        return None
    flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        return os.open(f"/proc/self/fd/{fd}", flags)
    except OSError:
        return None
