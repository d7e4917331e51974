"""Let the C library give large blocks back to the system as soon as they are freed."""

from __future__ import annotations

import ctypes
from contextlib import suppress

_MMAP_THRESHOLD, _ARENA_MAX = -3, -8  # malloc.h
_LARGE = 262_144  # bytes of a block that gets its own mapping
_ARENAS = 2


def give_back() -> None:
    """Fix what glibc would adapt: after one freed body of 10 MB it keeps those that follow.

    And it would keep an arena for each of up to eight threads a core (mallopt(3)). Other C
    libraries have no `mallopt`, and no such habits.
    """
    with suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, _LARGE)
        mallopt(_ARENA_MAX, _ARENAS)
