"""The executors that the pool experiments compare, and what this system lets one process have.

Processes start by the fork server, and loky's by an exec of their own, never by a fork of a process
that has threads. A subinterpreter loads no extension module that has not been made for it: what
runs in one is pure Python.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import resource
from collections.abc import Callable
from concurrent import futures
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from threading import get_ident
from time import perf_counter, sleep
from typing import Any

from crawler.compare.design import Finding, Setting
from crawler.measure.processes import tree
from crawler.model.extras import install
from crawler.runtime.files import OTHER_FILES

CLASSES = {
    "thread": "concurrent.futures.ThreadPoolExecutor",
    "process": "concurrent.futures.ProcessPoolExecutor",
    "interpreter": "concurrent.futures.InterpreterPoolExecutor",
    "loky": "loky.ProcessPoolExecutor",
}
"""Where each comes from, by its short name."""

_STARTERS = (b"multiprocessing.forkserver", b"resource_tracker")
_HOLD = 0.05  # seconds
_TRIES = 20
_PATIENCE = 2.0  # seconds for processes that were told to end


def kinds(setting: Setting) -> list[str]:
    """Return the short names of an interpreter's executors; loky is searched for here alone."""
    found = ["thread", "process"]
    if setting.interpreter.interpreters:
        found.append("interpreter")
    return [*found, "loky"] if has_loky(setting) else found


def has_loky(setting: Setting) -> bool:
    """Tell whether loky is compared: it is installed, and this interpreter is the one meant."""
    return not setting.interpreter.label and find_spec("loky") is not None


def absent(setting: Setting) -> list[Finding]:
    """Return the finding that loky is not compared; nothing if it is."""
    if has_loky(setting):
        return []
    reason = f"it is not installed: {install('compare')}"
    if setting.interpreter.label:
        reason = "only the interpreter that runs the comparison is asked for it"
    return [Finding("loky is compared, too", "told", f"loky: no; {reason}")]


def unloaded(setting: Setting) -> list[Finding]:
    """Return why the parser does not run in interpreters; nothing if it does, or without them."""
    why = setting.interpreter.parser_refusal
    if not setting.interpreter.interpreters or not why:
        return []
    return [Finding("the parser runs in subinterpreters, too", "told", f"left out: {why}")]


def executor(kind: str, workers: int) -> Executor:
    """Return a pool of this kind; nothing runs in it yet."""
    match kind:
        case "thread":
            return ThreadPoolExecutor(workers)
        case "process":
            return ProcessPoolExecutor(workers, multiprocessing.get_context("forkserver"))
        case "interpreter":
            pools: Any = futures  # of Python 3.14
            made: Executor = pools.InterpreterPoolExecutor(workers)
        case _:
            import loky

            made = loky.ProcessPoolExecutor(workers)
    return made


Worker = tuple[int, int]
"""A worker's process and thread."""


def hold() -> Worker:
    """Return the worker that did this; it takes a while, so that each of them gets one."""
    sleep(_HOLD)
    return os.getpid(), get_ident()


def all_at_work(pool: Executor, workers: int, task: Callable[[], Worker]) -> set[int]:
    """Have every worker do a task that holds it at the same time; return their processes."""
    for _ in range(_TRIES):
        at_work = {f.result() for f in [pool.submit(task) for _ in range(workers)]}
        if len(at_work) == workers:
            return {pid for pid, _ in at_work}
    raise RuntimeError(f"{workers} workers never worked at the same time")


def left_behind(patience: float = _PATIENCE) -> int:
    """Count the processes that still run after their pool has ended, after some patience.

    What starts and tidies up for all pools of a process, and ends with it, is not among them.
    """
    ends = perf_counter() + patience
    while (left := _workers()) and perf_counter() < ends:
        sleep(0.01)
    return len(left)


def _workers() -> set[int]:
    """Return all descendants but the fork server (workers have its name) and resource trackers."""
    below = tree(os.getpid())[1:]
    starters = [pid for pid in below if _is_starter(pid)]
    forked = {each for pid in starters for each in tree(pid)[1:]}
    return (set(below) - set(starters)) | forked


def _is_starter(pid: int) -> bool:
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return any(name in line for name in _STARTERS)


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
