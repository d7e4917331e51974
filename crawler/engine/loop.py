"""The one place where an event loop is chosen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib.util import find_spec

from crawler.model.config import Loop


def chosen_loop(wanted: Loop) -> Loop:
    """`wanted`, or asyncio's own loop where uvloop is not installed."""
    return wanted if wanted == "asyncio" or find_spec("uvloop") else "asyncio"


def loop_factory(wanted: Loop) -> Callable[[], asyncio.AbstractEventLoop]:
    """What makes the loop, for `asyncio.Runner`."""
    if chosen_loop(wanted) == "asyncio":
        return asyncio.new_event_loop
    import uvloop

    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
