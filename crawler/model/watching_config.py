"""The options of whoever watches a crawl: the log."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from crawler.model.choices import LogFormat, LogLevel
from crawler.model.event import Level
from crawler.model.option import Options, option
from crawler.model.units import BYTES

_option = partial(option, "Watching")


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchingConfig(Options):
    """Who is told of a crawl while it runs."""

    log: str = _option(
        "", "Append what happens to this file; - for stderr.", metavar="FILE|-", common=True
    )
    log_format: LogFormat = _option("text", "Lines of words, or of JSON.")
    log_level: LogLevel = _option("info", "Least level of what is logged.")
    log_size: int = _option(
        10_000_000,
        "Bytes after which the log is rotated; five old ones are kept (0: never).",
        least=0,
        most=2**50,
        unit=BYTES,
    )

    def __post_init__(self) -> None:
        self.settle()

    @property
    def level(self) -> Level:
        """The least level that anybody wants to know of."""
        return Level[self.log_level.upper()] if self.log else Level.OFF
