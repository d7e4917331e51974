"""Every change of a journal on the disk, in one place: tests end the process in each."""

from __future__ import annotations

import os
from pathlib import Path


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


def rename(draft: Path, path: Path) -> None:
    """Put a file in the place of another. Raises `OSError`."""
    draft.rename(path)


def truncate(place: int | Path, length: int) -> None:
    """Truncate a file. Raises `OSError`."""
    os.truncate(place, length)


def remove(path: Path) -> None:
    """Remove a file, if it is there. Raises `OSError`."""
    path.unlink(missing_ok=True)


def settle(folder: Path) -> None:
    """Make the names in a folder durable. Raises `OSError`."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
