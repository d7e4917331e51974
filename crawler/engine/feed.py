"""Reads the list ahead, in a dedicated thread.

Reading may block forever (a pipe with a slow writer), so neither the event loop nor a fetching
thread may do it. The thread is a daemon: exiting never waits for a pipe.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

from crawler.engine.ports import Source
from crawler.model.errors import CrawlerError
from crawler.model.request import Arrivals, LeftEntries
from crawler.model.url import Seed

Portion = list[Seed] | LeftEntries | Arrivals | CrawlerError
"""Entries ([] at the end of the list), or why no more can be read."""


class Feeder:
    """Answers `request(room)` by calling `deliver(portion)` from its own thread."""

    def __init__(self, source: Source, deliver: Callable[[Portion], None]) -> None:
        self._source = source
        self._deliver = deliver
        self._rooms: SimpleQueue[int | None] = SimpleQueue()
        self._delivery = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="crawler-feeder", daemon=True)
        self._thread.start()

    def request(self, room: int) -> None:
        """Ask for up to `room` entries; returns at once."""
        self._rooms.put(room)

    def close(self) -> None:
        """Deliver nothing from now on, without waiting for a read that blocks."""
        with self._delivery:
            self._closed = True
        self._rooms.put(None)

    def _run(self) -> None:
        while (room := self._rooms.get()) is not None:
            portion = self._read(room)
            with self._delivery:
                if self._closed:
                    return
                self._deliver(portion)

    def _read(self, room: int) -> Portion:
        try:
            return self._source.read(room)
        except CrawlerError as error:
            return error
        except Exception as error:  # the caller's iterable raised: said, not swallowed
            failure = CrawlerError(f"reading the list failed: {type(error).__name__}: {error}")
            failure.__cause__ = error
            return failure
