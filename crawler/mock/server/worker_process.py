"""One of several processes of a mock web: `python -m crawler.mock.server.worker_process FD`.

Started by `crawler.mock.server.supervisor`, whose orders come over a socket pair. It leaves when it
is told to, and when the other end closes because the parent was killed; then it also removes the
web's directory.
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
import socket
import sys
from pathlib import Path
from typing import Any

import orjson

from crawler.mock.graph.site import answer
from crawler.mock.scenario import MockWeb
from crawler.mock.server.certificates import Certificates
from crawler.mock.server.handshakes import fault_addresses
from crawler.mock.server.listen import bound, places, raise_descriptor_limit
from crawler.mock.server.process import Serving, Shared, serving
from crawler.mock.server.running import control
from crawler.model.errors import CrawlerError, EnvironmentFailure
from crawler.runtime.event_loop import collect_rarely, new_event_loop

# Far more than any order has.
MAX_LINE_BYTES = 64 * 1024 * 1024

Message = dict[str, Any]


class _Parent:
    """The line to the parent."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._numbers = itertools.count()
        self._relayed: dict[int, asyncio.Future[list[Any]]] = {}

    async def order(self) -> Message | None:
        """Return the next order; None if the parent has gone."""
        while True:
            try:
                line = await self._reader.readline()
            except ConnectionResetError:
                line = b""
            if not line.endswith(b"\n"):
                return None
            message: Message = orjson.loads(line)
            if "relayed" not in message:
                return message
            self._settle(message)

    def say(self, message: Message) -> None:
        """Send a message; ignore a parent that has gone."""
        self._writer.write(orjson.dumps(message) + b"\n")

    async def relay(self, order: str, argument: object) -> list[Any]:
        """Have every process, including this one, execute an order; return the results.

        Raises `EnvironmentFailure` if that fails.
        """
        number = next(self._numbers)
        made: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._relayed[number] = made
        self.say({"relay": number, "order": order, "argument": argument})
        try:
            return await made
        finally:
            del self._relayed[number]

    def _settle(self, message: Message) -> None:
        made = self._relayed.get(message["relayed"])
        if made is None or made.done():  # its client has gone
            return
        if "error" in message:
            made.set_exception(EnvironmentFailure(message["error"]))
        else:
            made.set_result(message["results"])


async def _work(line: socket.socket) -> None:
    reader, writer = await asyncio.open_connection(sock=line, limit=MAX_LINE_BYTES)
    parent = _Parent(reader, writer)
    try:
        first = await parent.order()
        if first is not None:
            await _serve(parent, first)
        await writer.drain()
    except ConnectionError:
        return  # the parent has gone in the meantime
    finally:
        writer.close()


async def _serve(parent: _Parent, first: Message) -> None:
    start = first["argument"]
    options = MockWeb.of(start["options"])
    directory = Path(start["directory"])
    shared = Shared(start=start["start"], directory=directory, process=first["number"])
    try:
        tls = Certificates.load(directory) if options.tls else None
        sockets = bound(*places(options, fault_addresses(options)), shared=True)
        async with serving(options, answer, sockets, shared, tls=tls) as part:
            control(part, parent.relay, tls.ca_pem if tls else b"")
            parent.say({"id": first["id"], "result": None})
            last = await _obey(parent, part)
    except (OSError, EnvironmentFailure) as error:
        parent.say(_refusal(first, error))
        return
    if last is None:
        shutil.rmtree(directory, ignore_errors=True)
        return
    final = {name: part.execute(name, None) for name in ("statistics", "recent")}
    parent.say({"id": last["id"], "result": final})


async def _obey(parent: _Parent, part: Serving) -> Message | None:
    """Execute orders until one says stop; None if the parent has gone."""
    while (message := await parent.order()) is not None:
        if message["order"] == "stop":
            return message
        try:
            result = part.execute(message["order"], message["argument"])
        except (OSError, CrawlerError) as error:
            parent.say(_refusal(message, error))
        else:
            parent.say({"id": message["id"], "result": result})
    return None


def _refusal(message: Message, error: Exception) -> Message:
    text = getattr(error, "strerror", None) or str(error)
    return {"id": message["id"], "error": text, "errno": getattr(error, "errno", None)}


def main() -> None:
    """Serve as the parent says."""
    raise_descriptor_limit()
    collect_rarely()
    line = socket.socket(fileno=int(sys.argv[1]))
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(_work(line))


if __name__ == "__main__":
    main()
