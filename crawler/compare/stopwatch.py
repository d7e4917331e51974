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
        self._before = _Counters.before()
        self._start = perf_counter()
        return self

    def __exit__(self, *_error: object) -> None:
        if self._slowdown:
            _compute(perf_counter() + (perf_counter() - self._start) * self._slowdown)
        wall = perf_counter() - self._start
        after, before = _Counters.after(), self._before
        gc.callbacks.remove(self._on_collection)
        pids = tree(os.getpid())
        own = Busy(after.own.user - before.own.user, after.own.system - before.own.system)
        others = Busy(
            max(after.others.busy.user - before.others.busy.user, 0.0),
            max(after.others.busy.system - before.others.busy.system, 0.0),
        )
        switches = after.switches_since(before)
        self.reading = Reading(
            wall=wall,
            user=own.user + others.user,
            system=own.system + others.system,
            children=others.total,
            rss=peak_rss(pids),
            pss=pss(pids),
            voluntary=switches.voluntary,
            involuntary=switches.involuntary,
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


@dataclass(frozen=True, slots=True)
class _Counters:
    own: Busy
    switches: Switches
    others: _Others

    @classmethod
    def before(cls) -> Self:
        """Read all, this process last: reading the others then counts for nothing."""
        others = _Others.now()
        return cls._of(resource.getrusage(resource.RUSAGE_SELF), others)

    @classmethod
    def after(cls) -> Self:
        """Read all, this process first, for the same reason."""
        mine = resource.getrusage(resource.RUSAGE_SELF)
        return cls._of(mine, _Others.now())

    @classmethod
    def _of(cls, mine: resource.struct_rusage, others: _Others) -> Self:
        own = Busy(mine.ru_utime, mine.ru_stime)
        return cls(own, Switches(mine.ru_nvcsw, mine.ru_nivcsw), others)

    def switches_since(self, before: Self) -> Switches:
        """Return the switches of this process and of the others."""
        pairs = [(self.switches, before.switches), (self.others.switches, before.others.switches)]
        none, then = Switches(0, 0), before.others.living
        pairs += [(now, then.get(pid, none)) for pid, now in self.others.living.items()]
        return Switches(
            sum(max(now.voluntary - was.voluntary, 0) for now, was in pairs),
            sum(max(now.involuntary - was.involuntary, 0) for now, was in pairs),
        )


def _compute(until: float) -> None:
    while perf_counter() < until:
        pass
