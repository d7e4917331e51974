"""Every option of a load run, once: name, type, default, range and help.

Flags, TOML keys (`[load]`), environment variables (`CRAWLER_LOAD_RATE`) and tables derive from the
fields. Times are seconds, rates requests a second.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cache
from typing import Literal

from crawler.model.option import OptionError, Options, option
from crawler.model.units import RATE, SECONDS, SHARE

Engine = Literal["raw", "aiohttp"]
Arrivals = Literal["constant", "poisson"]
Late = Literal["queue", "drop"]

_LOAD, _REQUEST, _RUN = "Load", "Request", "Run"
MIN_RATE, MAX_RATE = 0.001, 1_000_000
MAX_CONNECTIONS = 50_000
MAX_PAUSE = 3_600

EXPECTED = "200-399"
"""Every status that is not an error (RFC 9110, 15); 1xx never ends an answer."""
_PART = re.compile(r"(?:([1-9]\d\d)(?:\s*-\s*([1-9]\d\d))?|([1-9])xx)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadConfig(Options):
    """The options of a load run; a value that exists is legal.

    The loop is open if `rate` or `stages` is given, closed otherwise. Raises `ConfigurationError`
    that names the option, its value and what it may be.
    """

    connections: int = option(
        _LOAD,
        64,
        "Connections: all busy in a closed loop, the maximum in an open one.",
        least=1,
        most=MAX_CONNECTIONS,
        short="-c",
        common=True,
    )
    rate: float = option(
        _LOAD,
        0.0,
        "Requests/s to send on schedule (open loop).",
        least=0,
        most=MAX_RATE,
        unit=RATE,
        common=True,
    )
    stages: str = option(
        _LOAD,
        "",
        "Rates in turn, with ramps between them: '10s:1000,30s:5000'.",
        metavar="TEXT",
        common=True,
    )
    arrivals: Arrivals = option(
        _LOAD, "constant", "Distribution of the gaps between requests of an open loop."
    )
    late: Late = option(
        _LOAD, "queue", "When every connection is busy: queue the request, or drop it."
    )
    think_time: str = option(
        _LOAD,
        "",
        "Pause between a response and a connection's next request (closed loop): '1s', '1s-3s'.",
        metavar="TIME",
    )
    duration: float = option(
        _LOAD,
        10.0,
        "Seconds to measure.",
        least=0.1,
        most=86_400,
        unit=SECONDS,
        short="-d",
        common=True,
    )
    requests: int = option(
        _LOAD,
        0,
        "Maximum requests (0: until the time is up).",
        least=0,
        most=10**12,
        short="-n",
        common=True,
    )
    warmup: float = option(
        _LOAD,
        0.0,
        "Seconds of load before the measurement.",
        least=0,
        most=3_600,
        unit=SECONDS,
        common=True,
    )
    method: str = option(
        _REQUEST,
        "",
        "Request method (default: GET, or POST with a body).",
        metavar="WORD",
        common=True,
    )
    header: tuple[str, ...] = option(
        _REQUEST,
        (),
        "Request header; repeatable.",
        metavar="'NAME: VALUE'",
        short="-H",
        common=True,
    )
    body: str = option(
        _REQUEST, "", "Request body; @FILE reads it from a file.", metavar="TEXT", common=True
    )
    data: str = option(
        _REQUEST,
        "",
        "CSV or JSON lines with the columns of templates: {{name}} in URL, header or body.",
        metavar="FILE",
    )
    sessions: bool = option(_REQUEST, False, "Keep the cookies of each connection.")
    keepalive: bool = option(_REQUEST, True, "Reuse connections.")
    timeout: float = option(
        _REQUEST,
        10.0,
        "Seconds to wait for a response.",
        least=0.01,
        most=3_600,
        unit=SECONDS,
        common=True,
    )
    expect_status: str = option(
        _REQUEST, EXPECTED, "Statuses that are not errors: '200-399,404', '2xx'.", metavar="LIST"
    )
    max_errors: float = option(
        _RUN,
        0.01,
        "Maximum share of failed requests; more fail the run and every threshold.",
        least=0,
        most=1,
        unit=SHARE,
    )
    engine: Engine = option(_RUN, "raw", "Client: bare protocol, or aiohttp as in applications.")
    processes: int = option(
        _RUN, 1, "Processes that share the load.", least=1, most=256, common=True
    )
    seed: int = option(
        _RUN, 0, "Seed of Poisson arrivals, list order and random values (0: the list's own order)."
    )
    target_is_mine: bool = option(
        _RUN, False, "Allow a target that is not on loopback.", common=True
    )

    def __post_init__(self) -> None:
        self.settle()
        if not self.method:
            object.__setattr__(self, "method", "POST" if self.body else "GET")
        if 0 < self.rate < MIN_RATE:
            raise OptionError("rate", f"{self.rate:g} is too small; the minimum is {MIN_RATE}")
        if self.rate and self.stages:
            raise OptionError("stages", "give a rate or stages, not both")
        if self.think_time and self.open_loop:
            problem = "an open loop keeps to its schedule; leave out --rate and --stages"
            raise OptionError("think_time", problem)
        checks = ("think_time", think_range), ("expect_status", statuses)
        for name, check in checks:
            try:
                check(getattr(self, name))
            except ValueError as error:
                raise OptionError(name, str(error)) from None

    @property
    def open_loop(self) -> bool:
        """True if requests leave on a schedule, whatever the server does."""
        return bool(self.rate or self.stages)


def think_range(text: str) -> tuple[float, float]:
    """Return the bounds of a pause such as `2s` or `500ms-2s`; no pause for "".

    Raises ValueError that says what was expected.
    """
    low, dash, high = text.partition("-")
    try:
        least = float(SECONDS.read(low)) if text else 0.0
        most = float(SECONDS.read(high)) if dash else least
    except ValueError:
        raise ValueError(f"{text[:40]!r} is not a pause; expected 2s or 500ms-2s") from None
    if not 0 <= least <= most <= MAX_PAUSE:
        raise ValueError(f"{text[:40]!r} is not a pause; expected 0 to {MAX_PAUSE} s, lower first")
    return least, most


@cache
def statuses(text: str) -> AbstractSet[int]:
    """Return the statuses that a text such as `200-399,404` or `2xx` names.

    Raises ValueError that says what was expected.
    """
    found: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part.strip())
        if match is None:
            raise ValueError(
                f"{part.strip()[:40]!r} is not a status; expected a list such as 200-399,404 or 2xx"
            )
        first = int(match[1] or f"{match[3]}00")
        last = int(match[2] or (match[1] or f"{match[3]}99"))
        if last < first:
            raise ValueError(f"{part.strip()!r} is empty; write the lower status first")
        found.update(range(first, last + 1))
    return frozenset(found)
