"""The cores and the memory that this process may use: the one place that counts either.

A container or a batch system gives a process less than its machine has, and says so in control
groups: each level of the hierarchy may have limits, and the lowest counts (cgroups(7)). In version
2 a level has `memory.max`, `memory.high` and `cpu.max`; version 1 has a hierarchy for each
controller, with `memory.limit_in_bytes`, `cpu.cfs_quota_us` and `cpu.cfs_period_us`. Both may be
mounted at once. A container usually sees its own level as the root of the mount.

Nothing here is kept: a limit may be changed while a process runs, and a look costs a millisecond.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import cache
from math import ceil, inf
from pathlib import Path, PurePosixPath
from typing import NamedTuple

_SHARE = 4  # of the memory there is, what a crawl may take unless it is told otherwise
_UNKNOWN = 2 * 2**30  # bytes, where nobody tells how many there are
_ESCAPED = re.compile(r"\\([0-7]{3})")  # blanks in mountinfo: proc_pid_mountinfo(5)


class _Sharing:
    processes = 1
    """Processes of one crawl, this one included, that share what there is."""


def share(processes: int) -> None:
    """Count cores and memory from now on as one of several processes that divide them."""
    _Sharing.processes = processes


def cores(root: str = "/") -> int:
    """Return how many cores may be busy at once: by affinity, and by quota, of which half counts.

    A quota of 1.5 cores is 2 workers, one of 0.1 is one.
    """
    if hasattr(os, "sched_getaffinity"):  # not on every system
        allowed = len(os.sched_getaffinity(0))
    else:
        allowed = os.cpu_count() or 1
    quota = _quota(root)
    return max(1, min(allowed, ceil(quota) if quota < inf else allowed) // _Sharing.processes)


def quota(root: str = "/") -> float:
    """Return the cores' worth of time that control groups grant; infinite without a limit."""
    return _quota(root)


def usable_cores() -> tuple[int, ...]:
    """Return the numbers of the cores that this process may use, and may keep busy at once."""
    if hasattr(os, "sched_getaffinity"):  # not on every system
        return tuple(sorted(os.sched_getaffinity(0))[: cores()])
    return tuple(range(cores()))


def memory(root: str = "/") -> int:
    """Return the bytes of memory that there are for this process: the container's or all."""
    found = _memory(root)
    return (int(found) if found < inf else _UNKNOWN) // _Sharing.processes


def default_memory(root: str = "/") -> int:
    """Return the default memory of a crawl in bytes: a quarter."""
    return memory(root) // _SHARE


@cache  # read once, before an event loop runs: files block
def _quota(root: str) -> float:
    return min((each.quota() for each in _levels(Path(root), "cpu")), default=inf)


@cache
def _memory(root: str) -> float:
    levels = min((each.memory() for each in _levels(Path(root), "memory")), default=inf)
    return min(levels, _installed(Path(root)))


class _Level(NamedTuple):
    """One level of a hierarchy of control groups."""

    folder: Path
    unified: bool

    def memory(self) -> float:
        """Bytes that it may have; infinite without a limit."""
        names = ("memory.max", "memory.high") if self.unified else ("memory.limit_in_bytes",)
        return min(_number(_text(self.folder / name)) for name in names)

    def quota(self) -> float:
        """Cores that it may keep busy; infinite without a limit."""
        if self.unified:
            quota, _, period = _text(self.folder / "cpu.max").partition(" ")
        else:
            quota = _text(self.folder / "cpu.cfs_quota_us")
            period = _text(self.folder / "cpu.cfs_period_us")
        # In version 1 a quota of -1 is none.
        return inf if not _number(period) < inf else _number(quota) / _number(period)


def _levels(root: Path, controller: str) -> Iterator[_Level]:
    """Yield the levels of this process's control groups, from its own up to the mount."""
    places = dict(_places(root))
    for line in _text(root / "proc/self/mountinfo").splitlines():
        mount, _, rest = line.partition(" - ")
        kind, _, options = [*rest.split(" "), "", ""][:3]
        fields = mount.split(" ")
        unified = kind == "cgroup2"
        if not unified and (kind != "cgroup" or controller not in options.split(",")):
            continue
        place = places.get("" if unified else controller)
        if place is None or len(fields) < 5:
            continue
        top = root / _unescaped(fields[4]).lstrip("/")
        below = _below(PurePosixPath(place), PurePosixPath(_unescaped(fields[3])))
        for folder in (below, *below.parents):
            yield _Level(top / folder, unified)


def _places(root: Path) -> Iterator[tuple[str, str]]:
    """Yield this process's place in the hierarchy of each controller; "" is the unified one."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, place = [*line.split(":", 2), "", ""][:3]
        yield from ((name, place) for name in controllers.split(","))


def _below(place: PurePosixPath, mounted: PurePosixPath) -> PurePosixPath:
    """Return a place relative to what is mounted; that itself where it lies elsewhere."""
    if ".." in place.parts or not place.is_relative_to(mounted):
        return PurePosixPath()
    return place.relative_to(mounted)


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 8)), text)


def _installed(root: Path) -> float:
    """Return the machine's own memory in bytes; infinite where it is not told."""
    for line in _text(root / "proc/meminfo").splitlines():
        if line.startswith("MemTotal:"):
            return _number(line.split()[1]) * 1024
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return inf


def _number(text: str) -> float:
    """Return a limit; infinite for `max`, for anything but a number, and for none (negative)."""
    return float(text) if text.isdigit() else inf


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
