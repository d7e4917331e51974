"""Wait for name look-ups on an event loop, within the deadline of the task that asks."""

from __future__ import annotations

import asyncio
from asyncio import CancelledError, Task
from concurrent.futures import Future
from typing import Any, TypeVar

from crawler.fetch.address_guard import admitted
from crawler.fetch.deadline import Deadline, Deadlines
from crawler.fetch.names import Addresses, LookUp, Names, literal_address
from crawler.model.address import AddressPolicy

_T = TypeVar("_T")


class LoopNames:
    """Connects a loop to `Names`, and its connections to the guard.

    `limit` and `lift` bound the time of the current task; its clock stops until a look-up begins.
    `unanswered` holds the tasks whose deadline ended a look-up.
    """

    def __init__(self, names: Names, policy: AddressPolicy) -> None:
        self._names = names
        self.policy = policy
        self._limits: dict[Task[Any] | None, tuple[Deadlines, Deadline]] = {}
        self.unanswered: set[Task[Any] | None] = set()

    def limit(self, deadlines: Deadlines) -> Deadline:
        """Set a deadline for the current task and return it."""
        deadline = deadlines.enter()
        self._limits[deadline.task] = deadlines, deadline
        return deadline

    def lift(self, deadline: Deadline) -> None:
        """Remove the deadline."""
        self._limits.pop(deadline.task)[0].leave(deadline)
        self.unanswered.discard(deadline.task)

    async def judged(self, host: str, port: int) -> Addresses:
        """Return the addresses of a host that the guard admits; raise `RefusedExchange`."""
        found = literal_address(host) or await self.addresses(host)
        return admitted(self.policy, found, port)

    async def addresses(self, host: str) -> Addresses:
        """Return all addresses of a name, not judged by the guard.

        The look-up itself outlives a cancelled waiter.
        """
        return self._names.known(host) or await self._looked_up(self._names.ask(host))

    async def _looked_up(self, look_up: LookUp) -> Addresses:
        task = asyncio.current_task()
        limits = self._limits.get(task)
        if limits is not None and not look_up.begun.done():
            deadlines, limit = limits
            deadlines.pause(limit)
            try:
                await _shared(look_up.begun)
            finally:
                deadlines.resume(limit)
        try:
            return await _shared(look_up.answer)
        except CancelledError:
            if limits is not None and limits[1].overdue:
                self.unanswered.add(task)
            raise


async def _shared(future: Future[_T]) -> _T:
    """Wait for a shared future; cancelling this wait does not cancel the others'."""
    asked = asyncio.wrap_future(future)
    asked.add_done_callback(_taken)  # after a cancelled wait nobody else takes its failure
    return await asyncio.shield(asked)


def _taken(future: asyncio.Future[Any]) -> None:
    """Retrieve a failure, so that asyncio does not warn about it."""
    if not future.cancelled():
        future.exception()
