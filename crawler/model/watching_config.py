"""The options of whoever watches a crawl: its log, its metrics, its page, its notices."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Self

from crawler.model.choices import LogFormat, LogLevel
from crawler.model.event import Level
from crawler.model.option import Options, option
from crawler.model.units import BYTES, SHARE

_option = partial(option, "Watching")
_LAST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class ListenPort:
    """A port to listen on: None if there is none, 0 for any that is free."""

    number: int | None = None

    @classmethod
    def read(cls, value: object) -> Self:
        """Read a number, or "" for none; raises ValueError for anything else."""
        if isinstance(value, cls):
            return value
        text = "" if isinstance(value, bool) else str(value)
        if value == "":
            return cls()
        if not (text.isdecimal() and int(text) <= _LAST_PORT):
            raise ValueError(f"{value!r} is not a port; expected 0 to {_LAST_PORT}")
        return cls(int(text))

    def __str__(self) -> str:
        return "" if self.number is None else str(self.number)


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

    metrics: ListenPort = _option(
        ListenPort(),
        "Serve Prometheus metrics at 127.0.0.1:PORT (0: a free one).",
        metavar="PORT",
        common=True,
    )

    live: ListenPort = _option(
        ListenPort(),
        "Show the crawl in a browser, at 127.0.0.1:PORT (0: a free one).",
        metavar="PORT",
        common=True,
    )
    live_address: str = _option(
        "127.0.0.1", "Address of --live; one that others reach needs --live-public, too."
    )
    live_public: bool = _option(False, "Let --live-address be reached from other machines.")

    notify: str = _option(
        "",
        "Command for sh, run at the end, when everything pauses, and on many failures.",
        metavar="COMMAND",
        shown=False,  # it may hold the address of a web hook
    )
    notify_above: float = _option(
        0.5, "Share of failures above which --notify is run, once.", least=0, most=1, unit=SHARE
    )

    def __post_init__(self) -> None:
        self.settle()

    @property
    def level(self) -> Level:
        """The least level that anybody wants to know of."""
        wanted = [Level.DEBUG] if self.live.number is not None else []
        if self.notify:
            wanted.append(Level.INFO)
        if self.log:
            wanted.append(Level[self.log_level.upper()])
        return min(wanted, default=Level.OFF)
