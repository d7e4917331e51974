"""The work of `race`: several at one counter, without and with a cure, each with its cost.

Each variant says how many updates were made and how many of them the counter does not have. What
is to be shown by chance runs with a switch interval of a microsecond; what is certain is repeated.
"""

from __future__ import annotations

import dis
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from queue import SimpleQueue
from threading import Barrier, Lock, Thread
from typing import Any

from crawler.compare.design import Done, Parameters, Watch
from crawler.measure.gil import switch_interval

SHORT = 1e-6
"""Seconds: threads change as often as the machine can, so that a gap is hit."""
_PATIENCE = 30.0  # seconds at a barrier: a partner that is not there by then has failed
_TRIED = 10_000  # increments of each thread with the short interval, before a cure's cost is taken


class Counter:
    """Several add to `value`, and nothing protects it."""

    def __init__(self) -> None:
        self.value = 0


def plain(counter: Counter, times: int) -> None:
    """Read, add and write, with nothing between."""
    for _ in range(times):
        counter.value += 1


Cure = tuple[Callable[[int, int], None], Callable[[], int]]
"""A counter that several threads may add to.

The first adds 1 so many times as thread `index`; the second returns the total when all have added,
once.
"""


def unlocked(_threads: int) -> Cure:
    """Return no cure, for its cost: it adds as `plain` does, and may lose updates."""
    counter = Counter()
    return lambda _index, times: plain(counter, times), lambda: counter.value


def _locked(_threads: int) -> Cure:
    counter, lock = Counter(), Lock()

    def add(_index: int, times: int) -> None:
        for _ in range(times):
            with lock:
                counter.value += 1

    return add, lambda: counter.value


def _owned(_threads: int) -> Cure:
    """Let one thread own the counter; the others send it a message for each update."""
    counter, queue = Counter(), SimpleQueue[int]()

    def own() -> None:
        while more := queue.get():
            counter.value += more

    def add(_index: int, times: int) -> None:
        put = queue.put
        for _ in range(times):
            put(1)

    def total() -> int:
        queue.put(0)
        owner.join()  # it has read all messages
        return counter.value

    owner = Thread(target=own)
    owner.start()
    return add, total


def _summed(threads: int) -> Cure:
    """Give each thread a counter that nobody else writes; their sum is the total."""
    counters = [Counter() for _ in range(threads)]
    return (
        lambda index, times: plain(counters[index], times),
        lambda: sum(counter.value for counter in counters),
    )


def _collected(_threads: int) -> Cure:
    """Count as an engine does that has to retry a fetch: a method that takes a lock."""
    from crawler.core.collector import StatisticsCollector

    statistics = StatisticsCollector()

    def add(_index: int, times: int) -> None:
        add_retry = statistics.add_retry
        for _ in range(times):
            add_retry()

    return add, lambda: statistics.snapshot(0.0).retries


CURES: dict[str, Callable[[int], Cure]] = {
    "no lock": unlocked,
    "a Lock": _locked,
    "a queue and an owner": _owned,
    "a sum per thread": _summed,
    "the crawler's collector": _collected,
}


def calling(counter: Counter, times: int) -> None:
    """Call something between read and write: there another thread may come in."""
    for _ in range(times):
        seen = counter.value
        counter.value = _next(seen)


def _next(number: int) -> int:
    return number + 1


LOOPS: dict[str, Callable[[Counter, int], None]] = {"plain": plain, "call": calling}


def work(parameters: Parameters, watch: Watch) -> Done:
    """Run one variant, or one cure."""
    kind = parameters["kind"]
    if kind == "cure":
        return _cured(parameters, watch)
    if kind in LOOPS:
        return _raced(LOOPS[kind], parameters, watch)
    return _certain(kind, parameters["times"], watch)


