"""Describe parse failures in one line that JSON can hold."""

from __future__ import annotations

import importlib
import os
from traceback import walk_tb
from typing import Final

MAX_REASON: Final = 300
_PACKAGE: Final = os.path.join(os.path.dirname(os.path.dirname(__file__)), "")
_NOT_THEIRS: Final = (_PACKAGE, "<frozen ", importlib.__file__)


def one_line(error: BaseException) -> str:
    """Return an exception as `ValueError: message`, in one line that JSON can hold."""
    try:
        text = " ".join(str(error).split())
    except Exception as second:  # a parser's own class may raise here, too
        text = f"(its text raised {type(second).__name__})"
    line = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return line[:MAX_REASON].encode("utf-8", "replace").decode()


def overrun_reason(timeout: float) -> str:
    """Return the reason for a page that exceeded its time limit."""
    return f"not parsed within {timeout:g} s"


def place(error: BaseException) -> str:
    """Return the line of the user's code that failed, as ` (parser.py:12)`; "" if none was running.

    This is the innermost line in the user's outermost file, whatever library raised below it.
    """
    lines = [(frame.f_code.co_filename, line) for frame, line in walk_tb(error.__traceback__)]
    foreign = [file for file, _ in lines if not file.startswith(_NOT_THEIRS)]
    if not foreign:
        return ""
    line = next(line for file, line in reversed(lines) if file == foreign[0])
    name = os.path.basename(foreign[0])[:64].encode("utf-8", "replace").decode()
    return f" ({name}:{line})"
