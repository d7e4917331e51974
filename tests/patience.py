"""How long a test waits for what must happen."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic

PATIENCE = 120
"""Seconds after which it never will; a busy machine may make most of them pass.

No test waits for what must *not* happen, or that long would have to go by: it waits for the event
after which it can no longer happen.
"""


def until(happened: Callable[[], object]) -> bool:
    """Look every now and then until something is true; False if it never is."""
    pause, end = threading.Event(), monotonic() + PATIENCE
    while not (found := happened()) and monotonic() < end:
        pause.wait(0.02)
    return bool(found)
