"""Inputs as blocks of bytes: regular files, pipes, standard input.

An `Input` is checked when it is created, so that a wrong name ends the crawl before it starts. A
check never reads from a pipe, as what it reads would be lost.

A read returns what is available and never waits for more, so a slow pipe is processed line by line.
On anything but a regular file the reader waits in short ticks and checks if it was stopped: a
thread that is blocked in `read(2)` could not be ended from outside.
"""

from __future__ import annotations

import hashlib
import os
import select
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from crawler.model.errors import EnvironmentFailure

BLOCK = 131_072
"""Bytes read at once; larger ones are not faster, and a pipe holds 65,536."""

_HEAD = 4_096  # bytes that tell files apart
_TICK = 100  # milliseconds between two looks at `stopped`


class Input:
    """An input by its name, `-` for standard input; it exists and is readable.

    place: where the file is, if its name does not say so.

    `size` is its number of bytes, None if unknown (pipes). Raises `EnvironmentFailure` if it is
    missing, a directory, a socket, or unreadable.
    """

    def __init__(self, name: str, place: str = "") -> None:
        self.name = name
        self.place = place or name
        self.label = "standard input" if name == "-" else name
        if name == "-" and sys.__stdin__ is None:  # what has the number 0 now is not it
            raise EnvironmentFailure("standard input: is closed; name a file with -i")
        with told(self.label):
            state = os.fstat(0) if name == "-" else os.stat(self.place)
        self._refuse(state.st_mode)
        self.regular = stat.S_ISREG(state.st_mode)
        self.size = self._left(state.st_size) if self.regular else None

    def blocks(self, tally: Callable[[int], None], stopped: Callable[[], bool]) -> Iterator[bytes]:
        """Yield its content, never b""; `tally` is called with the size of every block.

        Ends early once `stopped()` is true. Raises `EnvironmentFailure` for an I/O error.
        """
        with told(self.label), _opened(self.place) as fd:
            poll = select.poll()
            poll.register(fd, select.POLLIN)
            while self.regular or _has_some(poll, stopped):
                block = os.read(fd, BLOCK)
                if not block or stopped():
                    return
                tally(len(block))
                yield block

    def described(self) -> dict[str, Any]:
        """Return what tells a file from another one of its name, as JSON values."""
        if self.name == "-":
            return {"name": "-", "size": self.size}
        with told(self.label), open(self.name, "rb") as file:
            state, head = os.fstat(file.fileno()), file.read(_HEAD)
        return {
            "name": self.name,
            "size": state.st_size,
            "time": round(state.st_mtime, 3),
            "head": hashlib.sha256(head).hexdigest(),
        }

    def _refuse(self, mode: int) -> None:
        if stat.S_ISDIR(mode):
            raise EnvironmentFailure(f"{self.label}: is a directory; name a file of URLs")
        if stat.S_ISSOCK(mode):
            raise EnvironmentFailure(f"{self.label}: is a socket; name a file of URLs")
        if self.name != "-" and not os.access(self.place, os.R_OK):
            raise EnvironmentFailure(f"{self.label}: may not be read; check its permissions")

    def _left(self, size: int) -> int:
        """Return the bytes left of a standard input that another command may have read in part."""
        at = os.lseek(0, 0, os.SEEK_CUR) if self.name == "-" else 0
        return max(0, size - at)


@contextmanager
def _opened(name: str) -> Iterator[int]:
    """Open an input for reading; standard input is not closed."""
    if name == "-":
        yield 0
        return
    # Without O_NONBLOCK, opening a named pipe would wait for its writer, deaf to `stopped`.
    fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        yield fd
    finally:
        os.close(fd)


def _has_some(poll: select.poll, stopped: Callable[[], bool]) -> bool:
    """Wait until there is something to read (or the end); return False once stopped."""
    while not stopped():
        if poll.poll(_TICK):
            return True
    return False


@contextmanager
def told(label: str) -> Iterator[None]:
    """Turn a system error about an input into a one-line message."""
    try:
        yield
    except FileNotFoundError:
        raise EnvironmentFailure(f"{label}: no such file; check the name") from None
    except PermissionError:
        raise EnvironmentFailure(f"{label}: may not be read; check its permissions") from None
    except OSError as error:
        raise EnvironmentFailure(f"{label}: cannot be read: {error.strerror}") from error
    except ValueError as error:  # a NUL in the name
        raise EnvironmentFailure(f"{label!r}: is not a file name: {error}") from None
