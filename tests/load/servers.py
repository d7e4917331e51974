"""Servers of a few lines, each with one way to answer, and runs against them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from itertools import count
from typing import Any

from crawler.load.hit import Measured
from crawler.load.load_config import LoadConfig
from crawler.load.planner import Target
from crawler.load.run import run_load
from crawler.load.validity import Probes
from tests.patience import PATIENCE

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@contextlib.asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """The URL of a server that gives each connection to `handler`."""
    writers: list[asyncio.StreamWriter] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await handler(reader, writer)
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await server.wait_closed()


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """The head of one request."""
    return await reader.readuntil(b"\r\n\r\n")


def answering(*pieces: bytes, keep: bool = True) -> Handler:
    """Answer each request with the pieces, one packet each; then close unless `keep`."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            if not keep:
                return

    return handler


def counting(number: int) -> tuple[Handler, asyncio.Event]:
    """Answer each request; the event is set after so many of them."""
    answered, requests = asyncio.Event(), count(1)

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            writer.write(OK)
            if next(requests) == number:
                answered.set()

    return handler, answered


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read and never answer."""
    while await reader.read(65536):
        pass


async def load(url: str | Sequence[Target], **options: Any) -> tuple[Measured, Probes]:
    """A run of a few hits."""
    config = LoadConfig(**{"connections": 1, "requests": 5, "duration": PATIENCE, **options})
    return await run_load(config, [url] if isinstance(url, str) else url)
