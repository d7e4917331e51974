"""One turn: `python -m crawler.compare.child`, a fresh process for each.

Reads a job as JSON from standard input, does it, and writes what came of it as JSON to the file
descriptor that the job names; standard output and error are the work's own. `crawler.compare.guard`
sees to it that it ends with the process that started it.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from importlib import import_module
from typing import Any

from crawler.compare.stopwatch import Stopwatch


def main() -> None:
    """Do the job that standard input has."""
    job = json.load(sys.stdin)
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


if __name__ == "__main__":  # a spawned worker imports this module, too
    main()
