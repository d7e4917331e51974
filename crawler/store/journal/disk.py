"""Every change of a journal on the disk, in one place: tests end the process in each."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PORTION = 1 << 30
_BLOCK = 1 << 20


def write(number: int, data: bytes) -> None:
    """Write all of `data` to a descriptor. Raises `OSError`."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(number, rest) :]


def replace(path: Path, data: bytes) -> None:
    """Replace a file as a whole or not at all. Raises `OSError`."""
    draft = path.with_name(f"{path.name}.new")
    with draft.open("wb", buffering=0) as file:
        write(file.fileno(), data)
        os.fsync(file.fileno())
    rename(draft, path)


def create(path: Path, data: bytes) -> bool:
    """Create a file as a whole, durably; return False if it is there. Raises `OSError`.

    Others may try the same at the same time, on other machines, too.
    """
    maker = f"{os.uname().nodename}.{os.getpid()}.{threading.get_native_id()}"
    draft = path.with_name(f".{path.name}.{maker}")
    try:
        with draft.open("wb", buffering=0) as file:
            write(file.fileno(), data)
            os.fsync(file.fileno())
        os.link(draft, path)  # never over another's
    except FileExistsError:
        return False
    finally:
        remove(draft)
    settle(path.parent)
    return True


@contextmanager
def drafted(draft: Path, path: Path) -> Iterator[None]:
    """Let the block write `draft`; then it takes the place of a file, durably.

    A draft that fails is removed, as its room is wanted. Raises `OSError`.
    """
    remove(draft)
    try:
        yield
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        rename(draft, path)
    except BaseException:
        with suppress(OSError):
            remove(draft)
        raise
    settle(path.parent)


def make_folder(path: Path) -> None:
    """Make a folder, unless it is there; others may remove it, while it is empty, as they end.

    Raises `OSError`.
    """
    while True:
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            if path.is_dir():
                return
            if os.path.lexists(path):
                raise
        else:
            return


def rename(draft: Path, path: Path) -> None:
    """Put a file in the place of another. Raises `OSError`."""
    draft.rename(path)


def truncate(place: int | Path, length: int) -> None:
    """Truncate a file. Raises `OSError`."""
    os.truncate(place, length)


def remove(path: Path) -> None:
    """Remove a file, if it is there. Raises `OSError`."""
    path.unlink(missing_ok=True)


def copy(source: int, target: int, length: int) -> None:
    """Add the first `length` bytes of a file to another's end, in the system where it can.

    Raises `OSError`; `EOFError` if there are fewer.
    """
    done = 0
    while done < length:
        done += _copied(source, target, done, min(length - done, _PORTION))


def _copied(source: int, target: int, at: int, length: int) -> int:
    number = 0
    with suppress(AttributeError, OSError):  # another system, or another file system
        number = os.copy_file_range(source, target, length, offset_src=at)
    if not number:
        data = os.pread(source, min(length, _BLOCK), at)
        write(target, data)
        number = len(data)
    if not number:
        raise EOFError
    return number


def settle(folder: Path) -> None:
    """Make the names in a folder durable. Raises `OSError`."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
