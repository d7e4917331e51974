"""The screen for a crawl: what draws is imported only for a terminal."""

from __future__ import annotations

import os
import sys

from crawler.cli.screen import Screen, ScreenLines, Silence
from crawler.model.choices import Progress as Mode

_FORCING = ("FORCE_COLOR", "TTY_COMPATIBLE")  # stand for a terminal, as the library has it


def screen(mode: Mode, *, quiet: bool = False, alone: bool = True) -> Screen:
    """Choose the screen for this process's stderr; `alone` if nothing else writes to it."""
    if quiet:
        return Silence()
    may_draw = sys.stderr.isatty() or any(map(os.environ.get, _FORCING))
    if may_draw and (mode == "bar" or (mode == "auto" and alone)):
        from crawler.cli.display import Display, drawable  # a library of 50 modules

        if (console := drawable()) is not None:
            return Display(console)
    return ScreenLines(never=mode == "none")
