"""Politeness of a crawl: the limits towards each host, as values.

`Politeness.of` gives the limits configured for all hosts, `overridden` those of a named host. A
host's own wishes (Crawl-delay, Retry-After) and its answers are added in `crawler.core.throttle`,
which never allows more than these.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from crawler.model.config import CrawlConfig

LONGEST_CRAWL_DELAY = 60.0
"""Maximum Crawl-delay in seconds. It is not part of RFC 9309; larger values are often mistakes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Politeness:
    """Limits towards one host, and reactions to its trouble. Times are seconds.

    width: requests in flight; delay: between two starts; adapt: learn the width. throttle,
    throttle_max: the first and the longest pause after a 429 that names none; forgive: quiet time
    that resets the pauses; retry_after_max: the longest Retry-After to wait for; patience, pauses:
    how long, and how often in a row, a host may ask for later without a good answer (0: no limit).
    breaker: consecutive failures after which a host is down (0: never); breaker_pause: longest time
    between two probes; give_up: how long its URLs wait for it. random: returns a float in [0, 1),
    for jitter.
    """

    width: int
    delay: float
    adapt: bool
    throttle: float
    throttle_max: float
    forgive: float
    retry_after_max: float
    patience: float
    pauses: int
    breaker: int
    breaker_pause: float
    give_up: float
    random: Callable[[], float]

    @classmethod
    def of(cls, config: CrawlConfig, random: Callable[[], float]) -> Politeness:
        """Return the limits for hosts that the options do not name."""
        return cls(
            width=config.politeness.per_host,
            delay=config.politeness.delay,
            adapt=config.politeness.adapt,
            throttle=config.politeness.throttle,
            throttle_max=config.politeness.throttle_max,
            forgive=config.politeness.forgive,
            retry_after_max=config.politeness.retry_after_max,
            patience=config.politeness.host_patience,
            pauses=config.politeness.host_pauses,
            breaker=config.politeness.breaker,
            breaker_pause=config.politeness.breaker_pause,
            give_up=config.politeness.breaker_give_up,
            random=random,
        )

    def overridden(self, values: dict[str, float]) -> Politeness:
        """Return the limits with one host's own `per_host` and `delay`."""
        width = int(values.get("per_host", self.width))
        return replace(self, width=width, delay=values.get("delay", self.delay))
