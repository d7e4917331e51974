"""Division of a crawl's memory: the crawler itself, processes that parse, bodies in flight.

Half is for processes that parse, as a tree of a large page takes many times its size. Each of them
has room for the largest page that is read, so where half is too little for all of them there are
fewer, and where it is too little for one it has what the rest does not need. Of what remains the
crawler's own part is taken off, and a third of the rest is for bodies: each is held twice, and
more, when it is put together and when it is handed over.
"""

from __future__ import annotations

from typing import NamedTuple

LEAST = 200_000_000
"""Bytes: the crawler, one process that parses, and some bodies."""

OWN = 100_000_000
"""Bytes of the crawler itself: modules, connections, URLs that wait, records that are written."""

WORKER = 256_000_000
"""Bytes that a process which parses should have at least; one that does nothing has 50 MB."""

COPIES = 3
"""Bytes that one of a body may take at the worst, for a moment."""

_LEAST_WORKER = 96_000_000


class Shares(NamedTuple):
    """Bytes for all bodies, number of parser processes, and the bytes of each, 0 for any."""

    bodies: int
    workers: int
    worker: int


def shares(memory: int, *, workers: int, worker: int, largest: int) -> Shares:
    """Divide `memory` bytes; `workers` processes are wanted, of at most `worker` bytes (0: any).

    `largest` is what the largest page takes of a process. Without processes all but the crawler's
    part is for bodies.
    """
    half, fewest = memory // 2, memory // 16
    needed = max(WORKER, largest)
    if worker:
        needed = min(needed, worker)
    count = min(workers, max(1, half // needed))
    if not count:
        return Shares((memory - OWN) // COPIES, 0, worker)
    spare = memory - OWN - COPIES * fewest
    each = max(half // count, min(needed, spare), _LEAST_WORKER)
    each = min(each, worker) if worker else 0
    rest = memory - OWN - count * each
    return Shares(max(rest // COPIES, fewest), count, each)
