"""The interpreter's lock (GIL): whether it is on, and how soon a thread gives it up."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

USUAL = 0.005
"""Seconds; CPython's default of `sys.getswitchinterval()`."""


def gil_enabled() -> bool:
    """Return whether this interpreter runs under its lock now; an import may turn it on."""
    ask: Any = getattr(sys, "_is_gil_enabled", None)
    return True if ask is None else bool(ask())


@contextmanager
def switch_interval(seconds: float) -> Iterator[None]:
    """Use another switch interval for a while; the machine's timers bound how short it can be."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(seconds)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
