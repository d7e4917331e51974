"""Readings that the run's process takes of itself and its machine while it makes load.

A timer looks every ten milliseconds: how late it comes is the event loop's lag. It also fails the
hits whose time is up, so that no hit needs a timer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from os import cpu_count
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

from crawler.load.loop import Engine
from crawler.load.validity import Probes
from crawler.measure.histogram import Histogram
from crawler.measure.processes import machine_busy

_INTERVAL = 0.01
# A hit is failed at most so much of its timeout too late.
_EXPIRE_SHARE = 0.05
_COUNTERS = Path("/proc/net/netstat")


class _Reading(NamedTuple):
    """What was read at a time; those of the machine are None where they are unknown."""

    at: float
    area: float
    cpu: float
    machine: float | None
    overflows: int | None


class Monitor:
    """Looks at an engine from `start` on until it is stopped; before, it fails late hits only."""

    def __init__(self, engine: Engine, start: float, timeout: float) -> None:
        self._loop_lag = Histogram()
        self._engine = engine
        self._start = start
        self._loop = asyncio.get_running_loop()
        self._expire_every = timeout * _EXPIRE_SHARE
        self._expire_at = perf_counter() + self._expire_every
        self._expected = perf_counter()
        self._first = self._read(self._expected) if self._expected >= start else None
        self._timer = self._loop.call_soon(self._look)

    def stop(self, now: float) -> Probes:
        """Take the last readings, and return what they say of the time since `start`."""
        self._timer.cancel()
        lateness, cores = self._engine.lateness, cpu_count() or 1
        first, last = self._first, self._read(now)
        if first is None or last.at <= first.at:
            return Probes(loop_lag=self._loop_lag, lateness=lateness, cores=cores)
        seconds, cpu = last.at - first.at, last.cpu - first.cpu
        return Probes(
            cpu_seconds=cpu,
            cpu_share=cpu / seconds,
            loop_lag=self._loop_lag,
            lateness=lateness,
            mean_in_flight=(last.area - first.area) / seconds,
            listen_overflows=_grown(first.overflows, last.overflows),
            machine_cpu=_grown(first.machine, last.machine),
            cores=cores,
        )

    def _look(self) -> None:
        now = perf_counter()
        if now >= self._start:
            self._loop_lag.add(now - self._expected)
            self._first = self._first or self._read(now)
        if now >= self._expire_at:
            self._engine.client.expire(now)
            self._expire_at = now + self._expire_every
        self._expected = now + _INTERVAL
        self._timer = self._loop.call_later(_INTERVAL, self._look)

    def _read(self, now: float) -> _Reading:
        area, cpu = self._engine.flow.area(now), time.process_time()
        return _Reading(now, area, cpu, machine_busy(), listen_overflows())


def _grown(before: float | None, after: float | None) -> Any:
    return None if before is None or after is None else after - before


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
