"""The raw client: bare protocols on the loop, one line for each connection.

It says how lines are connected, and what becomes of hits that cannot be.
"""

from __future__ import annotations

import asyncio
from time import perf_counter

from crawler.load.connection import HeadLine, RawLine
from crawler.load.hit import Failure
from crawler.load.loop import Client, Engine, Job
from crawler.load.reason import failure_of, overdue, unconnected, unreachable
from crawler.load.session_cookies import SessionLine

# Attempts to connect at once at the start: less than any listen queue.
_CONNECTING = 64
# A line whose attempt to connect has failed waits before it may try again: twice as long each time.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.5


class RawClient(Client[RawLine]):
    """Lines, their connections, their failures."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self._kind = SessionLine if job.config.sessions else HeadLine if job.plan.head else RawLine
        self._connecting: set[asyncio.Task[None]] = set()
        self._pauses = dict.fromkeys(range(len(job.plan.origins)), _FIRST_PAUSE)

    def line(self, engine: Engine, origin: int) -> RawLine:
        """Return a line to an origin."""
        keepalive = self.job.plan.keepalive
        return self._kind(engine, origin, connect=self._connect, keepalive=keepalive)

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

    def expire(self, now: float) -> None:
        """Fail what was sent too long ago; an attempt to connect has its own timer."""
        oldest = now - self.job.config.timeout
        for line in self.lines:
            if line.busy and line.sent < oldest and not line.connecting:
                line.give_up(now, Failure.TIMEOUT, overdue(self.job.config.timeout))

    async def close(self) -> None:
        """Abort every connection and every attempt, and wait for their ends."""
        for task in self._connecting:
            task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)
        await asyncio.gather(*(line.closed() for line in self.lines))

    async def _open(self, line: RawLine) -> None:
        """Open a line's connection; raises what kept it from being made.

        One that was made and ended with its attempt is lost as any other, which the line counts.
        """
        try:
            async with asyncio.timeout(self.job.config.timeout):
                await self.job.targets[line.origin].connected(line)
        except (OSError, TimeoutError):
            if not line.lose():
                raise
        except asyncio.CancelledError:
            line.lose()
            raise

    def _connect(self, line: RawLine) -> None:
        if not line.engine.stopped:
            task = asyncio.get_running_loop().create_task(self._attempt(line))
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

    async def _attempt(self, line: RawLine) -> None:
        try:
            await self._open(line)
        except (OSError, TimeoutError) as error:
            if not line.engine.stopped:
                self._refused(line, perf_counter(), error)
        else:
            self._pauses[line.origin] = _FIRST_PAUSE

    def _refused(self, line: RawLine, now: float, error: Exception) -> None:
        engine = line.engine
        failure, why = failure_of(error), unconnected(error, self.job.config.timeout)
        engine.failed(line, now, failure, why)
        line.abandon()
        line.rest(now)
        engine.refused(line.origin, now, failure, why)
        pause = self._pauses[line.origin]
        self._pauses[line.origin] = min(2 * pause, _LONGEST_PAUSE)
        engine.later(pause, lambda: engine.free(line, perf_counter()))
