"""The other end of `scale`: takes connections, and wakes them up at moments that it writes down.

It is a companion (`crawler.runtime.companion`) that tells its port. Then it is told:

    "take", 100                accept so many, in place of those that it had; it says `taken`
    "wake", 500, 0.25, 7       500 wake-ups within 0.25 s, to connections drawn with the seed 7

A wake-up is the time at which it was sent, as `perf_counter` has it: one clock for all processes of
a machine.
"""

from __future__ import annotations

import resource
import socket
import struct
from itertools import islice
from random import Random
from time import perf_counter, sleep

from crawler.runtime.companion import ProcessLine

STAMP = struct.Struct("d")
"""A wake-up: seconds."""

BACKLOG = 4_096
RESET = struct.pack("ii", 1, 0)
"""For SO_LINGER: a closed connection leaves no port behind that waits a minute."""


def main() -> None:
    """Do what the parent tells."""
    parent = ProcessLine.to_parent()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with socket.create_server(("127.0.0.1", 0), backlog=BACKLOG) as server:
        parent.tell(server.getsockname()[1])
        connections: list[socket.socket] = []
        while (told := parent.hear()) is not None:
            match told:
                case "take", count:
                    connections = take(server, count)
                    parent.tell("taken")
                case "wake", count, seconds, seed:
                    wake(connections, count, seconds, seed)


def take(server: socket.socket, count: int) -> list[socket.socket]:
    """Accept so many connections."""
    found = []
    for _ in range(count):
        connection, _ = server.accept()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        found.append(connection)
    return found


def wake(connections: list[socket.socket], count: int, seconds: float, seed: int) -> None:
    """Send `count` stamps, one after the other, to all connections by turns in orders drawn."""
    random = Random(seed)  # noqa: S311  an order that comes again
    turns = range(0, count, len(connections))
    order = (each for _ in turns for each in random.sample(connections, len(connections)))
    for connection in islice(order, count):
        sleep(seconds / count)
        connection.send(STAMP.pack(perf_counter()))


if __name__ == "__main__":
    main()
