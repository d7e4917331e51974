"""Output files: whose they are, and what becomes of what they hold.

Much can fail before a run has anything to write: a parser that cannot be imported, a list without
the column, a second run onto the same file. So to claim a file changes nothing in it:

- A file that holds something is refused, unless it is to be replaced or added to (`Existing`).
- `flock(2)` keeps other processes out as long as the claim is held, and they can say whose it is.
- Old content goes when there is something to put in its place: `start`. A file that the claim had
  to make, and that was never started, is gone after `release`.

All this is for regular files. A pipe or a device is nobody's; `-`, `/dev/stdout` and `/dev/fd/N`
are descriptors that the process was started with, and are written from where they stand.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from crawler.model.choices import Existing
from crawler.model.errors import ConfigurationError, EnvironmentFailure

_INHERITED = re.compile(r"/(?:dev|proc/self)/fd/(\d{1,9})")
_STANDARD = {"-": 1, "/dev/stdout": 1, "/dev/stderr": 2}
_LOCK = re.compile(
    r"^\d+: FLOCK +\w+ +\w+ +(?P<pid>\d+) +(?P<device>[0-9a-f:]+):(?P<inode>\d+) ", re.MULTILINE
)


class Claim:
    """An output, opened and not yet changed.

    `regular` tells a file from a pipe or device; `held` is how many bytes of old content will stay.
    `hint` is what to do about a file that holds something.

    Raises `ConfigurationError` for a file that holds something and may neither be replaced nor
    added to, `EnvironmentFailure` for one that cannot be opened or that another process writes.
    """

    __slots__ = (
        *("_existing", "_hint", "_lent", "_made"),
        *("fd", "held", "label", "path", "regular", "started"),
    )

    def __init__(
        self, path: str, existing: Existing = "refuse", *, hint: str = "say --append or --overwrite"
    ) -> None:
        self.path = path
        self._existing = existing
        self._hint = hint
        number = inherited(path)
        self.label = "standard output" if number == 1 else path
        self._lent = number is not None
        self._made = False
        self.started = False
        self.held = 0
        try:
            self.fd = self._open() if number is None else _lent(number)
            self.regular = stat.S_ISREG(os.fstat(self.fd).st_mode)
        except (OSError, ValueError) as error:
            raise unwritable(path, error) from None
        if self.ours:
            self._settle()

    def __repr__(self) -> str:
        return f"Claim({self.path!r}, started={self.started})"

    @property
    def lent(self) -> bool:
        """True if the process was started with this descriptor, as with standard output."""
        return self._lent

    @property
    def ours(self) -> bool:
        """True if the rules apply: a regular file that this claim has opened."""
        return self.regular and not self._lent

    def start(self) -> None:
        """Empty a file that is to be replaced. Raises `OSError`."""
        if self.started:
            return
        self.started = True
        if self.ours and self._existing == "replace":
            os.ftruncate(self.fd, 0)

    def settle_name(self, sync: Callable[[int], None]) -> None:
        """Make the file's name durable with `sync`, as it is made with the file or found there.

        The directory of a state settles its own names alone. Raises `OSError`.
        """
        folder = os.path.dirname(os.path.realpath(self.path))
        number = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            sync(number)
        finally:
            os.close(number)

    def release(self) -> None:
        """Close what was opened, and remove an unused new file. Raises `OSError`."""
        if self._lent:
            return
        self._lent = True
        try:
            if self._made and not self.started:
                with suppress(FileNotFoundError):  # somebody else has removed it
                    os.unlink(os.path.realpath(self.path))
        finally:
            os.close(self.fd)

    def _open(self) -> int:
        if os.path.exists(self.path) and not os.path.isfile(self.path):
            return os.open(self.path, os.O_WRONLY | os.O_CLOEXEC)
        if self.path.endswith("/"):
            raise IsADirectoryError
        place = os.path.realpath(self.path)  # where a link leads, even to nothing yet
        return locked(lambda: self._made_or_there(place), place, self.path)

    def _made_or_there(self, place: str) -> int:
        flags = os.O_CLOEXEC | (os.O_RDWR if self._existing == "add" else os.O_WRONLY)
        try:
            fd = os.open(place, flags | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            self._made = False
            return os.open(place, flags | os.O_CREAT, 0o666)
        self._made = True
        return fd

    def _settle(self) -> None:
        size = os.fstat(self.fd).st_size
        if not size or self._existing == "replace":
            return
        if self._existing == "add":
            self.held = os.lseek(self.fd, 0, os.SEEK_END)
            return
        os.close(self.fd)
        raise ConfigurationError(
            f"{self.path}: holds {size:,} bytes already; {self._hint}, or name another file"
        )


def inherited(path: str) -> int | None:
    """Return the descriptor that `path` is a name for, or None."""
    named = _INHERITED.fullmatch(path)
    return int(named[1]) if named else _STANDARD.get(path)


def is_file(path: str) -> bool:
    """Return whether a path is an existing or new file, as opposed to a pipe or device."""
    if path == "-" or inherited(path) is not None:
        return False
    return os.path.isfile(path) or not os.path.exists(path)


def is_directory(output: str) -> bool:
    """Return whether an output is a directory of parts: there already, or named with a `/`."""
    return output.endswith("/") or os.path.isdir(output)


def _lent(number: int) -> int:
    # What has the number 1 after a start without standard output is not it.
    if number == 1 and sys.__stdout__ is None:
        raise EnvironmentFailure("standard output: is closed; name a file with -o")
    return number


def lock(fd: int, path: str) -> None:
    """Lock an open file or directory; raise `EnvironmentFailure` if another process has."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise EnvironmentFailure(
            f"{path}: is being written by {_holder(fd)}; wait for it, or name another file"
        ) from None
    except OSError:
        return  # a file system without locks


