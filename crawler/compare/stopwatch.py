"""The stopwatch of a measured process: what a stretch of work costs, its children included."""

from __future__ import annotations

import gc
import os
import resource
from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Self

from crawler.measure.processes import Busy, Switches, cpu_of, peak_rss, pss, switches_of, tree


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
        # This process last: reading the others then counts for nothing. At the end it is first.
        others = _Others.now()
        self._before = resource.getrusage(resource.RUSAGE_SELF), others
        self._start = perf_counter()
        return self

    def __exit__(self, *_error: object) -> None:
        if self._slowdown:
            until = perf_counter() + (perf_counter() - self._start) * self._slowdown
            while perf_counter() < until:
                pass
        wall = perf_counter() - self._start
        after, others = resource.getrusage(resource.RUSAGE_SELF), _Others.now()
        gc.callbacks.remove(self._on_collection)
        before, others_before = self._before
        theirs, switches = others.since(others_before)
        pids = tree(os.getpid())
        self.reading = Reading(
            wall=wall,
            user=after.ru_utime - before.ru_utime + theirs.user,
            system=after.ru_stime - before.ru_stime + theirs.system,
            children=theirs.total,
            rss=peak_rss(pids),
            pss=pss(pids),
            voluntary=after.ru_nvcsw - before.ru_nvcsw + switches.voluntary,
            involuntary=after.ru_nivcsw - before.ru_nivcsw + switches.involuntary,
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
class _Others:
    """The consumption of all processes that this one has started, ended or not.

    living: the switches of each that has not; one that ends under another than this leaves none.
    """

    busy: Busy
    switches: Switches
    living: Mapping[int, Switches]

    @classmethod
    def now(cls) -> Self:
        dead = resource.getrusage(resource.RUSAGE_CHILDREN)
        living = tree(os.getpid())[1:]
        busy = cpu_of(living)
        return cls(
            Busy(dead.ru_utime + busy.user, dead.ru_stime + busy.system),
            Switches(dead.ru_nvcsw, dead.ru_nivcsw),
            {pid: switches_of(pid) for pid in living},
        )

    def since(self, before: Self) -> tuple[Busy, Switches]:
        """Return what they have used since then."""
        busy, was = self.busy, before.busy
        none = Switches(0, 0)
        pairs = [(self.switches, before.switches)]
        pairs += [(now, before.living.get(pid, none)) for pid, now in self.living.items()]
        return (
            Busy(max(busy.user - was.user, 0.0), max(busy.system - was.system, 0.0)),
            Switches(
                sum(max(now.voluntary - then.voluntary, 0) for now, then in pairs),
                sum(max(now.involuntary - then.involuntary, 0) for now, then in pairs),
            ),
        )
