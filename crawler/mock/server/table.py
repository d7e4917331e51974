"""A mock web's memory of keys: bounded, and shared by all its processes.

A hash table of fixed size in a memory map: anonymous for one process, a file for several. A key is
identified by 64 bits of BLAKE2b (RFC 7693), which also choose its set of eight. A set evicts the
least recently used key. So counts are exact up to about a million keys; after that some keys are
forgotten and start again. Two keys share an entry with probability 2**-64.

In a file, each update locks (POSIX, `fcntl`) the bytes of its set, so processes rarely wait for one
another and no count is lost. Not for several threads of one process.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

_WAYS = 8
_SETS = 1 << 17
_SET = struct.Struct(f"<{2 * _WAYS}Q")  # fingerprint, value, fingerprint, value, ...
_FLOAT, _WORD = struct.Struct("<d"), struct.Struct("<Q")
_BYTES = _SETS * _SET.size
_ZEROS = bytes(1 << 20)


class Table:
    """Maps fingerprints to 64 bits, in 16 MiB of which only used pages take memory.

    path: the shared file, created by the first process; raises OSError if that fails, for example
    on a full disk. None: for this process alone.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._file: int | None = None
        if path is None:
            self._map = mmap.mmap(-1, _BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            return
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            if os.fstat(self._file).st_size < _BYTES:
                # In a sparse file, a full disk would kill (SIGBUS) a process that touches a hole.
                os.posix_fallocate(self._file, 0, _BYTES)
            fcntl.lockf(self._file, fcntl.LOCK_UN)
            self._map = mmap.mmap(self._file, _BYTES)
        except BaseException:
            os.close(self._file)
            raise

    def __repr__(self) -> str:
        return f"Table({'shared' if self._file is not None else 'own'}, entries={_WAYS * _SETS})"

    def count(self, key: bytes) -> int:
        """Count a key; return its count before, 0 the first time."""
        return self._update(key, lambda before: before + 1)

    def take(self, key: bytes, now: float, rate: float, burst: int) -> float:
        """Take a token from the key's bucket; return 0.0, or the seconds until there is one.

        rate: tokens per second; burst: capacity and initial content. now: seconds on a clock that
        all processes share. A wait takes no token.
        """
        wait = 0.0

        def taken(before: int) -> int:
            nonlocal wait
            (arrival,) = _FLOAT.unpack(_WORD.pack(before))
            arrival, wait = take_token(arrival, now, rate, burst)
            return int.from_bytes(_FLOAT.pack(arrival), "little")

        self._update(key, taken)
        return wait

    def clear(self) -> None:
        """Forget every key, in all processes."""
        if self._file is None:
            self._map.close()
            self._map = mmap.mmap(-1, _BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            return
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            for offset in range(0, _BYTES, len(_ZEROS)):
                self._map[offset : offset + len(_ZEROS)] = _ZEROS
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Release the memory and keep the file; may be called again."""
        self._map.close()
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _update(self, key: bytes, change: Callable[[int], int]) -> int:
        """Replace the key's value (0 for a new key) by `change(value)`; return the value before."""
        mark = int.from_bytes(blake2b(key, digest_size=8).digest(), "little") or 1
        offset = mark % _SETS * _SET.size
        file = self._file
        if file is None:
            return self._touch(mark, offset, change)
        fcntl.lockf(file, fcntl.LOCK_EX, _SET.size, offset)
        try:
            return self._touch(mark, offset, change)
        finally:
            fcntl.lockf(file, fcntl.LOCK_UN, _SET.size, offset)

    def _touch(self, mark: int, offset: int, change: Callable[[int], int]) -> int:
        words = _SET.unpack_from(self._map, offset)
        marks = words[::2]
        place = marks.index(mark) if mark in marks else _WAYS - 1
        before = words[2 * place + 1] if marks[place] == mark else 0
        kept = words[: 2 * place] + words[2 * place + 2 :]
        _SET.pack_into(self._map, offset, mark, change(before), *kept)
        return before


def take_token(arrival: float, now: float, rate: float, burst: int) -> tuple[float, float]:
    """Take a token from a bucket; return its new state and the seconds to wait (0.0: it passes).

    The bucket is arithmetic on one float: virtual scheduling, ITU-T I.371 annex A (GCRA). arrival:
    its state, the theoretical arrival time; 0 for a new key. rate: tokens per second. burst:
    requests that may pass at once, at least 1.
    """
    interval = 1 / rate
    wait = arrival - (burst - 1) * interval - now
    # Sums are off by about a nanosecond after an hour, and a client that waited must pass.
    if wait > 1e-9:
        return arrival, wait
    return max(arrival, now) + interval, 0.0
