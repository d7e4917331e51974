"""Looking at a running process from outside, through /proc (Linux)."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_PAUSE = 0.02  # seconds between two looks at processes that are about to end
_PATIENCE = 10.0  # seconds for them; a command that leaves one for longer is wrong


def adopt_orphans() -> None:
    """Become the parent of what descendants leave behind, whose CPU time would be lost else."""
    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children() -> set[int]:
    """The children of this process, with those that it adopted."""
    found = (_PROC / "self" / "task").glob("*/children")
    return {int(pid) for each in found for pid in _read(each).split()}


def bury(orphans: Iterable[int]) -> None:
    """Wait for processes that end by themselves, and count their CPU time as that of children."""
    left, until = set(orphans), time.monotonic() + _PATIENCE
    while left and time.monotonic() < until:
        for pid in tuple(left):
            with suppress(ChildProcessError):  # somebody else has waited for it
                if not os.waitpid(pid, os.WNOHANG)[0]:
                    continue
            left.remove(pid)
        time.sleep(_PAUSE if left else 0)


def tree(root: int) -> Iterator[int]:
    """`root` and all its living descendants."""
    children: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (parent := _parent(entry)) is not None:
            children.setdefault(parent, []).append(int(entry.name))
    todo = [root]
    while todo:
        pid = todo.pop()
        yield pid
        todo += children.get(pid, ())


def peak_bytes(pid: int) -> int:
    """The largest resident size that the process has had so far; 0 if it is gone."""
    for line in _read(_PROC / str(pid) / "status").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024  # the kernel's "kB" are KiB
    return 0


def cpu_seconds(pid: int) -> float:
    """The CPU time, of user and system, that the process has had so far; 0 if it is gone."""
    fields = _read(_PROC / str(pid) / "stat").rpartition(")")[2].split()
    ticks = sum(map(int, fields[11:13])) if fields else 0
    return ticks / os.sysconf("SC_CLK_TCK")


def _parent(entry: Path) -> int | None:
    # The name of the program, in parentheses, may itself hold blanks and parentheses.
    fields = _read(entry / "stat").rpartition(")")[2].split()
    return int(fields[1]) if fields else None


def _read(path: Path) -> str:
    """The text of a file in /proc; empty when its process has just ended."""
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
