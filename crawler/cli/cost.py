"""CPU seconds and peak memory of a crawl, of this process and its workers."""

from __future__ import annotations

import os
import resource
import sys
from typing import Self

from crawler.measure.processes import peak_rss
from crawler.model.value import value


@value(frozen=True, slots=True, kw_only=True)
class Cost:
    """CPU seconds and peak resident bytes.

    `children` are processes that ended and were waited for; their peak is the largest one's.
    `parsers` is the CPU time of parser processes, which a fork server waits for. `peak_rss` is this
    process's, with those of partitions, each at its own time.
    """

    user: float
    system: float
    children_user: float
    children_system: float
    peak_rss: int
    peak_rss_children: int
    parsers: float = 0.0

    @classmethod
    def measure(cls, parsers: float = 0.0, partitions: int = 0) -> Self:
        """Measure everything so far, with the CPU time of parsers and the peak of partitions."""
        own = resource.getrusage(resource.RUSAGE_SELF)
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return cls(
            user=own.ru_utime,
            system=own.ru_stime,
            children_user=children.ru_utime,
            children_system=children.ru_stime,
            # Linux's own figure first: `ru_maxrss` survives exec, so it may be the parent's.
            peak_rss=partitions + (peak_rss([os.getpid()]) or _in_bytes(own.ru_maxrss)),
            peak_rss_children=_in_bytes(children.ru_maxrss),
            parsers=parsers,
        )

    @property
    def cpu(self) -> float:
        """All CPU seconds."""
        return self.user + self.system + self.workers

    @property
    def workers(self) -> float:
        """The CPU seconds of all other processes."""
        return self.children_user + self.children_system + self.parsers


def _in_bytes(maxrss: int) -> int:
    """Convert `ru_maxrss`, which counts kilobytes except on macOS (getrusage(2))."""
    return maxrss if sys.platform == "darwin" else maxrss * 1024
