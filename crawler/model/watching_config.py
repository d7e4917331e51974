"""The options of whoever watches a crawl: its log, metrics, page, traces and notices."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Self
from urllib.parse import urlsplit

from crawler.model.choices import LogFormat, LogLevel
from crawler.model.event import Level
from crawler.model.option import Options, option
from crawler.model.units import BYTES, SHARE
from crawler.model.url import masked

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


@dataclass(frozen=True, slots=True)
class CollectorUrl:
    """The URL that takes traces (OTLP over HTTP); "" if there is none."""

    href: str = ""

    @classmethod
    def read(cls, value: object) -> Self:
        """Read a URL, or "" for none; without a path it gets that of the protocol.

        Raises ValueError for anything else, and for credentials, which a process list would show.
        """
        if isinstance(value, cls):
            return value
        text = value if isinstance(value, str) else ""
        if value == "":
            return cls()
        parts = urlsplit(text)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"{masked(str(value))!r} is not a URL; expected http://HOST:4318")
        if "@" in parts.netloc:
            raise ValueError("credentials belong into OTEL_EXPORTER_OTLP_HEADERS, not into the URL")
        _ = parts.port  # raises ValueError if it is not a port
        return cls(text if parts.path.strip("/") else f"{text.rstrip('/')}/v1/traces")

    def __str__(self) -> str:
        return self.href


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

    otlp: CollectorUrl = _option(
        CollectorUrl(),
        "Send traces of URLs to this OpenTelemetry collector (OTLP over HTTP; extra otlp).",
        metavar="URL",
    )
    otlp_sample: float = _option(
        0.01, "Share of the URLs that --otlp traces (1: all).", least=0, most=1, unit=SHARE
    )

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
