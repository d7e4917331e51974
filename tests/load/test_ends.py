"""A run always ends: whatever becomes of its connections, names, processes and signals."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from functools import partialmethod
from time import perf_counter
from typing import Any

import pytest

from crawler.load import crew as crew_module
from crawler.load import part as part_module
from crawler.load.closed import ClosedLoop
from crawler.load.connection import RawLine
from crawler.load.crew import Crew
from crawler.load.guard import Target, resolve
from crawler.load.hit import Failure, Measured, Recorder
from crawler.load.load_config import LoadConfig
from crawler.load.loop import Engine, Job, Share
from crawler.load.open import OpenLoop
from crawler.load.part import Halted, Part, unless
from crawler.load.planner import plan_of
from crawler.load.raw import RawClient
from crawler.load.run import run_load
from crawler.load.worker import WorkerOrder
from crawler.model.errors import EnvironmentFailure
from crawler.runtime import companion
from crawler.runtime.event_loop import LoopFactory, new_event_loop
from tests.load.endings import latest
from tests.load.servers import OK, answering, load, serving, silent
from tests.patience import PATIENCE

LOOPS = [
    pytest.param(asyncio.new_event_loop, id="asyncio"),
    pytest.param(new_event_loop, id="uvloop"),
]


def on(factory: LoopFactory, work: Coroutine[Any, Any, None]) -> None:
    """Do the work on a loop of its own, or fail if that does not end."""
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(asyncio.wait_for(work, PATIENCE))


def engine(url: str, **options: Any) -> Engine:
    """A raw engine for a server, not yet open."""
    config = LoadConfig(**{"connections": 1, "duration": 10.0, **options})
    plan = plan_of(config, [url])
    targets = [Target.at(plan.origins[0], "127.0.0.1")]
    job = Job(config=config, plan=plan, targets=targets, share=Share())
    return (OpenLoop if config.open_loop else ClosedLoop)(job, RawClient(job))


@pytest.mark.slow
async def test_a_loop_that_wakes_early_loses_no_hit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Timers of uvloop are whole milliseconds: the first hit leaves at the start, not before."""
    sleep, begin = asyncio.sleep, ClosedLoop.begin
    begun: list[float] = []

    def noted(self: ClosedLoop, recorder: Recorder, start: float) -> None:
        begun.append(perf_counter() - start)
        begin(self, recorder, start)

    async def early(seconds: float, result: object = None) -> None:
        await sleep(seconds / 2)

    monkeypatch.setattr(asyncio, "sleep", early)
    monkeypatch.setattr(ClosedLoop, "begin", noted)
    async with serving(answering(OK)) as url:
        made = engine(url, requests=3)
        await made.client.open()
        await Part(made).run(perf_counter() + 0.3, asyncio.Event())
        await made.close()
    assert len(begun) == 1 and begun[0] >= 0


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """What is to be called in the very moment in which a connection has been made, once each."""
    calls: list[Callable[[], None]] = []
    plain = RawLine.connection_made

    def connection_made(line: RawLine, transport: asyncio.BaseTransport) -> None:
        plain(line, transport)
        if calls:
            calls.pop()()

    monkeypatch.setattr(RawLine, "connection_made", connection_made)
    return calls


@pytest.mark.parametrize("factory", LOOPS)
def test_a_connect_cancelled_after_it_was_made_is_not_waited_for(
    factory: LoopFactory, made: list[Callable[[], None]]
) -> None:
    """LD1: uvloop closes such a transport without `connection_lost`; asyncio calls it later."""

    async def scenario() -> None:
        async with serving(answering(OK)) as url:
            loading = engine(url, keepalive=False)
            await loading.client.open()
            loading.begin(Recorder(perf_counter()), perf_counter())
            cancelled = asyncio.Event()

            def cancel() -> None:
                loading.stop(perf_counter())
                for task in loading.client._connecting:
                    task.cancel()
                cancelled.set()

            made.append(cancel)
            await cancelled.wait()
            await loading.close()

    on(factory, scenario())


class _Expiring:
    """Connects; its first connection is made, closed without a word, and told as timed out."""

    def __init__(self, connected: Callable[..., Any]) -> None:
        self._connected, self.left = connected, 1

    async def __call__(self, target: Target, protocol: Any) -> Any:
        transport = await self._connected(target, protocol)
        if self.left:
            self.left -= 1
            transport.set_protocol(asyncio.Protocol())
            transport.abort()
            raise TimeoutError
        return transport


