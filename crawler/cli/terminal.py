"""Whether lines may be redrawn on the terminal, or would cover what others write to it.

Redrawing moves the cursor up and erases. Whatever another writer put there in the meantime is lost,
so it is done only where nobody else writes to the terminal: neither the records themselves nor, as
far as one can tell, the reader of a pipe that they go to. Such a reader (`| jq`) nearly always
writes to the terminal it was started from, and nothing tells whether it does.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable


def may_be_drawn_on(places: Iterable[str], inputs: Iterable[str] = ()) -> bool:
    """Tell whether stderr's terminal is ours alone.

    places: names of the files that are written while it is drawn on; `-` is standard output.
    inputs: those that are read; what a person types on the terminal stands there, too.
    """
    typed = "-" in inputs and os.isatty(0)
    return not (typed or in_background() or any(map(_may_reach_terminal, places)))


def in_background() -> bool:
    """Tell whether the shell gave the terminal to another job (`&`), or took it back (`bg`)."""
    try:
        return os.tcgetpgrp(2) != os.getpgrp()
    except OSError:  # no terminal, or not the one that controls this process
        return False


def _may_reach_terminal(place: str) -> bool:
    """Tell whether what is written to `place` may turn up on a terminal."""
    try:
        status = os.fstat(1) if place == "-" else os.stat(place)
    except (OSError, ValueError):  # it will be created as a file, or refused
        return False
    mode = status.st_mode
    if stat.S_ISCHR(mode):  # which devices are terminals is not asked: to open one may do things
        return status.st_rdev != os.stat(os.devnull).st_rdev
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
