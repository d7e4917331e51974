"""Files that are written as a whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import orjson

from crawler.model.choices import Existing
from crawler.model.errors import EnvironmentFailure
from crawler.model.output import dumps
from crawler.store.claim import Claim, inherited, unwritable
from crawler.store.naming import check_name

# What open(2) gives a new file before the umask; a temporary file is its owner's alone.
_MODE = 0o666


def write_json(path: str, value: Any) -> None:
    """Write `value` as indented JSON, as `write_whole` does."""
    write_whole(path, dumps(value, orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def check_folder(name: str, path: str) -> None:
    """Raise `EnvironmentFailure` that begins with `name` if no file can be made at `path`."""
    folder = os.path.dirname(path) or "."
    if not os.access(folder, os.W_OK | os.X_OK):
        reason = "is not writable" if os.path.isdir(folder) else "is not a directory"
        raise EnvironmentFailure(f"{name}: {path}: {folder} {reason}")


def check_room(path: str, folder: str | os.PathLike[str], needed: int, what: str) -> None:
    """Raise `EnvironmentFailure` if the disk of a folder lacks the room for so many bytes.

    path, what: the output, and what takes the room, for a person. Where the system does not say,
    there is room.
    """
    try:
        state = os.statvfs(folder)
    except OSError:
        return
    free = state.f_bavail * state.f_frsize
    if free < needed:
        raise EnvironmentFailure(
            f"{path}: {what} needs {needed:,} bytes of room in {folder}, and {free:,} are free; "
            "make room, and run the same command again"
        )


def write_whole(path: str, data: bytes) -> None:
    """Write a file; a reader sees the old one or the whole new one.

    The data go to a temporary file next to it first, which then replaces it. A device, a pipe or a
    descriptor of this process (`/dev/stdout`) is written directly. Raises `EnvironmentFailure` that
    names `path`.
    """
    number = inherited(path)
    try:
        if number is not None:
            _write(os.dup(number), data)
        elif os.path.exists(path) and not os.path.isfile(path):
            _write(os.open(path, os.O_WRONLY | os.O_CLOEXEC), data)
        else:
            _replace(os.path.realpath(path), data)  # a link stays a link
    except (OSError, ValueError) as error:
        raise unwritable(path, error) from None


class OutputDocument:
    """A file that is written once, at the end, and reserved from the start.

    Raises what `check_name` and `Claim` raise. A document cannot be appended to, so a file with
    content is refused unless it is to be replaced.
    """

    def __init__(self, path: str, existing: Existing) -> None:
        check_name(path, (".json",), packed=False)
        self._path = path
        self._claim: Claim | None = None
        if inherited(path) is not None or not os.path.exists(path) or os.path.isfile(path):
            onto: Existing = "replace" if existing == "replace" else "refuse"
            self._claim = Claim(path, onto, hint="--overwrite replaces it, nothing can be added")

    def write(self, value: Any) -> None:
        """Write it as JSON. Raises `EnvironmentFailure`."""
        write_json(self._path, value)
        if self._claim is not None:
            self._claim.started = True

    def close(self) -> None:
        """Release the file, and remove it if it was created and not written."""
        if self._claim is not None:
            self._claim.release()


def _replace(target: str, data: bytes) -> None:
    folder, name = os.path.split(target)
    number, draft = tempfile.mkstemp(dir=folder, prefix=f".{name[:64]}.")
    try:
        _write(number, data, os.fsync)
        os.chmod(draft, _mode(target))
        os.replace(draft, target)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(draft)
        raise


def _write(number: int, data: bytes, settle: Callable[[int], None] = lambda _number: None) -> None:
    with open(number, "wb") as file:
        file.write(data)
        file.flush()
        settle(number)


def _mode(target: str) -> int:
    """Return the mode of the file to be replaced, or of a new one."""
    if os.path.exists(target):
        return os.stat(target).st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return _MODE & ~mask
