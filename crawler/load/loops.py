"""Which event loop a load generator runs on, and how a process of its own is set for it."""

from __future__ import annotations

import asyncio
import gc
import resource
from collections.abc import Callable

from crawler.model.errors import EnvironmentFailure

# What a request leaves behind is freed by its count alone, so little is lost by looking rarely,
# and a collection in mid-run is a delay that the server would be blamed for.
_COLLECT_AFTER = (20_000, 20, 100)

# Beside the connections: the loop's own, standard streams, the result file, a resolver's.
_DESCRIPTORS_BESIDE = 64

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def new_event_loop() -> asyncio.AbstractEventLoop:
    """A uvloop loop if uvloop is installed, else asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def collect_rarely() -> None:
    """Keep the garbage collector of this process from delaying hits; for programs alone."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)


def allow_connections(count: int) -> None:
    """Raise this process's limit of open files to what `count` connections need.

    Raises `EnvironmentFailure` if the system does not allow so many.
    """
    needed = count + _DESCRIPTORS_BESIDE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        if hard != resource.RLIM_INFINITY and hard < needed:
            raise EnvironmentFailure(
                f"{count} connections need {needed} open files, and the system allows {hard}; "
                "raise `ulimit -n` or give fewer --connections"
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
