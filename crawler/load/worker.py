"""A process of a load run: `python -m crawler.load.worker`, started by `crawler.load.crew`.

Its input: a line with the options, targets, addresses and its number; a line with the time to
start; perhaps a line that ends it early. The end of its input does the same. Its output: a line
when its connections are open, one for each second, one with the result; or one with an error.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys

from msgspec.structs import replace

from crawler.load.endpoint import Endpoint
from crawler.load.guard import Target
from crawler.load.hit import Measured
from crawler.load.load_config import LoadConfig
from crawler.load.loop import Job, Share
from crawler.load.part import opened
from crawler.load.planner import plan_of
from crawler.load.validity import Probes
from crawler.measure.json_document import Record, parsed, text
from crawler.model.errors import CrawlerError
from crawler.runtime.event_loop import collect_rarely, new_event_loop

# The first line holds the list of URLs.
_LONGEST_LINE = 1 << 30
# Of the seconds so far, the last are sent for a live view; all are in the result.
_RECENT = 60


class WorkerOrder(Record, frozen=True, kw_only=True):
    """The first line of a worker's input; addresses: one for each origin of the plan."""

    config: LoadConfig
    targets: tuple[str | Endpoint, ...]
    addresses: tuple[str, ...]
    number: int = 0
    begun: int = 0


class WorkerReport(Record, frozen=True, kw_only=True):
    """A line of a worker's output: of nothing when it is ready, with `probes` the result."""

    measured: Measured | None = None
    probes: Probes | None = None
    error: str = ""
    code: int = 0


def main() -> None:
    """Carry out what standard input says."""
    for number in (signal.SIGINT, signal.SIGHUP):  # the terminal's; the parent says when to end
        signal.signal(number, signal.SIG_IGN)
    collect_rarely()
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(_work())


async def _work() -> None:
    orders = asyncio.StreamReader(limit=_LONGEST_LINE)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    try:
        await _carry_out(orders)
    except CrawlerError as error:
        _say(WorkerReport(error=str(error), code=int(error.exit_code)))


async def _carry_out(orders: asyncio.StreamReader) -> None:
    order = parsed(await orders.readline(), WorkerOrder)
    config, plan = order.config, plan_of(order.config, order.targets, order.begun)
    targets = list(map(Target.at, plan.origins, order.addresses))
    share = Share(number=order.number, processes=config.processes)
    job, halt = Job(config=config, plan=plan, targets=targets, share=share), asyncio.Event()
    async with opened(job, halt) as part:
        _say(WorkerReport())
        line = await orders.readline()
        if not line:
            return
        ending = asyncio.create_task(_halted(orders, halt))
        try:
            measured, probes = await part.run(parsed(line, float), halt, _tell)
        finally:
            ending.cancel()
            await asyncio.gather(ending, return_exceptions=True)
        _say(WorkerReport(measured=measured, probes=probes))


async def _halted(orders: asyncio.StreamReader, halt: asyncio.Event) -> None:
    """End the run at any line, and at the end of all of them."""
    await orders.readline()
    halt.set()


def _tell(measured: Measured) -> None:
    _say(WorkerReport(measured=replace(measured, rows=measured.rows[-_RECENT:])))


def _say(report: WorkerReport) -> None:
    with contextlib.suppress(BrokenPipeError):  # the parent is gone, and its end of input is next
        sys.stdout.buffer.write(text(report) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
