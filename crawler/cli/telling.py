"""How an error is told: one line on stderr, and where it came from only with `--debug`."""

from __future__ import annotations

import sys
from traceback import format_exception

from crawler.model.output import printable


def complain(problem: object) -> None:
    """Print an error as one line."""
    print(f"crawler: {printable(' '.join(str(problem).split()))}", file=sys.stderr)


def show_traceback(error: BaseException) -> None:
    """Print where an error came from, line by line as text."""
    lines = "".join(format_exception(error)).splitlines()
    print("\n".join(map(printable, lines)), file=sys.stderr)
