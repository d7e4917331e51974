"""Appending to a file: checks the end of the old records.

A run that was killed may have left half a line or half an archive. Records appended to that could
not be read, so it is refused, with a remedy; nothing is removed, as the half line may belong to
somebody else. A whole last line that lacks only its line end gets one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from shlex import quote

import orjson

from crawler.formats.unpacking import GZIP
from crawler.model.errors import ConfigurationError, EnvironmentFailure
from crawler.store.archive import SUFFIXES, ZSTD, unpacked
from crawler.store.blocks import BLOCK

_LONGEST = 67_108_864
"""Bytes of a last line that are looked at; records are a tenth of that at the most."""


def joint(fd: int, path: str, head: bytes = b"") -> bytes:
    """Return what must come between the file's lines and the first new one: b"" or a line end.

    Reads all of an archive, and the last line of any other file; the descriptor's position stays.
    head: the line that a table begins with.

    Raises `ConfigurationError` if the end is torn, the format does not match the name, or the
    columns are others.
    """
    packed = os.pread(fd, 4, 0).startswith((GZIP, *ZSTD))
    if packed != path.lower().endswith(SUFFIXES):
        raise ConfigurationError(
            f"{path}: is {'packed' if packed else 'not packed'}, against its name; "
            "rename it, or name another file"
        )
    rest = _last_packed(fd, path) if packed else _last_line(fd)
    head = b"" if head.startswith(b"WARC/") else head  # every one is another
    if head and _first(fd, path, len(head)) != head:
        raise ConfigurationError(f"{path}: has other columns; name another file")
    if not rest:
        return b""
    if head:
        raise ConfigurationError(f"{path}: ends in half a row; name another file")
    if not _is_json(rest):
        raise ConfigurationError(f"{path}: ends in half a line; {_cure(fd, path, rest, packed)}")
    return b"\n"


def _cure(fd: int, path: str, rest: bytes, packed: bool) -> str:
    if packed or len(rest) > _LONGEST:
        return "name another file"
    whole = os.fstat(fd).st_size - len(rest)
    return f"`truncate -s {whole} {quote(path)}` takes it off, or name another file"


def _last_line(fd: int) -> bytes:
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


def _first(fd: int, path: str, length: int) -> bytes:
    """Return the first bytes of a file, or of what is packed in it."""
    found = b""
    for block in unpacked(_blocks(fd), path):
        found += block
        if len(found) >= length:
            break
    return found[:length]


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
