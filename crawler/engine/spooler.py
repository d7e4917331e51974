"""Keeps URLs that have no room in memory, in a dedicated thread, as a disk may be slow."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import NamedTuple

from crawler.core.step import Recall, Spill
from crawler.model.errors import CrawlerError
from crawler.model.request import Request
from crawler.store.spool import Spool


class SpoolFailure(NamedTuple):
    """An error of the spool; `lost` if URLs recalled from it are lost."""

    error: CrawlerError
    lost: bool


Recalled = list[Request] | SpoolFailure
Order = Spill | Recall


class Spooler:
    """Carries out orders one by one in a dedicated thread, which starts when needed.

    `deliver` is called from there with recalled requests and with failures.
    """

    def __init__(self, deliver: Callable[[Recalled], None]) -> None:
        self._deliver = deliver
        self._orders: SimpleQueue[Order | None] = SimpleQueue()
        self._delivery = threading.Lock()
        self._closed = False
        self._thread: threading.Thread | None = None

    def order(self, order: Order) -> None:
        """Queue an order; return at once."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="crawler-spool", daemon=True)
            self._thread.start()
        self._orders.put(order)

    def close(self) -> None:
        """Deliver nothing from now on, and drop what is kept."""
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

    def _carried_out(self, spool: Spool, order: Order) -> Recalled | None:
        try:
            if isinstance(order, Recall):
                return spool.take(order.parts)
            spool.keep(order.parts)
        except CrawlerError as error:
            return SpoolFailure(error, isinstance(order, Recall))
        except Exception as error:  # a bug ends the crawl: it would wait for this thread for ever
            failure = CrawlerError(f"the spool failed: {type(error).__name__}: {error}")
            failure.__cause__ = error
            return SpoolFailure(failure, lost=True)
        return None
