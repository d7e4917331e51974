"""Resources that processes of `multiprocessing` leave behind, and their removal.

*The folder.* A fork server listens on a socket in its own folder, `pymp-*`, which goes with
the process that made it, but not after `kill -9`. So the folder gets a file that its owner keeps
locked: one whose lock is free is nobody's any more, and the next start takes it away.

*Temporary directories* of this package's own are marked in the same way (`temporary_directory`).

*The resource tracker* unlinks semaphores that a process could not unlink itself, and says so. That
it does so is what it is for, and nothing that a person could act on: it is told not to say it. One
that was killed is started anew, and would show a traceback for each name it was not told of: it is
not asked to forget those.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker, util
from pathlib import Path

_LOCK = "crawler.lock"
_OWN = "crawler-run-"
_IGNORED = "ignore:resource_tracker:UserWarning"  # the form of `python -W`


class _State:
    """Of this process; a child that was forked is another."""

    pid = 0
    lock: int
    known: dict[str, int]


def tidy() -> None:
    """Prepare this process for starting others; does its work once."""
    if _State.pid == os.getpid():
        return
    _State.pid, _State.known = os.getpid(), {}
    sys.warnoptions.append(_IGNORED)  # what the tracker is started with
    warnings.filterwarnings("ignore", "resource_tracker", UserWarning)
    resource_tracker.register = _register  # type: ignore[assignment]
    resource_tracker.unregister = _unregister  # type: ignore[assignment]
    with suppress(OSError):  # a full disk says so where it matters
        _State.lock = _locked(Path(util.get_temp_dir()))
        _clear(Path(tempfile.gettempdir()))


@contextmanager
def temporary_directory() -> Iterator[Path]:
    """Make a directory in TMPDIR that goes with the block, after `kill -9` with the next call.

    Raises `OSError`.
    """
    _clear(Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=_OWN))
    try:
        fd = _locked(folder)
        try:
            yield folder
        finally:
            os.close(fd)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


_tracker_told, _tracker_untold = resource_tracker.register, resource_tracker.unregister


def _register(name: str, rtype: str) -> None:
    _tracker_told(name, rtype)
    _State.known[name] = _tracker()


def _unregister(name: str, rtype: str) -> None:
    if _State.known.pop(name, 0) in (0, _tracker()):
        _tracker_untold(name, rtype)


def _tracker() -> int:
    """Identify a tracker by the pipe that it reads from; another may take its place."""
    return os.fstat(resource_tracker.getfd() or 0).st_ino


def _locked(folder: Path) -> int:
    """Mark a folder as this process's; it has the name of the mark only when it is locked."""
    draft = folder / f"{_LOCK}.new"
    fd = os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX)
    draft.rename(folder / _LOCK)
    return fd


def _clear(place: Path) -> None:
    """Take away the marked folders of processes that are gone."""
    for mark in (*place.glob(f"pymp-*/{_LOCK}"), *place.glob(f"{_OWN}*/{_LOCK}")):
        with suppress(OSError):  # held, gone meanwhile, or another user's
            fd = os.open(mark, os.O_WRONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(mark.parent)
            finally:
                os.close(fd)
