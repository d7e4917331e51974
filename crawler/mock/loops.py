"""Which event loop a mock web runs on, and how a process of its own is set for it."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable

# With 10,000 answers held back, each collection of all objects stops the server for 0.1 s. What a
# request leaves behind is freed by its count alone, so little is lost by looking rarely.
_COLLECT_AFTER = (20_000, 20, 100)

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def new_event_loop() -> asyncio.AbstractEventLoop:
    """A uvloop loop if uvloop is installed, else asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def collect_rarely() -> None:
    """Keep the garbage collector of this process from stopping the server; for programs alone."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)
