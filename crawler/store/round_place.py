"""Where rounds on several machines meet, and a directory that all of them share as one.

A name is relative to the place, with `/` between its parts. What is created is created once and
never changed, whoever comes second is told; only heartbeats are written again and again.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from crawler.store.journal import disk


class RoundPlace(Protocol):
    """A place for rounds. Every method raises `OSError` or `EnvironmentFailure`.

    name: opens the same place elsewhere. folder: where an attempt works, with the names of the
    place; None if it was opened without one. shows_attempts: `folder` has what other attempts have
    written there.
    """

    name: str
    shows_attempts: bool
    folder: Path | None

    def create(self, name: str, data: bytes) -> bool:
        """Create a small file as a whole, durably; return False if there is one."""

    def read(self, name: str) -> bytes | None:
        """Return what a small file holds; None without one."""

    def changed(self, name: str) -> float | None:
        """Return when a file was last written, as a Unix time; None without one."""

    def write(self, name: str, data: bytes) -> None:
        """Write a small file, in place of what it held; a reader may see half of it."""

    def names(self, folder: str) -> list[str]:
        """Return the names in a folder, without those that begin with a dot; [] without one."""

    def remove(self, name: str) -> None:
        """Remove a file or a folder, if it is there."""

    def fetch(self, name: str) -> bool:
        """See to it that `folder` has a file; return False if the place has none."""

    def keep(self, name: str, start: int, size: int) -> int:
        """Keep `size` bytes of a file of `folder` from `start` on, never to be changed.

        Returns where they begin in what is kept.
        """

    def block(self, name: str, at: int, size: int) -> bytes:
        """Return at most so many bytes of what is kept, from `at` on; b"" at its end."""

    def shared(self) -> list[Path]:
        """Return the files that all partitions read, as this machine has them."""


class SharedFolder:
    """A directory that every machine has under the same path."""

    shows_attempts = True

    def __init__(self, name: str) -> None:
        self.name = os.path.abspath(name)
        self.folder: Path | None = Path(self.name)
        self._root = Path(self.name)

    def __repr__(self) -> str:
        return f"SharedFolder({self.name!r})"

    def create(self, name: str, data: bytes) -> bool:
        """Create a file by link(2), which never replaces another's."""
        path = self._root / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return disk.create(path, data)

    def read(self, name: str) -> bytes | None:
        """Read a file as it is now: to open it asks the server of a network file system."""
        try:
            return (self._root / name).read_bytes()
        except FileNotFoundError:
            return None

    def changed(self, name: str) -> float | None:
        """Return the time of a file by the clock of its file system."""
        try:
            return (self._root / name).stat().st_mtime
        except FileNotFoundError:
            return None

    def write(self, name: str, data: bytes) -> None:
        """Write a file in its place, for a heartbeat; it is not synced."""
        number = os.open(self._root / name, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            disk.write(number, data)
            os.ftruncate(number, len(data))
        finally:
            os.close(number)

    def names(self, folder: str) -> list[str]:
        """Return what a directory lists, in order."""
        try:
            found = os.listdir(self._root / folder)
        except FileNotFoundError:
            return []
        return sorted(name for name in found if not name.startswith("."))

    def fetch(self, name: str) -> bool:
        """Return whether a file is there."""
        return (self._root / name).exists()

    def keep(self, name: str, start: int, size: int) -> int:
        """Do nothing: a file is kept where it was written."""
        return start

    def block(self, name: str, at: int, size: int) -> bytes:
        """Return a piece of a file."""
        with (self._root / name).open("rb", buffering=0) as file:
            return os.pread(file.fileno(), size, at)

    def shared(self) -> list[Path]:
        """Return the copies of lists, and the quota of `max_pages`, which lie in the state."""
        state = self._root.parent
        return [state / "pages", *state.glob("list-*"), *state.glob("input")]

    def remove(self, name: str) -> None:
        """Remove a file, or a directory with all that it holds."""
        path = self._root / name
        if path.is_dir() and not path.is_symlink():
            with suppress(FileNotFoundError):
                shutil.rmtree(path)
        else:
            disk.remove(path)
