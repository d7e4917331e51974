"""The politeness options: the most that a crawl asks of one host."""

from __future__ import annotations

from dataclasses import dataclass

from crawler.model.choices import Robots
from crawler.model.hosts import HostTable
from crawler.model.option import Options, option
from crawler.model.units import SECONDS

_POLITENESS = "Politeness"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolitenessConfig(Options):
    """Request spacing and width, robots.txt, pauses and circuit breaker of a host."""

    robots: Robots = option(_POLITENESS, "obey", "Obey or ignore robots.txt.")
    per_host: int = option(
        _POLITENESS, 4, "Maximum requests in flight per host.", least=1, most=100_000
    )
    delay: float = option(
        _POLITENESS,
        0.25,
        "Seconds between the starts of two requests to a host.",
        least=0,
        most=86_400,
        unit=SECONDS,
    )
    per_ip: int = option(
        _POLITENESS,
        16,
        "Maximum requests in flight per IP address; 0 means no limit.",
        least=0,
        most=100_000,
    )
    ip_delay: float = option(
        _POLITENESS,
        0.05,
        "Seconds between two requests to an IP address.",
        least=0,
        most=86_400,
        unit=SECONDS,
    )
    hosts: HostTable = option(
        _POLITENESS,
        HostTable(),
        "Limits for a host, 'example.com: per_host=1, delay=5'; a table in TOML.",
        metavar="TEXT",
    )
    adapt: bool = option(
        _POLITENESS, True, "Start with few requests at once; add more while the host keeps up."
    )
    throttle: float = option(
        _POLITENESS,
        60.0,
        "Pause after a 429, in seconds; doubles each time.",
        least=0,
        most=86_400,
        unit=SECONDS,
    )
    throttle_max: float = option(
        _POLITENESS,
        3_600.0,
        "Maximum pause after a 429, in seconds.",
        least=0,
        most=86_400,
        unit=SECONDS,
    )
    forgive: float = option(
        _POLITENESS,
        600.0,
        "Seconds without a 429 after which these pauses reset.",
        least=0,
        most=86_400,
        unit=SECONDS,
    )
    retry_after_max: float = option(
        _POLITENESS,
        3_600.0,
        "Longest Retry-After to wait for, in seconds; longer ones end the host's URLs.",
        least=0,
        most=86_400,
        unit=SECONDS,
    )
    host_patience: float = option(
        _POLITENESS,
        1_800.0,
        "Maximum seconds that 429 and 503 pauses hold a host's URLs; 0 means no limit.",
        least=0,
        most=10**7,
        unit=SECONDS,
    )
    host_pauses: int = option(
        _POLITENESS,
        8,
        "Consecutive pauses before a host's URLs end as throttled; 0 means no limit.",
        least=0,
        most=10**6,
    )
    breaker: int = option(
        _POLITENESS,
        20,
        "Consecutive failures before a host's URLs wait for it to answer; 0 disables.",
        least=0,
        most=10**6,
    )
    breaker_pause: float = option(
        _POLITENESS,
        300.0,
        "Longest pause between probes of a host that is down, in seconds; the first is 1 s.",
        least=0,
        most=86_400,
        unit=SECONDS,
    )
    breaker_give_up: float = option(
        _POLITENESS,
        900.0,
        "Seconds that URLs wait for a lost host or network to return; 0 disables.",
        least=0,
        most=10**7,
        unit=SECONDS,
    )

    def __post_init__(self) -> None:
        self.settle()
