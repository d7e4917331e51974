"""Rare garbage collection, for a process of the package's own."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# What a request leaves behind is freed by its reference count alone, so little is lost by looking
# rarely. With 10,000 answers held back, each full collection stops the loop for 0.1 s; and what an
# import makes stays, so that looking through it is a tenth of the start of a crawl.
_COLLECT_AFTER = (20_000, 20, 100)


@contextmanager
def collecting_rarely() -> Iterator[None]:
    """Collect garbage rarely while the block runs."""
    former = gc.get_threshold()
    gc.set_threshold(*_COLLECT_AFTER)
    try:
        yield
    finally:
        gc.set_threshold(*former)


def collect_rarely() -> None:
    """Keep the garbage collector from stopping the loop; for a separate process alone."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)
