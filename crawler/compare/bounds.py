"""The connections and threads that this system lets one process have."""

from __future__ import annotations

import math
import resource
from pathlib import Path

from crawler.runtime.files import OTHER_FILES

_OTHER_THREADS = 500  # of whatever else the user and the machine run
_MAPPINGS = 2  # of a thread: its stack, and the page that guards it
_SHARE = 0.5  # of what the whole machine has


def most_connections() -> float:
    """Return the connections that the limit of open files allows; infinite without one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return math.inf if hard == resource.RLIM_INFINITY else hard - OTHER_FILES


def most_threads() -> float:
    """Return the threads that a process may surely have: by user, control group, mappings."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    bounds = [
        math.inf if soft == resource.RLIM_INFINITY else float(soft),
        _number("/sys/fs/cgroup/pids.max"),
        _number("/proc/sys/kernel/threads-max"),
        _number("/proc/sys/kernel/pid_max"),
        _number("/proc/sys/vm/max_map_count") / _MAPPINGS,
    ]
    return _SHARE * min(bounds) - _OTHER_THREADS


def _number(path: str) -> float:
    """Return the number in a file of the kernel's; infinite where there is none."""
    try:
        return float(Path(path).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return math.inf
