"""One turn: `python -m crawler.compare.child`, a fresh process for each.

Reads a job as JSON from standard input, does it, and writes what came of it as JSON to the file
descriptor that the job names; standard output and error are the work's own. It ends with
the process that started it (Linux: `prctl(PR_SET_PDEATHSIG)`), so that nothing is left behind.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from dataclasses import asdict
from importlib import import_module
from typing import Any

from crawler.compare.stopwatch import Stopwatch

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Do the job that standard input has."""
    job = json.load(sys.stdin)
    _end_with_parent(job["parent"])
    os.set_inheritable(job["answer"], False)
    if job["cores"] and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, job["cores"])
    watch = Stopwatch(job["slowdown"])
    done = import_module(job["module"]).work(job["parameters"], watch)
    if watch.reading is None:
        raise RuntimeError(f"{job['module']} has measured nothing")
    answer = {"reading": asdict(watch.reading), "done": asdict(done), "gil": gil_enabled()}
    with open(job["answer"], "w", encoding="utf-8") as file:
        json.dump(answer, file)


def gil_enabled() -> bool:
    """Whether this interpreter runs under its lock now; asked late, as an import may turn it on."""
    ask: Any = getattr(sys, "_is_gil_enabled", None)
    return True if ask is None else bool(ask())


def _end_with_parent(parent: int) -> None:
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it had ended before
        os._exit(1)


if __name__ == "__main__":  # a spawned worker imports this module, too
    main()
