"""One turn: `python -m crawler.compare.child`, a fresh process for each.

Reads a job as a line of JSON from standard input, does it, and writes the outcome as a line of
JSON to the file descriptor that the job names; standard output and error are the work's own.
`crawler.runtime.process_group` sees to it that it ends with the process that started it.

A job that is kept (`Experiment.kept`) does a turn for each further line of standard input, and
answers each; the first answer says only that it is ready.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib import import_module
from typing import Any, TextIO

from crawler.compare.design import Done
from crawler.compare.stopwatch import Stopwatch
from crawler.measure.gil import gil_enabled


def main() -> None:
    """Do the job that standard input has."""
    job = json.loads(sys.stdin.readline())
    os.set_inheritable(job["answer"], False)
    if job["cores"] and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, job["cores"])
    module = import_module(job["module"])
    with open(job["answer"], "w", encoding="utf-8") as file:
        if not job.get("kept"):
            _answer(file, job, lambda watch: module.work(job["parameters"], watch))
            return
        with module.keep(job["parameters"]) as turn:
            print("{}", file=file, flush=True)
            for _ in sys.stdin:
                _answer(file, job, turn)


def _answer(file: TextIO, job: Mapping[str, Any], turn: Callable[[Stopwatch], Done]) -> None:
    watch = Stopwatch(job["slowdown"])
    done = turn(watch)
    if watch.reading is None:
        raise RuntimeError(f"{job['module']} has measured nothing")
    answer = {"reading": asdict(watch.reading), "done": asdict(done), "gil": gil_enabled()}
    print(json.dumps(answer), file=file, flush=True)


if __name__ == "__main__":  # a spawned worker imports this module, too
    main()
