"""The command line of a crawl, spelled in one place for `make real` and `make bench`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

DRIVERS = {
    "async": ("--engine", "async"),
    "raw": ("--engine", "async", "--client", "raw"),
    "threaded": ("--engine", "threaded"),
}
"""The options of each engine, and of the asynchronous one's other client."""


class CrawlFailed(Exception):
    """A crawl that did not end well; the message is one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlCommand:
    """One `crawler crawl` of a list; without `manners`, as the server is ours and on loopback.

    `options` are further options, already split into words.
    """

    urls: Path
    output: Path
    engine: str = "async"
    parse: str = "auto"
    width: int = 64  # in flight in all, and to the one host there is
    stats: Path | None = None
    manners: bool = False
    options: Sequence[str] = field(default=())

    def words(self) -> list[str]:
        """The command as `subprocess` wants it, run by this very Python."""
        width = str(self.width)
        stats = ["--stats", str(self.stats)] if self.stats is not None else []
        return [
            *(sys.executable, "-m", "crawler", "crawl"),
            *("-i", str(self.urls), "-o", str(self.output), "--overwrite"),
            *(*DRIVERS[self.engine], "--parse", self.parse),
            *("--concurrency", width, "--per-host", width, "--delay", "0"),
            *(_polite(width) if self.manners else _RUDE),
            *("--quiet", *stats, *self.options),
        ]

    def run(self, seconds: float) -> None:
        """Run it to its end; raises `CrawlFailed` with its last words, or why there are none."""
        try:
            subprocess.run(
                self.words(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=True,
                timeout=seconds,
            )
        except subprocess.CalledProcessError as error:
            last = error.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise CrawlFailed(
                f"exit code {error.returncode}: {''.join(last) or 'no message'}"
            ) from error
        except (OSError, subprocess.SubprocessError) as error:
            raise CrawlFailed(str(error)) from error


_RUDE = (
    *("--robots", "ignore", "--per-ip", "0", "--breaker", "0", "--no-adapt", "--allow-private"),
)


def _polite(width: str) -> tuple[str, ...]:
    """All manners, but for a server on loopback that bears so many requests at once."""
    return ("--per-ip", width, "--ip-delay", "0", "--allow-network", "127.0.0.0/8")
