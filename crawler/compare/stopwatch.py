"""The stopwatch of a measured process: what a stretch of work costs, its children included."""

from __future__ import annotations

import gc
import os
import resource
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Self

from crawler.compare.processes import Busy, cpu_of, peak_rss, pss, tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Seconds, bytes and counts of the stretch; `children` are those CPU seconds that others spent.

    rss: the sum of the processes' own peaks. switches: voluntary (it waited) and involuntary (it
    was made to). collections: how many, how long in all, and the longest.
    """

    wall: float
    user: float
    system: float
    children: float
    rss: int
    pss: int
    voluntary: int
    involuntary: int
    collections: int
    collecting: float
    longest_collection: float


class Stopwatch:
    """`with watch:` measures once; `slowdown` 0.05 lets it take 5 % longer, by computing."""

    def __init__(self, slowdown: float = 0.0) -> None:
        self.reading: Reading | None = None
        self._slowdown = slowdown
        self._pauses: list[float] = []
        self._collecting = 0.0

    def __repr__(self) -> str:
        return f"Stopwatch({self.reading})"

    @property
    def wall(self) -> float:
        """Seconds measured; 0 before the end."""
        return self.reading.wall if self.reading else 0.0

    @property
    def cpu(self) -> float:
        """CPU seconds measured, children included; 0 before the end."""
        return self.reading.user + self.reading.system if self.reading else 0.0

    def __enter__(self) -> Self:
        if self.reading is not None:
            raise RuntimeError("a turn is measured once")
        gc.collect()
        gc.callbacks.append(self._on_collection)
        self._before = _Counters.now()
        self._start = perf_counter()
        return self

    def __exit__(self, *_error: object) -> None:
        if self._slowdown:
            _compute(perf_counter() + (perf_counter() - self._start) * self._slowdown)
        wall = perf_counter() - self._start
        after, before = _Counters.now(), self._before
        gc.callbacks.remove(self._on_collection)
        pids = tree(os.getpid())
        own = Busy(after.own.user - before.own.user, after.own.system - before.own.system)
        others = Busy(
            max(after.others.user - before.others.user, 0.0),
            max(after.others.system - before.others.system, 0.0),
        )
        self.reading = Reading(
            wall=wall,
            user=own.user + others.user,
            system=own.system + others.system,
            children=others.total,
            rss=peak_rss(pids),
            pss=pss(pids),
            voluntary=after.voluntary - before.voluntary,
            involuntary=after.involuntary - before.involuntary,
            collections=len(self._pauses),
            collecting=sum(self._pauses),
            longest_collection=max(self._pauses, default=0.0),
        )

    def _on_collection(self, phase: str, _info: dict[str, Any]) -> None:
        if phase == "start":
            self._collecting = perf_counter()
        else:
            self._pauses.append(perf_counter() - self._collecting)


@dataclass(frozen=True, slots=True)
class _Counters:
    own: Busy
    others: Busy
    voluntary: int
    involuntary: int

    @classmethod
    def now(cls) -> Self:
        mine = resource.getrusage(resource.RUSAGE_SELF)
        dead = resource.getrusage(resource.RUSAGE_CHILDREN)
        living = cpu_of(tree(os.getpid())[1:])
        return cls(
            Busy(mine.ru_utime, mine.ru_stime),
            Busy(dead.ru_utime + living.user, dead.ru_stime + living.system),
            mine.ru_nvcsw + dead.ru_nvcsw,
            mine.ru_nivcsw + dead.ru_nivcsw,
        )


def _compute(until: float) -> None:
    while perf_counter() < until:
        pass
