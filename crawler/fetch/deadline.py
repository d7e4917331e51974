"""Deadlines for tasks: one timer for all exchanges.

All exchanges have the same timeout, so they fall due in the order in which they began: a dict keeps
that order, and a single timer runs for its first entry. That costs an exchange two dict operations,
less than its own timer. The few that were paused are kept separately. Cancelling follows
`asyncio.timeout`: a cancellation from outside always wins over the deadline's.

Times are those of a `Pulse`, which stands still while the loop is blocked. A late timer ends
nothing at first: data that came meanwhile is read before it checks again.
"""

from __future__ import annotations

import asyncio
from asyncio import Task
from math import inf
from typing import Any

from crawler.model.fault import Fault
from crawler.runtime.pulse import INTERVAL, TOLERANCE, Pulse

_ROUNDED = 0.001  # seconds; uvloop counts whole milliseconds


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
    """Ends exchanges that take longer than `seconds` by `pulse`, with one timer for the oldest."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, pulse: Pulse) -> None:
        self._loop = loop
        self.seconds = seconds
        self._pulse = pulse
        self._entered: dict[Deadline, None] = {}  # in the order in which they fall due
        self._resumed: set[Deadline] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._waited = False

    def enter(self) -> Deadline:
        """Begin an exchange in the current task."""
        task = asyncio.current_task(self._loop)
        if task is None:
            raise RuntimeError("an exchange runs in a task")
        deadline = Deadline(task, self._pulse() + self.seconds)
        self._entered[deadline] = None
        if self._timer is None:
            self._arm(self.seconds)
        return deadline

    def pause(self, deadline: Deadline) -> None:
        """Stop an exchange's clock until `resume`."""
        self._forget(deadline)
        deadline.left = deadline.due - self._pulse()

    def resume(self, deadline: Deadline) -> None:
        """Continue an exchange with the time that it had left."""
        deadline.due = self._pulse() + deadline.left
        self._resumed.add(deadline)
        self._arm(min(deadline.left, self._next() - self._pulse()))

    def leave(self, deadline: Deadline) -> None:
        """End an exchange's deadline."""
        self._forget(deadline)
        if deadline.overdue:
            deadline.restore()
        deadline.overdue = True  # nothing ends it any more

    def close(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()

    def _forget(self, deadline: Deadline) -> None:
        self._entered.pop(deadline, None)
        if self._resumed:
            self._resumed.discard(deadline)

    def _next(self) -> float:
        """Return the time at which the next exchange falls due."""
        first = next(iter(self._entered)).due if self._entered else inf
        return min([first, *(each.due for each in self._resumed)]) if self._resumed else first

    def _arm(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        at = self._loop.time() + max(0.0, seconds)
        self._timer = self._loop.call_at(at, self._look, at)

    def _look(self, at: float) -> None:
        """End exchanges that are due; the timer was set for `at`."""
        self._timer = None
        if self._loop.time() - at > TOLERANCE and not self._waited:
            self._waited = True  # only once, so that a loop that is always late ends exchanges, too
            self._arm(INTERVAL)
            return
        self._waited = False
        now = self._pulse() + _ROUNDED
        while self._entered and (first := next(iter(self._entered))).due <= now:
            del self._entered[first]
            first.end()
        for late in [each for each in self._resumed if each.due <= now]:
            self._resumed.discard(late)
            late.end()
        if (due := self._next()) < inf:
            self._arm(due - now)
