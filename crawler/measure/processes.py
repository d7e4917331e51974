"""The kernel's figures of a process and all that it started; Linux alone has them.

A process that has ended counts for the one that waited for it. So the CPU time of a tree is that of
each living process with those that it has waited for (`man 5 proc`, stat: utime to cstime).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from crawler.model.value import value

_PROC = Path("/proc")
_TICK = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


@value(frozen=True, slots=True)
class Busy:
    """CPU seconds in the program and in the kernel."""

    user: float
    system: float

    @property
    def total(self) -> float:
        """Both."""
        return self.user + self.system


@value(frozen=True, slots=True)
class Switches:
    """Context switches: because it waited, and because others wanted the core."""

    voluntary: int
    involuntary: int


def tree(pid: int) -> list[int]:
    """Return `pid` and its living descendants, in no order; without /proc, `pid` alone."""
    children: dict[int, list[int]] = {}
    for child, parent in _parents():
        children.setdefault(parent, []).append(child)
    found = [pid]
    for each in found:
        found.extend(children.get(each, ()))
    return found


def cpu_of(pids: list[int]) -> Busy:
    """Return the CPU seconds of processes and of those they have waited for, in ticks of 10 ms."""
    stats = [stat for pid in pids if (stat := _stat(pid))]
    user = sum(int(s[11]) + int(s[13]) for s in stats)
    system = sum(int(s[12]) + int(s[14]) for s in stats)
    return Busy(user / _TICK, system / _TICK)


def switches_of(pid: int) -> Switches:
    """Return the context switches of the process's living threads."""
    texts = [_text(f"{pid}/task/{thread}/status") for thread in _threads(pid)]
    return Switches(
        sum(_field(text, "voluntary_ctxt_switches:") for text in texts),
        sum(_field(text, "nonvoluntary_ctxt_switches:") for text in texts),
    )


def peak_rss(pids: list[int]) -> int:
    """Return the sum of each process's own peak in bytes, which may differ in time."""
    return sum(1024 * _field(_text(f"{pid}/status"), "VmHWM:") for pid in pids)


def rss(pids: list[int]) -> int:
    """Return the bytes that processes have in memory now; shared ones count for each."""
    return sum(1024 * _field(_text(f"{pid}/status"), "VmRSS:") for pid in pids)


def pss(pids: list[int]) -> int:
    """Return bytes, with shared ones divided among their users (proportional set size)."""
    return sum(1024 * _field(_text(f"{pid}/smaps_rollup"), "Pss:") for pid in pids)


def machine_busy() -> float | None:
    """Return the CPU seconds of all cores since the start, stolen ones too; None if unknown."""
    try:
        line = (_PROC / "stat").read_text(encoding="ascii").splitlines()[0]
    except OSError:
        return None
    user, nice, system, _idle, _wait, irq, softirq, steal, *_ = map(int, line.split()[1:])
    return (user + nice + system + irq + softirq + steal) / _TICK


def _parents() -> Iterator[tuple[int, int]]:
    try:
        names = os.listdir(_PROC)
    except OSError:
        return
    for name in names:
        if name.isdecimal() and (stat := _stat(int(name))):
            yield int(name), int(stat[1])


def _threads(pid: int) -> list[str]:
    try:
        return os.listdir(_PROC / str(pid) / "task")
    except OSError:
        return []


def _stat(pid: int) -> list[str]:
    """Return the fields after the name, from `state` on; empty for a process that is gone."""
    text = _text(f"{pid}/stat")
    return text[text.rindex(")") + 2 :].split() if text else []


def _text(file: str) -> str:
    """Return a file of the kernel's; "" for one of a process that is gone."""
    try:
        return (_PROC / file).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _field(text: str, name: str) -> int:
    """Return the number of a line that starts so; 0 where there is none."""
    lines = (line.split() for line in text.splitlines() if line.startswith(name))
    return next((int(line[1]) for line in lines), 0)
