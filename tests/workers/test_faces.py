"""The faces at their edges: pages that hang on the loop, workers that do not start, early ends."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any

import pytest

from crawler.model.config import CrawlConfig
from crawler.model.document import Document, RawResponse
from crawler.model.errors import EnvironmentFailure
from crawler.model.outcome import Kind, Parsed, ParseFault
from crawler.runtime.event_loop import loop_factory
from crawler.workers.hand_over import AsyncParsing, ThreadedParsing
from crawler.workers.lanes import LANES
from crawler.workers.pool import Pool
from crawler.workers.work import Packed, Work
from tests.patience import PATIENCE

HOSTILE = "tests.workers.parsers:hostile"
Runner = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Runner:
    def on_the_loop(main: Coroutine[Any, Any, Any]) -> Any:
        with asyncio.Runner(loop_factory=loop_factory(request.param)) as runner:
            return runner.run(main)

    return on_the_loop


def response(body: bytes) -> RawResponse:
    return RawResponse(url="http://a.example/", status=200, content_type="text/html", body=body)


def config(**options: Any) -> CrawlConfig:
    return CrawlConfig(**({"parse_workers": 1, "parse_timeout": 0.2} | options))


class NoLane:
    """A lane that this machine cannot have."""

    def __init__(self, _work: Work) -> None:
        raise OSError("no semaphores")


@pytest.mark.slow
def test_an_endless_page_on_the_loop_is_given_up(run: Runner) -> None:
    """Inline, on the main thread, a page that loops for ever costs itself, and the loop goes on."""

    async def main() -> list[Parsed | None]:
        async with AsyncParsing(config(parse="inline", parser=HOSTILE)) as parsing:
            hung = parsing.parse_nowait(response(b"loop"))
            await asyncio.sleep(0)
            return [hung, parsing.parse_nowait(response(b"good"))]

    hung, good = run(main())
    assert hung == ParseFault(kind=Kind.PARSE_TIMEOUT, reason="not parsed within 0.2 s")
    assert isinstance(good, Document)


def test_the_alarm_is_given_back(run: Runner) -> None:
    """After the crawl SIGALRM is as it was before; a handler of the user's is never taken."""
    during: list[object] = []

    async def main() -> None:
        async with AsyncParsing(config(parse="inline")):
            during.append(signal.getsignal(signal.SIGALRM))

    run(main())
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
    before = signal.signal(signal.SIGALRM, signal.SIG_IGN)
    try:
        run(main())
    finally:
        signal.signal(signal.SIGALRM, before)
    assert callable(during[0])
    assert during[1] is signal.SIG_IGN


def test_workers_that_cannot_start_end_the_crawl_in_one_line(
    run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both faces say why, and leave no thread behind."""
    monkeypatch.setitem(LANES, "process", NoLane)
    before = set(threading.enumerate())

    async def main() -> None:
        async with AsyncParsing(config(parse="process")):
            pass

    with pytest.raises(EnvironmentFailure, match="no worker starts: OSError: no semaphores"):
        run(main())
    with (
        pytest.raises(EnvironmentFailure, match="no worker starts: OSError: no semaphores"),
        ThreadedParsing(config(parse="process")),
    ):
        pass
    assert not [t for t in threading.enumerate() if t not in before and t.name == "crawler-pool"]


@pytest.mark.slow
def test_auto_goes_on_inline_when_no_pool_starts(
    run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under auto every page is parsed, and it is said that there are no workers."""
    for kind in ("process", "thread"):
        monkeypatch.setitem(LANES, kind, NoLane)
    lines: list[str] = []
    body = b"<a href=/x>x</a>" * 20_000
    told = threading.Event()

    def announce(line: str) -> None:
        lines.append(line)
        told.set()

    async def one(parsing: AsyncParsing) -> Parsed:
        return parsing.parse_nowait(response(body)) or await parsing.parse(response(body))

    async def main() -> list[Parsed]:
        async with AsyncParsing(config(parse_timeout=10.0), announce=announce) as parsing:
            parsed = [await one(parsing) for _ in range(30)]
            await asyncio.to_thread(told.wait, PATIENCE)
            return [*parsed, await one(parsing)]

    assert all(isinstance(parsed, Document) for parsed in run(main()))
    with ThreadedParsing(config(parse_timeout=10.0), announce=announce) as parsing:
        for _ in range(31):
            assert isinstance(parsing.parse(response(body)), Document)
    assert "workers do not start: no semaphores" in lines[0]


def test_leaving_early_leaves_nobody_waiting(run: Runner) -> None:
    """Who waits for a page of a batch that never left is cancelled, not left hanging."""

    async def main() -> asyncio.Task[Parsed]:
        slow = config(parse="thread", parse_linger=1.0)
        async with AsyncParsing(slow) as parsing:
            waiting = asyncio.create_task(parsing.parse(response(b"x")))
            await asyncio.sleep(0)
        await asyncio.wait([waiting])
        return waiting

    assert run(main()).cancelled()


def test_a_cancelled_end_still_ends_the_workers(run: Runner) -> None:
    """Cancelling a crawl while it closes, with a worker that hangs, leaves no pool half closed."""
    pools: list[Pool] = []

    async def crawl(hung: asyncio.Event) -> None:
        stubborn = config(parse="process", parser=HOSTILE, parse_timeout=60.0, parse_linger=0.0)
        async with AsyncParsing(stubborn) as parsing:
            assert parsing._pool is not None
            pools.append(parsing._pool)
            page = asyncio.create_task(parsing.parse(response(b"stubborn")))
            hung.set()
            await asyncio.wait([page])

    before = set(threading.enumerate())

    async def main() -> None:
        hung = asyncio.Event()
        task = asyncio.create_task(crawl(hung))
        await hung.wait()
        await asyncio.sleep(0)
        for _ in range(3):  # first out of the crawl, then out of its end
            task.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())
    (pool,) = pools
    assert pool.statistics().lanes == 0
    left = set(threading.enumerate()) - before
    assert not [t for t in left if t.name == "crawler-pool"]


def test_large_pages_leave_in_small_batches(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch is bounded by its bytes as well as by its pages."""
    sizes: list[int] = []
    submit = Pool.submit

    def noting(pool: Pool, pages: list[Packed]) -> Future[list[Parsed]]:
        sizes.append(len(pages))
        return submit(pool, pages)

    monkeypatch.setattr(Pool, "submit", noting)

    async def main() -> None:
        options = config(parse="thread", parse_timeout=10.0, parse_batch=8, parse_linger=1.0)
        async with AsyncParsing(options) as parsing:
            body = b"x" * 600_000
            await asyncio.gather(*(parsing.parse(response(body)) for _ in range(6)))

    run(main())
    assert sizes == [2, 2, 2]
