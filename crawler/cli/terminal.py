"""Decides whether lines may be redrawn on the terminal.

Redrawing moves the cursor up and erases whatever another writer put there meanwhile, so it is done
only if nobody else writes to the terminal: neither the records nor, as far as one can tell, the
reader of a pipe that they go to. Such a reader (`| jq`) nearly always writes to the terminal it was
started from, and there is no way to find out.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable


def may_be_drawn_on(places: Iterable[str], inputs: Iterable[str] = ()) -> bool:
    """Return whether this crawl alone writes to stderr's terminal.

    places: files written meanwhile; `-` is standard output. inputs: files read; text typed on the
    terminal appears there, too.
    """
    typed = "-" in inputs and os.isatty(0)
    return not (typed or in_background() or any(map(_may_reach_terminal, places)))


def in_background() -> bool:
    """Return whether the shell gave the terminal to another job (`&`, `bg`)."""
    try:
        return os.tcgetpgrp(2) != os.getpgrp()
    except OSError:  # no terminal, or not the one that controls this process
        return False


def _may_reach_terminal(place: str) -> bool:
    """Return whether data written to `place` may appear on a terminal."""
    try:
        status = os.fstat(1) if place == "-" else os.stat(place)
    except (OSError, ValueError):  # it will be created as a file, or refused
        return False
    mode = status.st_mode
    if stat.S_ISCHR(mode):  # which devices are terminals is not asked: to open one may do things
        return status.st_rdev != os.stat(os.devnull).st_rdev
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
