"""The closed loop of users who think: a connection pauses before each further request."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from time import perf_counter

from crawler.load.closed import ClosedLoop
from crawler.load.connection import Line
from crawler.load.load_config import think_range
from crawler.load.loop import Job
from crawler.load.plan import Planned


def pauses(job: Job) -> Callable[[], float]:
    """Return the function that draws a pause in seconds, evenly from the range of the options."""
    least, most = think_range(job.config.think_time)
    if least == most:
        return lambda: least
    draw = random.Random(f"{job.config.seed} {job.share.number}")  # noqa: S311 - no secret
    return lambda: draw.uniform(least, most)


class ThinkingLoop(ClosedLoop):
    """Sends the first requests at once, and each further one after a pause."""

    def load(self, start: float) -> None:
        """Give every line its first hit."""
        self._pause: Callable[[], float] = float
        super().load(start)
        self._pause = pauses(self.job)

    def free(self, line: Line, now: float) -> None:
        """Take its next request, to be sent after a pause."""
        if self.stopped:
            return
        pause = self._pause()
        if not pause:
            super().free(line, now)
            return
        line.rest(now)
        self.switch(now + pause)
        request = next(line.requests, None)
        if request is None:
            self.at_rest(line, now)
        else:
            self.later(pause, partial(self._send, line, request))

    @staticmethod
    def _send(line: Line, request: Planned) -> None:
        now = perf_counter()
        line.send(now, now, request)
