"""A small live table below a notebook's cell, while a crawl runs in it.

It is drawn by the thread that takes the outcomes, once a second, so nothing else runs for it. An
interrupted cell ends its crawl, although the notebook keeps the error with all that it refers to.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from html import escape
from importlib import import_module
from time import monotonic
from typing import Any

from crawler.core.collector import Snapshot

EVERY = 1.0
"""Seconds between two pictures."""
_MOST = 5  # kinds of failure


def shell() -> Any | None:
    """Return the shell of the notebook whose kernel this process is; None elsewhere."""
    ipython = sys.modules.get("IPython")  # where it is not imported this is no notebook
    found = ipython.get_ipython() if ipython is not None else None
    return found if found is not None and hasattr(found, "kernel") else None


class CellTable:
    """The table of one crawl in `within`, the shell. stop: ends the crawl."""

    def __init__(
        self, within: Any, statistics: Callable[[], Snapshot], stop: Callable[[], None]
    ) -> None:
        self._shell = within
        self._statistics = statistics
        self._stop = stop
        self._library: Any = import_module("IPython.display")  # an extra nobody has to have
        self._handle = self._library.display(self._picture(), display_id=True)
        self._due = monotonic() + EVERY
        within.events.register("post_run_cell", self._cell_ended)

    def update(self) -> None:
        """Draw it again, if it is time to."""
        if monotonic() >= self._due:
            self._draw()

    def close(self) -> None:
        """Draw it for the last time."""
        self._shell.events.unregister("post_run_cell", self._cell_ended)
        self._draw()

    def _draw(self) -> None:
        self._handle.update(self._picture())
        self._due = monotonic() + EVERY

    def _picture(self) -> Any:
        return self._library.HTML(as_html(self._statistics()))

    def _cell_ended(self, result: Any) -> None:
        """End the crawl with its cell, if that was interrupted."""
        if isinstance(result.error_in_exec, KeyboardInterrupt):
            self._stop()


def as_html(taken: Snapshot) -> str:
    """Return the table of a crawl's counts."""
    kinds = sorted(taken.causes, key=lambda kind: -taken.outcomes.get(kind, 0))
    rows = [
        ("done", f"{taken.records:,}"),
        ("failed", f"{taken.failed:,}"),
        ("pages", f"{taken.pages:,} ({taken.pages_per_second:,.1f}/s)"),
        ("received", f"{taken.wire_bytes / 1e6:,.1f} MB"),
        ("in flight", f"{taken.in_flight:,}"),
        ("seconds", f"{taken.elapsed:,.0f}"),
        *((escape(kind), f"{taken.outcomes.get(kind, 0):,}") for kind in kinds[:_MOST]),
    ]
    cells = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in rows)
    return f"<table><caption>crawl</caption>{cells}</table>"
