"""Where a comparison ran: figures of two machines are not to be compared."""

from __future__ import annotations

import gc
import os
import platform
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import sleep
from typing import Self

from crawler.compare.child import gil_enabled
from crawler.compare.processes import machine_busy
from crawler.load.result import installed, processor
from crawler.model.config import VERSION
from crawler.runtime import limits

PACKAGES = (
    *("ada-url", "aiohttp", "brotli", "frostwork", "html5lib", "httptools", "loky", "multidict"),
    *("orjson", "turbohtml", "urllib3", "uvloop", "yarl", "zstandard"),
)
"""Those that a crawl, or what it is compared with, runs on."""
_LOOK = 0.5  # seconds
BUSY = 0.1
"""Cores that others use before a comparison; from so much on the machine is called busy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The machine and the interpreter that ran the comparison.

    busy: cores that something else used in the half second before it. flags: interpreter options
    and environment variables that change how Python runs.
    """

    system: str
    processor: str
    cores: tuple[int, ...]
    memory: int
    governor: str
    python: str
    build: str
    gil: bool
    switch_interval: float
    gc_threshold: tuple[int, ...]
    flags: Mapping[str, str]
    crawler: str
    load_before: tuple[float, ...]
    busy: float

    @classmethod
    def here(cls) -> Self:
        """This process's; takes half a second, to see what else runs."""
        return cls(
            system=platform.platform(),
            processor=processor(),
            cores=usable_cores(),
            memory=limits.memory(),
            governor=_first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            python=f"{platform.python_implementation()} {sys.version.split()[0]}",
            build=str(sysconfig.get_config_var("CONFIG_ARGS") or ""),
            gil=gil_enabled(),
            switch_interval=sys.getswitchinterval(),
            gc_threshold=gc.get_threshold(),
            flags=_flags(),
            crawler=VERSION,
            load_before=os.getloadavg(),
            busy=busy_cores(),
        )


def usable_cores() -> tuple[int, ...]:
    """Return the numbers of the cores that this process may use, and may keep busy at once."""
    if hasattr(os, "sched_getaffinity"):  # not on every system
        return tuple(sorted(os.sched_getaffinity(0))[: limits.cores()])
    return tuple(range(limits.cores()))


def busy_cores() -> float:
    """How many cores are at work while this process waits half a second; 0 where none can tell."""
    before = machine_busy()
    sleep(_LOOK)
    after = machine_busy()
    return 0.0 if before is None or after is None else (after - before) / _LOOK


def _flags() -> Mapping[str, str]:
    flags = {f"sys.flags.{n}": str(getattr(sys.flags, n)) for n in ("optimize", "dev_mode")}
    return flags | {k: v for k, v in sorted(os.environ.items()) if k.startswith("PYTHON")}


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()[0]
    except (OSError, IndexError):
        return ""


def packages() -> Mapping[str, str]:
    """The versions of those that are installed."""
    return {name: version for name in PACKAGES if (version := installed(name))}
