"""A load run: in this process, or shared out to several that start at the same moment.

    run_load --config, share, addresses--> worker 0 .. n-1 (`crawler.load.worker`)
    worker --ready--> run_load --start--> all --second, ..., result--> run_load: merged exactly

Workers are companions (`crawler.runtime.companion`), so that none outlives this process.

The first Ctrl-C, SIGTERM or SIGHUP ends a run gently. It sets `halt`: a run that makes hits stops
and tells what it has measured, one that is still looking up names or connecting has measured
nothing. The second raises `KeyboardInterrupt` out of the event loop, in case what the first one
asked for does not come. Should the loop itself be stuck, as in a write to a terminal that was
stopped, the process exits half a second later.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from functools import reduce
from time import perf_counter

from crawler.load.crew import Crew
from crawler.load.hit import Measured, Recorder
from crawler.load.load_config import LoadConfig
from crawler.load.loop import Job, Share
from crawler.load.pace import Pace
from crawler.load.part import Halted, OnSecond, opened, targets_of, unless
from crawler.load.plan import Plan
from crawler.load.planner import Target, plan_of
from crawler.load.threshold import Threshold
from crawler.load.validity import Probes
from crawler.load.worker import WorkerOrder
from crawler.model.option import OptionError
from crawler.runtime import signals


async def run_load(
    config: LoadConfig,
    targets: Sequence[Target],
    *,
    begun: int = 0,
    claims: Sequence[Threshold] = (),
    on_second: OnSecond | None = None,
    halt: asyncio.Event | None = None,
) -> tuple[Measured, Probes]:
    """Load the targets as the options say, and return what was measured; a text is a URL.

    begun: hits of earlier runs, whose numbers and rows of data templates do not use again. claims:
    the thresholds, each of which may name a target.
    on_second: called with what was measured so far, about once a second. halt: ends the run early
    when it is set, and is set by SIGINT and SIGTERM (if this is the main thread); so set afterwards
    means that the result is partial. A second signal raises `KeyboardInterrupt`.

    Raises `ConfigurationError` for a URL, an option or a claim that cannot be, and for a target
    that is not this machine without `target_is_mine`; `EnvironmentFailure` for a target that cannot
    be reached at the start, and for a process that has died.
    """
    halt = halt or asyncio.Event()
    plan = plan_of(config, targets, begun)
    _check(config, plan)
    names = [aim.name for aim in plan.aims]
    for claim in claims:
        claim.check_target(names)
    with halted_by_signals(halt):
        try:
            parts = await _parts(config, plan, targets, halt, on_second)
        except Halted:
            now = perf_counter()
            return Recorder(now).freeze(now), Probes()
    return together(parts)


def together(parts: Sequence[tuple[Measured, Probes]]) -> tuple[Measured, Probes]:
    """Return what processes have measured side by side; one may have ended before the others."""
    measured = reduce(Measured.merge, (each for each, _ in parts))
    probes = [probes.over(each.elapsed, measured.elapsed) for each, probes in parts]
    return measured, reduce(Probes.merge, probes)


async def _parts(
    config: LoadConfig,
    plan: Plan,
    targets: Sequence[Target],
    halt: asyncio.Event,
    on_second: OnSecond | None,
) -> Sequence[tuple[Measured, Probes]]:
    """Return the measurements of each process; raise `Halted` if ended before the first hit."""
    places = await unless(halt, targets_of(config, plan))
    if config.processes == 1:
        job = Job(config=config, plan=plan, targets=places, share=Share())
        async with opened(job, halt) as part:
            return [await part.run(perf_counter() + config.warmup, halt, on_second)]
    addresses = tuple(each.address for each in places)
    order = WorkerOrder(
        config=config, targets=tuple(targets), addresses=addresses, begun=plan.begun
    )
    async with Crew.started(order, halt) as crew:
        return await crew.run(halt, on_second)


def _check(config: LoadConfig, plan: Plan) -> None:
    """Check the schedule, and that every process has connections for all servers."""
    if config.open_loop:
        Pace.read(config)
    shares = [Share(number=n, processes=config.processes) for n in range(config.processes)]
    least = min(share.of(config.connections) for share in shares)
    if not least:
        raise OptionError("processes", f"{len(shares)}, but only {config.connections} connections")
    plan.shared_out(least)


@contextlib.contextmanager
def halted_by_signals(halt: asyncio.Event) -> Iterator[None]:
    """Set `halt` on the first signal that ends a command; raise `KeyboardInterrupt` on the second.

    Only the main thread can have signals; elsewhere nothing is done.
    """
    loop = asyncio.get_running_loop()
    heard: list[bool] = []

    def act() -> None:
        if halt.is_set():
            raise KeyboardInterrupt
        halt.set()

    def answer() -> None:  # between any two lines of any code: the loop is to act
        if heard:
            signals.hurry()
        heard.append(True)
        loop.call_soon_threadsafe(act)

    with signals.answering(answer):
        yield
