"""A queue with c workers: M/G/c, first come first served, worked out when a request arrives.

Whoever arrives takes the worker that is free first (Kiefer and Wolfowitz, On the Theory of Queues
with Many Servers, 1955), so its wait is known at once and nothing has to happen later. The line is
bounded: a request that finds it full is refused. For c workers of mean service s the knee lies at
c / s requests a second. A client that leaves does not free its worker: the work is done anyway.
"""

from __future__ import annotations

import heapq
from collections import deque
from typing import NamedTuple


class QueueWait(NamedTuple):
    """Accepted: seconds in the line, then seconds with a worker."""

    wait: float
    service: float


class Full(NamedTuple):
    """Refused: `retry_after` is in how many seconds there will be room, if nobody else comes."""

    retry_after: float


class Queue:
    """`workers` serve, `waiting` more may wait. An arrival costs O(log workers), amortised."""

    def __init__(self, workers: int, waiting: int) -> None:
        if workers < 1 or waiting < 0:
            raise ValueError(f"no queue has {workers} workers and room for {waiting}")
        self._free = [0.0] * workers  # a heap: when each worker is free
        self._room = waiting
        # When those who wait will be served; it rises, as they are served in their order.
        self._starts: deque[float] = deque()
        self._now = 0.0

    def __repr__(self) -> str:
        return f"Queue(workers={len(self._free)}, room={self._room}, line={len(self._starts)})"

    def arrive(self, now: float, service: float) -> QueueWait | Full:
        """A request comes at `now` (seconds from 0 on) and needs `service` seconds of a worker.

        An arrival before the last one counts as arriving with it.
        """
        now = self._now = max(now, self._now)
        starts = self._starts
        while starts and starts[0] <= now:
            starts.popleft()
        start = self._free[0]
        if start <= now:
            heapq.heapreplace(self._free, now + service)
            return QueueWait(0.0, service)
        if len(starts) >= self._room:
            return Full((starts[0] if starts else start) - now)
        heapq.heapreplace(self._free, start + service)
        starts.append(start)
        return QueueWait(start - now, service)
