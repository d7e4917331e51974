"""The open loop: hits leave on schedule, whatever the server does.

Every hit that is due is handed to a line that is free, by nothing but a look at the clock: how late
it looks is the generator's own doing, and kept (`lateness`). With no line free the hit waits, its
intended time kept, or is dropped, as the options say. Hits wait in order, and for lines of their
own origin only, so that a slow server does not hold up another.

While a server cannot be connected to, whatever waits for it fails with the attempt, as it would
have failed, too; unless other connections to it are open, which then take what waits.
"""

from __future__ import annotations

from collections import deque
from itertools import count
from time import perf_counter

from crawler.load.alarm import alarm
from crawler.load.loop import Engine, Line
from crawler.load.pace import Pace

# Some 100 MB. A run that is so far behind tells nothing new; what more is due is dropped.
_MOST_WAITING = 1_000_000
# The loop is asked for input after so many hits at the latest, however far behind the schedule is.
_BATCH = 64


class OpenLoop(Engine):
    """Sends the plan's requests in turn at the times of the pace."""

    def load(self, start: float) -> None:
        """Follow the schedule."""
        self._idle: list[deque[Line]] = [deque() for _ in self.job.plan.origins]
        self._request = self.job.plan.numbered()
        for line in self.lines:
            self._idle[line.origin].append(line)
        begin, share = start - self.job.config.warmup, self.job.share
        times = Pace.read(self.job.config).times(share.number, share.processes)
        numbers = count(share.number, share.processes)
        self._schedule = zip((begin + at for at in times), numbers, strict=False)
        self._next = next(self._schedule, None)
        self._alarm = alarm(self._look)
        self._alarm.set(perf_counter())

    def _look(self) -> None:
        for _ in range(_BATCH):
            if self._next is None:
                self._alarm.close()
                self._finish()
                return
            due, number = self._next
            now = perf_counter()
            if due > now:
                self._alarm.set(due)
                return
            self.lateness.add(now - due)
            self._hand_out(due, number, now)
            self._next = next(self._schedule, None)
        self._alarm.set(perf_counter())

    def _hand_out(self, due: float, number: int, now: float) -> None:
        request = self._request(number)
        idle = self._idle[request.origin]
        if idle:
            idle.pop().send(due, now, request)
            return
        waiting = self.waiting[request.origin]
        if self.job.config.late == "drop" or len(waiting) >= _MOST_WAITING:
            self.recorder.dropped(due, now, request)
        else:
            waiting.append((due, request))

    def free(self, line: Line, now: float) -> None:
        """Send what has waited for the longest time, or wait for what comes."""
        if self.stopped:
            return
        waiting = self.waiting[line.origin]
        if waiting:
            intended, request = waiting.popleft()
            line.send(intended, now, request)
            return
        line.rest(now)
        idle = self._idle[line.origin]
        if line.usable:
            idle.append(line)
        else:
            idle.appendleft(line)  # taken only when no open connection is free
        if self._next is None:
            self._finish()

    def _finish(self) -> None:
        if sum(map(len, self._idle)) == len(self.lines):
            self.finished.set()

    def stop(self, now: float) -> None:
        """Make no more hits; what is in flight, and what waits, is recorded as unfinished."""
        super().stop(now)
        self._alarm.close()
