"""Readings that the run's process takes of itself and its machine while it makes load.

A timer looks every ten milliseconds: how late it comes is the event loop's lag. It also fails the
hits whose time is up, so that no hit needs a timer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from crawler.load.loop import Engine
from crawler.measure.histogram import Histogram
from crawler.measure.processes import machine_busy

_INTERVAL = 0.01
# A hit is failed at most so much of its timeout too late.
_EXPIRE_SHARE = 0.05
_COUNTERS = Path("/proc/net/netstat")


class Monitor:
    """Looks at an engine from `start` on until it is stopped; before, it fails late hits only."""

    def __init__(self, engine: Engine, start: float, timeout: float) -> None:
        self.loop_lag = Histogram()
        self._engine = engine
        self._start = start
        self._loop = asyncio.get_running_loop()
        self._expire_every = timeout * _EXPIRE_SHARE
        self._expire_at = perf_counter() + self._expire_every
        self._first_area = self._last_area = 0.0
        self._first = self._last = 0.0
        self._cpu = self._cpu_last = 0.0
        self._machine: float | None = None
        self._timer = self._loop.call_soon(self._look)
        self._expected = perf_counter()
        self._read(self._expected)

    def __repr__(self) -> str:
        return f"Monitor(loop lag {self.loop_lag})"

    @property
    def mean_in_flight(self) -> float:
        """The time-weighted mean of the hits in flight."""
        seconds = self._last - self._first
        return (self._last_area - self._first_area) / seconds if seconds > 0 else 0.0

    @property
    def cpu_share(self) -> float:
        """This process's CPU time over the time; 1 is a whole core."""
        seconds = self._last - self._first
        return self.cpu_seconds / seconds if seconds > 0 else 0.0

    @property
    def cpu_seconds(self) -> float:
        """This process's CPU time, user and system, from `start` on."""
        return self._cpu_last - self._cpu

    @property
    def machine_cpu(self) -> float | None:
        """The CPU seconds of all programs of the machine from `start` on, if known."""
        after = machine_busy()
        return None if after is None or self._machine is None else after - self._machine

    def stop(self, now: float) -> None:
        """Take the last readings."""
        self._timer.cancel()
        self._read(now)

    def _look(self) -> None:
        now = perf_counter()
        if now >= self._start:
            self.loop_lag.add(now - self._expected)
        self._read(now)
        if now >= self._expire_at:
            self._engine.client.expire(now)
            self._expire_at = now + self._expire_every
        self._expected = now + _INTERVAL
        self._timer = self._loop.call_later(_INTERVAL, self._look)

    def _read(self, now: float) -> None:
        if now < self._start:
            return
        self._last = now
        self._last_area = self._engine.flow.area(now)
        self._cpu_last = time.process_time()
        if not self._first:
            self._first, self._first_area, self._cpu = now, self._last_area, self._cpu_last
            self._machine = machine_busy()


def listen_overflows(read: Callable[[], str] = _COUNTERS.read_text) -> int | None:
    """Return the connections that listen queues had no room for; None if unknown.

    Linux: TcpExt's ListenOverflows and ListenDrops (which contain them) in /proc/net/netstat.
    """
    try:
        lines = [line.split() for line in read().splitlines()]
    except OSError:
        return None
    for names, values in zip(lines[::2], lines[1::2], strict=False):
        counters = dict(zip(names, values, strict=False))
        if "ListenDrops" in counters:
            return max(int(counters["ListenDrops"]), int(counters.get("ListenOverflows", 0)))
    return None
