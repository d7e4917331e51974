"""The choice of the event loop, and the tuning of a separate process for it."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from importlib.util import find_spec

from crawler.model.choices import Loop

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

# What a request leaves behind is freed by its reference count alone, so little is lost by looking
# rarely. With 10,000 answers held back, each full collection stops the loop for 0.1 s.
_COLLECT_AFTER = (20_000, 20, 100)


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


def collect_rarely() -> None:
    """Keep the garbage collector from stopping the loop; for a separate process alone."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)
