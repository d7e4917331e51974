"""The manners of a crawl: what every host may expect of it, as values.

`Manners` are the limits that configuration sets for all hosts, `for_host` those of one, where the
configuration names it. What a host says itself (Crawl-delay, Retry-After) and what its answers show
comes on top, in `crawler.core.throttle`; nothing there allows more than what stands here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from crawler.model.config import CrawlConfig

LONGEST_CRAWL_DELAY = 60.0
"""Seconds. Crawl-delay is no part of RFC 9309; larger values are mistakes as often as wishes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """Limits towards one host, and how to behave when it is in trouble. Times are seconds.

    width: requests in flight; delay: between two starts; adapt: whether the width is learned.
    throttle, throttle_max: the first and the longest pause after a 429 that names none; forgive:
    quiet after which pauses begin small again; retry_after_max: the longest Retry-After that is
    waited for; patience, pauses: how long, and how often in a row, a host may ask for later without
    one good answer between (0: any). breaker: failures in a row after which a host is down
    (0: never); breaker_pause: longest time between two probes; give_up: how long its URLs wait for
    it. random: returns a float in [0, 1), for jitter.
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
    def of(cls, config: CrawlConfig, random: Callable[[], float]) -> Manners:
        """As the options say, for hosts that they do not name."""
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

    def overridden(self, values: dict[str, float]) -> Manners:
        """With `per_host` and `delay` of one host's own."""
        width = int(values.get("per_host", self.width))
        return replace(self, width=width, delay=values.get("delay", self.delay))
