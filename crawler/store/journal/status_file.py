"""The live status of a crawl: a small file in its state, for `crawler status`.

It is replaced as a whole, at most once a second, by the thread that writes the records, so the
crawl itself never waits for it. It is for people: nothing is lost with it, so it is not synced, and
a crawl goes on where it cannot be written.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from crawler.core.waiting import LiveView, LookAtCrawl
from crawler.store.journal import disk
from crawler.store.journal.frame import Marks
from crawler.store.receipt_file import read_object

NAME = "status.json"
PACE = 1.0
"""Seconds between two versions."""

_SPAN = 10.0
"""Seconds over which the rates are taken."""


class _Sample(NamedTuple):
    elapsed: float
    records: int
    pages: int
    wire_bytes: int


class StatusFile:
    """Writes the file in the folder of a state. `clock` is Unix time, `ticks` never goes back."""

    def __init__(
        self,
        folder: Path,
        *,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = folder / NAME
        self._clock = clock
        self._ticks = ticks
        self._started = clock()
        self._due = -PACE
        self._samples: deque[_Sample] = deque()
        self.look: LookAtCrawl | None = None

    def __repr__(self) -> str:
        return f"StatusFile({str(self._path)!r})"

    def pulse(self, marks: Marks, *, now: bool = False) -> None:
        """Write a version after a commit, if the last one is a second old, or if it has to be now.

        marks: what has been committed.
        """
        ticks = self._ticks()
        if self.look is None or (ticks < self._due and not now):
            return
        self._due = ticks + PACE
        draft = self._path.with_name(f"{NAME}.new")
        try:
            with draft.open("wb", buffering=0) as file:
                disk.write(file.fileno(), orjson.dumps(self._values(self.look(), marks)))
            disk.rename(draft, self._path)
        except OSError:  # no room, no descriptors: the records matter, and tell of it themselves
            return

    def _values(self, view: LiveView, marks: Marks) -> dict[str, Any]:
        rates = self._rates(view)
        unread = None if view.expected is None else max(view.expected - marks.read, 0)
        left = marks.left + (unread or 0)
        pace = rates["records_per_second"]
        return {
            "pid": os.getpid(),
            "at": self._clock(),
            "started": self._started,
            "elapsed": view.elapsed,
            "read": marks.read,
            "found": marks.found,
            "repeats": marks.repeats,
            "records": marks.records,
            "outcomes": dict(marks.outcomes),
            "waiting": marks.left,
            "unread": unread,
            "in_flight": view.in_flight,
            **rates,
            "seconds_left": left / pace if pace and unread is not None else None,
            "hosts_away": view.hosts_away,
            "hosts": [asdict(host) for host in view.hosts],
        }

    def _rates(self, view: LiveView) -> dict[str, float]:
        """Return what happened a second, over the last few."""
        samples = self._samples
        samples.append(_Sample(view.elapsed, view.records, view.pages, view.wire_bytes))
        while len(samples) > 2 and view.elapsed - samples[1].elapsed >= _SPAN:
            samples.popleft()
        first, last = samples[0], samples[-1]
        if first.elapsed >= last.elapsed:  # the first sample, or nothing runs any more
            first = _Sample(0.0, 0, 0, 0)
        seconds = (last.elapsed - first.elapsed) or 1.0
        return {
            "records_per_second": (last.records - first.records) / seconds,
            "pages_per_second": (last.pages - first.pages) / seconds,
            "bytes_per_second": (last.wire_bytes - first.wire_bytes) / seconds,
        }


def read_status(folder: Path) -> dict[str, Any]:
    """Return the last version in a folder; {} if there is none, or it is none of ours."""
    return read_object(folder / NAME)
