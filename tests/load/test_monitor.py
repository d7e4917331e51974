"""What a run reads off itself: CPU, the loop's lag, hits in flight, the kernel's counters."""

from __future__ import annotations

import asyncio
import time
from time import perf_counter

import pytest

from crawler.load.loop import Flow
from crawler.load.monitor import Monitor, listen_overflows
from crawler.measure.histogram import Histogram
from tests.patience import PATIENCE


class FakeEngine:
    """An engine without hits, which tells when it was asked to fail the late ones."""

    def __init__(self, enough: int = 1) -> None:
        self.client = self
        self.finished = asyncio.Event()
        self.flow = Flow()
        self.lateness = Histogram()
        self.asked: list[float] = []
        self._enough = enough

    def expire(self, now: float) -> None:
        self.asked.append(now)
        if len(self.asked) >= self._enough:
            self.finished.set()


async def test_late_hits_are_failed_within_a_twentieth_of_their_timeout() -> None:
    """The engine is asked again and again, and no more often than that takes."""
    engine = FakeEngine(enough=3)
    begun = perf_counter()
    watch = Monitor(engine, begun, 0.4)
    await asyncio.wait_for(engine.finished.wait(), PATIENCE)
    watch.stop(perf_counter())
    gaps = [b - a for a, b in zip([begun, *engine.asked], engine.asked, strict=False)]
    assert min(gaps) >= 0.4 * 0.05 - 1e-3


async def test_before_the_start_nothing_is_measured() -> None:
    """In the warm-up late hits are failed, and neither lag nor CPU is read."""
    engine = FakeEngine(enough=2)
    watch = Monitor(engine, perf_counter() + 60, 0.2)
    await asyncio.wait_for(engine.finished.wait(), PATIENCE)
    probes = watch.stop(perf_counter())
    assert probes.loop_lag.count == 0
    assert (probes.cpu_seconds, probes.cpu_share, probes.mean_in_flight) == (0, 0, 0)


@pytest.mark.slow
async def test_a_blocked_loop_is_lag_and_cpu() -> None:
    """50 ms of computing in a callback are in the loop's lag, and in the CPU time."""
    engine = FakeEngine(enough=2)
    watch = Monitor(engine, perf_counter(), 0.4)
    await asyncio.wait_for(engine.finished.wait(), PATIENCE)
    until = time.process_time() + 0.05
    while time.process_time() < until:
        pass
    engine.finished.clear()
    await asyncio.wait_for(engine.finished.wait(), PATIENCE)
    probes = watch.stop(perf_counter())
    assert probes.loop_lag.largest >= 0.035  # the timer was due up to 10 ms after it began
    assert probes.cpu_seconds >= 0.05 and 0 < probes.cpu_share <= 1.1


async def test_hits_in_flight_are_averaged_over_time() -> None:
    """Three all the time are three on average, whatever the moments at which it looks."""
    engine = FakeEngine(enough=3)
    engine.flow.change(perf_counter(), 3)
    watch = Monitor(engine, perf_counter(), 0.4)
    await asyncio.wait_for(engine.finished.wait(), PATIENCE)
    assert watch.stop(perf_counter()).mean_in_flight == pytest.approx(3, rel=1e-6)


def test_the_flow_is_integrated_at_every_change() -> None:
    """One hit for 1 s, two for 2 s, none for 1 s: five seconds in all."""
    flow = Flow()
    for now, difference in ((10.0, 1), (11.0, 1), (13.0, -2)):
        flow.change(now, difference)
    assert flow.area(14.0) == 5.0 and flow.count == 0


def test_listen_overflows_of_an_unreadable_table_are_unknown() -> None:
    """No permission is no failure of the run."""

    def read() -> str:
        raise PermissionError(13, "Permission denied")

    assert listen_overflows(read) is None
