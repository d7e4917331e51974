"""Checks of `crawler doctor` that read the limits of this process: files, ports, cores, memory.

Each returns a `LimitFinding`. `root` is where `/proc` and `/sys` are, for tests.
"""

from __future__ import annotations

import os
import resource
from math import inf
from pathlib import Path

from crawler.model.config import CrawlConfig
from crawler.runtime import limits
from crawler.runtime.files import LOOK_UP_FILES, OTHER_FILES
from crawler.runtime.limit_finding import Gravity, LimitFinding

_CLOSING = 60
"""Seconds for which Linux keeps the port of a closed connection (TIME_WAIT, net/tcp.h)."""
_FEW_PORTS = 10_000
_LEAST_MEMORY, _LITTLE_MEMORY = 128 * 2**20, 512 * 2**20
"""Bytes: an idle crawl takes about 80 MB; bodies, parsers and seen URLs come on top."""


def _concurrency() -> int:
    return int(CrawlConfig.options()["concurrency"].default)


def descriptors(hard: float | None = None) -> LimitFinding:
    """Check the hard limit of open files, up to which a crawl raises its own."""
    if hard is None:
        told = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        hard = inf if told == resource.RLIM_INFINITY else told
    width = _concurrency()
    gravity, means = Gravity.OK, f"up to {_number(hard - OTHER_FILES)} requests in flight"
    if hard < width + OTHER_FILES:
        gravity, means = Gravity.PROBLEM, f"a crawl with --concurrency {width} is refused"
    elif hard < width + OTHER_FILES + LOOK_UP_FILES:
        gravity, means = Gravity.WARNING, "names that take long to look up may use up the files"
    return LimitFinding(
        name="descriptors",
        gravity=gravity,
        found=f"{_number(hard)} open files",
        means=means,
        command="" if gravity is Gravity.OK else "ulimit -Hn 65536 (systemd: LimitNOFILE=65536)",
    )


def ports(root: str = "/") -> LimitFinding:
    """Check the range of ports for connections to one address."""
    path = Path(root, "proc/sys/net/ipv4/ip_local_port_range")
    try:
        low, high = map(int, path.read_text(encoding="ascii").split())
    except (OSError, ValueError):
        return LimitFinding(
            name="ports", gravity=Gravity.NOTE, found="unknown", means=f"{path} cannot be read"
        )
    number, gravity = high - low + 1, Gravity.OK
    if number < _FEW_PORTS:
        gravity = Gravity.WARNING if number > _concurrency() else Gravity.PROBLEM
    return LimitFinding(
        name="ports",
        gravity=gravity,
        found=f"{number:,} local ports, {low} to {high}",
        means=f"{number // _CLOSING:,} new connections a second to one address and port",
        command="" if gravity is Gravity.OK else _SPREAD,
    )


_SPREAD = 'sysctl -w net.ipv4.ip_local_port_range="1024 65535"'


def cores(root: str = "/") -> LimitFinding:
    """Check the cores that this process may use, by affinity and by control group."""
    usable, whole, quota = limits.cores(root), os.cpu_count() or 1, limits.quota(root)
    gravity = Gravity.OK if usable >= whole else Gravity.NOTE
    means, command = f"--workers auto crawls with up to {usable} processes", ""
    if usable == 1:
        gravity, means = Gravity.NOTE, "--workers auto is 1: fetching and parsing share a core"
    if quota < 1:
        gravity = Gravity.WARNING
        means = "the system stops the process many times a second: latencies are not the servers'"
        command = "docker run --cpus 2 (systemd: CPUQuota=200%)"
    granted = f", {quota:g} granted by a control group" if quota < inf else ""
    return LimitFinding(
        name="cores",
        gravity=gravity,
        found=f"{usable} of {whole}{granted}",
        means=means,
        command=command,
    )


def memory(root: str = "/") -> LimitFinding:
    """Check the memory of the machine or of the control group."""
    found, gravity = limits.memory(root), Gravity.OK
    means = f"a crawl takes up to {_megabytes(limits.default_memory(root))} of it (--memory)"
    if found < _LITTLE_MEMORY:
        gravity, means = Gravity.WARNING, "large bodies wait for each other; use --workers 1"
    if found < _LEAST_MEMORY:
        gravity, means = Gravity.PROBLEM, "a crawl is likely to be killed for want of memory"
    return LimitFinding(
        name="memory",
        gravity=gravity,
        found=_megabytes(found),
        means=means,
        command="" if gravity is Gravity.OK else "docker run --memory 1g (systemd: MemoryMax=1G)",
    )


def _number(value: float) -> str:
    return "unlimited" if value == inf else f"{max(int(value), 0):,}"


def _megabytes(size: float) -> str:
    return f"{size / 1e6:,.0f} MB"
