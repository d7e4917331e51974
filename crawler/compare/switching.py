"""The switch interval: how long a thread computes before it gives the lock up to who asked."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

USUAL = 0.005
"""Seconds; CPython's own, `sys.getswitchinterval()` as long as nobody has changed it."""


@contextmanager
def switch_interval(seconds: float) -> Iterator[None]:
    """Another one for a while; the machine's timers bound how short it can be."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(seconds)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
