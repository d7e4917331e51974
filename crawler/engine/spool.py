"""Keeps found URLs that have no room in memory, in a thread of its own: a disk may be slow."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue

from crawler.model.errors import CrawlerError
from crawler.model.request import Request
from crawler.store.spool import Spool

Recalled = list[Request] | CrawlerError
"""Requests that were kept, or why none can be kept or had."""


class Spooler:
    """Answers `recall(room)` by calling `deliver` from its own thread, which starts when needed."""

    def __init__(self, deliver: Callable[[Recalled], None]) -> None:
        self._deliver = deliver
        self._orders: SimpleQueue[Sequence[Request] | int | None] = SimpleQueue()
        self._delivery = threading.Lock()
        self._closed = False
        self._thread: threading.Thread | None = None

    def keep(self, requests: Sequence[Request]) -> None:
        """Put requests behind those kept before; returns at once."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="crawler-spool", daemon=True)
            self._thread.start()
        self._orders.put(requests)

    def recall(self, room: int) -> None:
        """Ask for up to `room` of them; returns at once."""
        self._orders.put(room)

    def close(self) -> None:
        """Deliver nothing from now on, and forget what is kept."""
        with self._delivery:
            self._closed = True
        self._orders.put(None)
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        spool = Spool()
        while (order := self._orders.get()) is not None:
            answer = self._carried_out(spool, order)
            with self._delivery:
                if self._closed:
                    break
                if answer is not None:
                    self._deliver(answer)
        spool.close()

    def _carried_out(self, spool: Spool, order: Sequence[Request] | int) -> Recalled | None:
        try:
            if isinstance(order, int):
                return spool.take(order)
            spool.keep(order)
        except CrawlerError as error:
            return error
        return None
