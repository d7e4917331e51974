"""How long a test waits for what must happen."""

from __future__ import annotations

PATIENCE = 120
"""Seconds after which it never will; a busy machine may make most of them pass.

No test waits for what must *not* happen, or that long would have to go by: it waits for the event
after which it can no longer happen.
"""
