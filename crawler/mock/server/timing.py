"""The timing of answers: latency, brownouts, the queue and stalls, added up before sending.

Latency, transfer, service and a brownout's draws follow from (seed, host and path, attempt). Only
brownouts, stalls and the length of the queue depend on the time of the request. The parts come in
this order:

    latency    as configured
    brownout   added if one is active when the request arrives
    queue      waiting for a worker
    service    the worker's time
    stall      to the end of a stall within which the answer would leave

No delay is longer than a day, whatever a power law draws.
"""

from __future__ import annotations

import heapq
from collections import deque
from typing import NamedTuple

from crawler.mock.graph.draw import uniform
from crawler.mock.reply import Parts
from crawler.mock.scenario import MockWeb
from crawler.model.distribution import Distribution
from crawler.model.windows import Brownout, Stall

# A heavy tail may draw more than an event loop's timer can take.
MAX_SECONDS = 86_400.0


class Timing(NamedTuple):
    """The time of one answer, in seconds.

    delay: before the first byte, the sum of `parts`. transfer: from the body's first byte to its
    last. refused: None, or the `Retry-After` of a 503 that is sent instead.
    """

    delay: float = 0.0
    transfer: float = 0.0
    parts: Parts = ()
    refused: float | None = None


class Full(NamedTuple):
    """The answer to a refused request: seconds until there is room, if nobody else comes."""

    retry_after: float


class Queue:
    """A queue of `workers` with room for `waiting` requests: M/G/c, first come first served.

    A request takes the worker that is free first (Kiefer and Wolfowitz, On the Theory of Queues
    with Many Servers, 1955), so its wait is known when it arrives, in O(log workers). The line is
    bounded: a request that finds it full is refused. For c workers of mean service s the capacity
    is c / s requests a second. A client that leaves does not free its worker.
    """

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

    def arrive(self, now: float, service: float) -> float | Full:
        """Return the wait of a request that arrives at `now` and needs `service` seconds.

        An arrival before the last one counts as arriving with it.
        """
        now = self._now = max(now, self._now)
        starts = self._starts
        while starts and starts[0] <= now:
            starts.popleft()
        start = self._free[0]
        if start <= now:
            heapq.heapreplace(self._free, now + service)
            return 0.0
        if len(starts) >= self._room:
            return Full((starts[0] if starts else start) - now)
        heapq.heapreplace(self._free, start + service)
        starts.append(start)
        return start - now


class Clock:
    """Plans the time of every answer of one process; its only state is the queue.

    start: of the server, on the clock of `plan`'s `now`. idle: nothing is configured, every plan is
    `Timing()`. needs_attempt: something is drawn, so that the attempt makes a difference.
    """

    def __init__(self, options: MockWeb, start: float) -> None:
        self._options = options
        self._start = start
        self._stall = Stall.read(options.stall)
        self._brownouts = tuple(map(Brownout.read, options.brownout))
        self._queue = Queue(options.workers, options.queue) if options.workers else None
        latencies = [each.latency for each in self._brownouts if each.latency is not None]
        drawn = [options.latency, options.transfer, *latencies]
        if self._queue is not None:
            drawn.append(options.service)
        steady = self._queue is None and not (self._stall or self._brownouts)
        self.needs_attempt = any(each.fixed is None for each in drawn) or any(
            each.errors < 1 for each in self._brownouts if each.errors
        )
        # The plan of every answer, if nothing is drawn and nothing depends on the time.
        self.steady = self._plan("", 0.0) if steady and not self.needs_attempt else None
        self.idle = self.steady == Timing()

    def plan(self, label: str, attempt: int, now: float) -> Timing:
        """Return the timing of the answer to a request that arrives at `now`.

        label: host and path. attempt: earlier requests for it; 0 unless `needs_attempt`.
        """
        return self.steady or self._plan(f"{label}/{attempt}", now - self._start)

    def _plan(self, label: str, now: float) -> Timing:
        parts: list[tuple[str, float]] = []
        refused: float | None = None
        if latency := self._drawn(self._options.latency, "latency", label):
            parts.append(("latency", latency))
        for number, brownout in enumerate(self._brownouts):
            if not (left := brownout.left(now)):
                continue
            if brownout.latency is not None:
                added = self._drawn(brownout.latency, f"brownout-{number}", label)
                parts.append(("brownout", added))
            if brownout.errors and self._uniform(f"error-{number}", label) < brownout.errors:
                refused = max(refused or 0.0, left)
        if refused is None:  # a request that fails in a brownout does not enter the queue
            refused = self._queued(parts, label, now)
        delay = min(sum(seconds for _, seconds in parts), MAX_SECONDS)
        if held := self._stall.left(now + delay):
            parts.append(("stall", held))
        transfer = self._drawn(self._options.transfer, "transfer", label)
        return Timing(min(delay + held, MAX_SECONDS), transfer, tuple(parts), refused)

    def _queued(self, parts: list[tuple[str, float]], label: str, now: float) -> float | None:
        """Add the queue and the service to `parts`; return the Retry-After of a full queue."""
        if self._queue is None:
            return None
        service = self._drawn(self._options.service, "service", label)
        found = self._queue.arrive(now, service)
        if isinstance(found, Full):
            return found.retry_after
        parts += (("queue", found), ("service", service))
        return None

    def _drawn(self, distribution: Distribution, name: str, label: str) -> float:
        fixed = distribution.fixed
        value = distribution.quantile(self._uniform(name, label)) if fixed is None else fixed
        return min(value, MAX_SECONDS)

    def _uniform(self, name: str, label: str) -> float:
        return uniform(f"{self._options.seed}/{name}/{label}")
