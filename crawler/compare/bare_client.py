"""One HTTP client, twice: over a blocking socket and over an asyncio stream, without a library.

Between aiohttp in a loop and urllib3 in threads there are two differences, of which a comparison
wants one. Here both sides run the same code, `exchange`, which says what to read next and is told
it; only who waits differs. It knows what the mock web answers with: a status line, fields, and a
body of a told length, on a connection that is kept.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Generator, Sequence
from threading import Barrier, BrokenBarrierError, Thread
from time import perf_counter
from typing import BinaryIO, NamedTuple
from urllib.parse import urlsplit

from crawler.compare.design import Watch

LINE = -1
"""To be read: a line; any other number is so many bytes."""

Bodies = list[bytes | None]


class Fetched(NamedTuple):
    """Bodies in the order of the URLs, None for what failed; seconds until all slots were warm."""

    bodies: Bodies
    start_up: float


def exchange() -> Generator[int, bytes, bytes | None]:
    """Read an answer: yields what to read, is sent it, and returns the body of a 200."""
    status = (yield LINE).split(maxsplit=2)
    length = 0
    while (line := (yield LINE)).strip():
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    body = yield length
    return body if status[1:2] == [b"200"] and len(body) == length else None


def request(url: str) -> bytes:
    """Return the bytes of a request for a URL."""
    parts = urlsplit(url)
    return f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()


def by_threads(urls: Sequence[str], in_flight: int, watch: Watch) -> Fetched:
    """Fetch with a thread and a connection for each slot; the first URL of each warms it up."""
    bodies: Bodies = [None] * len(urls)
    errors: list[BaseException] = []
    ready, go, done = (Barrier(in_flight + 1) for _ in range(3))

    def slot(number: int) -> None:
        try:
            with (
                socket.create_connection(_address(urls[number])) as connection,
                connection.makefile("rb") as file,
            ):
                _blocking(connection, file, urls[number])
                ready.wait()
                go.wait()
                for index in range(number, len(urls), in_flight):
                    bodies[index] = _blocking(connection, file, urls[index])
                done.wait()
        except BrokenBarrierError:
            pass  # another one failed, and has told
        except BaseException as error:  # handed to the caller's thread, below
            errors.append(error)
            for barrier in (ready, go, done):
                barrier.abort()

    began = perf_counter()
    threads = [Thread(target=slot, args=(number,)) for number in range(in_flight)]
    for thread in threads:
        thread.start()
    try:
        ready.wait()
        start_up = perf_counter() - began
        with watch:
            go.wait()
            done.wait()
    except BrokenBarrierError:
        raise errors[0] from None
    finally:
        for thread in threads:
            thread.join()
    return Fetched(bodies, start_up)


async def by_loop(urls: Sequence[str], in_flight: int, watch: Watch) -> Fetched:
    """Fetch with a task and a connection for each slot; the first URL of each warms it up."""
    bodies: Bodies = [None] * len(urls)

    async def opened(number: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(*_address(urls[number]))
        await _waiting(reader, writer, urls[number])
        return reader, writer

    async def slot(number: int) -> None:
        reader, writer = connections[number]
        for index in range(number, len(urls), in_flight):
            bodies[index] = await _waiting(reader, writer, urls[index])

    began = perf_counter()
    connections = await asyncio.gather(*map(opened, range(in_flight)))
    start_up = perf_counter() - began
    with watch:
        await asyncio.gather(*map(slot, range(in_flight)))
    for _, writer in connections:
        writer.close()
    return Fetched(bodies, start_up)


def _blocking(connection: socket.socket, file: BinaryIO, url: str) -> bytes | None:
    connection.sendall(request(url))
    steps = exchange()
    wanted = next(steps)
    try:
        while True:
            wanted = steps.send(file.readline() if wanted == LINE else file.read(wanted))
    except StopIteration as end:
        body: bytes | None = end.value
        return body


async def _waiting(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, url: str
) -> bytes | None:
    writer.write(request(url))
    steps = exchange()
    wanted = next(steps)
    while True:
        read = reader.readline() if wanted == LINE else reader.readexactly(wanted)
        told = await read
        try:
            wanted = steps.send(told)
        except StopIteration as end:  # a coroutine may not let it out
            body: bytes | None = end.value
            return body


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 80
