"""The closed loop: every line busy all the time.

A line sends its next request in the very callback that brought the last of an answer. So the server
sets the rate, and what it holds back is not asked of it: for latencies under a load that users
bring, the open loop is the one to use.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import count, repeat
from time import perf_counter

from crawler.load.connection import Line
from crawler.load.hit import Failure
from crawler.load.plan import Requests
from crawler.load.raw import RawLoop


class ClosedLoop(RawLoop):
    """Sends the requests of each origin in their order, again and again, over all its lines."""

    def load(self, start: float) -> None:
        """Give every line its first hit."""
        self._at_rest = 0
        self._measure_from = start
        share = self.job.share
        self._numbers = count(share.number, share.processes)
        self._supply(None)
        now = perf_counter()
        for line in self.lines:
            self.free(line, now)

    def _supply(self, most: int | None) -> None:
        permits = repeat(None, most or 0)
        share = self.job.share.number, self.job.share.processes
        for origin in range(len(self.job.plan.origins)):
            requests = self.job.plan.supply(origin, self._numbers, share)
            supply = requests if most is None else _permitted(requests, permits)
            for line in self.lines:
                if line.origin == origin:
                    line.requests = supply

    def free(self, line: Line, now: float) -> None:
        """Send its next request; the run has finished when no line has one."""
        if self.stopped:
            return
        if now >= self._measure_from:
            self.switch(now)
        for request in line.requests:
            line.send(now, now, request)
            return
        self.at_rest(line, now)

    def switch(self, at: float) -> None:
        """Supply as many requests as were asked for, from the start on."""
        if at >= self._measure_from:
            self._measure_from = math.inf
            self._supply(self.job.requests)

    def at_rest(self, line: Line, now: float) -> None:
        """Take note of a line that has no request left."""
        line.rest(now)
        self._at_rest += 1
        if self._at_rest == len(self.lines):
            self.finished.set()

    def refused(self, origin: int, now: float, failure: Failure, why: str) -> None:
        """Do nothing: in a closed loop nothing waits for connections."""


def _permitted(requests: Requests, permits: Iterator[None]) -> Requests:
    """Yield requests for as long as there are permits, which several of these may share."""
    for _ in permits:
        yield next(requests)
