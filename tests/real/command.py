"""The command line of a crawl, spelled in one place for `make real` and `make bench`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlCommand:
    """One `crawler crawl` of a list, without manners: the server is ours and on loopback.

    `options` are further options, already split into words.
    """

    urls: Path
    output: Path
    engine: str = "async"
    parse: str = "auto"
    width: int = 64  # in flight in all, and to the one host there is
    stats: Path | None = None
    options: Sequence[str] = field(default=())

    def words(self) -> list[str]:
        """The command as `subprocess` wants it, run by this very Python."""
        width = str(self.width)
        stats = ["--stats", str(self.stats)] if self.stats is not None else []
        return [
            *(sys.executable, "-m", "crawler", "crawl"),
            *("-i", str(self.urls), "-o", str(self.output)),
            *("--engine", self.engine, "--parse", self.parse),
            *("--concurrency", width, "--per-host", width, "--delay", "0"),
            *("--quiet", *stats, *self.options),
        ]
