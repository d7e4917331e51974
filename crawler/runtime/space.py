"""Address space: what a crawl needs of it, told before anything heavy is loaded."""

from __future__ import annotations

import resource

from crawler.model.errors import ConfigurationError

_BASE = 768 * 2**20
"""Bytes that a crawl maps besides its threads' stacks: libraries, heaps, the arenas of malloc.

Seen on Linux, CPython 3.11: the asynchronous engine fails at 450 MB and works at 600.
"""

_STACK = 8 * 2**20  # of a thread, where the limit of stacks does not say


def allow_address_space(threads: int) -> None:
    """Refuse a crawl with so many threads below what it needs (`ulimit -v`, RLIMIT_AS).

    Later it would be an import, a thread or a page that fails, and none of them says why. Raises
    ConfigurationError with the number.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    stack, _ = resource.getrlimit(resource.RLIMIT_STACK)
    needed = _BASE + threads * (_STACK if stack == resource.RLIM_INFINITY else stack)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    fewer = "lower --concurrency, or " if threads else ""
    raise ConfigurationError(
        f"memory: such a crawl needs {needed >> 10:,} KB of address space, and the limit is "
        f"{soft >> 10:,}; {fewer}raise `ulimit -v`"
    )
