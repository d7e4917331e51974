"""A queue with c workers: M/G/c, first come first served, computed when a request arrives.

A request takes the worker that is free first (Kiefer and Wolfowitz, On the Theory of Queues with
Many Servers, 1955), so its wait is known immediately. The line is bounded: a request that finds it
full is refused. For c workers of mean service s the capacity is c / s requests a second. A client
that leaves does not free its worker.
"""

from __future__ import annotations

import heapq
from collections import deque
from typing import NamedTuple


class QueueWait(NamedTuple):
    """The answer to an accepted request: seconds in the line, then with a worker."""

    wait: float
    service: float


class Full(NamedTuple):
    """The answer to a refused request: seconds until there is room, if nobody else comes."""

    retry_after: float


class Queue:
    """A queue of `workers` with room for `waiting` requests; an arrival costs O(log workers)."""

    def __init__(self, workers: int, waiting: int) -> None:
        if workers < 1 or waiting < 0:
            raise ValueError(f"no queue has {workers} workers and room for {waiting}")
        self._free = [0.0] * workers  # a heap: when each worker is free
        self._room = waiting
        # Start times of those who wait, in order.
        self._starts: deque[float] = deque()
        self._now = 0.0

    def __repr__(self) -> str:
        return f"Queue(workers={len(self._free)}, room={self._room}, line={len(self._starts)})"

    def arrive(self, now: float, service: float) -> QueueWait | Full:
        """Add a request that arrives at `now` and needs `service` seconds of a worker.

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
