"""Where new records join old ones: the end of a file that is added to.

A run that was killed may have left half a line, or half an archive. Records put behind that could
not be read, so it is refused, with the way out; nothing is taken off, as the half line is not ours.
A last line that is whole and lacks only its end gets that.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from shlex import quote

import orjson

from crawler.model.errors import ConfigurationError, EnvironmentFailure
from crawler.store.archive import GZIP, SUFFIXES, ZSTD, unpacked
from crawler.store.blocks import BLOCK

_LONGEST = 67_108_864
"""Bytes of a last line that are looked at; records are a tenth of that at the most."""


def joint(fd: int, path: str) -> bytes:
    """What has to stand between the lines of a file and the first new one: b"" or a line end.

    Reads an archive as a whole, of another file the last line alone; the descriptor's place stays.

    Raises `ConfigurationError` if the file's end is torn or its form is not that of its name.
    """
    packed = os.pread(fd, 4, 0).startswith((*GZIP, *ZSTD))
    if packed != path.lower().endswith(SUFFIXES):
        raise ConfigurationError(
            f"{path}: is {'packed' if packed else 'not packed'}, against its name; "
            "rename it, or name another file"
        )
    rest = _last_packed(fd, path) if packed else _last_line(fd)
    if not rest:
        return b""
    if not _is_json(rest):
        raise ConfigurationError(f"{path}: ends in half a line; {_cure(fd, path, rest, packed)}")
    return b"\n"


def _cure(fd: int, path: str, rest: bytes, packed: bool) -> str:
    if packed or len(rest) > _LONGEST:
        return "name another file"
    whole = os.fstat(fd).st_size - len(rest)
    return f"`truncate -s {whole} {quote(path)}` takes it off, or name another file"


def _last_line(fd: int) -> bytes:
    """What follows the last line end."""
    at, rest = os.fstat(fd).st_size, b""
    while at > 0 and len(rest) <= _LONGEST:
        start = max(0, at - BLOCK)
        block = os.pread(fd, at - start, start)
        end = block.rfind(b"\n")
        rest = block[end + 1 :] + rest
        if end >= 0:
            break
        at = start
    return rest


def _last_packed(fd: int, path: str) -> bytes:
    rest = b""
    try:
        for block in unpacked(_blocks(fd), path):
            end = block.rfind(b"\n")
            rest = block[end + 1 :] if end >= 0 else (rest + block)[: _LONGEST + 1]
    except EnvironmentFailure as error:
        problem = str(error).removeprefix(f"{path}: ").partition(";")[0]
        raise ConfigurationError(
            f"{path}: cannot be added to: {problem}; name another file"
        ) from error
    return rest


def _blocks(fd: int) -> Iterator[bytes]:
    at = 0
    while block := os.pread(fd, BLOCK, at):
        at += len(block)
        yield block


def _is_json(line: bytes) -> bool:
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return True
