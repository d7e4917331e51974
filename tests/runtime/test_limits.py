"""How many cores and how much memory there are, read from made-up control groups."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from crawler.runtime import limits
from crawler.runtime.shares import COPIES, OWN, shares

V2 = "31 23 0:28 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"
V1 = (
    "33 31 0:29 {place} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 {place} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
)
GB = 2**30


def machine(root: Path, files: Mapping[str, str]) -> str:
    """A machine of 64 GB with these files."""
    for name, text in {"proc/meminfo": "MemTotal:  67108864 kB\n", **files}.items():
        path = root / name.format(cgroup="sys/fs/cgroup")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(root)


MEMORY: dict[str, tuple[dict[str, str], int]] = {
    "no groups": ({}, 64 * GB),
    "version 2": (
        {
            "proc/self/cgroup": "0::/\n",
            "proc/self/mountinfo": V2,
            "{cgroup}/memory.max": f"{2 * GB}\n",
        },
        2 * GB,
    ),
    "version 2, none": (
        {
            "proc/self/cgroup": "0::/\n",
            "proc/self/mountinfo": V2,
            "{cgroup}/memory.max": "max\n",
        },
        64 * GB,
    ),
    "version 2, a level above": (
        {
            "proc/self/cgroup": "0::/user.slice/job/step\n",
            "proc/self/mountinfo": V2,
            "{cgroup}/user.slice/job/step/memory.max": f"{8 * GB}\n",
            "{cgroup}/user.slice/job/memory.max": f"{3 * GB}\n",
            "{cgroup}/user.slice/memory.max": "max\n",
        },
        3 * GB,
    ),
    "version 2, throttled": (
        {
            "proc/self/cgroup": "0::/job\n",
            "proc/self/mountinfo": V2,
            "{cgroup}/job/memory.max": f"{8 * GB}\n",
            "{cgroup}/job/memory.high": f"{GB}\n",
        },
        GB,
    ),
    "version 2, elsewhere": (
        {
            "proc/self/cgroup": "0::/../other\n",
            "proc/self/mountinfo": V2,
            "{cgroup}/memory.max": f"{GB}\n",
        },
        GB,
    ),
    "version 1": (
        {
            "proc/self/cgroup": "4:memory:/docker/1\n0::/\n",
            "proc/self/mountinfo": V1.format(place="/docker/1"),
            "{cgroup}/memory/memory.limit_in_bytes": f"{GB}\n",
        },
        GB,
    ),
    "version 1, none": (
        {
            "proc/self/cgroup": "4:memory:/\n",
            "proc/self/mountinfo": V1.format(place="/"),
            "{cgroup}/memory/memory.limit_in_bytes": "9223372036854771712\n",
        },
        64 * GB,
    ),
    "version 1, a level above": (
        {
            "proc/self/cgroup": "4:memory:/jobs/7/step\n",
            "proc/self/mountinfo": V1.format(place="/"),
            "{cgroup}/memory/jobs/7/memory.limit_in_bytes": f"{5 * GB}\n",
            "{cgroup}/memory/jobs/7/step/memory.limit_in_bytes": "9223372036854771712\n",
        },
        5 * GB,
    ),
}


@pytest.mark.parametrize(("files", "expected"), MEMORY.values(), ids=MEMORY)
def test_memory(tmp_path: Path, files: dict[str, str], expected: int) -> None:
    """The lowest limit of all levels counts, in both versions of control groups (cgroups(7))."""
    root = machine(tmp_path, files)
    assert limits.memory(root) == expected
    assert limits.default_memory(root) == expected // 4


V2_CPU = {"proc/self/cgroup": "0::/a/b\n", "proc/self/mountinfo": V2}
CORES: dict[str, tuple[dict[str, str], int]] = {
    "no groups": ({}, 32),
    "version 2": ({**V2_CPU, "{cgroup}/a/b/cpu.max": "200000 100000\n"}, 2),
    "version 2, a level above": (
        {**V2_CPU, "{cgroup}/a/cpu.max": "150000 50000\n", "{cgroup}/a/b/cpu.max": "max 100000\n"},
        3,
    ),
    "half a core more": ({**V2_CPU, "{cgroup}/a/b/cpu.max": "150000 100000\n"}, 2),
    "a tenth": ({**V2_CPU, "{cgroup}/a/b/cpu.max": "10000 100000\n"}, 1),
    "more than there are": ({**V2_CPU, "{cgroup}/a/b/cpu.max": "6400000 100000\n"}, 32),
    "none": ({**V2_CPU, "{cgroup}/a/b/cpu.max": "max 100000\n"}, 32),
    "version 1": (
        {
            "proc/self/cgroup": "2:cpu,cpuacct:/docker/1\n",
            "proc/self/mountinfo": V1.format(place="/docker/1"),
            "{cgroup}/cpu,cpuacct/cpu.cfs_quota_us": "400000\n",
            "{cgroup}/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        },
        4,
    ),
    "version 1, none": (
        {
            "proc/self/cgroup": "2:cpu,cpuacct:/\n",
            "proc/self/mountinfo": V1.format(place="/"),
            "{cgroup}/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
            "{cgroup}/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        },
        32,
    ),
}


@pytest.mark.parametrize(("files", "expected"), CORES.values(), ids=CORES)
def test_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], expected: int
) -> None:
    """A quota counts as well as affinity: 32 cores with a quota of 2 are 2 workers."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(32)), raising=False)
    assert limits.cores(machine(tmp_path, files)) == expected


@pytest.mark.parametrize("memory", [200_000_000, 512_000_000, 2 * GB, 16 * GB])
@pytest.mark.parametrize("workers", [1, 2, 32])
def test_shares(memory: int, workers: int) -> None:
    """What is given to the parts, copies of bodies included, is not more than there is."""
    found = shares(memory, workers=workers, worker=1_024 * 10**6, largest=377 * 10**6)
    assert OWN + found.workers * found.worker + COPIES * found.bodies <= memory * 1.2
    assert 1 <= found.workers <= workers
    assert found.bodies > 10_000_000
    if memory >= 512_000_000:
        assert OWN + found.workers * found.worker + COPIES * found.bodies <= memory


@pytest.mark.parametrize(
    ("memory", "page", "workers", "least"),
    [
        (600, 377, 1, 377),  # more than half, as the page would not fit into half
        (400, 377, 1, 225),  # what the crawler itself and few bodies leave
        (1_100, 377, 1, 550),  # two would be too small for it
        (1_600, 377, 2, 400),
        (1_100, 36, 2, 275),  # small pages: as many as should have a worker
        (16_000, 377, 21, 377),
    ],
)
def test_a_worker_has_room_for_the_largest_page(
    memory: int, page: int, workers: int, least: int
) -> None:
    """Rather fewer workers than pages that fail for memory (in MB; 32 workers are wanted)."""
    found = shares(memory * 10**6, workers=32, worker=1_024 * 10**6, largest=page * 10**6)
    assert found.workers == workers
    assert found.worker >= least * 10**6
    used = OWN + found.workers * found.worker + COPIES * found.bodies
    assert used <= memory * 10**6
