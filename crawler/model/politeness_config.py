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

    robots: Robots = option(_POLITENESS, "obey", "Obey or ignore robots.txt.", common=True)
    per_host: int = option(
        _POLITENESS,
        4,
        "Maximum requests in flight to one host.",
        least=1,
        most=100_000,
        common=True,
    )
    delay: float = option(
        _POLITENESS,
        0.25,
        "Seconds between the starts of two requests to one host.",
        least=0,
        most=86_400,
        unit=SECONDS,
        common=True,
    )
    per_ip: int = option(
        _POLITENESS,
        16,
        "Maximum requests in flight to one IP address (0: no limit).",
        least=0,
        most=100_000,
    )
    ip_delay: float = option(
        _POLITENESS,
        0.05,
        "Seconds between the starts of two requests to one IP address.",
        least=0,
        most=86_400,
        unit=SECONDS,
    )
    hosts: HostTable = option(
        _POLITENESS,
        HostTable(),
        "Limits of one host, 'example.com: per_host=1, delay=5'; a table in TOML.",
        metavar="TEXT",
    )
    adapt: bool = option(
        _POLITENESS,
        True,
        "Start with few requests at once to a host, and send more while it keeps up.",
    )
    throttle: float = option(
        _POLITENESS,
        60.0,
        "Seconds to pause a host after a 429; doubles with each further one.",
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
        "Seconds without a 429 after which the pauses start over.",
        least=0,
        most=86_400,
        unit=SECONDS,
    )
    retry_after_max: float = option(
        _POLITENESS,
        3_600.0,
        "Maximum Retry-After to wait for, in seconds; beyond it the host's URLs end.",
        least=0,
        most=86_400,
        unit=SECONDS,
    )
    host_patience: float = option(
        _POLITENESS,
        1_800.0,
        "Seconds that 429 and 503 pauses may hold up a host's URLs (0: no limit).",
        least=0,
        most=10**7,
        unit=SECONDS,
    )
    host_pauses: int = option(
        _POLITENESS,
        8,
        "Consecutive 429 and 503 pauses before a host's URLs end as throttled (0: no limit).",
        least=0,
        most=10**6,
    )
    breaker: int = option(
        _POLITENESS,
        20,
        "Consecutive failures before a host's URLs wait until it answers (0 disables).",
        least=0,
        most=10**6,
    )
    breaker_pause: float = option(
        _POLITENESS,
        300.0,
        "Maximum seconds between probes of a host that is down; the first comes after 1 s.",
        least=0,
        most=86_400,
        unit=SECONDS,
    )
    breaker_give_up: float = option(
        _POLITENESS,
        900.0,
        "Seconds that URLs wait for a host, or the network, that went down (0: not at all).",
        least=0,
        most=10**7,
        unit=SECONDS,
    )

    def __post_init__(self) -> None:
        self.settle()

    def of_host(self, key: str) -> PolitenessConfig:
        """Return the options for a host key, with the host's own limits."""
        limits = self.hosts.limits(key).items()
        return self.updated({n: int(v) if n == "per_host" else v for n, v in limits})
