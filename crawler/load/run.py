"""A load run: in this process, or shared out to several that start at the same moment.

    run_load --config, share, addresses--> worker 0 .. n-1 (`crawler.load.worker`)
    worker --ready--> run_load --start--> all --second, ..., result--> run_load: merged exactly

Workers are programs of their own; lines of JSON go both ways over their standard streams. The end
of its input ends a worker, so none outlives this process. Ctrl-C and SIGTERM end a run early, with
what it has measured until then.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Iterator, Sequence
from functools import reduce
from time import perf_counter

from crawler.load.crew import Crew
from crawler.load.hit import Measured
from crawler.load.loop import Share
from crawler.load.options import LoadConfig
from crawler.load.pace import Pace
from crawler.load.part import OnSecond, opened, targets_of
from crawler.load.request import Plan
from crawler.load.validity import Probes
from crawler.model.option import OptionError


async def run_load(
    config: LoadConfig,
    urls: Sequence[str],
    *,
    on_second: OnSecond | None = None,
    halt: asyncio.Event | None = None,
) -> tuple[Measured, Probes]:
    """Load the URLs as the options say, and return what was measured.

    on_second: called with what was measured so far, about once a second. halt: ends the run early
    when it is set, and is set by SIGINT and SIGTERM (if this is the main thread); so set afterwards
    means that the result is partial.

    Raises `ConfigurationError` for a URL or an option that cannot be, and for a target that is not
    this machine without `target_is_mine`; `EnvironmentFailure` for a target that cannot be reached
    at the start, and for a process that has died.
    """
    halt = halt or asyncio.Event()
    plan = Plan.of(config, urls)
    _check(config, plan)
    with _halted_by_signals(halt):
        targets = await targets_of(config, plan)
        if config.processes == 1:
            async with opened(config, plan, targets, Share()) as part:
                return await part.run(perf_counter() + config.warmup, halt, on_second)
        async with Crew.started(config, urls, [each.address for each in targets]) as crew:
            parts = await crew.run(halt, on_second)
    measured = reduce(Measured.merge, (each for each, _ in parts))
    return measured, reduce(Probes.merge, (each for _, each in parts))


def _check(config: LoadConfig, plan: Plan) -> None:
    """That the schedule can be, and that every process has connections for all servers."""
    if config.open_loop:
        Pace.read(config)
    shares = [Share(number=n, processes=config.processes) for n in range(config.processes)]
    least = min(share.of(config.connections) for share in shares)
    if not least:
        raise OptionError("processes", f"{len(shares)}, but only {config.connections} connections")
    plan.shared_out(least)


@contextlib.contextmanager
def _halted_by_signals(halt: asyncio.Event) -> Iterator[None]:
    """Set `halt` on SIGINT and SIGTERM, where signals can be had."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        loop.add_signal_handler(number, halt.set)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
