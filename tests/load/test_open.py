"""The open loop: every hit of the schedule is accounted for, whatever the server does."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from crawler.load.alarm import KernelAlarm, LoopAlarm
from crawler.load.hit import Failure, Recorder
from crawler.load.load_config import LoadConfig
from crawler.load.run import run_load
from tests.load.servers import OK, answering, counting, load, read_request, serving, silent
from tests.patience import PATIENCE


async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        await read_request(reader)
        await asyncio.sleep(0.05)
        writer.write(OK)


@pytest.mark.slow
@pytest.mark.parametrize("arrivals", ["constant", "poisson"])
async def test_hits_leave_on_schedule(arrivals: str) -> None:
    """All of them, in the time that the rate gives."""
    async with serving(answering(OK)) as url:
        measured, probes = await load(
            url, connections=8, rate=200.0, requests=60, arrivals=arrivals
        )
    assert measured.statuses == {200: 60}
    assert measured.elapsed > 0.15
    assert probes.lateness.count == 60


@pytest.mark.slow
async def test_waiting_hits_keep_their_intended_time() -> None:
    """One connection at 20/s, asked at 100/s: response grows with the queue, service does not."""
    async with serving(slow) as url:
        measured, _ = await load(url, rate=100.0, requests=20)
    assert measured.statuses == {200: 20}
    assert measured.response.largest > 5 * measured.service.quantile(0.5)


@pytest.mark.slow
async def test_with_drop_nothing_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """What finds no connection free is given up, and counted, while the first is in flight."""
    others, drop, drops = asyncio.Event(), Recorder.dropped, []

    def dropped(*arguments: Any) -> None:
        drop(*arguments)
        drops.append(arguments)
        if len(drops) == 19:
            others.set()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await others.wait()
        writer.write(OK)
        await reader.read()

    monkeypatch.setattr(Recorder, "dropped", dropped)
    async with serving(handler) as url:
        measured, _ = await load(url, rate=100.0, requests=20, late="drop")
    assert measured.statuses == {200: 1} and measured.dropped == 19
    assert measured.attempts == 20 and measured.unfinished == 0


@pytest.mark.slow
async def test_stages_end_the_run() -> None:
    """The duration of stages is their own, not that of the options."""
    async with serving(answering(OK)) as url:
        measured, _ = await load(url, requests=0, stages="0.1s:100,0.2s:200", duration=2 * PATIENCE)
    assert 0.25 <= measured.elapsed < PATIENCE
    assert 36 <= measured.attempts <= 41


@pytest.mark.slow
async def test_all_that_waits_at_the_end_is_counted() -> None:
    """A silent server: in flight and waiting hits are lower bounds, as many as were due."""
    async with serving(silent) as url:
        measured, _ = await load(url, connections=2, rate=100.0, requests=0, duration=0.3)
    assert 28 <= measured.unfinished <= 30 and measured.response.lower_bounds == measured.unfinished


@pytest.mark.slow
async def test_what_waits_for_a_dead_server_fails_with_it() -> None:
    """After the server is gone hits fail to connect; none is lost."""
    handler, answered = counting(20)
    async with serving(handler) as url:
        config = LoadConfig(connections=2, rate=200.0, requests=120, duration=30.0)
        run = asyncio.create_task(run_load(config, [url]))
        await answered.wait()
    measured, _ = await run
    assert measured.failures[Failure.CONNECT] > 10 and measured.attempts == 120


@pytest.mark.parametrize("kind", [KernelAlarm, LoopAlarm])
async def test_an_alarm_rings_at_its_time_and_not_before(
    kind: type[KernelAlarm | LoopAlarm],
) -> None:
    """Both kinds; at once for a time that has passed."""
    rang = asyncio.Event()
    alarm = kind(rang.set)
    for ahead in (0.03, -1.0):
        at = time.perf_counter() + ahead
        alarm.set(at)
        await asyncio.wait_for(rang.wait(), PATIENCE)
        alarm.close() if ahead < 0 else None
        assert time.perf_counter() >= at
        alarm.set(time.perf_counter() + 60) if ahead > 0 else None
        rang.clear()
    alarm.close()
