"""Notices for a person: a command that is run when a crawl ends, stands still, or fails too much.

The command is run by `sh`, one at a time, from a thread: the crawl waits for none. It gets the
event as JSON on standard input and in its environment (`CRAWLER_EVENT`, `CRAWLER_TEXT`), never in
its text. One that takes longer than `PATIENCE` is killed, with all that it started.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, Full, Queue
from time import time

from crawler.core.collector import Snapshot
from crawler.model.event import Event, Level
from crawler.watch.crawl_log import as_json, as_text

PATIENCE = 30.0
"""Seconds for one command."""
NOTICED = frozenset({"end", "error", "failures", "network_lost", "network_back", "pause"})
"""Names of the events that a person is told of."""
_WAITING = 20
_LOOK = 1.0  # seconds between two looks at the failures
_FEW = 100  # records before a share says anything


class Notifier:
    """Runs the command. `say` prints a line about one that failed.

    above: the share of failures among the records, 0 to 1, above which a person is told, once.
    """

    def __init__(
        self,
        command: str,
        above: float,
        statistics: Callable[[], Snapshot],
        say: Callable[[str], None],
    ) -> None:
        self._command = command
        self._above = above
        self._statistics = statistics
        self._say = say
        self._queue: Queue[Event | None] = Queue(_WAITING)
        self._thread = threading.Thread(target=self._run, name="crawler-notify", daemon=True)
        self._thread.start()

    def __repr__(self) -> str:
        return f"Notifier(waiting={self._queue.qsize()})"

    def receive(self, event: Event) -> None:
        """Take an event; never blocks."""
        if event.name in NOTICED:
            with suppress(Full):  # a person who has twenty notices to read misses none
                self._queue.put_nowait(event)

    def close(self) -> None:
        """Wait for the last notices, each at most `PATIENCE` seconds."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                event = self._queue.get(timeout=_LOOK)
            except Empty:
                self._look()
                continue
            if event is None:
                return
            self._notify(event)

    def _look(self) -> None:
        """Tell of the failures, once they are too many."""
        taken = self._statistics()
        share = taken.failed / max(taken.records, _FEW)
        if share > self._above:
            self._above = 1.0
            fields = {"failed": taken.failed, "records": taken.records, "share": round(share, 3)}
            event = Event(name="failures", level=Level.WARNING, at=time(), fields=fields)
            self._notify(event)

    def _notify(self, event: Event) -> None:
        try:
            problem = self._ran(event)
        except OSError as error:
            problem = f"cannot run sh: {error.strerror}"
        if problem:
            self._say(f"notify: {problem}")

    def _ran(self, event: Event) -> str:
        """Run the command; return what went wrong, or ""."""
        named = {"CRAWLER_EVENT": event.name, "CRAWLER_TEXT": as_text(event)}
        with subprocess.Popen(  # noqa: S603  the user's own command
            ["/bin/sh", "-c", self._command],
            env={**os.environ, **named},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,  # it may be where the records go
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is not for it
        ) as process:
            try:
                _, told = process.communicate(as_json(event).encode(), PATIENCE)
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                return f"killed after {PATIENCE:g} s"
        if not process.returncode:
            return ""
        return f"exit code {process.returncode}: {told.decode(errors='replace').strip():.200}"
