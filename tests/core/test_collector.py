"""The statistics collector counts exactly, from many threads."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from itertools import pairwise
from typing import Any

import pytest

from crawler.core.collector import StatisticsCollector
from crawler.model.outcome import Kind, Skipped
from tests.patience import PATIENCE

SKIPPED = Skipped(url="x", input="x", kind=Kind.INVALID_URL, reason="x")


class Meeting(dict[str, int]):
    """Counts whose readers meet: each waits until another has read the same value."""

    def __init__(self, parties: int, seconds: float) -> None:
        super().__init__()
        self.barrier = threading.Barrier(parties, timeout=seconds)

    def get(self, key: str, default: Any = None) -> Any:
        value = super().get(key, default)
        with suppress(threading.BrokenBarrierError):  # under a lock nobody else can come
            self.barrier.wait()
        return value


def count_in_two_threads(statistics: StatisticsCollector, seconds: float) -> int:
    statistics._outcomes = Meeting(2, seconds)
    threads = [
        threading.Thread(target=statistics.add_records, args=((SKIPPED,),)) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(statistics._outcomes.values())


def test_without_a_lock_an_update_is_lost() -> None:
    """Two threads that read before either writes lose exactly one update, every time."""
    assert count_in_two_threads(StatisticsCollector(lock=nullcontext()), PATIENCE) == 1


@pytest.mark.slow
def test_with_its_lock_no_update_is_lost() -> None:
    """The same two threads, the same meeting point, and both updates are there."""
    assert count_in_two_threads(StatisticsCollector(), 0.2) == 2


@pytest.fixture
def eager_switching() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.slow
@pytest.mark.usefixtures("eager_switching")
def test_many_threads_lose_nothing() -> None:
    """Eight threads count 2,000 records each, while snapshots are taken: 16,000 at the end."""
    statistics = StatisticsCollector()

    def count() -> None:
        for _ in range(2_000):
            statistics.add_records([SKIPPED])
            statistics.add_read(1, 0)

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    snapshots = [statistics.snapshot(1.0) for _ in range(20)]
    for thread in threads:
        thread.join()
    assert all(a.records <= b.records for a, b in pairwise(snapshots))
    final = statistics.snapshot(1.0)
    assert (final.records, final.read, final.skipped) == (16_000, 16_000, 16_000)
