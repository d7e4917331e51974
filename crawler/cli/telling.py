"""Error messages: one line on stderr, with a traceback only with `--debug`."""

from __future__ import annotations

import sys
from traceback import format_exception

from crawler.model.output import printable


def complain(problem: object) -> None:
    """Print an error as one line."""
    print(f"crawler: {printable(' '.join(str(problem).split()))}", file=sys.stderr)


def show_traceback(error: BaseException) -> None:
    """Print an error's traceback, line by line as text."""
    lines = "".join(format_exception(error)).splitlines()
    print("\n".join(map(printable, lines)), file=sys.stderr)
