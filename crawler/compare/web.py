"""A mock web next to an experiment: a separate process, on stated cores."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from crawler.compare.design import Setting
from crawler.model.errors import EnvironmentFailure
from crawler.runtime.children import environment, python
from crawler.runtime.process_group import guarded

_START_SECONDS = 60.0
_STOP_SECONDS = 10.0


@contextmanager
def mock_web(setting: Setting, *options: str) -> Iterator[str]:
    """Run `crawler mock` with these options on the last core; yields its base URL.

    The measured processes may use all cores, this one too.
    """
    with served(*options, cores=setting.cores[-1:]) as url:
        yield url


@contextmanager
def served(*options: str, cores: Sequence[int] = ()) -> Iterator[str]:
    """Run `crawler mock` with these options; yields its base URL.

    Raises `EnvironmentFailure` if it does not start.
    """
    command = python("-m", "crawler", "mock", "--port", "0", *options)
    with guarded(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Without options for mock webs: this web is always the same.
        env={k: v for k, v in environment().items() if not k.startswith("CRAWLER_MOCK_")},
    ) as process:
        if cores and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(process.pid, cores)
        yield _address(process)
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)


def _address(process: subprocess.Popen[bytes]) -> str:
    """Return the line that the server prints when it listens."""
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
