"""The politeness options: what a crawl asks of one host at most."""

from __future__ import annotations

from dataclasses import dataclass

from crawler.model.choices import Robots
from crawler.model.hosts import HostTable
from crawler.model.option import Options, option
from crawler.model.units import SECONDS

_MANNERS = "Manners"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolitenessConfig(Options):
    """Spacing, width, robots.txt, pauses and circuit breaker of a host."""

    robots: Robots = option(_MANNERS, "obey", "What robots.txt is to the crawl.")
    per_host: int = option(
        _MANNERS, 4, "Requests in flight to one host at once.", least=1, most=100_000
    )
    delay: float = option(
        _MANNERS,
        0.25,
        "Seconds between the starts of two requests to one host.",
        least=0,
        most=86_400,
        unit=SECONDS,
    )
    per_ip: int = option(
        _MANNERS, 16, "In flight to one IP address; 0 does not count.", least=0, most=100_000
    )
    ip_delay: float = option(
        _MANNERS, 0.05, "The delay for one IP address.", least=0, most=86_400, unit=SECONDS
    )
    hosts: HostTable = option(
        _MANNERS,
        HostTable(),
        "Limits of one host, 'example.com: per_host=1, delay=5'; in TOML a table.",
        metavar="TEXT",
    )
    adapt: bool = option(
        _MANNERS, True, "Begin with few requests at once, more while the host bears it."
    )
    throttle: float = option(
        _MANNERS,
        60.0,
        "Seconds to leave a host alone after a 429; doubles each time.",
        least=0,
        most=86_400,
        unit=SECONDS,
    )
    throttle_max: float = option(
        _MANNERS, 3_600.0, "The longest of these pauses.", least=0, most=86_400, unit=SECONDS
    )
    forgive: float = option(
        _MANNERS,
        600.0,
        "Seconds without a 429 that let them begin anew.",
        least=0,
        most=86_400,
        unit=SECONDS,
    )
    retry_after_max: float = option(
        _MANNERS,
        3_600.0,
        "The longest Retry-After that is waited for; else the host is left.",
        least=0,
        most=86_400,
        unit=SECONDS,
    )
    host_patience: float = option(
        _MANNERS,
        1_800.0,
        "Seconds that a host may hold its URLs by 429 and 503 pauses alone; 0: any time.",
        least=0,
        most=10**7,
        unit=SECONDS,
    )
    host_pauses: int = option(
        _MANNERS,
        8,
        "Such pauses in a row before its URLs end as throttled; 0: any number.",
        least=0,
        most=10**6,
    )
    breaker: int = option(
        _MANNERS,
        20,
        "Failures in a row after which a host's URLs wait until it answers; 0: none.",
        least=0,
        most=10**6,
    )
    breaker_pause: float = option(
        _MANNERS,
        300.0,
        "Longest pause between two probes of a host that is down; the first comes after 1 s.",
        least=0,
        most=86_400,
        unit=SECONDS,
    )
    breaker_give_up: float = option(
        _MANNERS,
        900.0,
        "Seconds that URLs wait for a host, or the network, that was there; 0: not at all.",
        least=0,
        most=10**7,
        unit=SECONDS,
    )

    def __post_init__(self) -> None:
        self.settle()