def _raced(loop: Callable[[Counter, int], None], parameters: Parameters, watch: Watch) -> Done:
    threads, times = parameters["threads"], parameters["times"]
    counter = Counter()
    with switch_interval(parameters["interval"]), watch:
        together(lambda _index: loop(counter, times), threads)
    figures = {"made": threads * times, "lost": threads * times - counter.value}
    return Done(figures=figures, notes={"bytecode": dis.Bytecode(loop).dis()})


def together(run: Callable[[int], None], threads: int) -> None:
    """Call `run(0)` to `run(threads - 1)`, which all start when all are there."""
    start = Barrier(threads)

    def started(index: int) -> None:
        start.wait(_PATIENCE)
        run(index)

    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(started, range(threads)):
            pass


def _certain(kind: str, times: int, watch: Watch) -> Done:
    """Run variants of two updates as often as asked; note the least and most lost of each two."""
    match kind:
        case "barrier":
            found = _met(times, watch)
        case "await":
            found = _awaited(times, watch)
        case "process barrier":
            found = _shared(times, meet_shared, times, watch)
        case _:
            found = _shared(1, add_shared, times, watch)
    due = 2 * times // len(found)
    lost = [due - value for value in found]
    figures = {"made": 2 * times, "lost": sum(lost), "least": min(lost), "most": max(lost)}
    return Done(figures=figures)


def _met(times: int, watch: Watch) -> list[int]:
    """Update in two threads: both read, then they meet, then both write."""
    counters = [Counter() for _ in range(times)]
    barrier = Barrier(2)

    def run(_index: int) -> None:
        for counter in counters:
            seen = counter.value
            barrier.wait(_PATIENCE)
            counter.value = seen + 1

    with watch:
        together(run, 2)
    return [counter.value for counter in counters]


def _awaited(times: int, watch: Watch) -> list[int]:
    """Update in two tasks of one thread: both read, then each lets the other run and writes."""
    import asyncio

    counters = [Counter() for _ in range(times)]

    async def run() -> None:
        for counter in counters:
            seen = counter.value
            await asyncio.sleep(0)
            counter.value = seen + 1

    async def both() -> None:
        await asyncio.gather(run(), run())

    with watch:
        asyncio.run(both())
    return [counter.value for counter in counters]


def _shared(
    places: int, target: Callable[[Any, Any, int], None], times: int, watch: Watch
) -> list[int]:
    """Update in two processes at shared memory that no lock protects."""
    context = get_context("forkserver")
    values = context.Array("q", places, lock=False)
    barrier = context.Barrier(2)
    both = [context.Process(target=target, args=(values, barrier, times)) for _ in range(2)]
    with watch:
        for each in both:
            each.start()
        for each in both:
            each.join()
    if any(each.exitcode for each in both):
        raise RuntimeError("a process of the race has failed")
    return list(values)


def meet_shared(values: Any, barrier: Any, times: int) -> None:
    """Read a place in both, let them meet, then write it in both."""
    for place in range(times):
        seen = values[place]
        barrier.wait(_PATIENCE)
        values[place] = seen + 1


def add_shared(values: Any, barrier: Any, times: int) -> None:
    """Start both together and add to one place."""
    barrier.wait(_PATIENCE)
    for _ in range(times):
        values[0] += 1


def _cured(parameters: Parameters, watch: Watch) -> Done:
    """Check that it is exact when threads change all the time, then measure its cost."""
    make, threads = CURES[parameters["cure"]], parameters["threads"]
    times = parameters["times"]
    with switch_interval(SHORT):
        tried = _added(make(threads), threads, _TRIED)
    cure = make(threads)
    with watch:
        total = _added(cure, threads, times)
    made = threads * (_TRIED + times)
    lost = made - tried - total
    figures = {"ns": watch.wall / (threads * times) * 1e9, "made": made, "lost": lost}
    cured = parameters["cure"] != "no lock"
    return Done(checksum=str(total), errors=abs(lost) if cured else 0, figures=figures)


def _added(cure: Cure, threads: int, times: int) -> int:
    add, total = cure
    together(lambda index: add(index, times), threads)
    return total()
