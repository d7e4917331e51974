"""Figures of `start-up`: from no pool to its first result, and what its workers take."""

from __future__ import annotations

import multiprocessing
import os
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

from crawler.compare.design import Done, Parameters, Watch
from crawler.compare.executors import all_at_work, executor, hold
from crawler.measure.processes import pss, tree

PROCESSES = ("fork", "forkserver", "spawn")
_PAGE = 4096  # bytes; less is not seen


def work(parameters: Parameters, watch: Watch) -> Done:
    """Start a pool from nothing, measure its workers, and start the same pool once more."""
    kind, workers = parameters["kind"], parameters["workers"]
    make = _maker(kind, workers)
    before = pss([os.getpid()]), _private()
    with watch:
        pool = make()
        answer = pool.submit(first).result()
    with pool:
        figures = _memory(pool, workers, before)
    began = perf_counter()
    with make() as again:
        answers = [answer, again.submit(first).result()]
        second = perf_counter() - began
    figures |= {"first": watch.wall, "second": second}
    return Done(checksum=str(answers), figures=figures)


def _maker(kind: str, workers: int) -> Callable[[], Executor]:
    if kind not in PROCESSES:
        return partial(executor, kind, workers)
    if kind == "fork":  # with threads, a child may wait for ever for a lock that nobody holds
        warnings.simplefilter("error", DeprecationWarning)
        if threading.active_count() > 1:
            raise RuntimeError("a process with threads must not be forked")
    context: Any = multiprocessing.get_context(kind)
    if kind == "forkserver":  # its use: what it has imported, no worker imports again
        context.set_forkserver_preload([__name__])
    return partial(ProcessPoolExecutor, workers, context)


def first() -> int:
    """Do the least that a worker can."""
    return 1


def _memory(pool: Executor, workers: int, before: tuple[int, int]) -> dict[str, float]:
    """Return the bytes a worker while all of them live.

    added: all that came with the pool, the fork server and resource tracker too, by worker. Of
    threads and interpreters it is the private memory that they added: what a process shares with
    others weighs less as soon as a stranger maps it, too.
    """
    pids = all_at_work(pool, workers, hold) - {os.getpid()}
    if pids:
        added = (pss(tree(os.getpid())) - before[0]) / workers
        return {"worker_pss": pss(sorted(pids)) / len(pids), "added_pss": max(added, _PAGE)}
    added = max((_private() - before[1]) / workers, _PAGE)
    return {"worker_pss": added, "added_pss": added}


def _private() -> int:
    """Return the bytes of this process that are private and written to; 0 if unknown."""
    try:
        lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(ln.split()[1]) * 1024 for ln in lines if ln.startswith("Private_Dirty:")), 0)
