"""The closed loop: every line busy all the time, but for the pauses of users who think.

A line sends its next request in the very callback that brought the last of an answer. So the server
sets the rate, and what it holds back is not asked of it: for latencies under a load that users
bring, the open loop is the one to use.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count, repeat
from time import perf_counter

from crawler.load.load_config import think_range
from crawler.load.loop import Engine, Job, Line
from crawler.load.plan import Planned, Requests


class ClosedLoop(Engine):
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
            ClosedLoop.free(self, line, now)  # at once, also where users think

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
            self.switch()
        for request in line.requests:
            line.send(now, now, request)
            return
        self.at_rest(line, now)

    def switch(self) -> None:
        """Supply as many requests as were asked for, from the start on."""
        self._measure_from = math.inf
        self._supply(self.job.requests)

    def at_rest(self, line: Line, now: float) -> None:
        """Take note of a line that has no request left."""
        line.rest(now)
        self._at_rest += 1
        if self._at_rest == len(self.lines):
            self.finished.set()


class ThinkingLoop(ClosedLoop):
    """Sends the first requests at once, and each further one after a pause."""

    def load(self, start: float) -> None:
        """Give every line its first hit."""
        self._pause = _pauses(self.job)
        super().load(start)

    def free(self, line: Line, now: float) -> None:
        """Take its next request, to be sent after a pause."""
        if self.stopped:
            return
        pause = self._pause()
        line.rest(now)
        if now + pause >= self._measure_from:
            self.switch()
        request = next(line.requests, None)
        if request is None:
            self.at_rest(line, now)
        else:
            self.later(pause, partial(self._send, line, request))

    @staticmethod
    def _send(line: Line, request: Planned) -> None:
        now = perf_counter()
        line.send(now, now, request)


def _permitted(requests: Requests, permits: Iterator[None]) -> Requests:
    """Yield requests for as long as there are permits, which several of these may share."""
    for _ in permits:
        yield next(requests)


def _pauses(job: Job) -> Callable[[], float]:
    """Return the function that draws a pause in seconds, evenly from the range of the options."""
    least, most = think_range(job.config.think_time)
    draw = random.Random(f"{job.config.seed} {job.share.number}")  # noqa: S311 - no secret
    return lambda: draw.uniform(least, most)
