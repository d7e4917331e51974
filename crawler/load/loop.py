"""Hits over lines: the common part of the loops and of the clients that carry their hits.

An *engine* says which line sends what and when: closed (`crawler.load.closed`) or open loop
(`crawler.load.open`). A *client* makes the lines, and connects them: the bare protocol
(`crawler.load.raw`) or aiohttp (`crawler.load.aio`). A *line* carries one hit at a time, and tells
its engine of every end; so each client goes with each loop.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Generic, TypeVar

from crawler.load.guard import Target
from crawler.load.hit import Failure, Recorder
from crawler.load.load_config import LoadConfig
from crawler.load.plan import Aim, Plan, Planned
from crawler.measure.histogram import Histogram

_NOTHING = Planned(0, b"", Aim(0, "", frozenset()))

Hit = Callable[[float, float, float, int, int, Planned], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One process's share of a run: number `number` of `processes`, from 0 on."""

    number: int = 0
    processes: int = 1

    def of(self, whole: int) -> int:
        """Return this process's share of a whole number; the shares add up to it."""
        return whole // self.processes + (self.number < whole % self.processes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The input of an engine. `targets` has one entry for each of the plan's origins."""

    config: LoadConfig
    plan: Plan
    targets: Sequence[Target]
    share: Share

    @property
    def connections(self) -> int:
        """Connections of this process."""
        return self.share.of(self.config.connections)

    @property
    def requests(self) -> int | None:
        """Maximum hits of this process after the warm-up; None: unlimited."""
        return self.share.of(self.config.requests) if self.config.requests else None


@dataclass(slots=True)
class Flow:
    """The hits in flight as a function of time, and its integral.

    Kept at every change, not sampled: a timer of the loop fires when the loop is awake, and that is
    when hits leave, so that samples would find too many.
    """

    count: int = 0
    _at: float = 0.0
    _area: float = 0.0

    def change(self, now: float, difference: int) -> None:
        """Add so many hits in flight from now on."""
        self._area += self.count * (now - self._at)
        self._at = now
        self.count += difference

    def area(self, now: float) -> float:
        """Return the seconds that all hits together have been in flight until now."""
        return self._area + self.count * (now - self._at)


@dataclass(slots=True, eq=False)
class Line(ABC):
    """A place for one connection to the origin of a number, which carries one hit at a time.

    requests: what it sends in a closed loop. request, intended, sent: of its hit while `busy`.
    usable: a request can be written at once. counted: its hit is in the engine's flow.
    hit: counts an answer.
    """

    engine: Engine
    origin: int
    hit: Hit = field(init=False)
    requests: Iterator[Planned] = field(init=False)
    request: Planned = _NOTHING
    intended: float = 0.0
    sent: float = 0.0
    busy: bool = False
    counted: bool = False
    usable: bool = False

    @abstractmethod
    def send(self, intended: float, now: float, request: Planned) -> None:
        """Carry a hit; only when idle. Its end is told by `hit` or `Engine.failed`, then `free`."""

    def abandon(self) -> None:
        """Forget the hit, which somebody else has counted."""
        self.busy = False

    def rest(self, now: float) -> None:
        """Take note that its hit has ended, and that none follows at once."""
        if self.counted:
            self.counted = False
            self.engine.flow.change(now, -1)


_Line = TypeVar("_Line", bound=Line)


class Client(ABC, Generic[_Line]):
    """Carries hits: makes the lines of an engine, opens and closes their connections."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.lines: list[_Line] = []

    def serve(self, engine: Engine) -> None:
        """Make a line for each connection, shared out to the origins."""
        shares = self.job.plan.shared_out(self.job.connections)
        self.lines = [
            self.line(engine, origin) for origin, n in enumerate(shares) for _ in range(n)
        ]

    @abstractmethod
    def line(self, engine: Engine, origin: int) -> _Line:
        """Return a line to an origin."""

    @abstractmethod
    async def open(self) -> None:
        """Open the connections; raises `EnvironmentFailure` if a target cannot be reached."""

    @abstractmethod
    def expire(self, now: float) -> None:
        """Fail the hits whose time is up."""

    @abstractmethod
    async def close(self) -> None:
        """Close every connection, and wait until they are closed."""


class Engine(ABC):
    """One way to make hits. In this order: `client.open`, `begin`, then `stop`, then `close`.

    finished: set when all the hits that there should be have ended. lateness: how late the schedule
    was looked at, which is the generator's doing alone; empty in a closed loop. flow: the hits that
    are in flight. waiting: those of each origin that no line was free for, in an open loop.
    """

    def __init__(self, job: Job, client: Client[Any]) -> None:
        self.finished = asyncio.Event()
        self.flow = Flow()
        self.lateness = Histogram()
        self.job = job
        self.client = client
        self.stopped = False
        client.serve(self)
        self.lines: Sequence[Line] = client.lines
        self.waiting: list[deque[tuple[float, Planned]]] = [deque() for _ in job.plan.origins]
        self._pausing: set[asyncio.TimerHandle] = set()

    def begin(self, recorder: Recorder, start: float) -> None:
        """Begin to make hits, the warm-up's first; those from `start` on are measured."""
        self.recorder = recorder
        for line in self.lines:
            line.hit = recorder.hit_of_target if self.job.plan.mixed else recorder.hit
        self.load(start)

    def stop(self, now: float) -> None:
        """Make no more hits; those under way are recorded as unfinished."""
        self.stopped = True
        for line in self.lines:
            if line.busy:
                self.recorder.unfinished(line.intended, line.sent, now, line.request)
                line.abandon()
        for intended, request in chain(*self.waiting):
            self.recorder.unfinished(intended, None, now, request)
        for timer in self._pausing:
            timer.cancel()

    async def close(self) -> None:
        """Close every connection, and wait until they are closed."""
        self.stopped = True
        await self.client.close()

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Call after a pause, unless the run has been stopped by then."""

        def due() -> None:
            self._pausing.discard(timer)
            call()

        timer = asyncio.get_running_loop().call_later(seconds, due)
        self._pausing.add(timer)

    # What lines and clients say.

    def failed(self, line: Line, now: float, failure: Failure, why: str) -> None:
        """Count the hit of a line as failed; `why` in a few words."""
        if not self.stopped:
            self.recorder.failed(line.intended, line.sent, now, failure, why, request=line.request)

    def reopened(self, line: Line) -> None:
        """Count that a line's hit is sent again, as its connection was closed while idle."""
        if not self.stopped:
            self.recorder.reopened(line.intended)

    def refused(self, origin: int, now: float, failure: Failure, why: str) -> None:
        """Fail what waits for an origin to which no connection is open."""
        if not any(line.usable for line in self.lines if line.origin == origin):
            for intended, request in self.waiting[origin]:
                self.recorder.failed(intended, None, now, failure, why, request=request)
            self.waiting[origin].clear()

    @abstractmethod
    def load(self, start: float) -> None:
        """Begin to make hits."""

    @abstractmethod
    def free(self, line: Line, now: float) -> None:
        """Give an idle line a hit, or keep it for one."""
