"""Deadlines for tasks, checked with every beat of a `Pulse`.

All exchanges have the same timeout, so they fall due in the order in which they began: a dict keeps
that order, and a look at its first entry is enough. That costs an exchange two dict operations,
less than a timer. The few that were paused are kept separately. Cancelling follows
`asyncio.timeout`: a cancellation from outside always wins over the deadline's.

Times are those of the pulse, which stands still while the loop is blocked.
"""

from __future__ import annotations

import asyncio
from asyncio import Task
from typing import Any

from crawler.model.fault import Fault
from crawler.runtime.pulse import Pulse


class Deadline:
    """One exchange's deadline; `verdict` is the fault that ended it, None for the time."""

    __slots__ = ("_cancelling", "due", "left", "overdue", "task", "verdict")

    def __init__(self, task: Task[Any], due: float) -> None:
        self.task = task
        self.due = due
        self.left = 0.0
        self.overdue = False
        self.verdict: Fault | None = None
        self._cancelling = task.cancelling()

    def end(self, verdict: Fault | None = None) -> None:
        """End the exchange now."""
        if not self.overdue:
            self.overdue, self.verdict = True, verdict
            self.task.cancel()

    def expired(self) -> bool:
        """Take back the cancellation just caught; return True if it was the deadline's alone."""
        return self.overdue and self.task.uncancel() <= self._cancelling

    def restore(self) -> None:
        """Take back a cancellation that never arrived."""
        if self.overdue and self.task.cancelling() > self._cancelling:
            self.task.uncancel()


class Deadlines:
    """Ends exchanges that take longer than `seconds` by `pulse`; call `look` with every beat."""

    def __init__(self, seconds: float, pulse: Pulse) -> None:
        self.seconds = seconds
        self._pulse = pulse
        self._entered: dict[Deadline, None] = {}  # in the order in which they fall due
        self._resumed: set[Deadline] = set()

    def enter(self) -> Deadline:
        """Begin an exchange in the current task."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("an exchange runs in a task")
        deadline = Deadline(task, self._pulse() + self.seconds)
        self._entered[deadline] = None
        return deadline

    def pause(self, deadline: Deadline) -> None:
        """Stop an exchange's clock until `resume`."""
        self._forget(deadline)
        deadline.left = deadline.due - self._pulse()

    def resume(self, deadline: Deadline) -> None:
        """Continue an exchange with the time that it had left."""
        deadline.due = self._pulse() + deadline.left
        self._resumed.add(deadline)

    def leave(self, deadline: Deadline) -> None:
        """End an exchange's deadline."""
        self._forget(deadline)
        if deadline.overdue:
            deadline.restore()
        deadline.overdue = True  # nothing ends it any more

    def look(self) -> None:
        """End exchanges that are due."""
        now = self._pulse()
        while self._entered and (first := next(iter(self._entered))).due <= now:
            del self._entered[first]
            first.end()
        for late in [each for each in self._resumed if each.due <= now]:
            self._resumed.discard(late)
            late.end()

    def _forget(self, deadline: Deadline) -> None:
        self._entered.pop(deadline, None)
        if self._resumed:
            self._resumed.discard(deadline)
