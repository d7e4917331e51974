"""A WARC in several files: what one has no room for goes on in the next.

    x.warc.gz, x-00001.warc.gz, x-00002.warc.gz

The first keeps the name of the output, so a small archive is the one file that was asked for. A
place in the whole is the number of bytes before it in all files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import count

from crawler.model.choices import Existing
from crawler.model.errors import ConfigurationError

_NAME = re.compile(r"(.*?)(\.warc(?:\.gz|\.zst)?)", re.DOTALL | re.IGNORECASE)


def volume(path: str, number: int) -> str:
    """Return the place of a file of an archive, from 0; the first is the archive's own."""
    return named(os.path.realpath(path), number) if number else path


def named(name: str, number: int) -> str:
    """Return the name of a file of an archive."""
    if not number:
        return name
    found = _NAME.fullmatch(name)
    if found is None:
        raise ValueError(name)
    return f"{found[1]}-{number:05d}{found[2]}"


def volumes_of(path: str) -> list[str]:
    """Return the files that an output consists of: its own, and those that go on where it ends."""
    if not _NAME.fullmatch(os.path.realpath(path)):
        return [path]
    return [path, *_further(path)]


def size_of_all(path: str) -> int:
    """Return the bytes in all files of an output. Raises `OSError`."""
    return sum(os.stat(each).st_size for each in volumes_of(path))


def reached(path: str, place: int) -> tuple[int, int]:
    """Return the file in which a place lies, and the place at which that begins.

    The end of one file rather than the begin of the next. Raises `OSError`.
    """
    begin = 0
    for number, each in enumerate(volumes_of(path)):
        size = os.stat(each).st_size
        if place <= begin + size:
            return number, begin
        begin += size
    raise EOFError(path)


def cut_up(path: str, length: int) -> list[tuple[str, int]]:
    """Return the files that hold the first `length` bytes, and how many of those each has.

    Raises `OSError`.
    """
    found: list[tuple[str, int]] = []
    for each in volumes_of(path):
        share = min(length, os.stat(each).st_size)
        length -= share
        if share:
            found.append((each, share))
    if length:
        raise EOFError(path)
    return found


def check_volumes(path: str, existing: Existing) -> None:
    """Raise `ConfigurationError` for files where a new archive would go on."""
    there = volumes_of(path)[1:]
    if there and existing == "refuse":
        raise ConfigurationError(
            f"{path}: {there[0]} exists already, where it would go on; say --append or "
            "--overwrite, or name another file"
        )


def _further(path: str) -> Iterator[str]:
    for number in count(1):
        if not os.path.exists(place := volume(path, number)):
            return
        yield place
