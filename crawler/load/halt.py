"""Ending a run early: the first Ctrl-C, SIGTERM or SIGHUP does so gently, the second at once.

The first one sets `halt`: a run that makes hits stops and tells what it has measured, one that is
still looking up names or connecting has measured nothing. The second raises `KeyboardInterrupt`
out of the event loop, in case what the first one asked for does not come. Should the loop itself be
stuck, as in a write to a terminal that was stopped, the process exits half a second later.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

from crawler.runtime import signals

CLOSING_SECONDS = 2.0
"""What an engine has for closing its connections. The figures are there by then."""

_Result = TypeVar("_Result")


class Halted(Exception):
    """The run was ended before its first hit."""


async def unless(halt: asyncio.Event, work: Coroutine[Any, Any, _Result]) -> _Result:
    """Return what `work` returns; if `halt` is set first, cancel it and raise `Halted`."""
    doing, ending = asyncio.ensure_future(work), asyncio.ensure_future(halt.wait())
    try:
        await asyncio.wait((doing, ending), return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise Halted
        return doing.result()
    finally:
        doing.cancel()
        ending.cancel()
        await asyncio.gather(doing, ending, return_exceptions=True)


@contextlib.contextmanager
def halted_by_signals(halt: asyncio.Event) -> Iterator[None]:
    """Set `halt` on the first signal that ends a command; raise `KeyboardInterrupt` on the second.

    Only the main thread can have signals; elsewhere nothing is done.
    """
    loop = asyncio.get_running_loop()
    heard: list[bool] = []

    def act() -> None:
        if halt.is_set():
            raise KeyboardInterrupt
        halt.set()

    def answer() -> None:  # between any two lines of any code: the loop is to act
        if heard:
            signals.hurry()
        heard.append(True)
        loop.call_soon_threadsafe(act)

    with signals.answering(answer):
        yield
