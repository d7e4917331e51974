"""Total deadlines for tasks: one timer for all exchanges.

All exchanges have the same budget, so they fall due in the order in which they began: a dict keeps
that order, and a single timer runs for its first entry. That costs an exchange two dict operations
where a timer of its own would cost about 3 us. Cancelling follows `asyncio.timeout`: a cancellation
from outside always wins over the deadline's.
"""

from __future__ import annotations

import asyncio
from asyncio import Task
from typing import Any


class Deadline:
    """One exchange's deadline."""

    __slots__ = ("_cancelling", "due", "overdue", "task")

    def __init__(self, task: Task[Any], due: float) -> None:
        self.task = task
        self.due = due
        self.overdue = False
        self._cancelling = task.cancelling()

    def expired(self) -> bool:
        """Whether the cancellation just caught was the deadline's alone; takes it back."""
        return self.overdue and self.task.uncancel() <= self._cancelling

    def restore(self) -> None:
        """Take back a cancellation that never arrived."""
        if self.overdue and self.task.cancelling() > self._cancelling:
            self.task.uncancel()


class Deadlines:
    """Cancels tasks whose exchange takes longer than `seconds`: one timer, for the oldest."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._loop = loop
        self._seconds = seconds
        self._entered: dict[Deadline, None] = {}  # in the order in which they fall due
        self._timer: asyncio.TimerHandle | None = None

    def enter(self) -> Deadline:
        """The current task begins an exchange."""
        task = asyncio.current_task(self._loop)
        if task is None:
            raise RuntimeError("an exchange runs in a task")
        deadline = Deadline(task, self._loop.time() + self._seconds)
        self._entered[deadline] = None
        if self._timer is None:
            self._timer = self._loop.call_at(deadline.due, self._cut)
        return deadline

    def leave(self, deadline: Deadline) -> None:
        """The exchange is over."""
        self._entered.pop(deadline, None)
        if deadline.overdue:
            deadline.restore()

    def close(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()

    def _cut(self) -> None:
        self._timer = None
        now = self._loop.time() + 0.001  # uvloop counts whole milliseconds
        while self._entered:
            deadline = next(iter(self._entered))
            if deadline.due > now:
                self._timer = self._loop.call_at(deadline.due, self._cut)
                return
            del self._entered[deadline]
            deadline.overdue = True
            deadline.task.cancel()
