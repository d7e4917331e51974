"""One of several processes of a mock web, a companion of `crawler.mock.server.supervisor`.

It leaves when it is told to, and when its parent was killed; then it also removes the web's
directory.
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
from typing import Any

from crawler.mock.graph.site import answer
from crawler.mock.judge.event_log import Shared
from crawler.mock.scenario import MockWeb
from crawler.mock.server.certificates import Certificates, fault_addresses
from crawler.mock.server.listen import bound, places, raise_descriptor_limit
from crawler.mock.server.process import ORDERS, Serving, serving
from crawler.mock.server.running import control
from crawler.model.errors import CrawlerError, EnvironmentFailure
from crawler.runtime.collecting import collect_rarely
from crawler.runtime.companion import ProcessLine
from crawler.runtime.event_loop import new_event_loop


class _Worker:
    """Serves as the parent says."""

    def __init__(self) -> None:
        self._parent = ProcessLine.to_parent()
        self._numbers = itertools.count()
        self._relayed: dict[int, asyncio.Future[list[Any]]] = {}

    async def run(self) -> None:
        first = await self._parent.heard()
        if first is None:
            return
        options, shared = first[1]
        try:
            part, told = await self._serve(options, shared)
        except (OSError, EnvironmentFailure) as error:
            self._parent.tell(("error", error))
            return
        if told:
            self._parent.tell(("result", {name: part.execute(name) for name in ORDERS}))
        else:
            shutil.rmtree(shared.directory, ignore_errors=True)

    async def _serve(self, options: MockWeb, shared: Shared) -> tuple[Serving, bool]:
        assert shared.directory is not None  # noqa: S101 - several processes share one
        tls = Certificates.load(shared.directory) if options.tls else None
        sockets = bound(*places(options, fault_addresses(options)), shared=True)
        async with serving(options, answer, sockets, shared, tls=tls) as part:
            control(part, self._everyone, tls.ca_pem if tls else b"")
            self._parent.tell(("result", None))
            return part, await self._obey(part)

    async def _obey(self, part: Serving) -> bool:
        """Execute orders until one says stop; return False if the parent has gone."""
        while (message := await self._parent.heard()) is not None:
            match message:
                case "stop", _:
                    return True
                case "relayed", (number, results):
                    self._settle(self._relayed.pop(number), results)
                case order, argument:
                    try:
                        self._parent.tell(("result", part.execute(order, argument)))
                    except (OSError, CrawlerError) as error:
                        self._parent.tell(("error", EnvironmentFailure(str(error))))
        return False

    async def _everyone(self, order: str, argument: object) -> list[Any]:
        """Have every process, including this one, execute an order; return the results.

        Raises `EnvironmentFailure` if that fails.
        """
        number = next(self._numbers)
        made: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._relayed[number] = made
        self._parent.tell(("relay", number, order, argument))
        return await made

    def _settle(self, made: asyncio.Future[list[Any]], results: Any) -> None:
        if made.done():  # its client has gone
            return
        if isinstance(results, Exception):
            made.set_exception(results)
        else:
            made.set_result(results)


def main() -> None:
    """Serve as the parent says."""
    raise_descriptor_limit()
    collect_rarely()
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(_Worker().run())


if __name__ == "__main__":
    main()
