"""The politeness options: the most that a crawl asks of one host."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from crawler.model.choices import Robots
from crawler.model.hosts import HostTable
from crawler.model.option import Options, option
from crawler.model.units import SECONDS

_option = partial(option, "Politeness")
_seconds = partial(_option, least=0, most=86_400, unit=SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolitenessConfig(Options):
    """Request spacing and width, robots.txt, pauses and circuit breaker of a host."""

    robots: Robots = _option("obey", "Obey or ignore robots.txt.", common=True)
    per_host: int = _option(
        4, "Maximum requests in flight to one host.", least=1, most=100_000, common=True
    )
    delay: float = _seconds(
        0.25, "Seconds between the starts of two requests to one host.", common=True
    )
    per_ip: int = _option(
        16, "Maximum requests in flight to one IP address (0: no limit).", least=0, most=100_000
    )
    ip_delay: float = _seconds(
        0.05, "Seconds between the starts of two requests to one IP address."
    )
    hosts: HostTable = _option(
        HostTable(),
        "Limits of one host, 'example.com: per_host=1, delay=5'; a table in TOML.",
        metavar="TEXT",
    )
    adapt: bool = _option(
        True, "Start with few requests at once to a host, and send more while it keeps up."
    )
    throttle: float = _seconds(
        60.0, "Seconds to pause a host after a 429; doubles with each further one."
    )
    throttle_max: float = _seconds(3_600.0, "Maximum pause after a 429, in seconds.")
    forgive: float = _seconds(600.0, "Seconds without a 429 after which the pauses start over.")
    retry_after_max: float = _seconds(
        3_600.0, "Maximum Retry-After to wait for, in seconds; beyond it the host's URLs end."
    )
    host_patience: float = _seconds(
        1_800.0,
        "Seconds that 429 and 503 pauses may hold up a host's URLs (0: no limit).",
        most=10**7,
    )
    host_pauses: int = _option(
        8,
        "Consecutive 429 and 503 pauses before a host's URLs end as throttled (0: no limit).",
        least=0,
        most=10**6,
    )
    breaker: int = _option(
        20,
        "Consecutive failures before a host's URLs wait until it answers (0 disables).",
        least=0,
        most=10**6,
    )
    breaker_pause: float = _seconds(
        300.0, "Maximum seconds between probes of a host that is down; the first comes after 1 s."
    )
    breaker_give_up: float = _seconds(
        900.0,
        "Seconds that URLs wait for a host, or the network, that went down (0: not at all).",
        most=10**7,
    )

    def __post_init__(self) -> None:
        self.settle()

    def of_host(self, key: str) -> PolitenessConfig:
        """Return the options for a host key, with the host's own limits."""
        if not self.hosts.entries:
            return self
        limits = self.hosts.limits(key).items()
        return self.updated({n: int(v) if n == "per_host" else v for n, v in limits})
