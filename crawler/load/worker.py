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
from typing import Any

import orjson
from msgspec.structs import replace

from crawler.load.endpoint import Endpoint
from crawler.load.guard import Target
from crawler.load.hit import Measured
from crawler.load.load_config import LoadConfig
from crawler.load.loop import Share
from crawler.load.part import opened
from crawler.load.planner import plan_of
from crawler.measure.json_document import text
from crawler.model.errors import CrawlerError
from crawler.runtime.event_loop import collect_rarely, new_event_loop

# The first line holds the list of URLs.
_LONGEST_LINE = 1 << 30
# Of the seconds so far, the last are sent for a live view; all are in the result.
_RECENT = 60


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
        _say({"error": str(error), "code": int(error.exit_code)})


async def _carry_out(orders: asyncio.StreamReader) -> None:
    first = orjson.loads(await orders.readline())
    config = LoadConfig.of({**first["config"], "header": tuple(first["config"]["header"])})
    given = [each if isinstance(each, str) else Endpoint.of(each) for each in first["targets"]]
    plan = plan_of(config, given)
    targets = [
        Target.at(origin, address)
        for origin, address in zip(plan.origins, first["addresses"], strict=True)
    ]
    share = Share(number=first["number"], processes=config.processes)
    halt = asyncio.Event()
    async with opened(config, plan, targets, share, halt) as part:
        _say({"ready": True})
        line = await orders.readline()
        if not line:
            return
        ending = asyncio.create_task(_halted(orders, halt))
        try:
            measured, probes = await part.run(orjson.loads(line)["start"], halt, _tell)
        finally:
            ending.cancel()
            await asyncio.gather(ending, return_exceptions=True)
        _say({"measured": measured, "probes": probes})


async def _halted(orders: asyncio.StreamReader, halt: asyncio.Event) -> None:
    """End the run at any line, and at the end of all of them."""
    await orders.readline()
    halt.set()


def _tell(measured: Measured) -> None:
    _say({"measured": replace(measured, rows=measured.rows[-_RECENT:])})


def _say(message: dict[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError):  # the parent is gone, and its end of input is next
        sys.stdout.buffer.write(text(message) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
