"""The machine that the figures come from, and the two cores that everything shares."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from tests.real.debian import nginx_program

_CORES = 2
_LIBRARIES = ("aiohttp", "uvloop", "yarl", "frostwork", "urllib3", "orjson")


def share_two_cores() -> list[int]:
    """Keep this process, and so all that it starts, nginx included, to two cores."""
    chosen = sorted(os.sched_getaffinity(0))[:_CORES]
    os.sched_setaffinity(0, chosen)
    return chosen


def describe(scrapy: str) -> dict[str, Any]:
    """Processor, cores in use, memory, load, kernel and every version that matters."""
    return {
        "processor": _processor(),
        "cores": sorted(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "load_before": os.getloadavg(),
        "kernel": platform.release(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "nginx": _nginx(),
        "scrapy": scrapy,
        **{name: _version(name) for name in _LIBRARIES},
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _nginx() -> str:
    """nginx's version: it prints it to standard error."""
    program = nginx_program()
    if program is None:
        return "missing"
    said = subprocess.run([program, "-v"], capture_output=True, text=True, check=True)
    return said.stderr.strip().rpartition("/")[2]


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
