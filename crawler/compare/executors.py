"""The executors that the pool experiments compare: one interface, one class each.

Processes start by the fork server, and loky's by an exec of their own, never by a fork of a process
that has threads. A subinterpreter loads no extension module that has not been made for it: what
runs in one is pure Python.
"""

from __future__ import annotations

import multiprocessing
import os
from concurrent import futures
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

from crawler.compare.design import Finding, Setting
from crawler.measure.processes import tree
from crawler.model.extras import install

CLASSES = {
    "thread": "concurrent.futures.ThreadPoolExecutor",
    "process": "concurrent.futures.ProcessPoolExecutor",
    "interpreter": "concurrent.futures.InterpreterPoolExecutor",
    "loky": "loky.ProcessPoolExecutor",
}
"""Where each comes from, by its short name."""

_STARTERS = (b"multiprocessing.forkserver", b"resource_tracker")
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
    reason = (
        "only the interpreter that runs the comparison is asked for it"
        if setting.interpreter.label
        else f"it is not installed: {install('compare')}"
    )
    return [Finding(claim="loky is compared, too", outcome="told", text=f"loky: no; {reason}")]


def unloaded(setting: Setting) -> list[Finding]:
    """Return why the parser does not run in interpreters; nothing if it does, or without them."""
    why = setting.interpreter.parser_refusal
    if not setting.interpreter.interpreters or not why:
        return []
    text = f"left out: {why}"
    return [Finding(claim="the parser runs in subinterpreters, too", outcome="told", text=text)]


def executor(kind: str, workers: int) -> Executor:
    """Return a pool of this kind; nothing runs in it yet."""
    match kind:
        case "thread":
            return ThreadPoolExecutor(workers)
        case "process":
            return ProcessPoolExecutor(workers, multiprocessing.get_context("forkserver"))
        case "interpreter":
            return _interpreters(workers)
        case _:
            import loky

            pool: Executor = loky.ProcessPoolExecutor(workers)
            return pool


def _interpreters(workers: int) -> Executor:
    pool: Any = futures.InterpreterPoolExecutor  # type: ignore[attr-defined]  # 3.14 has it
    made: Executor = pool(workers)
    return made


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
