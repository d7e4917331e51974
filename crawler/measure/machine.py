"""The machine of a comparison: figures of two machines cannot be compared."""

from __future__ import annotations

import gc
import os
import platform
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from time import sleep
from typing import Annotated, Self

from crawler.measure.gil import gil_enabled
from crawler.measure.json_document import told
from crawler.measure.processes import machine_busy
from crawler.model.version import VERSION

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
    """The machine, and the interpreter that ran the comparison."""

    system: Annotated[str, told("Operating system and its version.")]
    processor: Annotated[str, told("The processor's name.")]
    cores: Annotated[tuple[int, ...], told("The numbers of the cores that could be used.")]
    memory: Annotated[int, told("Bytes; 0 where they are not told.", ge=0)]
    governor: Annotated[str, told("The kernel's clock governor; empty if unknown.")]
    python: Annotated[str, told("Interpreter and version.")]
    build: Annotated[str, told("The options that the interpreter was built with.")]
    gil: Annotated[bool, told("True if it runs under its lock.")]
    switch_interval: Annotated[float, told("After how long another thread may ask for the lock.")]
    gc_threshold: Annotated[tuple[int, ...], told("Thresholds of the garbage collector.")]
    flags: Annotated[
        Mapping[str, str], told("Settings that change how Python runs: options, PYTHON*.")
    ]
    crawler: Annotated[str, told("The version of crawler.")]
    load_before: Annotated[tuple[float, ...], told("Load averages over 1, 5, 15 minutes.")]
    busy: Annotated[
        float, told("Cores that something else used in the half second before it began.")
    ]

    @classmethod
    def here(cls, cores: tuple[int, ...], memory: int) -> Self:
        """Describe this process's, which may use so much; takes half a second, to see what runs."""
        return cls(
            system=platform.platform(),
            processor=processor(),
            cores=cores,
            memory=memory,
            governor=_first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            python=python(),
            build=str(sysconfig.get_config_var("CONFIG_ARGS") or ""),
            gil=gil_enabled(),
            switch_interval=sys.getswitchinterval(),
            gc_threshold=gc.get_threshold(),
            flags=_flags(),
            crawler=VERSION,
            load_before=os.getloadavg(),
            busy=busy_cores(),
        )


def busy_cores() -> float:
    """Count the cores at work while this process waits half a second; 0 if unknown."""
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


def processor() -> str:
    """Return the processor's name as Linux gives it, else what Python knows of it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def python() -> str:
    """Return the implementation and version of this interpreter."""
    return f"{platform.python_implementation()} {platform.python_version()}"


def packages(names: Iterable[str] = PACKAGES) -> Mapping[str, str]:
    """Return the versions of those that are installed."""
    return {name: version for name in names if (version := _installed(name))}


def _installed(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
