"""Trials of pools whose workers are threads: in a process apart, as they may end all of it.

    python -m crawler.compare.experiments.robust_apart KIND CASE

writes one line for each event of the trial, so that whoever reads them knows what was done when
the process ended.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

from crawler.compare.experiments.robust_bench import INNOCENT, ExecutorBench, TaskTrial, trial
from crawler.runtime.children import environment, python

_LIMIT = 20.0  # seconds of a process


def apart(kind: str, case: str) -> TaskTrial:
    """Run one trial in a separate process; if that ends, recovery is the start of another."""
    began = recovered = 0.0
    answered, said = 0, ""
    with _process(kind, case) as process:
        for line in process.stdout:
            match line.split(maxsplit=1):
                case ["submitted"]:
                    began = perf_counter()
                case ["answered"]:
                    answered += 1
                case ["overdue"]:
                    said = "overdue"
                    process.kill()
                case ["recovered"]:
                    recovered = perf_counter()
                case ["said", text]:
                    said = text.strip()
    if not began:
        raise RuntimeError(f"{kind}, {case}: the process apart did not begin")
    ended = not recovered
    if ended:
        said = f"{said}: " * bool(said) + f"its process ended by {_signal(process.returncode)}"
        recovered = _first_answer(kind)
    lost = INNOCENT - answered
    return TaskTrial(lost=lost, recovery=recovered - began, said=said, ended=ended)


def _first_answer(kind: str) -> float:
    """Start another process; return when it answered its first task."""
    with _process(kind, "none") as process:
        for line in process.stdout:
            if line == "answered\n":
                answered = perf_counter()
                process.stdout.read()  # the rest of its trial
                return answered
    raise RuntimeError(f"{kind}: a new process does not answer")


@contextmanager
def _process(kind: str, case: str) -> Iterator[Any]:
    command = python("-m", __name__, kind, case)
    with subprocess.Popen(  # noqa: S603  this very Python and this very package
        command, stdout=subprocess.PIPE, env=environment(), text=True
    ) as process:
        alarm = threading.Timer(_LIMIT, process.kill)
        alarm.start()
        try:
            yield process
        finally:
            alarm.cancel()
            if process.poll() is None and sys.exc_info()[0] is not None:
                process.kill()


def _signal(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def main(kind: str, case: str) -> None:
    """Run the trial in the separate process."""

    def tell(event: str) -> None:
        os.write(1, f"{event}\n".encode())

    bench = _ThreadBench(kind)
    tell(f"said {trial(bench, case, tell).said}")
    bench.close()


class _ThreadBench(ExecutorBench):
    def give_up(self, waiting: Any) -> None:
        """Wait: a thread cannot be ended, only the process that it is part of."""
        waiting.result()


if __name__ == "__main__":
    main(*sys.argv[1:])
