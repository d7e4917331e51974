"""Standard streams that were closed before the start, as services and cron may do it.

The next file that is opened would get the number 0, 1 or 2: a socket as standard error, into which
a library writes, or which libuv takes for its own. So the null device takes their place.
"""

from __future__ import annotations

import os
import sys


def hold_standard_streams() -> None:
    """Open the null device on each of 0, 1 and 2 that is closed, and put streams over them.

    `sys.__stdin__` and `sys.__stdout__` stay None, by which a list or an output that was asked for
    there is refused.
    """
    for number in (0, 1, 2):
        if _is_closed(number):
            os.set_inheritable(_null_device(number), True)
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def _is_closed(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return True
    return False


def _null_device(number: int) -> int:
    found = os.open(os.devnull, os.O_RDWR)
    if found != number:
        os.dup2(found, number)
        os.close(found)
    return number
