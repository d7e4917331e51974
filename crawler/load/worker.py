"""A process of a load run, a companion (`crawler.runtime.companion`) of `crawler.load.crew`.

It is told the options, targets, addresses and its number, then the time to start, and perhaps to
end early, as it also does when its parent has gone. It tells when its connections are open, then
what it has measured once a second, and the result with its probes; or an error.
"""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from crawler.load.endpoint import Endpoint
from crawler.load.guard import Target
from crawler.load.hit import Measured
from crawler.load.load_config import LoadConfig
from crawler.load.loop import Job, Share
from crawler.load.part import opened
from crawler.load.planner import plan_of
from crawler.measure.json_document import Record
from crawler.model.errors import ConfigurationError, CrawlerError, EnvironmentFailure, ExitCode
from crawler.runtime.collecting import collect_rarely
from crawler.runtime.companion import ProcessLine
from crawler.runtime.event_loop import new_event_loop

# Of the seconds so far, the last are sent for a live view; all are in the result.
_RECENT = 60


class WorkerOrder(Record, frozen=True, kw_only=True):
    """What a worker is told first; addresses: one for each origin of the plan."""

    config: LoadConfig
    targets: tuple[str | Endpoint, ...]
    addresses: tuple[str, ...]
    number: int = 0
    begun: int = 0


def main() -> None:
    """Carry out what the parent says."""
    collect_rarely()
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(_work(ProcessLine.to_parent()))


async def _work(parent: ProcessLine) -> None:
    if (order := await parent.heard()) is None:
        return
    try:
        await _carry_out(order, parent)
    except CrawlerError as error:
        usage = error.exit_code == ExitCode.USAGE
        parent.tell((ConfigurationError if usage else EnvironmentFailure)(str(error)))


async def _carry_out(order: WorkerOrder, parent: ProcessLine) -> None:
    config, plan = order.config, plan_of(order.config, order.targets, order.begun)
    targets = list(map(Target.at, plan.origins, order.addresses))
    share = Share(number=order.number, processes=config.processes)
    job, halt = Job(config=config, plan=plan, targets=targets, share=share), asyncio.Event()

    def tell(measured: Measured) -> None:
        parent.tell((replace(measured, rows=measured.rows[-_RECENT:]), None))

    async with opened(job, halt) as part:
        parent.tell("ready")
        if (start := await parent.heard()) is None:
            return
        ending = asyncio.create_task(_halted(parent, halt))
        try:
            result = await part.run(start, halt, tell)
        finally:
            ending.cancel()
            await asyncio.gather(ending, return_exceptions=True)
        parent.tell(result)


async def _halted(parent: ProcessLine, halt: asyncio.Event) -> None:
    """End the run at whatever the parent says next, and when it has gone."""
    await parent.heard()
    halt.set()


if __name__ == "__main__":
    main()
