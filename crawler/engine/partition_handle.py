"""A partition as its parent sees it: its process, if one runs, and how far it has come."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from dataclasses import replace
from multiprocessing.connection import Connection

from crawler.core.collector import Snapshot
from crawler.engine.partition_messages import Errand, Farewell, Sighting
from crawler.engine.partition_plan import CrawlPlan, Manifest, Wish
from crawler.model.errors import EnvironmentFailure
from crawler.runtime.children import environment, python
from crawler.runtime.companion import ended, obituary
from crawler.runtime.signals import ENDING

_RESTARTS = 3
"""Starts after a death; those before the partition came further count no more."""
_TOGETHER = ("auto", "inline", "thread", "interpreter")
"""Values of `parse` by which a page can end the process of its partition."""
_LEAVING = 5.0  # seconds from the farewell of a process to its end; then it is killed


class PartitionHandle:
    """One partition of a run. `failed` says why it is given up, and is "" until then."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.manifest = Manifest(partition=number)
        self.taken = Snapshot()
        self.last: Sighting | None = None
        self.farewell = Farewell()
        self.failed = ""
        self.connection: Connection | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._deaths = 0
        self._records = 0  # that were there at the last death
        self._suspicious = False  # a page that was parsed may have been the cause of a death
        self._epitaph = ""

    def __repr__(self) -> str:
        pid = self._process.pid if self._process is not None else None
        return f"PartitionHandle({self.number}, pid={pid}, {self.manifest!r})"

    @property
    def pid(self) -> int | None:
        """The number of its process; None if none runs."""
        return self._process.pid if self._process is not None else None

    def start(self, plan: CrawlPlan, wish: Wish, standard_input: str = "") -> None:
        """Start a process for it. Raises `EnvironmentFailure`.

        standard_input: the file to read there.
        """
        ours, theirs = socket.socketpair()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)  # a child inherits the mask
        try:
            with open(standard_input or os.devnull, "rb") as lines:
                self._process = subprocess.Popen(  # noqa: S603  this very Python and package
                    python("-m", "crawler.engine.partition_process", str(theirs.fileno())),
                    env=environment(),
                    stdin=lines,
                    pass_fds=(theirs.fileno(),),
                )
        except OSError as error:
            ours.close()
            raise EnvironmentFailure(f"cannot start a process: {error.strerror}") from error
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            theirs.close()
        self.connection = Connection(ours.detach())
        self.last = None
        if self._suspicious and plan.options["parse"] in _TOGETHER:
            plan = replace(plan, options={**plan.options, "parse": "process"})
        self._send(Errand(plan=plan, partition=self.number, epitaph=self._epitaph))
        if wish is not Wish.GO_ON:
            self.wish(wish)

    def wish(self, wish: Wish) -> None:
        """Tell the process, if one runs."""
        self._send(wish)

    def receive(self) -> Sighting | Farewell | str | None:
        """Return the next message, which must have come; None if the process is gone."""
        if self.connection is None:
            return None
        try:
            message: Sighting | Farewell | str = self.connection.recv()
        except (EOFError, OSError):
            return None
        match message:
            case Sighting():
                self.last, self.manifest, self.taken = message, message.manifest, message.taken
            case Farewell():
                self.farewell = message
                self.manifest = message.manifest or self.manifest
                self.failed = message.error if message.foreseen else ""
        return message

    def bury(self) -> int:
        """Wait for the end of the process, which said farewell or is dead; return its code."""
        process, connection = self._process, self.connection
        self._process = self.connection = None
        if process is None or connection is None:
            return 0
        connection.close()
        try:
            return process.wait(_LEAVING)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def died(self, code: int) -> str:
        """Take note of a death that nobody wanted; return what is done about it, for the user.

        It is started again a few times, and then to end its URLs; after that it has `failed`. From
        now on pages are parsed in processes, where the one that was the cause ends its own alone.
        """
        self._suspicious = True
        if self.manifest.records > self._records:
            self._deaths = 0
        self._records = self.manifest.records
        self._deaths += 1
        how = self.farewell.error or ended(code)
        told = self.farewell.error or obituary("its process", code)
        self.farewell = Farewell()
        if self._deaths <= _RESTARTS:
            return f"partition {self.number} is started again: {told}"
        if self._epitaph:
            self.failed = f"partition {self.number} is given up: {told}"
            return self.failed
        self._epitaph = f"its partition was given up after {self._deaths} deaths: {how}"
        return f"partition {self.number} is given up after {self._deaths} deaths: {told}"

    def kill(self) -> None:
        """End the process at once."""
        if self._process is not None:
            self._process.kill()

    def _send(self, message: Errand | Wish) -> None:
        if self.connection is not None:
            try:
                self.connection.send(message)
            except OSError:
                return  # it is gone, which `receive` finds out
