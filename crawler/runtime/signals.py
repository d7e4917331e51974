"""The signals that end a command: SIGINT (Ctrl-C), SIGTERM, SIGHUP (its terminal has gone).

`main` answers them before anything heavy is imported: process 1 of a container has no default for
SIGTERM, and Ctrl-C in an import would show a traceback. Until a command answers them in its own way
(`answering`) a signal raises `Interrupted` in the main thread, so that what was opened is closed.
Which signal came first is kept (`first`) and makes the exit code, 128 + its number, in one place.

SIGHUP that is ignored stays ignored, which is what `nohup` is for.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

HURRY_SECONDS = 0.5
"""Seconds from the second signal to the end of a process that does not end by itself."""


class Interrupted(KeyboardInterrupt):
    """A signal asked for the end."""


class _Heard:
    first = 0
    """The number of the first signal that came; 0 if none has."""
    raised = False
    """Whether one was answered with an exception, which may have been lost in a `__del__`."""
    for_good = False
    """Whether the interpreter exits after the command, so that nothing else is lost with it."""
    leaving = False
    """Whether only that exit is left."""


def first() -> int:
    """Return the number of the first signal that was heard, 0 if none was."""
    return _Heard.first


def name() -> str:
    """Return the name of that signal; SIGINT if none was heard."""
    return signal.Signals(_Heard.first or signal.SIGINT).name


def code() -> int:
    """Return the exit code of a command that was ended before its end."""
    return 128 + (_Heard.first or signal.SIGINT)


@contextmanager
def answering(answer: Callable[[], None]) -> Iterator[None]:
    """Call `answer` for each signal while the block runs; afterwards the former handlers are back.

    Outside the main thread, which alone can have signals, nothing is changed.
    """
    former: dict[int, Any] = {}
    try:
        _install(answer, former)
        yield
    finally:
        _restore(former)


@contextmanager
def interrupting(*, for_good: bool = False) -> Iterator[None]:
    """Raise `Interrupted` for each signal while the block runs; `first` starts anew.

    What follows it, if that is `for_good`, is the interpreter's exit alone: a signal changes
    nothing of that, and a second one leaves at once.
    """
    _Heard.first, _Heard.raised = 0, False
    _Heard.for_good, _Heard.leaving = for_good, False
    former: dict[int, Any] = {}
    hook, sys.unraisablehook = sys.unraisablehook, _unraisable
    try:
        _install(_interrupt, former)
        yield
    finally:
        _Heard.leaving = for_good
        if for_good:
            _install(_leave_on_second(), {})
        else:
            _restore(former)
            sys.unraisablehook = hook
            _Heard.raised = False


def check() -> None:
    """Raise `Interrupted` once more if it was raised and still this code runs."""
    if _Heard.raised:
        raise Interrupted


def hurry() -> None:
    """Exit in `HURRY_SECONDS`, whatever the main thread does until then; for the second signal.

    Only where the process is this command's own (`interrupting(for_good=True)`).
    """
    if _Heard.for_good:
        _thread.start_new_thread(_leave, ())  # takes no lock, which the main thread might hold


def _leave() -> None:
    time.sleep(HURRY_SECONDS)
    os._exit(code())


def _leave_on_second() -> Callable[[], None]:
    came: list[bool] = []

    def answer() -> None:
        if came:
            os._exit(code())
        came.append(True)

    return answer


def _install(answer: Callable[[], None], former: dict[int, Any]) -> None:
    def hear(number: int, _frame: FrameType | None) -> None:
        _Heard.first = _Heard.first or number
        answer()

    for number in ENDING:
        handler = signal.getsignal(number)
        if number == signal.SIGHUP and handler == signal.SIG_IGN:
            continue
        try:
            former[number] = signal.signal(number, hear)
        except ValueError:  # not the main thread
            return


def _restore(former: dict[int, Any]) -> None:
    for number, handler in former.items():
        signal.signal(number, handler)


def _interrupt() -> None:
    if not _Heard.leaving:
        _Heard.raised = True
        raise Interrupted


def _unraisable(unraisable: sys.UnraisableHookArgs) -> None:
    """Say nothing of an interruption where no exception can be raised: it is not forgotten."""
    if not isinstance(unraisable.exc_value, Interrupted):
        sys.__unraisablehook__(unraisable)
