"""The command line. Signals are answered first, then the command is imported and run."""

from __future__ import annotations

import sys

try:  # the little that is imported before signals are answered
    from collections.abc import Sequence

    from crawler.runtime import signals
    from crawler.runtime.collecting import collecting_rarely
except KeyboardInterrupt:
    print("crawler: interrupted by SIGINT", file=sys.stderr)
    raise SystemExit(130) from None

__all__ = ["main"]

_FAILED = (2, 3)  # usage and environment: nothing was done, or something was lost


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code, 128 + the signal's number for one that was ended."""
    try:
        with collecting_rarely(), signals.interrupting(for_good=arguments is None):
            code = _run(sys.argv[1:] if arguments is None else arguments)
    except signals.Interrupted:  # it came when the command had ended
        return signals.code()
    return signals.code() if signals.first() and code not in _FAILED else code


def _run(arguments: Sequence[str]) -> int:
    try:
        from crawler.cli.streams import hold_standard_streams

        hold_standard_streams()
        from crawler.cli import app

        return int(app.run(arguments))
    except KeyboardInterrupt:
        print(f"crawler: interrupted by {signals.name()}", file=sys.stderr)
        return signals.code()