def locked(opened: Callable[[], int], place: str | Path, path: str) -> int:
    """Open and lock the file at `place`; another one is there when a process that ends removes it.

    Raises `EnvironmentFailure` if another process has locked it, and what `opened` raises.
    """
    while True:
        fd = opened()
        try:
            lock(fd, path)
            if is_at(place, fd):
                return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)  # it was replaced or removed before the lock was ours


def is_at(place: str | Path, fd: int) -> bool:
    """Return whether an open file is the one that `place` names."""
    try:
        return os.path.samestat(os.stat(place), os.fstat(fd))
    except FileNotFoundError:
        return False


def _holder(fd: int) -> str:
    """Return the process that holds a file's lock, for a person."""
    pid = _listed(fd)
    if pid == os.getpid():
        return "this very process"
    return f"process {pid}" if pid > 0 else "another process"


def _listed(fd: int) -> int:
    """Return the process that holds a file's lock, as Linux reports it; 0 elsewhere."""
    try:
        with open("/proc/locks", encoding="ascii") as file:
            text = file.read()
    except OSError:
        return 0
    state = os.fstat(fd)
    device = f"{os.major(state.st_dev):02x}:{os.minor(state.st_dev):02x}"
    found = [lock for lock in _LOCK.finditer(text) if int(lock["inode"]) == state.st_ino]
    # Some file systems have another device number in there than stat(2) gives.
    exact = [lock for lock in found if lock["device"] == device] or found
    return max(int(exact[0]["pid"]), 0) if exact else 0


def writer_of(paths: Iterable[str]) -> int | None:
    """Return the process that has locked one of these files: 0 if unknown, None if nobody has.

    The locks are looked up where the system lists them. Elsewhere, and for a process of another
    container, a lock that is shared and given back at once shows whether there is one.
    """
    for path in paths:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            continue
        try:
            if pid := _listed(fd):
                return pid
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0
        except OSError:  # a file system without locks
            continue
        finally:
            os.close(fd)
    return None


def unwritable(path: str, error: OSError | ValueError) -> EnvironmentFailure:
    """Return the error for a `path` that cannot be written."""
    folder = os.path.dirname(path) or "."
    if isinstance(error, IsADirectoryError):
        why = "is a directory; name a file"
    elif isinstance(error, FileNotFoundError):
        why = f"the directory {folder!r} does not exist; make it first"
    elif isinstance(error, PermissionError):
        why = "may not be written; check its permissions"
    elif isinstance(error, OSError):
        why = f"cannot be written: {error.strerror}"
    else:
        why = f"is not a file name: {error}"
    return EnvironmentFailure(f"{path}: {why}")
