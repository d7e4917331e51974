"""The counters of `race`: one that nothing protects, and the cures, each with its cost."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Protocol


class Counter:
    """Several add to `value`, and nothing protects it."""

    def __init__(self) -> None:
        self.value = 0


def plain(counter: Counter, times: int) -> None:
    """Read, add and write, with nothing between."""
    for _ in range(times):
        counter.value += 1


class Cure(Protocol):
    """A counter that several threads may add to."""

    def add(self, index: int, times: int) -> None:
        """Add 1 so many times as thread `index`."""

    def total(self) -> int:
        """Return the total when all have added; once."""


class Unlocked:
    """No cure, for its cost."""

    def __init__(self, _threads: int) -> None:
        self._counter = Counter()

    def add(self, _index: int, times: int) -> None:
        """Add as `plain` does."""
        plain(self._counter, times)

    def total(self) -> int:
        """Return what was not lost."""
        return self._counter.value


class Locked(Unlocked):
    """A lock around each update."""

    def add(self, _index: int, times: int) -> None:
        """Add one at a time."""
        counter, lock = self._counter, self._lock
        for _ in range(times):
            with lock:
                counter.value += 1

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        self._lock = Lock()


class Owned(Unlocked):
    """One thread owns the counter; the others send it what to add."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        self._queue: SimpleQueue[int] = SimpleQueue()
        self._owner = Thread(target=self._own)
        self._owner.start()

    def add(self, _index: int, times: int) -> None:
        """Send a message for each."""
        put = self._queue.put
        for _ in range(times):
            put(1)

    def total(self) -> int:
        """Return the total when the owner has read all messages."""
        self._queue.put(0)
        self._owner.join()
        return self._counter.value

    def _own(self) -> None:
        while more := self._queue.get():
            self._counter.value += more


class Summed:
    """A counter for each thread; their sum is the total."""

    def __init__(self, threads: int) -> None:
        self._counters = [Counter() for _ in range(threads)]

    def add(self, index: int, times: int) -> None:
        """Add to a number that nobody else writes."""
        plain(self._counters[index], times)

    def total(self) -> int:
        """Return the sum."""
        return sum(counter.value for counter in self._counters)


class Collected:
    """The crawler's own collector: a method that takes a lock."""

    def __init__(self, _threads: int) -> None:
        from crawler.core.collector import StatisticsCollector

        self._statistics = StatisticsCollector()

    def add(self, _index: int, times: int) -> None:
        """Count as an engine does that has started a fetch."""
        add_started = self._statistics.add_started
        for _ in range(times):
            add_started()

    def total(self) -> int:
        """Return the total of a frozen snapshot."""
        return self._statistics.snapshot(0.0).in_flight


CURES: dict[str, Callable[[int], Cure]] = {
    "no lock": Unlocked,
    "a Lock": Locked,
    "a queue and an owner": Owned,
    "a sum per thread": Summed,
    "the crawler's collector": Collected,
}
