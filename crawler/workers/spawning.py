"""Start worker processes without side effects on the crawler or the user's script.

- *Fork server* (spawn where there is none): a worker is forked quickly, from a process with the
  parser imported, without threads and without the crawler's sockets.
- *`__main__` is not run again.* `multiprocessing` runs the main script in every child, which turns
  a plain script without `if __name__ == "__main__"` into an endless recursion. Only a parser
  defined in `__main__` needs that; otherwise the script's path is left out of the preparation
  data. For this the private `multiprocessing.spawn.get_preparation_data` is replaced, only while a
  worker starts and only for the thread that starts it.
- *No code from the current directory.* Fork server, resource tracker and spawned workers run
  `python -c`, which searches that directory before the standard library. They get `-P`: the private
  `multiprocessing.util._args_from_interpreter_flags` is replaced in the same way. The environment
  (PYTHONSAFEPATH) would be ignored after `-E`, and inherited by processes that a parser starts.
- *Signals to the whole group* (Ctrl-C, a closed terminal, a stopped service) are for the crawler,
  which then ends the others. The signal mask is inherited, so they are blocked in this thread while
  the fork server starts. The resource tracker is started before that: it ignores SIGINT and SIGTERM
  itself, but unblocks them when it starts, so only SIGHUP is blocked for it.
"""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import spawn, util
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any, Final

from crawler.runtime.leftovers import tidy
from crawler.runtime.signals import ENDING

_PRELOAD: Final = [
    *("crawler.workers.forked", "crawler.workers.parser_worker"),
    *("crawler.formats.page", "crawler.formats.by_frostwork"),
]
_STARTING = threading.Lock()


class RecordingContext:
    """A multiprocessing context that records the processes created with it."""

    def __init__(self, context: BaseContext) -> None:
        self._context = context
        self.made: list[BaseProcess] = []

    def Process(self, *args: Any, **kwargs: Any) -> BaseProcess:  # noqa: N802  (its name there)
        """Create a process with the underlying context and record it in `made`."""
        process: BaseProcess = self._context.Process(*args, **kwargs)  # type: ignore[attr-defined]
        self.made.append(process)
        return process

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)


def recording_context() -> RecordingContext:
    """Return a context of the fork server, or of spawn where there is none."""
    tidy()
    methods = multiprocessing.get_all_start_methods()
    context: Any = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    if hasattr(context, "set_forkserver_preload"):
        context.set_forkserver_preload(_PRELOAD)
    return RecordingContext(context)


@contextmanager
def quiet_start(*, with_main: bool) -> Iterator[None]:
    """Start processes inside: no signals for them, and no `__main__` unless `with_main`."""
    from multiprocessing import resource_tracker

    hidden = _altered(spawn, "get_preparation_data", dict if with_main else _bare)
    with apart():
        resource_tracker.ensure_running()
        with _masked(set(ENDING)), hidden:
            yield


@contextmanager
def apart() -> Iterator[None]:
    """Start processes inside, without the current directory on their path and without SIGHUP."""
    safe = _altered(util, "_args_from_interpreter_flags", lambda flags: [*flags, "-P"])
    with _STARTING, _masked({signal.SIGHUP}), safe:
        yield


@contextmanager
def _masked(numbers: set[signal.Signals]) -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _altered(module: ModuleType, name: str, alter: Callable[[Any], Any]) -> Iterator[None]:
    """Alter what a function of `module` returns to this thread, within the block."""
    original, starter = getattr(module, name), threading.get_ident()

    def altered(*args: Any) -> Any:
        result = original(*args)
        return alter(result) if threading.get_ident() == starter else result

    setattr(module, name, altered)
    try:
        yield
    finally:
        setattr(module, name, original)


def _bare(data: dict[str, Any]) -> dict[str, Any]:
    """Return a child's preparation data without the main script."""
    return {key: value for key, value in data.items() if not key.startswith("init_main_from")}
