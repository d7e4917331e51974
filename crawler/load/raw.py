"""The raw engine: bare protocols on the loop, one line for each connection.

Closed and open loop (`crawler.load.closed`, `crawler.load.open`) are made from this: the lines, how
they are connected, and what becomes of hits that cannot be.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from time import perf_counter

from crawler.load.connection import HeadLine, Line
from crawler.load.guard import Target
from crawler.load.hit import Failure, Recorder
from crawler.load.loop import Flow, Job, failure_of, unreachable
from crawler.load.reason import overdue, unconnected
from crawler.load.session_cookies import SessionLine
from crawler.measure.histogram import Histogram

# Attempts to connect at once at the start: less than any listen queue.
_CONNECTING = 64
# A line whose attempt to connect has failed waits before it may try again: twice as long each time.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.5


class RawLoop(ABC):
    """The common part of closed and open loop: lines, their connections, their failures."""

    def __init__(self, job: Job) -> None:
        self.finished = asyncio.Event()
        self.flow = Flow()
        self.lateness = Histogram()
        self.job = job
        self.loop = asyncio.get_running_loop()
        self.stopped = False
        self._connecting: set[asyncio.Task[None]] = set()
        self._pausing: set[asyncio.TimerHandle] = set()
        kind = SessionLine if job.config.sessions else HeadLine if job.plan.head else Line
        keepalive = job.plan.keepalive
        shares = job.plan.shared_out(job.connections)
        self.lines = [
            kind(self, origin, keepalive=keepalive)
            for origin, count in enumerate(shares)
            for _ in range(count)
        ]
        self._pauses = dict.fromkeys(range(len(shares)), _FIRST_PAUSE)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.lines)} lines, {self.flow})"

    async def open(self) -> None:
        """Open one connection to each target, which must succeed, and then the others.

        A failure of the others does not matter here: the hit that needs one meets it, and counts.
        """
        firsts = {line.origin: line for line in reversed(self.lines)}
        for line in firsts.values():
            try:
                await self._open(line)
            except (OSError, TimeoutError) as error:
                raise unreachable(self.job.targets[line.origin], error) from error
        if self.job.plan.keepalive:
            others = [line for line in self.lines if line is not firsts[line.origin]]
            for start in range(0, len(others), _CONNECTING):
                batch = others[start : start + _CONNECTING]
                await asyncio.gather(*map(self._open, batch), return_exceptions=True)

    async def _open(self, line: Line) -> None:
        """Open a line's connection; raises what kept it from being made.

        One that was made and ended with its attempt is lost as any other, which the line counts.
        """
        try:
            async with asyncio.timeout(self.job.config.timeout):
                await self._connection(line, self.job.targets[line.origin])
        except (OSError, TimeoutError):
            if not line.lose():
                raise
        except asyncio.CancelledError:
            line.lose()
            raise

    async def _connection(self, line: Line, target: Target) -> None:
        await self.loop.create_connection(
            lambda: line,
            target.address,
            target.origin.port,
            ssl=target.context,
            server_hostname=target.origin.host if target.context else None,
        )

    def begin(self, recorder: Recorder, start: float) -> None:
        """Begin to make hits."""
        self.recorder = recorder
        for line in self.lines:
            line.hit = recorder.hit
        self.load(start)

    def expire(self, now: float) -> None:
        """Fail what was sent too long ago; an attempt to connect has its own timer."""
        oldest = now - self.job.config.timeout
        for line in self.lines:
            if line.busy and line.sent < oldest and not line.connecting:
                line.give_up(now, Failure.TIMEOUT, overdue(self.job.config.timeout))

    def stop(self, now: float) -> None:
        """Count what is in flight as unfinished; nothing more is sent."""
        self.stopped = True
        for line in self.lines:
            if line.busy:
                self.recorder.unfinished(line.intended, line.sent, now, line.request)
                line.abandon()
        for timer in self._pausing:
            timer.cancel()

    async def close(self) -> None:
        """Abort every connection and every attempt, and wait for their ends."""
        self.stopped = True
        for task in self._connecting:
            task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)
        await asyncio.gather(*(line.closed() for line in self.lines))

    # What lines say.

    def failed(self, line: Line, now: float, failure: Failure, why: str) -> None:
        """Count the hit of a line as failed."""
        if not self.stopped:
            self.recorder.failed(line.intended, line.sent, now, failure, why, request=line.request)

    def reopened(self, line: Line) -> None:
        """Count a request that is sent again, as its connection was closed while idle."""
        if not self.stopped:
            self.recorder.reopened(line.intended)

    def connect(self, line: Line) -> None:
        """Begin to open a line's connection."""
        if not self.stopped:
            task = self.loop.create_task(self._connect(line))
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

    async def _connect(self, line: Line) -> None:
        try:
            await self._open(line)
        except (OSError, TimeoutError) as error:
            if not self.stopped:
                self._refused(line, perf_counter(), error)
        else:
            self._pauses[line.origin] = _FIRST_PAUSE

    def _refused(self, line: Line, now: float, error: Exception) -> None:
        failure, why = failure_of(error), unconnected(error, self.job.config.timeout)
        self.failed(line, now, failure, why)
        line.abandon()
        line.rest(now)
        self.refused(line.origin, now, failure, why)
        pause = self._pauses[line.origin]
        self._pauses[line.origin] = min(2 * pause, _LONGEST_PAUSE)

        self.later(pause, lambda: self.free(line, perf_counter()))

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Call after a pause, unless the run has been stopped by then."""

        def due() -> None:
            self._pausing.discard(timer)
            call()

        timer = self.loop.call_later(seconds, due)
        self._pausing.add(timer)

    @abstractmethod
    def load(self, start: float) -> None:
        """Begin to make hits."""

    @abstractmethod
    def free(self, line: Line, now: float) -> None:
        """Give an idle line a hit, or keep it for one."""

    @abstractmethod
    def refused(self, origin: int, now: float, failure: Failure, why: str) -> None:
        """Handle a failed connection attempt to an origin; its hit has been counted."""