@pytest.mark.parametrize("factory", LOOPS)
@pytest.mark.parametrize("options", [{}, {"rate": 200.0}])
def test_a_connect_that_timed_out_after_it_was_made_costs_its_hit_alone(
    factory: LoopFactory, options: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """LD1's sibling in mid-run: the line goes on anew, and each hit counts once."""

    async def scenario() -> None:
        async with serving(answering(OK)) as url:
            loading = engine(url, keepalive=False, requests=4, **options)
            await loading.client.open()
            recorder = Recorder(perf_counter())
            connected = partialmethod(_Expiring(Target.connected))
            monkeypatch.setattr(Target, "connected", connected)
            loading.begin(recorder, perf_counter())
            await loading.finished.wait()
            loading.stop(perf_counter())
            found = recorder.freeze(perf_counter())
            await loading.close()
        assert found.failures == {Failure.DISCONNECTED: 1}
        assert found.statuses == {200: 3} and not found.unfinished

    on(factory, scenario())


@pytest.mark.parametrize("factory", LOOPS)
def test_an_engine_that_does_not_close_is_left(
    factory: LoopFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LD1: what was measured is told after a bounded time, whatever an end is waited for."""
    left: list[ClosedLoop] = []
    close = ClosedLoop.close

    async def never(engine: ClosedLoop) -> None:
        left.append(engine)
        await asyncio.Event().wait()

    monkeypatch.setattr(ClosedLoop, "close", never)
    monkeypatch.setattr(part_module, "CLOSING_SECONDS", 0.01)

    async def scenario() -> None:
        async with serving(answering(OK)) as url:
            measured, _ = await load(url)
            for engine in left:  # uvloop fails where a connection ends as its loop is closed
                await close(engine)
        assert measured.statuses == {200: 5} and len(left) == 1

    on(factory, scenario())


async def test_a_halt_before_the_first_hit_cancels_what_is_waited_for() -> None:
    """The work is told, and nothing of it is left behind; without a halt its result comes."""
    halt, began = asyncio.Event(), asyncio.Event()
    told: list[str] = []

    async def work() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            told.append("cancelled")

    async def one() -> int:
        return 1

    assert await unless(halt, one()) == 1
    waiting = asyncio.create_task(unless(halt, work()))
    await began.wait()
    halt.set()
    with pytest.raises(Halted):
        await waiting
    assert told == ["cancelled"]


@contextlib.contextmanager
def deaf() -> Iterator[str]:
    """The URL of a port whose listen queue is full, so that connecting takes for ever."""
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(2):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"


@pytest.mark.slow
@pytest.mark.parametrize("factory", LOOPS)
@pytest.mark.parametrize("processes", [1, 2])
def test_a_signal_while_connecting_ends_a_run(factory: LoopFactory, processes: int) -> None:
    """Ctrl-C before the first hit is obeyed at once, with nothing measured."""

    async def scenario(url: str) -> None:
        halt = asyncio.Event()
        asyncio.get_running_loop().call_later(0.2, os.kill, os.getpid(), signal.SIGINT)
        config = LoadConfig(processes=processes, connections=2, timeout=600.0)
        measured, _ = await run_load(config, [url], halt=halt)
        assert halt.is_set() and not measured.count

    with deaf() as url:
        on(factory, scenario(url))


@pytest.mark.slow
@pytest.mark.parametrize("factory", LOOPS)
def test_a_second_signal_leaves_a_run_that_does_not_end(
    factory: LoopFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LD1: interrupts end what the first one did not."""

    async def stuck(*_: object) -> tuple[Measured, Any]:
        loop = asyncio.get_running_loop()
        for delay in (0.01, 0.1):
            loop.call_later(delay, os.kill, os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(Part, "run", stuck)

    async def scenario() -> None:
        async with serving(silent) as url:
            await run_load(LoadConfig(connections=1), [url])

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        on(factory, scenario())
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.slow
def test_a_process_that_tells_no_result_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is stopped, not dead, is given up after a bounded time, in one line."""
    monkeypatch.setattr(crew_module, "_RESULT_SECONDS", 0.2)
    monkeypatch.setattr(companion, "LEAVING_SECONDS", 0.2)

    async def scenario() -> None:
        async with serving(answering(OK)) as url:
            config = LoadConfig(processes=2, connections=2, duration=0.1)
            order = WorkerOrder(config=config, targets=(url,), addresses=("127.0.0.1",))
            async with Crew.started(order, asyncio.Event()) as crew:
                os.kill(crew._workers[1].pid, signal.SIGSTOP)
                await crew.run(asyncio.Event(), None)

    with pytest.raises(EnvironmentFailure, match=r"told no result .* after its end"):
        on(asyncio.new_event_loop, scenario())


def test_a_name_server_that_does_not_answer_holds_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A look-up that goes on after its time is not joined at the end of the run."""
    released = threading.Event()

    def dead(*_: object, **__: object) -> list[Any]:
        released.wait(PATIENCE)
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", dead)
    monkeypatch.setattr("crawler.load.guard.RESOLVE_SECONDS", 0.05)
    origin = plan_of(LoadConfig(), ["http://slow.test/"]).origins[0]
    try:
        with pytest.raises(EnvironmentFailure, match=r"cannot resolve slow\.test: no answer in"):
            asyncio.run(_resolved(origin))
        assert not released.is_set()
    finally:
        released.set()


async def _resolved(origin: Any) -> None:
    await resolve(origin, mine=True)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_short_runs_end_whatever_happens_to_them(seed: int) -> None:
    """LD1: both loops and engines, keep-alive off, resets, refusals, silence and halts by chance.

    `python -m tests.load.endings 2000` does it at length, and says how late they were.
    """
    assert latest(10, seed)[0] < PATIENCE
