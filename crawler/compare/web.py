"""A mock web beside an experiment: a process of its own, on stated cores."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from crawler.compare.experiment import Setting
from crawler.model.errors import EnvironmentFailure

_START_SECONDS = 20.0
_STOP_SECONDS = 10.0


def server_cores(setting: Setting) -> tuple[int, ...]:
    """The last core; the measured processes may use all of them, this one too."""
    return setting.cores[-1:]


@contextmanager
def mock_web(setting: Setting, *options: str) -> Iterator[str]:
    """`crawler mock` with these options on the server's core; gives its base URL."""
    command = [sys.executable, "-P", "-m", "crawler", "mock", "--port", "0", *options]
    process = subprocess.Popen(  # noqa: S603  this very Python and this very package
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the comparison, which ends it
    )
    try:
        _pin(process.pid, server_cores(setting))
        yield _address(process)
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def _pin(pid: int, cores: Sequence[int]) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(pid, cores)


def _address(process: subprocess.Popen[bytes]) -> str:
    """The line that the server prints when it listens."""
    alarm = threading.Timer(_START_SECONDS, process.kill)
    alarm.start()
    try:
        line = process.stdout.readline() if process.stdout else b""
    finally:
        alarm.cancel()
    if not line:
        why = process.stderr.read().decode(errors="replace") if process.stderr else ""
        raise EnvironmentFailure(f"the mock web did not start: {' '.join(why.split())}")
    return line.decode().strip().rstrip("/")
