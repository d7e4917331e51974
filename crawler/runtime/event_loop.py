"""The choice of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib.util import find_spec

from crawler.model.choices import Loop

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def chosen_loop(wanted: Loop) -> Loop:
    """Return `wanted`, or asyncio's own loop where uvloop is not installed."""
    return wanted if wanted == "asyncio" or find_spec("uvloop") else "asyncio"


def loop_factory(wanted: Loop = "uvloop") -> LoopFactory:
    """Return what makes the loop, for `asyncio.Runner`."""
    if chosen_loop(wanted) == "asyncio":
        return asyncio.new_event_loop
    import uvloop

    factory: LoopFactory = uvloop.new_event_loop
    return factory


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return a uvloop loop if uvloop is installed, else asyncio's own."""
    return loop_factory()()
